"""Learning on the board: what MicroPython learns is what CPython and NumPy make of the same frames."""

from __future__ import annotations

import base64
import json
import math
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chi2

from offbeat.device import commissioning, feature_sets, learning, moments_bytecode, threshold
from offbeat.device.commissioning import Commissioning, Plan, counts_a_unit, replay
from offbeat.device.modelfile import parse
from offbeat.device.moments import Moments
from offbeat.train.arithmetic import sine_table
from offbeat.train.decision import alarm_starts, alarms, level
from offbeat.train.families.gaussian import Gaussian
from offbeat.train.modelfile import Decision, Standardize
from offbeat.train.pipeline import Pipeline, cut_windows
from tests.device.test_commands import RATE, ask, lines, made_up
from tests.parity.board import KERNELS, PACKAGE, AppWorker, Worker, packed, started, unpacked

Counts = NDArray[np.int16]


@dataclass
class Source:
    """What a plan wants to know of a sensor."""

    channels: tuple[str, ...] = ("x", "y")
    units: tuple[str, ...] = ("g", "g")
    scales: tuple[str, ...] = ("0.001", "0.001")
    sensor: str = "made up"
    rate_millihertz: int = 100_000


def hum(frames: int, seed: int = 0, channels: int = 2, size: float = 300.0) -> Counts:
    """Noise in which channels share a part, int16 [frames, channels]."""
    generator = np.random.default_rng(seed)
    common = generator.standard_normal((frames, 1))
    return (size * (0.6 * common + generator.standard_normal((frames, channels))) + 40).astype(np.int16)


def learned(source: Source, counts: Counts, between: int = 0, **plan: Any) -> Commissioning:
    """What CPython learns of recorded frames."""
    return replay(Plan(source, **plan), array("h", np.ascontiguousarray(counts).tobytes()), between)


@pytest.fixture(scope="module")
def workers() -> Iterator[list[Worker]]:
    with started(*KERNELS) as running:
        yield running


def asked(worker: Worker, source: Source, counts: Counts, between: int = 0, **plan: Any) -> tuple[str, str, bytes]:
    """What MicroPython learns of recorded frames: stage, reason, model file."""
    about = json.dumps({"source": vars(source), "plan": plan, "between": between}).encode()
    stage, why, model = unpacked(worker.ask("learn", packed([about, np.ascontiguousarray(counts).tobytes()])))
    return stage.decode(), why.decode(), model


# --- the same file ---


@pytest.mark.parametrize("features", ["", "vibration", "all", "level"])
def test_micropython_and_cpython_learn_the_same_file(workers: list[Worker], features: str) -> None:
    counts = hum(6500, seed=len(features))
    found = learned(Source(), counts, 37, seconds=60, features=features)
    assert commissioning.STAGES[found.stage] == "done"
    for worker in workers:
        assert asked(worker, Source(), counts, 37, seconds=60, features=features) == ("done", "", found.model)
    assert parse(found.model).meta["between_frames"] == "37"


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 1 << 20), channels=st.integers(1, 4), size=st.sampled_from([0.3, 5.0, 900.0, 20000.0]),
    window=st.sampled_from([8, 16, 21, 64]), features=st.sampled_from(sorted(feature_sets.FEATURE_SETS)),
    kind=st.sampled_from(["noise", "steps", "one still", "extremes"]),
)  # fmt: skip
def test_random_frames_give_the_same_file(
    workers: list[Worker], seed: int, channels: int, size: float, window: int, features: str, kind: str
) -> None:
    hop = max(window // 2, 1)
    names = tuple(f"c{i}" for i in range(channels))
    source = Source(names, ("g",) * channels, ("0.001",) * channels)
    count = len(feature_sets.features_of(features, window, [False] * channels))
    frames = 2 * (window + hop * max(20, 2 * count)) + 20
    counts = np.clip(hum(frames, seed, channels, min(size, 9000.0)), -32768, 32767).astype(np.int16)
    if kind == "steps":
        counts += (np.arange(frames)[:, None] // 50 % 3 * 5000).astype(np.int16)
    elif kind == "one still":
        counts[:, 0] = 7
    elif kind == "extremes":
        counts = np.where(counts > 0, 32767, -32768).astype(np.int16)
    plan = {"seconds": frames // 100 + 1, "features": features, "window": window, "hop": hop}
    counts = np.concatenate([counts, counts])
    found = learned(source, counts, **plan)
    worker = workers[seed % len(workers)]
    assert asked(worker, source, counts, **plan) == (commissioning.STAGES[found.stage], found.why, found.model)


# --- against NumPy ---


def test_a_learned_model_is_what_numpy_fits_to_the_same_windows() -> None:
    counts = hum(16_100, seed=5)
    run = learned(Source(), counts, seconds=160, features="vibration")
    pipeline = Pipeline(parse(run.model))
    first = pipeline.extract(cut_windows(counts[:8000], pipeline.window, pipeline.hop))
    assert int(pipeline.model.meta["learned_windows"]) == len(first)
    centres = [scale.center for scale in pipeline.standardize]
    assert centres == np.floor(first.mean(axis=0) + 0.5).astype(int).tolist()
    units = [128 * 2.0 ** (s.first_shift + s.second_shift) / s.multiplier for s in pipeline.standardize]
    assert np.allclose(units, np.maximum(first.std(axis=0), 10), rtol=1e-3)
    z = (first - first.mean(axis=0)) / np.array(units)
    independent = len(first) * pipeline.hop // pipeline.window
    expected = _oas(z, independent)
    expected = np.linalg.inv(np.linalg.cholesky(expected + 1.1e-5 * np.eye(len(expected))))
    family = pipeline.family
    assert isinstance(family, Gaussian)
    found = family.weights / 2.0 ** (family.shifts - 1)[:, None]
    assert np.allclose(found, expected, atol=0.002 * np.abs(expected).max())


def _oas(z: NDArray[np.float64], windows: int) -> NDArray[np.float64]:
    """Oracle approximating shrinkage as if of so many windows (Chen et al., 2010, equation 23), in floats."""
    covariance = z.T @ z / len(z)
    count = len(covariance)
    square, trace = (covariance**2).sum(), np.trace(covariance)
    above = (1 - 2 / count) * square + trace**2
    share = min(above / ((windows + 1 - 2 / count) * (square - trace**2 / count)), 1.0)
    return (1 - share) * covariance + share * trace / count * np.eye(count)


def test_the_threshold_is_that_of_the_second_period() -> None:
    counts = hum(16_100, seed=6)
    run = learned(Source(), counts, seconds=160, every=10, budget="360/hour")
    pipeline = Pipeline(parse(run.model))
    assert pipeline.model.meta["threshold_basis"] == "ranks"
    assert pipeline.decision == Decision(), "the trainer's"
    start = pipeline.window + pipeline.hop * (run.plan.windows - 1)
    second = cut_windows(counts[start:], pipeline.window, pipeline.hop)[: run.plan.windows]
    scores = pipeline.score(second)
    assert (scores >= 256).any(), "ranks lie within what was seen"
    above = alarms(scores, pipeline.decision, 257)  # a score of 256 may be rounded up to it
    assert len(alarm_starts(above)) <= int(pipeline.model.meta["threshold_alarms"])


def test_golden_vectors_hold_in_numpy_and_show_no_sample() -> None:
    counts = hum(6500)
    pipeline = Pipeline(parse(learned(Source(), counts, seconds=60, features="all").model))
    ((features, score, window),) = pipeline.model.golden_windows()
    samples = np.frombuffer(window, "<i2").reshape(1, pipeline.window, 2)
    assert pipeline.extract(samples).tobytes() == bytes(features)
    assert pipeline.score(samples) == [score]
    assert counts.min(axis=0).tolist() <= samples[0].min(axis=0).tolist()
    assert not any((samples[0] == each).all() for each in cut_windows(counts, pipeline.window, 1))


@pytest.mark.parametrize("window", [16, 32, 64, 128, 256, 512, 1024])
def test_the_sine_table_is_the_trainers(window: int) -> None:
    assert learning.sine_section(window) == sine_table(window).astype("<i2").tobytes()


@given(st.integers(0, 1 << 200))
def test_roots_are_exact(value: int) -> None:
    assert learning.root(value) == math.isqrt(value)


def test_the_counting_bounds_are_garwoods() -> None:
    exact = [500 * chi2.ppf(0.95, 2 * (count + 1)) for count in range(threshold.KEPT)]
    assert list(threshold.COUNTS) == [math.ceil(bound) for bound in exact]


def test_the_reach_of_the_tail_is_as_it_says() -> None:
    for k, reach in enumerate(threshold.REACHES, 1):
        doubt = min(2 * k / chi2.ppf(0.05, 2 * k), 2.5)
        assert reach == round(256 * doubt * math.log(threshold.REACH * k / 3))


@pytest.mark.parametrize("windows", [90, 300, 1800])
def test_beyond_the_data_alarms_are_as_rare_as_it_says(windows: int) -> None:
    generator = np.random.default_rng(windows)
    runs, more = 30, 0
    for _ in range(runs):
        noise = generator.standard_normal((8 * windows + 1, 12))
        distances = (2048 * ((noise[1:] + noise[:-1]) ** 2).sum(axis=1)).astype(int)  # windows that overlap by half
        found = threshold.Threshold((3, 5, 224, 0))
        for distance in distances[:windows]:
            found.add(int(distance))
        value, _, by_counting = found.find(seconds=1, every=1000)
        assert not by_counting
        more += len(alarm_starts(alarms(distances[windows:], Decision(), value)))
    assert more / runs / 7 < 3 / threshold.REACH, "alarms in as much running again: a seventh of what counting shows"


@pytest.mark.parametrize(
    ("scale", "counts"),
    [("0.01", 100), ("1", 1), ("4", 0), ("0.003", 333), ("1e-05", 100000), ("2.5E-3", 400), ("", 1), ("x", 1),
     ("-1", 1), ("0", 1), ("1e999", 1), ("6.103515625e-05", 16384)],
)  # fmt: skip
def test_counts_in_a_unit(scale: str, counts: int) -> None:
    assert counts_a_unit(scale) == counts


# --- sums ---


VALUES = st.lists(st.integers(-40_000, 40_000), min_size=3, max_size=3)


@given(st.lists(VALUES, min_size=1, max_size=60))
def test_sums_are_exact_as_long_as_differences_fit(rows: list[list[int]]) -> None:
    rows = [[value // 3 for value in row] for row in rows]
    moments = Moments(3)
    for row in rows:
        moments.add(array("i", row))
    values = np.array(rows, dtype=object)
    assert [moments.unit(j) for j in range(3)] == [0] * 3
    for j in range(3):
        assert moments.centre(j) == math.floor(sum(values[:, j]) / len(rows) + 0.5)
        assert (moments.least[j], moments.most[j]) == (min(values[:, j]), max(values[:, j]))
        for k in range(3):
            expected = len(rows) * sum(values[:, j] * values[:, k]) - sum(values[:, j]) * sum(values[:, k])
            assert moments.scatter(j, k) == expected


@settings(deadline=None)
@given(st.integers(0, 1 << 20), st.integers(14, 24))
def test_coarser_units_keep_means_and_covariances(seed: int, bits: int) -> None:
    generator = np.random.default_rng(seed)
    rows = np.clip(generator.standard_normal((200, 2)) * 2.0**bits / 6, -(2**bits), 2**bits)
    rows[:, 1] = 0.5 * rows[:, 0] + rows[:, 1]
    rows = rows.astype(np.int64)
    moments = Moments(2)
    for row in rows:
        moments.add(array("i", row.tolist()))
    unit = 2.0 ** moments.unit(0)
    assert abs(moments.centre(0) - rows[:, 0].mean()) <= 2 * unit
    for j in range(2):
        for k in range(2):
            found = moments.scatter(j, k) * 2.0 ** (moments.unit(j) + moments.unit(k)) / 200**2
            assert found == pytest.approx(np.cov(rows.T, ddof=0)[j, k], abs=2e-3 * rows.std() ** 2)


def test_a_million_windows_stay_inside_the_words() -> None:
    moments = Moments(2)
    moments.add(array("i", [0, 0]))
    moments.windows = 1 << 20
    for at in range(2):
        moments._high[at] = (1 << 20) - 1
    for at in range(3):
        moments._product_high[at] = (1 << 29) - 1
    for _ in range(3):
        moments.add(array("i", [32767, -32767]))
    assert moments.unit(0) == moments.unit(1) == 1
    assert all(-(2**30) < word < 2**30 for word in [*moments._high, *moments._product_high])


@pytest.fixture(scope="module", params=["armv6m", "armv7m", "rv32imc"])
def machine_code(request: pytest.FixtureRequest) -> Any:
    from tests.parity.thumb import ThumbModule

    return ThumbModule(PACKAGE / "moments_viper.py", architecture=request.param)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 6))
def test_sums_agree_as_machine_code(machine_code: Any, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = count * (count + 1) // 2
    difference = rng.integers(-32767, 32768, count).astype(np.int16)
    high = rng.integers(-(2**29), 2**29, pairs).astype(np.int32)
    low = rng.integers(0, 2**15, pairs).astype(np.uint16)
    buffers = [machine_code.buffer(words) for words in (difference, high, low)]
    expected = [array(code, words.tolist()) for code, words in zip("hiH", (difference, high, low), strict=True)]
    moments_bytecode.add_products(*expected, count)
    machine_code.call("add_products", *buffers, count)
    for found, own in zip(buffers, expected, strict=True):
        assert found.array().tolist() == own.tolist()


# --- the threshold ---


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.integers(0, 40) | st.integers(0, 1 << 29), min_size=1, max_size=120), st.integers(1, 5),
    st.integers(0, 3), st.integers(1, 400),
)  # fmt: skip
def test_thresholds_keep_to_the_alarms_they_allow(distances: list[int], k: int, holdoff: int, every: int) -> None:
    decision = Decision(k, 5, 224, holdoff)
    found = threshold.Threshold((k, 5, 224, holdoff))
    for distance in distances:
        found.add(distance)
    levels = level(np.array(distances), decision)
    assert (found.peaks[0] if found.found else -1) == max(levels.max(), -1)
    value, count, by_counting = found.find(seconds=1000, every=every)
    starts = len(alarm_starts(alarms(np.array(distances), decision, value)))
    assert starts <= count
    assert by_counting == (2996 * every <= 1000 * 1000)
    if not by_counting:
        assert count == 0 and value >= 1.2 * max(levels.max(), 0)
    else:
        assert threshold.COUNTS[count] * every <= 1000 * 1000


def test_windows_on_either_side_of_a_gap_are_not_of_one_alarm() -> None:
    found = threshold.Threshold((3, 5, 224, 0))
    for distance in (9, 9, -1, 9, 9):
        found.gap() if distance < 0 else found.add(distance)
    assert found.found == 0


# --- what cannot be ---


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        ({"seconds": 5}, "short"),
        ({"seconds": 600, "window": 4}, "length"),
        ({"seconds": 600, "window": 64, "hop": 65}, "length"),
        ({"seconds": 600, "features": "smell"}, "features"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(plan: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=f"^{why}$"):
        Plan(Source(), **plan)


def test_usual_features_follow_rate_and_unit() -> None:
    def kinds(**about: Any) -> set[str]:
        source = Source(**about)
        plan = Plan(source, 7 * 86400)
        return {commissioning.KINDS[feature[0]] for feature in plan.features}

    assert kinds() == set(feature_sets.FEATURE_SETS["motion"])
    assert kinds(rate_millihertz=1000) == {"mean"}
    assert kinds(units=("degC", "hPa"), rate_millihertz=10_000) == {"mean", "rms"}


def test_channels_that_never_move(workers: list[Worker]) -> None:
    counts = hum(6500)
    counts[:, 1] = -3
    run = learned(Source(), counts, seconds=60)
    assert parse(run.model).meta["unseen"] == "1"
    counts[:, 0] = 5
    for worker in workers:
        assert asked(worker, Source(), counts, seconds=60) == ("failed", "still", b"")


def test_clipped_and_stuck_windows_are_not_learned_from(workers: list[Worker]) -> None:
    counts = hum(13_000)
    clean = learned(Source(), counts, seconds=120)
    bad = counts.copy()
    bad[1000:1400, 0] = 32767  # clipped: 26 windows
    bad[3000:3300, 1] = bad[3000, 1]  # stuck: 17
    run = learned(Source(), bad, seconds=120)
    assert run.skipped == sum(run.reasons[3:5]) and 24 <= run.reasons[3] <= 27 and 16 <= run.reasons[4] <= 18
    own, other = Pipeline(parse(run.model)), Pipeline(parse(clean.model))
    assert int(own.model.meta["learned_windows"]) == int(other.model.meta["learned_windows"]) - run.skipped
    for mine, theirs in zip(own.standardize, other.standardize, strict=True):
        assert _unit(mine) < 1.5 * _unit(theirs), "a window may hold one clipped sample of twenty, and no more"
    for worker in workers:
        assert asked(worker, Source(), bad, seconds=120) == ("done", "", run.model)


def _unit(scale: Standardize) -> float:
    return 2.0 ** (scale.first_shift + scale.second_shift) / scale.multiplier


def test_a_machine_that_starts_late_is_learned_from_there(workers: list[Worker]) -> None:
    counts = hum(13_000)
    counts[:2000] = (3, 4)
    run = learned(Source(), counts, seconds=120)
    model = parse(run.model)
    assert "unseen" not in model.meta
    assert run.plan.windows - 126 <= int(model.meta["learned_windows"]) <= run.plan.windows - 123
    assert asked(workers[0], Source(), counts, seconds=120)[2] == run.model
    late = hum(13_000)
    late[:7000, 1] = 3
    run = learned(Source(), late, seconds=120)
    assert (commissioning.STAGES[run.stage], run.why) == ("failed", "began")


def test_a_machine_that_stops_is_not_learned_from() -> None:
    counts = hum(13_000)
    counts[100:] = counts[100]
    run = learned(Source(), counts, seconds=120)
    assert (run.why, run.worst()) == ("few", "stuck")


def test_frames_that_are_lost_cost_their_window_and_time_goes_on() -> None:
    plan = Plan(Source(), 60)
    run = Commissioning(plan)
    for at, row in enumerate(hum(6500)):
        if at % 100 == 99:
            run.interrupt()
        run.take(array("h", row.tolist()))
        if run.windows >= plan.windows:
            break
    assert 2600 < at < 3400, "half of a minute, as without losses"
    assert run.skipped > 0 and run.worst() == "lost"
    run = Commissioning(plan)
    for _ in range(3100):
        run.interrupt()
        run.take(array("h", [1, 2]))
    assert run.windows >= plan.windows, "it ends where no window is ever whole"


def test_doubted_frames_are_not_learned_from() -> None:
    run = Commissioning(Plan(Source(), 60))
    for at, row in enumerate(hum(1000)):
        run.take(array("h", row.tolist()), 1 if at == 500 else -1)
    assert run.skipped == 2 and run.worst() == "bus", "the windows that this frame is in"


# --- as the board does it ---


@pytest.fixture(scope="module", params=KERNELS)
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    with started(request.param) as (running,):
        yield running


def board_at(worker: Worker, path: Path, model: bytes = b"") -> AppWorker:
    return AppWorker(worker, model, channels=2, rate_millihertz=RATE, path=str(path))


def begin(board: AppWorker, **fields: Any) -> list[tuple[str, dict[str, str]]]:
    return ask(board, "LEARN", 5, **{"seconds": 60, "every": 86400, "budget": "1/day", **fields})


def run_to_the_end(board: AppWorker) -> list[tuple[str, dict[str, str]]]:
    said: list[tuple[str, dict[str, str]]] = []
    for _ in range(400):
        board.advance(500)
        said += lines(board.step(50))
        if any(kind == "MODE" for kind, _ in said):
            break
    return said


def test_a_board_without_a_model_learns_one_and_scores_with_it(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "model.beat"
    board = board_at(worker, path)
    said = begin(board, name="pump%202")
    assert said[0] == ("MODE", {"mode": "learn", "why": "asked"})
    assert said[1][0] == "ACK" and said[1][1]["windows"] == "186" and said[1][1]["features"] == "7"
    assert board.state()["mode"] == "learn"
    said = run_to_the_end(board)
    stages = [fields["stage"] for kind, fields in said if kind == "LEARN"]
    assert list(dict.fromkeys(stages)) == ["learn", "compute", "threshold", "done"]
    model = parse(path.read_bytes())
    assert said[-1] == ("MODE", {"mode": "score", "why": "learned"})
    assert [fields["model"] for kind, fields in said if fields.get("stage") == "done"] == [model.identity]
    assert (model.name, model.meta["sensor"], model.meta["scales"]) == ("pump 2", "made up", "0.001,0.001")
    assert "SCORE" in [kind for kind, _ in lines(board.step(200))]
    assert ask(board, "SELFTEST") == [("ACK", {"re": "7", "passed": "1", "of": "1"})]
    assert ask(board, "HELLO")[-1][1]["model"] == model.identity
    assert not Path(f"{path}.new").exists()


def test_the_model_file_is_sent_as_it_is(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "model.beat"
    board = board_at(worker, path)
    assert ask(board, "MODEL", **{"from": 0}) == [("NAK", {"re": "7", "why": "model"})]
    content = bytes(range(256)) + b"end"
    path.write_bytes(content)
    found = b""
    while len(found) < len(content):
        ((kind, fields),) = ask(board, "MODEL", **{"from": len(found)})
        assert (kind, fields["size"]) == ("ACK", str(len(content)))
        found += base64.b64decode(fields["d"])
    assert found == content
    assert ask(board, "MODEL", **{"from": 9999})[0][1] == {"re": "7", "size": str(len(content))}


def test_learning_is_stopped_and_the_old_model_goes_on(worker: Worker, tmp_path: Path) -> None:
    old = learned(Source(("c0", "c1"), sensor="made up"), hum(6500), seconds=60).model
    board = board_at(worker, tmp_path / "model.beat", old)
    begin(board)
    board.step(500)
    assert ask(board, "RECORD", seconds=5) == [("NAK", {"re": "7", "why": "learn"})]
    said = ask(board, "LEARN", 9, stop=1)
    assert [kind for kind, _ in said] == ["LEARN", "MODE", "ACK"]
    assert said[1] == ("MODE", {"mode": "score", "why": "stopped"})
    assert "SCORE" in [kind for kind, _ in lines(board.step(200))]
    assert ask(board, "LEARN", 9, stop=1) == [("ACK", {"re": "9"})], "may be repeated"
    assert not (tmp_path / "model.beat").exists()


def test_a_sensor_that_falls_silent_ends_it(worker: Worker, tmp_path: Path) -> None:
    board = board_at(worker, tmp_path / "model.beat")
    begin(board)
    board.step(500)
    said = []
    for _ in range(6):
        board.advance(2000)
        said += lines(board.step(0))
    assert ("MODE", {"mode": "idle", "why": "silent"}) in said


def test_flash_that_refuses_leaves_the_old_file(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "model.beat"
    path.write_bytes(b"old")
    (tmp_path / "model.beat.new").mkdir()
    board = board_at(worker, path)
    begin(board)
    assert run_to_the_end(board)[-1] == ("MODE", {"mode": "idle", "why": "flash"})
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"seconds": 0}, "field"),
        ({"seconds": 7 * 86400 + 1}, "field"),
        ({"seconds": 5}, "short"),
        ({"every": "x"}, "field"),
        ({"window": 5000}, "field"),
        ({"window": 4}, "length"),
        ({"features": "smell"}, "features"),
    ],
)
def test_wrong_requests_are_refused(worker: Worker, tmp_path: Path, fields: dict[str, Any], why: str) -> None:
    board = board_at(worker, tmp_path / "model.beat")
    assert begin(board, **fields) == [("NAK", {"re": "5", "why": why})]
    assert board.state()["mode"] == "idle"


def test_a_board_with_nowhere_to_put_a_model_says_so_at_once(worker: Worker) -> None:
    assert begin(AppWorker(worker, b"", channels=2, rate_millihertz=RATE)) == [("NAK", {"re": "5", "why": "flash"})]


def test_the_heap_does_not_move_while_it_learns(worker: Worker) -> None:
    about = {"channels": 2, "seconds": 200, "features": "all"}
    for windows, grown in json.loads(worker.ask("soak_learning", json.dumps(about).encode())):
        assert windows > 100
        assert grown == 0


def test_what_is_learned_live_is_what_the_recorded_frames_give(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "model.beat"
    board = board_at(worker, path)
    begin(board, name="learned")
    run_to_the_end(board)
    model = path.read_bytes()
    source = Source(("c0", "c1"), ("g", "g"), ("0.001", "0.001"), "made up", RATE)
    again = learned(source, made_up(20_000), int(parse(model).meta["between_frames"]), seconds=60)
    assert again.model == model
    assert struct.unpack_from("<4s", model)[0] == b"BEAT"
