"""Windows without verdict, evidence, alarm pin and watchdog, under MicroPython, through the board's main loop.

The source gives made-up frames, or those that a test shows it, with the flags of a sensor that has failed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from offbeat.device import outputs
from offbeat.device.quality import REASONS
from offbeat.train.families.gaussian import Gaussian
from offbeat.train.features import Feature
from offbeat.train.modelfile import Decision, ModelParts, Standardize
from tests.device.test_commands import ask, lines, made_up, scores
from tests.parity.board import KERNELS, AppWorker, Worker, started
from tests.parity.models import Case, make_case

WINDOW, HOP, RATE = 32, 16, 100_000
LOST, BUS, RESTARTED, LATE = 1, 2, 4, 8
LOWEST, HIGHEST = -2048, 2047  # of the worker's source


@pytest.fixture(scope="module", params=KERNELS)
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    with started(request.param) as (running,):
        yield running


USUAL = Decision()


def watching(*kinds: tuple[str, int], decision: Decision = USUAL, meta: dict[str, str] | None = None) -> Case:
    """A Gaussian that scores the size of the features; a quiet window of the source scores low, a loud one high."""
    features = tuple(Feature(kind, channel) for kind, channel in kinds)
    scales = tuple(Standardize(4200 if f.kind != "mean" else 0, 16383, 0, 15) for f in features)
    unit = np.eye(len(features), dtype=np.int32) * 4096
    family = Gaussian(unit, np.full(len(features), 12, dtype=np.int32), 0, 32767).scaled_to(2 * 1500**2)
    parts = ModelParts(
        family.number, ("x", "y"), WINDOW, HOP, RATE / 1000, features, scales, family.parameters(), decision,
        meta=meta or {},
    )  # fmt: skip
    return Case(parts)


VIBRATION = (("rms", 0), ("mean_abs_difference", 0), ("rms", 1), ("mean_abs_difference", 1))


@pytest.fixture(scope="module")
def case() -> Case:
    return watching(*VIBRATION)


def board_with(worker: Worker, case: Case, **about: Any) -> AppWorker:
    return AppWorker(worker, case.data, channels=2, rate_millihertz=RATE, **about)


def said(output: bytes) -> list[str]:
    """SCORE and NOVERDICT lines in short: s for a score, else the reason and, where it is said, the channel."""
    found = []
    for kind, fields in lines(output):
        if kind == "SCORE":
            found.append("s")
        elif kind == "NOVERDICT":
            found.append(fields["why"] + fields.get("channel", ""))
    return found


def numbers(output: bytes) -> list[int]:
    return [int(fields["n"]) for kind, fields in lines(output) if kind in ("SCORE", "NOVERDICT")]


def show(board: AppWorker, frames: NDArray[np.int16], flags: dict[int, tuple[int, int]] | None = None) -> bytes:
    """Let the board take these frames; flags: (flags, lost) of some of them by place."""
    board.show([(frame, *(flags or {}).get(i, (0, 0))) for i, frame in enumerate(frames.tolist())])
    return board.step(len(frames))


def health(board: AppWorker) -> tuple[dict[str, str], dict[str, str]]:
    """HEALTH and COUNTS, which is empty where there is nothing to count."""
    answers = dict(ask(board, "HEALTH"))
    return answers["HEALTH"], answers.get("COUNTS", {})


def test_fit_windows_are_scored(worker: Worker, case: Case) -> None:
    board = board_with(worker, case)
    assert set(said(board.step(500))) == {"s"}
    found, counts = health(board)
    assert (found["unjudged"], found["lost"], found["overruns"], found["jitter"]) == ("0", "0", "0", "0")
    assert int(found["windows"]) == 1 + (500 - WINDOW) // HOP and counts == {}


@pytest.mark.parametrize(("flag", "why"), [(BUS, "bus"), (LATE, "jitter")])
def test_every_window_with_a_doubted_frame_has_no_verdict(worker: Worker, case: Case, flag: int, why: str) -> None:
    board = board_with(worker, case)
    frames = made_up(200)
    # windows end after frames 32, 48, 64 …: frame 50 lies in those that end after 64 and 80
    output = show(board, frames, {50: (flag, 0)})
    assert said(output) == ["s", "s", why, why] + ["s"] * 7
    assert numbers(output) == list(range(11))
    wanted = case.pipeline.run(frames).scores.tolist()
    assert [s for _, s, _ in scores(output)] == wanted[:2] + wanted[4:]
    found, counts = health(board)
    assert (found["windows"], found["unjudged"], counts[why]) == ("9", "2", "2")


@pytest.mark.parametrize("flag", [LOST, RESTARTED | LOST, LOST | BUS])
def test_no_window_spans_lost_samples(worker: Worker, case: Case, flag: int) -> None:
    board = board_with(worker, case)
    frames = made_up(200)
    output = show(board, frames, {70: (flag, 5)})
    # the window that ends after 64 is the last before the gap; behind it windows begin anew, as the trainer cuts them
    behind = 1 + (130 - WINDOW) // HOP
    assert said(output) == ["s"] * 3 + ["lost"] + ["s"] * behind
    assert numbers(output) == list(range(3 + 1 + behind))
    wanted = case.pipeline.run(frames[70:]).scores.tolist()
    assert [s for _, s, _ in scores(output)][3:] == wanted
    found, counts = health(board)
    assert (found["lost"], counts["lost"]) == ("5", "1")


def test_samples_that_are_lost_again_and_again_do_not_flood_the_line(worker: Worker, case: Case) -> None:
    board = board_with(worker, case)
    output = show(board, made_up(320), dict.fromkeys(range(2, 320, 2), (LOST, 1)))
    assert set(said(output)) == {"lost"} and len(said(output)) <= 320 // HOP
    found, counts = health(board)
    assert found["lost"] == "159" and found["unjudged"] == counts["lost"] == "159"
    assert len(set(numbers(output))) == len(said(output))


@pytest.mark.parametrize("end", [LOWEST, HIGHEST])
@pytest.mark.parametrize(("samples", "expected"), [(1, "s"), (2, "clipped1")])
def test_clipped_in_more_than_one_sample_of_twenty(
    worker: Worker, case: Case, end: int, samples: int, expected: str
) -> None:
    board = board_with(worker, case)
    frames = np.array(made_up(WINDOW + HOP))
    frames[[3, 9][:samples], 1] = end
    assert said(show(board, frames)) == [expected, "s"]
    assert health(board)[1].get("clipped", "0") == str(samples - 1)


def test_a_channel_that_must_move_and_does_not_is_stuck(worker: Worker, case: Case) -> None:
    board = board_with(worker, case)
    frames = np.array(made_up(5 * HOP))
    frames[HOP : 4 * HOP, 1] = 7
    assert said(show(board, frames)) == ["s", "stuck1", "stuck1", "s"]
    frames[:, :] = 3
    assert said(show(board, frames))[-1] == "stuck0"


@pytest.mark.parametrize(
    ("kinds", "meta", "expected"),
    [
        ((("rms", 0), ("mean_abs_difference", 0), ("mean", 1)), {}, "s"),  # its level is watched, not its vibration
        (VIBRATION, {"rests": "1"}, "s"),
        (VIBRATION, {"unseen": "1"}, "s"),
        (VIBRATION, {"rests": "0"}, "stuck1"),
        (VIBRATION, {"rests": "7,x,", "unseen": ""}, "stuck1"),
    ],
)
def test_a_channel_that_may_stand_still(
    worker: Worker, kinds: tuple[tuple[str, int], ...], meta: dict[str, str], expected: str
) -> None:
    board = board_with(worker, watching(*kinds, meta=meta))
    frames = np.array(made_up(WINDOW))
    frames[:, 1] = 7
    assert said(show(board, frames)) == [expected]


def test_an_alarm_outlasts_windows_without_verdict(worker: Worker) -> None:
    case = watching(*VIBRATION, decision=Decision(2, 2, 200, 0))
    board = board_with(worker, case, alarm_level=1)
    loud = np.array(made_up(6 * HOP)) * 60
    assert ("ALARM", "1") in [(kind, fields.get("on")) for kind, fields in lines(show(board, loud))]
    stuck = np.zeros((8 * HOP, 2), dtype=np.int16)
    during = lines(show(board, stuck))
    silent = [fields for kind, fields in during if kind == "NOVERDICT"]
    assert silent and {fields["a"] for fields in silent} == {"1"}
    assert not any(kind == "ALARM" for kind, _ in during)
    assert board.wiring()["levels"] == [0, 1], "the pin stays"
    ended = lines(board.step(6 * HOP))
    assert [fields["on"] for kind, fields in ended if kind == "ALARM"] == ["0"]
    assert board.wiring()["levels"] == [0, 1, 0]


def test_the_pin_may_be_drawn_low_by_an_alarm(worker: Worker) -> None:
    board = board_with(worker, watching(*VIBRATION, decision=Decision(1, 1, 200, 0)), alarm_level=0)
    assert board.wiring()["levels"] == [1]
    show(board, np.array(made_up(2 * HOP)) * 60)
    assert board.wiring()["levels"] == [1, 0]


def test_a_family_that_remembers_forgets_and_the_baseline_stays(worker: Worker) -> None:
    """What follows a window without verdict is scored as behind a gap, but for the slow baseline."""
    found = (make_case("autoregressive", WINDOW, 2, seed, rate=RATE / 1000) for seed in range(20))
    case = next(c for c in found if len(c.model.baseline) == 0 and c.model.hop >= 8)
    hop = case.model.hop
    frames = made_up(12 * WINDOW)
    at = 6 * WINDOW
    board = board_with(worker, case)
    output = show(board, frames, {at: (LOST, 3)})
    runs = [case.pipeline.run(frames[:at]).scores.tolist(), case.pipeline.run(frames[at:]).scores.tolist()]
    assert [s for _, s, _ in scores(output)] == runs[0] + runs[1]
    assert said(output).count("lost") == 1 and hop


def test_only_some_scores_are_said_and_every_alarm(worker: Worker) -> None:
    case = watching(*VIBRATION, decision=Decision(1, 1, 200, 0))
    board = board_with(worker, case, scores=4)
    output = board.step(20 * HOP)
    assert numbers(output) == [0, 4, 8, 12, 16]
    loud = show(board, np.array(made_up(3 * HOP)) * 60)
    assert "ALARM" in [kind for kind, _ in lines(loud)]
    assert next(fields["a"] for kind, fields in lines(loud) if kind == "SCORE") == "1", "a change is always said"
    none = board_with(worker, case, scores=0)
    assert numbers(none.step(20 * HOP)) == []
    stuck = none.step(0) + show(none, np.zeros((9 * HOP, 2), dtype=np.int16))
    assert said(stuck) == ["stuck0"], "the first of a run of them is said"


def test_heartbeat_has_its_period(worker: Worker, case: Case) -> None:
    board = board_with(worker, case, heartbeat=2)
    ups = []
    for _ in range(10):
        board.advance(1000)
        ups += [fields["up"] for kind, fields in lines(board.step(8)) if kind == "HEALTH"]
    assert ups == ["2", "4", "6", "8", "10"]


@pytest.mark.parametrize(("flags", "why"), [(0, "silent"), (BUS, "bus")])
def test_a_sensor_that_gives_nothing_is_told(worker: Worker, case: Case, flags: int, why: str) -> None:
    board = board_with(worker, case)
    board.step(100)
    board.set_flags(flags)
    told = []
    for _ in range(31):
        board.advance(1000)
        told += said(board.step(0))
    assert told == [why] * 2
    found, counts = health(board)
    assert found["unjudged"] == counts[why] == "2"
    board.set_flags(0)
    assert said(board.step(100))[0] == "s", "frames that follow one another are a window, however late"


def test_the_watchdog_is_fed_while_windows_are_judged(worker: Worker, case: Case) -> None:
    def fed(board: AppWorker, seconds: int, frames: NDArray[np.int16] | None, flag: int = 0) -> int:
        before = board.wiring()["fed"]
        for _ in range(seconds):
            board.advance(1000)
            if frames is None:
                board.step(0)
            else:
                show(board, frames, {0: (flag, 1)} if flag else None)
        return int(board.wiring()["fed"]) - before

    board = board_with(worker, case, watchdog=5000)
    good, stuck = made_up(100), np.zeros((100, 2), dtype=np.int16)
    assert fed(board, 20, good) >= 20
    assert fed(board, 20, stuck) >= 20, "the sampling works, and a restart mends no sensor that is torn off"
    assert fed(board, 20, None) == 4, "nothing comes"
    assert fed(board, 20, good[:20], LOST) == 0, "no window becomes whole"
    assert fed(board, 3, good) >= 2, "and it is fed again as soon as one does"
    assert ask(board, "RECORD", seconds=60)[0][0] == "ACK"
    assert fed(board, 20, None) >= 20, "a recording is no reason to restart"


def test_a_slow_sensors_first_window_is_waited_for(worker: Worker) -> None:
    """40 samples at 1 Hz: eight hops are 8 s, the window is 40 s."""
    parts = replace(make_case("gaussian", 40, 2, seed=3, rate=1.0).parts, hop=1)
    board = AppWorker(worker, Case(parts).data, channels=2, rate_millihertz=1000, watchdog=0)
    output = b""
    for second in range(60):
        before = board.wiring()["fed"]
        board.advance(1000)
        output += board.step(1)
        assert board.wiring()["fed"] > before, second
    assert said(output), "a verdict has come meanwhile"
    fed = []
    for _ in range(60):
        before = board.wiring()["fed"]
        board.advance(1000)
        board.step(0)
        fed.append(board.wiring()["fed"] > before)
    assert fed == [True] * 47 + [False] * 13, "nothing comes any more: a window and eight hops"


@pytest.mark.parametrize(
    ("window", "hop", "rate", "seconds"),
    [(32, 16, 400_000, 30), (40, 1, 1000, 48), (128, 64, 16, 40_000), (1024, 1024, 16, 576_000)],
)
def test_patience_is_a_window_and_eight_hops(window: int, hop: int, rate: int, seconds: int) -> None:
    assert outputs.patience_for(SimpleNamespace(window=window, hop=hop, rate_millihertz=rate)) == 1000 * seconds
    assert outputs.patience_for(None) == 30_000


def test_without_a_model_the_watchdog_is_fed(worker: Worker) -> None:
    board = AppWorker(worker, b"", channels=2, rate_millihertz=RATE, watchdog=5000)
    before = board.wiring()["fed"]
    for _ in range(20):
        board.advance(1000)
        board.step(10)
    assert board.wiring()["fed"] - before >= 20


def test_a_recording_has_a_gap_where_samples_were_lost(worker: Worker, case: Case) -> None:
    board = board_with(worker, case)
    ask(board, "RECORD", seconds=1)
    frames = made_up(90)
    output = show(board, frames, {40: (LOST, 10), 60: (BUS, 0)})
    rows: dict[int, list[int]] = {}
    for kind, fields in lines(output):
        if kind == "RAW":
            part = np.frombuffer(base64.b64decode(fields["d"]), "<i2").reshape(-1, 2)
            rows |= {int(fields["i"]) + i: row for i, row in enumerate(part.tolist())}
    assert sorted(rows) == [*range(40), *range(50, 100)]
    assert [rows[i] for i in sorted(rows)] == frames.tolist()
    assert lines(output)[-1] == ("MODE", {"mode": "score", "why": "done"}), "100 samples of time have passed"


def evidence_of(board: AppWorker, number: int) -> tuple[dict[str, str], NDArray[np.int16]]:
    ((kind, about),) = ask(board, "EVIDENCE", i=number)
    assert kind == "ACK"
    parts: list[NDArray[np.int16]] = []
    while sum(map(len, parts)) < int(about["frames"]):
        ((kind, fields),) = ask(board, "EVIDENCE", i=number, o=sum(map(len, parts)))
        assert kind == "ACK"
        parts.append(np.frombuffer(base64.b64decode(fields["d"]), "<i2").reshape(-1, 2))
    return about, np.concatenate(parts)


def loud_stretch(board: AppWorker) -> tuple[bytes, NDArray[np.int16]]:
    """Quiet, loud, quiet: one alarm; returns what was said and the frames."""
    quiet, loud = made_up(10 * HOP), np.array(made_up(3 * HOP)) * 60
    frames = np.concatenate([quiet, loud, quiet]).astype(np.int16)
    return show(board, frames), frames


def test_frames_around_an_alarm_are_kept_until_they_are_asked_for(worker: Worker) -> None:
    case = watching(*VIBRATION, decision=Decision(1, 1, 200, 0))
    board = board_with(worker, case, evidence=2)
    assert ask(board, "EVIDENCE") == [("ACK", {"re": "7", "raised": "0", "up": "0", "kept": ""})]
    board.advance(3000)
    output, frames = loud_stretch(board)
    (alarm,) = [fields for kind, fields in lines(output) if kind == "ALARM" and fields["on"] == "1"]
    assert "RAW" not in [kind for kind, _ in lines(output)], "nothing raw leaves the board by itself"
    assert ask(board, "EVIDENCE")[0][1]["kept"] == "1"
    about, found = evidence_of(board, 1)
    assert (about["n"], about["s"], about["at"]) == (alarm["n"], alarm["s"], "3")
    assert (about["frames"], about["after"]) == (str(WINDOW + 3 * HOP), str(HOP))
    end = WINDOW + HOP * int(alarm["n"])
    assert np.array_equal(found, frames[end - WINDOW - 2 * HOP : end + HOP])
    for _ in range(2):
        loud_stretch(board)
    assert ask(board, "EVIDENCE")[0][1] == {"re": "7", "raised": "3", "up": "3", "kept": "2,3"}
    assert ask(board, "EVIDENCE", i=1) == [("NAK", {"re": "7", "why": "gone"})]
    assert len(evidence_of(board, 3)[1]) == WINDOW + 3 * HOP


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"i": "x"}, "field"), ({"i": 9}, "gone"), ({"i": 1, "o": -1}, "field"), ({"i": 1, "o": 80}, "field")],
)
def test_a_wrong_question_for_evidence_is_refused(worker: Worker, fields: dict[str, Any], why: str) -> None:
    board = board_with(worker, watching(*VIBRATION, decision=Decision(1, 1, 200, 0)), evidence=1)
    loud_stretch(board)
    assert ask(board, "EVIDENCE", **fields) == [("NAK", {"re": "7", "why": why})]


def test_evidence_never_spans_a_gap(worker: Worker) -> None:
    case = watching(*VIBRATION, decision=Decision(1, 1, 200, 0))
    board = board_with(worker, case, evidence=1)
    loud = np.array(made_up(4 * HOP)) * 60
    # the alarm comes with the first window behind the gap; five frames later there is another one
    frames = np.concatenate([made_up(4 * HOP), loud]).astype(np.int16)
    show(board, frames, {4 * HOP: (LOST, 1), 4 * HOP + WINDOW + 5: (LOST, 1)})
    about, found = evidence_of(board, 1)
    assert np.array_equal(found, frames[4 * HOP : 4 * HOP + WINDOW + 5])
    assert about["after"] == "5"


def test_a_board_without_evidence_says_so(worker: Worker, case: Case) -> None:
    for board in (board_with(worker, case, evidence=0), AppWorker(worker, b"", channels=2, rate_millihertz=RATE)):
        assert ask(board, "EVIDENCE") == [("NAK", {"re": "7", "why": "evidence"})]


def test_every_reason_has_its_count(worker: Worker, case: Case) -> None:
    board = board_with(worker, case)
    show(board, np.zeros((WINDOW, 2), dtype=np.int16))
    ((kind, counts), _) = ask(board, "HEALTH")
    assert kind == "COUNTS" and list(counts) == ["errors", "restarts", *REASONS]
