"""Slow adaptation: bounded, frozen in alarms, the same under MicroPython and CPython, and replayed from the journal."""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from offbeat.device import adaptation as board
from offbeat.device.adaptation import Adaptation, adapted, moved, restored
from offbeat.device.detector import Ring
from offbeat.device.modelfile import ModelError, parse
from offbeat.host.adapt import adapted_model
from offbeat.host.journal_records import decode
from offbeat.train.pipeline import Pipeline
from tests.device.test_commands import RATE, ask, lines, made_up, scores
from tests.device.test_journal import fetched
from tests.device.test_learning import Source, hum, learned
from tests.host.test_journal import record
from tests.parity.board import KERNELS, AppWorker, Worker, packed, started, unpacked
from tests.parity.models import make_case

PERIOD = 500  # windows
FAST = 22_500 * 60  # 2**-15 deviations an hour: 60 a window
FASTER = 22_500 * 200


@pytest.fixture(scope="module")
def workers() -> Iterator[list[Worker]]:
    with started(*KERNELS) as running:
        yield running


@pytest.fixture(scope="module", params=KERNELS)
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    with started(request.param) as (running,):
        yield running


@pytest.fixture(scope="module")
def model() -> bytes:
    return learned(Source(), hum(30_000, seed=1), seconds=300).model


def drifting(frames: int, growth: float, seed: int = 2) -> NDArray[np.int16]:
    """The hum, whose size grows by this factor until the end."""
    return (hum(frames, seed) * np.geomspace(1, growth, frames)[:, None]).astype(np.int16)


def follow(
    model: bytes, counts: NDArray[np.int16], period: int = PERIOD, follows: int = FAST
) -> tuple[Any, Adaptation]:
    """What CPython follows: [changed, alarm, score, drift] of each look, and the adaptation at the end."""
    parsed = parse(model)
    adaptation = Adaptation(parsed, period=period, follows=follows)
    ring = Ring(parsed.channels, parsed.window, parsed.hop)
    looks = []
    for row in counts:
        if ring.push(array("h", row.tolist())):
            adaptation.detector.window(ring)
            adaptation.window()
            if adaptation.due:
                changed = adaptation.commit()
                looks.append([changed, adaptation.alarm, adaptation.score, list(adaptation.drift)])
    return looks, adaptation


def test_micropython_and_cpython_follow_alike(workers: list[Worker], model: bytes) -> None:
    counts = drifting(40_000, 1.1)
    looks, found = follow(model, counts)
    assert sum(changed for changed, *_ in looks) >= 2
    payload = packed([model, json.dumps({"period": PERIOD, "follows": FAST}).encode(), counts.tobytes()])
    for each in workers:
        said, file, saved = unpacked(each.ask("follow", payload))
        assert json.loads(said) == looks
        assert (file, saved) == (adapted(model, found.drift), found.saved())


def test_the_adapted_file_is_what_the_board_scores_with(model: bytes) -> None:
    counts = drifting(40_000, 1.1)
    _, found = follow(model, counts)
    assert max(map(abs, found.drift)) >= board.STEP
    pipeline = Pipeline(parse(adapted(model, found.drift)))
    assert pipeline.model.meta["adapted_from"] == parse(model).identity
    later = hum(4_000, seed=8)
    ring = Ring(2, pipeline.window, pipeline.hop)
    own = []
    for row in later:
        if ring.push(array("h", row.tolist())):
            found.detector.window(ring)
            own.append(found.detector.score)
    assert own == pipeline.run(later).scores.tolist()
    ((features, score, window),) = pipeline.model.golden_windows()
    samples = np.frombuffer(window, "<i2").reshape(1, pipeline.window, 2)
    assert pipeline.score(samples) == [score] and pipeline.extract(samples).tobytes() == bytes(features)


def test_steady_running_is_not_worth_a_note(model: bytes) -> None:
    looks, found = follow(model, hum(60_000, seed=3), period=1500, follows=board.FOLLOWS)
    assert len(looks) == 2
    assert max(map(abs, found.drift)) < 20 and not found.alarm


def test_it_follows_no_faster_than_it_says(model: bytes) -> None:
    parsed = parse(model)
    found = Adaptation(parsed)
    assert found.period == 3600 * 100 // parsed.hop, "an hour"
    assert found.period // found._every * max(found._slew) / 32768 == pytest.approx(0.098, abs=0.001)
    for rate, hop in ((1000, 1), (400_000, 64), (3_333, 1)):
        parsed.rate_millihertz, parsed.hop = rate, hop
        found = Adaptation(parsed)
        assert 0.05 < found.period / found._every * max(found._slew) / 32768 <= 0.1001


def test_it_freezes_in_an_alarm(model: bytes) -> None:
    calm, loud = hum(2_000, seed=4), (6 * hum(20_000, seed=5)).astype(np.int16)
    _, before = follow(model, calm, follows=FASTER)
    _, after = follow(model, np.concatenate([calm, loud]), follows=FASTER)
    assert after.detector.decision.alarm
    moved_by = np.abs(np.array(after._following) - np.array(before._following)).max()
    assert moved_by <= 200 * 5, "what it takes until the alarm starts"


def test_too_far_is_an_alarm_with_its_reason_and_goes_no_further(model: bytes) -> None:
    counts = drifting(60_000, 2.2)
    looks, found = follow(model, counts, period=100, follows=FASTER)
    alarms = [alarm for _, alarm, _, _ in looks]
    assert alarms[0] is False and alarms[-1] is True
    assert all(score < board.LIMIT for _, alarm, score, _ in looks if not alarm)
    scorer = found._scorer
    for _, _, _, drift in looks:
        found._vector[: len(drift)] = array("h", drift)
        assert scorer.score(found._vector) < board.LIMIT, "what is followed stays inside the bound"
    found.commit()
    assert found.reasons(3)[0][2].startswith(("x.", "y."))
    assert restored(found.model, found.saved()).alarm is True


def test_what_comes_back_ends_the_alarm(model: bytes) -> None:
    out = drifting(40_000, 2.2)
    looks, _ = follow(model, np.concatenate([out, out[::-1], hum(20_000, 9)]), period=100, follows=FASTER)
    alarms = [alarm for _, alarm, _, _ in looks]
    assert True in alarms and alarms[-1] is False


def test_what_the_models_own_baseline_follows_counts_as_drift() -> None:
    source = Source(rate_millihertz=1000, units=("degC", "hPa"), scales=("0.01", "0.04"))
    model = parse(learned(source, hum(3000, size=2000.0), seconds=2500).model)
    assert len(model.baseline)
    found = Adaptation(model, period=10)
    assert list(found._slew) == [0] * len(found.drift)
    found.detector.features.baseline[0] = 256 * 8000
    found.commit()
    assert found.alarm and list(found.drift) == [0] * len(found.drift)


@pytest.mark.parametrize("damage", [b"", b"x", None])
def test_a_damaged_or_foreign_state_is_none(model: bytes, damage: bytes | None) -> None:
    parsed = parse(model)
    saved = Adaptation(parsed, [5] * len(parsed.features)).saved()
    assert list(restored(parsed, saved).drift) == [5] * len(parsed.features)
    for at in range(len(saved)):
        assert restored(parsed, saved[:at] + (damage or bytes([saved[at] ^ 1])) + saved[at + 1 :]) is None
    other = parse(learned(Source(), hum(7000, seed=50), seconds=60).model)
    assert restored(other, saved) is None


def test_a_drift_of_another_model_is_refused(model: bytes) -> None:
    with pytest.raises(ModelError, match="another number of features"):
        adapted(model, [1, 2])


def test_centres_move_by_whole_units_both_ways() -> None:
    case = make_case("gaussian", 32, 2, seed=11)
    pipeline = case.pipeline
    for drift in (-300, -1, 0, 1, 300):
        section = moved(case.model.standardize, [drift] * case.count)
        for j, scale in enumerate(pipeline.standardize):
            centre = int.from_bytes(section[8 * j : 8 * j + 4], "little", signed=True)
            if scale.multiplier:
                unit = 2.0 ** (scale.first_shift + scale.second_shift) / scale.multiplier
                limit = (1 << 29) - 1
                assert abs(centre - np.clip(scale.center + drift * unit, -limit, limit)) <= 0.5


# --- as the board does it ---


def board_at(worker: Worker, path: Path, model: bytes, journal: bool = True) -> AppWorker:
    path.write_bytes(model)
    about = {"journal": str(path.parent / "journal")} if journal else {}
    return AppWorker(worker, model, channels=2, rate_millihertz=RATE, path=str(path), **about)


def own_model() -> bytes:
    """Learned from the frames that the board's made-up source gives."""
    source = Source(("c0", "c1"), ("g", "g"), ("0.001", "0.001"), "made up", RATE)
    return learned(source, made_up(20_000), seconds=200).model


def test_the_heap_does_not_move_while_it_follows(worker: Worker, model: bytes) -> None:
    assert worker.ask("soak_following", packed([model, b'{"windows": 3000}'])) == b"0"


def test_it_is_switched_on_and_off(worker: Worker, tmp_path: Path) -> None:
    path, model = tmp_path / "model.beat", own_model()
    board = board_at(worker, path, model)
    assert ask(board, "ADAPT") == [("ACK", {"re": "7", "on": "0"})]
    assert ask(board, "ADAPT", on=1) == [("ACK", {"re": "7", "on": "1", "alarm": "0", "s": "0"})]
    assert Path(f"{path}.drift").exists()
    assert ask(board, "ADAPT", on=1)[0][1]["on"] == "1", "may be repeated"
    again = board_at(worker, path, model)
    assert ask(again, "ADAPT")[0][1]["on"] == "1", "outlives a restart"
    assert ask(again, "ADAPT", on=0) == [("ACK", {"re": "7", "on": "0"})]
    assert not Path(f"{path}.drift").exists()
    assert ask(again, "ADAPT", on="x") == [("NAK", {"re": "7", "why": "field"})]
    board_at(worker, path, model)
    assert ask(AppWorker(worker, b"", channels=2, rate_millihertz=RATE), "ADAPT", on=1)[0][1]["why"] == "model"


def test_a_model_that_remembers_is_refused(worker: Worker, tmp_path: Path) -> None:
    model = make_case("autoregressive", 32, 2, seed=11, rate=RATE / 1000).data
    board = board_at(worker, tmp_path / "model.beat", model)
    assert ask(board, "ADAPT", on=1) == [("NAK", {"re": "7", "why": "family"})]


def test_the_journal_replays_the_boards_own_model(worker: Worker, tmp_path: Path) -> None:
    """A note of drift on the board, in its journal, through the host's file, back to the very same model file."""
    path, model = tmp_path / "model.beat", own_model()
    parsed = parse(model)
    drift = [(-1) ** j * (10 + j) for j in range(len(parsed.features))]
    path.with_name("model.beat.drift").write_bytes(Adaptation(parsed, drift).saved())
    board = board_at(worker, path, model)
    assert ask(board, "ADAPT")[0][1]["on"] == "1"
    assert scores(board.step(3000)) == [
        (n, int(s), int(a)) for n, (s, a) in enumerate(zip(*_run(adapted(model, drift), made_up(3000)), strict=True))
    ], "the board scores with the centres where they were"
    worker.ask("drift", json.dumps([d + 9 for d in drift]).encode())
    said = lines(board.step(0))
    assert ("DRIFT", "0") in [(kind, fields.get("on")) for kind, fields in said]
    board.advance(2_000)
    board.step(0)
    rows = []
    for number, kind, payload in fetched(board, "events"):
        if kind == "drift":
            rows.append(payload)
            assert number
    log = tmp_path / "log.jsonl"
    records = _records(rows)
    log.write_text("".join(json.dumps({"kind": "drift", **values}) + "\n" for values in records))
    expected = adapted(model, [d + 9 for d in drift])
    assert adapted_model(path, log) == expected
    assert _file(board) == expected
    assert ask(board, "SELFTEST")[0][1]["passed"] == "1", "what the host sends is scored as commissioned"


def _run(model: bytes, counts: NDArray[np.int16]) -> tuple[list[int], list[int]]:
    found = Pipeline(parse(model)).run(counts)
    return found.scores.tolist(), found.alarm.tolist()


def _records(payloads: list[bytes]) -> list[dict[str, object]]:
    data = b"".join(record(n, 7, payload) for n, payload in enumerate(payloads, 1))
    return [each.values for each in decode(data, 0)]


def _file(board: AppWorker) -> bytes:
    found = b""
    while True:
        fields = ask(board, "MODEL", adapted=1, **{"from": len(found)})[0][1]
        found += base64.b64decode(fields.get("d", ""))
        if len(found) == int(fields["size"]):
            return found
