"""Training from end to end: on simulated machines, and on the real recordings where they are."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from offbeat.train.budget import parse_budget
from offbeat.train.errors import InputError
from offbeat.train.evaluate import evaluate
from offbeat.train.recording import Recording, open_recording, write_recording
from offbeat.train.simulate import SimulatedStream, parse_fault, simulate, write_csv
from offbeat.train.training import Options, Training, train

FAMILIES = ("gaussian", "kmeans")


@pytest.fixture(scope="module")
def normal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "normal.csv"
    write_csv(SimulatedStream(seed=1), path, seconds=200)
    return path


@pytest.fixture(scope="module", params=FAMILIES)
def training(request: pytest.FixtureRequest, normal: Path) -> Training:
    return train([open_recording(normal)], Options(family=request.param, budget=parse_budget("1/hour")))


def write(path: Path, counts: np.ndarray, rate: float = 100.0, labels: np.ndarray | None = None) -> Path:
    channels = tuple("xyzuvw"[: counts.shape[1]])
    units, scales = ("g",) * len(channels), (0.001,) * len(channels)
    write_recording(path, Recording(path, counts.astype(np.int16), labels, channels, rate, scales, units))
    return path


@pytest.mark.parametrize("fault", ["imbalance", "bearing_outer", "misalignment"])
def test_finds_simulated_faults(training: Training, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "faulty.csv"
    write_recording(path, simulate(seconds=60, faults=(parse_fault(f"{fault}@30"),), seed=7))
    result = evaluate(training.pipeline, [open_recording(path)])
    assert result.auroc is not None and result.auroc > 0.97
    assert result.false_alarms == 0
    assert [d.fault for d in result.detections] == [fault]
    assert result.detections[0].delay is not None and result.detections[0].delay < 2


def test_integers_stay_close_to_the_float_model(training: Training) -> None:
    assert training.chosen.float_error < 8  # of 256


def test_same_seed_same_model(normal: Path, training: Training) -> None:
    again = train([open_recording(normal)], training.options)
    assert again.model == training.model


def test_faults_are_never_learned_from(tmp_path: Path) -> None:
    path, clean = tmp_path / "mixed.csv", tmp_path / "clean.csv"
    mixed = simulate(seconds=120, faults=(parse_fault("imbalance@80"),), seed=3)
    write_recording(path, mixed)
    write_recording(clean, simulate(seconds=80, seed=3))
    options = Options(family="gaussian")
    assert train([open_recording(path)], options).pipeline.standardize == (
        train([open_recording(clean)], options).pipeline.standardize
    )


def test_too_short(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    short = write(tmp_path / "short.csv", generator.normal(0, 100, (20, 2)))
    with pytest.raises(InputError, match="shorter than one window"):
        train([open_recording(short)])
    few = write(tmp_path / "few.csv", generator.normal(0, 100, (200, 2)))
    with pytest.raises(InputError, match="too few"):
        train([open_recording(few)])


def test_constant_channels(tmp_path: Path) -> None:
    counts = np.random.default_rng(0).normal(0, 100, (4000, 3))
    counts[:, 1], counts[:, 2] = 0, 7
    found = train([open_recording(write(tmp_path / "one.csv", counts))], Options(family="gaussian"))
    assert any("y is all zeros" in warning for warning in found.warnings)
    assert any("z is constant" in warning for warning in found.warnings)
    moving = counts[:640].astype(np.int16)
    quiet = found.pipeline.score(moving[None, :32])
    moving[:, 1] = np.random.default_rng(1).normal(0, 50, 640)
    assert quiet[0] < 256 < found.pipeline.score(moving[None, :32])[0]
    counts[:, 0] = 5
    with pytest.raises(InputError, match="every channel is constant"):
        train([open_recording(write(tmp_path / "all.csv", counts))])


@pytest.mark.parametrize("window", [4, 2000])
def test_window_out_of_range(normal: Path, window: int) -> None:
    with pytest.raises(InputError, match="out of range"):
        train([open_recording(normal)], Options(window=window))


def test_a_window_that_is_no_power_of_two_has_no_bands(normal: Path) -> None:
    found = train([open_recording(normal)], Options(family="gaussian", window=100))
    assert not any("band" in name for name in found.pipeline.names)
    assert any("power of two" in warning for warning in found.warnings)


def test_a_model_that_would_hardly_alarm_says_at_what_budget_it_would(tmp_path: Path) -> None:
    """Now and then the machine is moved: to stay within the budget, the threshold has to lie beyond that."""
    rng = np.random.default_rng(0)
    moved = np.repeat(rng.random(300) < 0.04, 64)[:, None]
    steps = rng.normal(0, 300, (19200, 2)) * moved * np.exp(rng.normal(0, 1, (300, 2))).repeat(64, axis=0)
    counts = rng.normal(0, 50, (19200, 2)) + moved * np.cumsum(steps, axis=0)
    recording = open_recording(write(tmp_path / "n.csv", np.clip(counts, -30000, 30000)))
    options = Options(family="gaussian", features="motion", window=32, hop=32)
    found = train([recording], options)
    told = next(re.search(r"finds only (\d+)% .*--false-alarms (\S+) it finds half", text) for text in found.warnings)
    assert told and int(told[1]) < 10
    again = train([recording], replace(options, budget=parse_budget(told[2])))
    assert again.chosen.mean_detected > 0.45 and again.calibration.supported
    assert not any("finds only" in text for text in again.warnings)
