"""Windows that are not fit to learn from or to be judged: the board's rule, on recordings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from offbeat.device import quality
from offbeat.device.quality import CLIPPED, FIT, JITTER, LIMITS, REASONS, STUCK
from offbeat.train.budget import parse_budget
from offbeat.train.dataset import collect
from offbeat.train.errors import InputError
from offbeat.train.evaluate import evaluate, score_stretches
from offbeat.train.modelfile import Decision
from offbeat.train.quality import examine
from offbeat.train.recording import Recording, open_recording, read_recording, write_recording
from offbeat.train.simulate import SimulatedStream, parse_fault, simulate, write_csv
from offbeat.train.training import Options, Training, train
from tests.parity.models import make_case

OPTIONS = Options(family="gaussian", features="vibration", window=32, hop=16, budget=parse_budget("1/hour"))


def noise(rows: int, channels: int = 3, seed: int = 0) -> NDArray[np.int16]:
    return np.random.default_rng(seed).normal(0, 300, (rows, channels)).clip(-2000, 2000).astype(np.int16)


def written(path: Path, counts: NDArray[np.int16], labels: NDArray[np.str_] | None = None) -> Path:
    count = counts.shape[1]
    about = (tuple("xyz"[:count]), 100.0, (0.001,) * count, ("g",) * count)
    write_recording(path, Recording(path, counts, labels, *about, limits=((-2048, 2047),) * count))
    return path


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("clean") / "clean.csv", noise(20_000))


@pytest.fixture(scope="module")
def training(clean: Path) -> Training:
    return train([open_recording(clean)], OPTIONS)


def of_window(reasons: NDArray[np.int8]) -> dict[str, list[int]]:
    return {REASONS[r]: np.flatnonzero(reasons == r).tolist() for r in np.unique(reasons) if r != FIT}


def test_late_samples() -> None:
    late = np.zeros(200, dtype=bool)
    late[[0, 100]] = True
    reasons = examine(noise(200), late, 32, 16, (LIMITS,) * 3).reasons([True] * 3)
    assert of_window(reasons) == {"jitter": [0, 5, 6]}


def test_nothing_of_what_cannot_be_judged_is_learned(clean: Path, training: Training, tmp_path: Path) -> None:
    """Clipped and stuck windows change nothing but their number: as many clean ones give the same model."""
    spoilt = np.array(noise(20_000))
    spoilt[4096:4160, 1] = 2047
    spoilt[8192:8224, 0] = 77
    found = train([open_recording(written(tmp_path / "spoilt.csv", spoilt))], OPTIONS)
    assert found.windows.quality.unfit == {"jitter": 0, "clipped": 5, "stuck": 1}
    assert any("6 of 1249 normal windows are left out (5 clipped, 1 with a channel" in w for w in found.warnings)
    assert found.windows.normal_windows == training.windows.normal_windows - 6
    assert "rests" not in found.pipeline.model.meta
    for window in found.windows.samples:
        assert (window[:, 1] >= 2047).sum() < 2 and len(np.unique(window[:, 0])) > 1
    normal = np.concatenate([stretch.features for stretch in found.windows.normal])
    places = found.windows.places
    assert places.min() >= 0
    assert np.array_equal(found.pipeline.extract(found.windows.samples), normal[places])


def test_a_channel_that_rests_often_is_not_taken_for_stuck(tmp_path: Path) -> None:
    counts = np.array(noise(20_000))
    counts[2000:4000, 2] = 5
    found = train([open_recording(written(tmp_path / "rests.csv", counts))], OPTIONS)
    assert found.windows.quality.left_out == 0
    assert found.pipeline.model.meta["rests"] == "2"
    assert found.pipeline.must_move == (True, True, False)
    assert evaluate(found.pipeline, [open_recording(written(tmp_path / "again.csv", counts))]).unjudged == {}


def test_a_channel_that_never_moved_is_not_taken_for_stuck(tmp_path: Path) -> None:
    counts = np.array(noise(20_000))
    counts[:, 2] = 5
    found = train([open_recording(written(tmp_path / "dead.csv", counts))], OPTIONS)
    assert found.windows.quality.left_out == 0 and "rests" not in found.pipeline.model.meta
    assert found.pipeline.must_move == (True, True, False)


def test_what_is_mostly_clipped_is_refused(tmp_path: Path) -> None:
    counts = np.array(noise(20_000))
    counts[::8, 0] = -2048
    with pytest.raises(InputError, match=r"too few windows are left to train on: 1249 of 1249 normal .*clipped"):
        train([open_recording(written(tmp_path / "clipped.csv", counts))], OPTIONS)


def with_times(path: Path, times: NDArray[np.float64], decimals: int = 6) -> Path:
    rows = zip(times.tolist(), noise(len(times), 2).tolist(), strict=True)
    text = "".join(f"{t:.{decimals}f},{x},{y}\n" for t, (x, y) in rows)
    path.write_text("# scale: x=0.001 y=0.001\nt,x,y\n" + text)
    return path


def test_windows_with_late_samples_are_left_out(tmp_path: Path) -> None:
    times = np.arange(20_000) / 100
    times[[5000, 9000]] += 0.004
    times[7000] += 0.002
    found = train([open_recording(with_times(tmp_path / "late.csv", times))], OPTIONS)
    assert found.windows.quality.unfit == {"jitter": 4, "clipped": 0, "stuck": 0}


def test_times_that_were_rounded_are_not_late(tmp_path: Path) -> None:
    times = np.arange(20_000) / 444.4
    found = train([open_recording(with_times(tmp_path / "rounded.csv", times, 3))], OPTIONS)
    assert found.windows.quality.left_out == 0


def test_times_that_are_uneven_everywhere_are_used_with_a_warning(tmp_path: Path) -> None:
    times = np.arange(20_000) / 100
    times[::20] += 0.004
    found = train([open_recording(with_times(tmp_path / "uneven.csv", times))], OPTIONS)
    assert found.windows.quality.left_out == 0
    assert any("uneven in more than half of the windows" in warning for warning in found.warnings)


def test_evaluation_judges_what_the_board_judges(training: Training, tmp_path: Path) -> None:
    """An alarm outlasts windows without verdict, and none of them counts."""
    decision = Decision(2, 2, 200, 0)
    pipeline = training.pipeline
    pipeline.decision, before = decision, pipeline.decision
    counts = np.array(noise(3200, seed=5))
    labels = np.full(3200, "normal", dtype="U8")
    counts[800:1600] = (counts[800:1600].astype(int) * 4).clip(-2000, 2000)
    labels[800:1600] = "loud"
    counts[1120:1280, 0] = 2047
    counts[2400:2480, 1] = 3
    path = written(tmp_path / "faulty.csv", counts, labels)
    try:
        result = evaluate(pipeline, [open_recording(path)])
        reader, moving = open_recording(path), pipeline.must_move
        windows = collect([reader], pipeline.features, 32, 16, 0, lambda s: None, False, moving)
        (item,) = score_stretches(pipeline, windows.stretches)
    finally:
        pipeline.decision = before
    assert result.unjudged == {"clipped": 11, "stuck": 4}
    assert result.windows == 199 - 15 and result.alarms == 1 and result.false_alarms == 0
    assert [d.no_verdict for d in result.detections] == [""]
    unfit = ~item.stretch.fit
    assert item.alarm[unfit].tolist() == [True] * 11 + [False] * 4
    fit = pipeline.extract(np.stack([counts[s : s + 32] for s in item.stretch.starts[~unfit]]))
    assert item.scores[~unfit].tolist() == pipeline.family.score(pipeline.vectors(fit)).tolist()


def test_a_family_that_remembers_begins_anew_behind_a_window_without_verdict(tmp_path: Path) -> None:
    found = (make_case("autoregressive", 32, 2, seed, rate=100.0) for seed in range(40))
    case = next(c for c in found if len(c.model.baseline) == 0 and any(quality.must_move_in(c.model)))
    pipeline, hop = case.pipeline, case.model.hop
    counts = noise(32 * 20, 2)
    counts[300:400] = 9
    path = written(tmp_path / "r.csv", counts)
    windows = collect([open_recording(path)], pipeline.features, 32, hop, 0, lambda s: None, False, pipeline.must_move)
    (item,) = score_stretches(pipeline, windows.stretches)
    first, last = np.flatnonzero(~item.stretch.fit)[[0, -1]]
    behind = pipeline.run(counts[hop * (last + 1) :]).scores
    assert item.scores[last + 1 :].tolist() == behind.tolist()
    assert item.scores[:first].tolist() == pipeline.run(counts).scores[:first].tolist()


@pytest.fixture(scope="module")
def fan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Training]:
    path = tmp_path_factory.mktemp("fan") / "normal.csv"
    write_csv(SimulatedStream(seed=1), path, seconds=120)
    assert "# limits: x=-2048:2047 y=-2048:2047 z=-2048:2047\n" in path.read_text()
    yield train([open_recording(path)], Options(family="gaussian", budget=parse_budget("1/hour")))


def test_a_sensor_that_sticks_gets_no_verdict(fan: Training, tmp_path: Path) -> None:
    path = tmp_path / "stuck.csv"
    write_recording(path, simulate(seconds=60, faults=(parse_fault("stuck@30"),), seed=7))
    result = evaluate(fan.pipeline, [open_recording(path)])
    assert result.unjudged["stuck"] > 150 and result.false_alarms == 0
    assert [(d.fault, d.no_verdict) for d in result.detections] == [("stuck", "stuck")]


@pytest.mark.parametrize("name", ["r.csv", "r.parquet"])
def test_limits_come_with_the_recording(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / "r.csv", noise(100, 2))
    if name == "r.parquet":
        pa = pytest.importorskip("pyarrow")
        pq = pytest.importorskip("pyarrow.parquet")
        table = pa.table({"x": noise(100, 2)[:, 0], "y": noise(100, 2)[:, 1]})
        about = {"offbeat.rate": "100", "offbeat.limits": json.dumps({"x": "-2048:2047", "y": "-2048:2047"})}
        path = tmp_path / name
        pq.write_table(table.replace_schema_metadata(about), path)
    assert open_recording(path).limits == ((-2048, 2047),) * 2
    assert read_recording(path).limits == ((-2048, 2047),) * 2
    if name == "r.csv":
        assert open_recording(path, scale={"y": 0.002}).limits == ((-2048, 2047), (-1024, 1023))
        again = replace(read_recording(path), path=tmp_path / "again.csv")
        write_recording(again.path, again)
        assert again.path.read_text() == path.read_text()


@pytest.mark.parametrize("text", ["x=1", "x=5:1", "x=-40000:3", "x=a:b", "x=-2048:"])
def test_limits_that_are_none_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(f"# limits: {text}\nt,x\n0.00,1\n0.01,2\n0.02,4\n")
    with pytest.raises(InputError, match="which is no range of counts; mend that line"):
        open_recording(path)


def test_a_file_without_limits_has_those_of_int16(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("t,x\n0.00,1\n0.01,2\n0.02,4\n")
    assert open_recording(path).limits == (LIMITS,)
    assert read_recording(path).limits == ()


def test_the_numbers_of_the_rule() -> None:
    assert (quality.clipped(1, 20), quality.clipped(2, 20), quality.clipped(6, 128), quality.clipped(7, 128)) == (
        False, True, False, True,
    )  # fmt: skip
    assert (quality.late(250, 1000), quality.late(251, 1000)) == (False, True)
    assert {JITTER, CLIPPED, STUCK} < set(range(len(REASONS)))
