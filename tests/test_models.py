"""The models that ship do what their cards say, and their command makes them again."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from offbeat.train.decision import alarm_starts
from offbeat.train.modelfile import read_model
from offbeat.train.pipeline import Pipeline, cut_windows
from offbeat.train.resources import folder
from offbeat.train.simulate import MACHINES, parse_fault, simulate

MODELS = folder("models")


@pytest.mark.parametrize("machine", MACHINES)
def test_golden_vectors(machine: str) -> None:
    pipeline = Pipeline(read_model(MODELS / machine))
    golden = json.loads((MODELS / machine / "golden.json").read_text())
    assert golden["model"] == pipeline.model.identity
    assert pipeline.model.identity in (MODELS / machine / "card.md").read_text()
    windows = np.array([vector["window"] for vector in golden["vectors"]], dtype=np.int16)
    features = pipeline.extract(windows)
    np.testing.assert_array_equal(features, [vector["features"] for vector in golden["vectors"]])
    np.testing.assert_array_equal(pipeline.score(windows), [vector["score"] for vector in golden["vectors"]])
    for found, score, window in pipeline.model.golden_windows():
        counts = np.frombuffer(window, "<i2").reshape(1, pipeline.window, -1)
        np.testing.assert_array_equal(pipeline.extract(counts)[0], np.frombuffer(found, "<i4"))
        assert pipeline.score(counts)[0] == score


@pytest.mark.parametrize("machine", MACHINES)
def test_quiet_on_another_day_and_loud_on_a_fault(machine: str) -> None:
    pipeline = Pipeline(read_model(MODELS / machine))
    assert len(alarm_starts(pipeline.run(simulate(machine, seconds=300, seed=11).counts).alarm)) <= 1
    faulty = simulate(machine, seconds=60, seed=12, faults=(parse_fault("bearing_outer@30"),))
    alarm = pipeline.run(faulty.counts).alarm
    half = len(alarm) // 2
    assert not alarm[: half - 2].any() and alarm[half:].any()


def test_the_command_makes_the_same_model(tmp_path: Path) -> None:
    """Compared by scores: other versions of NumPy or scikit-learn may differ in a last bit of the fit."""
    spec = importlib.util.spec_from_file_location("make_models", MODELS / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.make("fan", tmp_path / "fan")
    shipped, again = (Pipeline(read_model(directory / "fan")) for directory in (MODELS, tmp_path))
    assert shipped.names == again.names
    counts = simulate("fan", seconds=30, seed=13, faults=(parse_fault("imbalance@15"),)).counts
    windows = cut_windows(counts, shipped.window, shipped.hop)
    one, two = shipped.score(windows).astype(float), again.score(windows).astype(float)
    np.testing.assert_allclose(one, two, rtol=0.02, atol=3)
