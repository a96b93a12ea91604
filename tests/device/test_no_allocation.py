"""10,000 windows through the main loop leave the heap exactly as it was, in viper and in bytecode."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from offbeat.train.families.gaussian import Gaussian
from offbeat.train.families.kmeans import KMeans
from offbeat.train.features import KINDS, Feature
from offbeat.train.modelfile import Decision, ModelParts, Standardize
from tests.parity.board import KERNELS, Worker, packed, started
from tests.parity.models import Case

_WINDOWS = 10_000
_CHANNELS = 2


@pytest.fixture(scope="module", params=KERNELS)
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    with started(request.param) as (running,):
        yield running


def every_kind(family: str) -> Case:
    """Every feature kind on both channels; the loud stretches of the source raise an alarm, the quiet end it."""
    kinds = [(kind, 1, 5) if kind == "band" else (kind, 0, 0) for kind in KINDS]
    kinds = [("correlation", 0, 0), *(kind for kind in kinds if kind[0] != "correlation")]
    features = tuple(
        Feature(kind, c, {"correlation": 1 - c, "change": 3}.get(kind, first), bins)
        for c in range(_CHANNELS) for kind, first, bins in kinds
    )  # fmt: skip
    count = len(features)
    at_home = {"rms": 4200, "peak_to_peak": 6000, "mean_abs_difference": 4400, "band": 7000}
    scales = tuple(Standardize(at_home.get(f.kind, 0), 16383 if f.kind == "rms" else 0, 0, 15) for f in features)
    if family == "gaussian":
        unit = np.eye(count, dtype=np.int32) * 4096
        fitted = Gaussian(unit, np.full(count, 12, dtype=np.int32), 0, 32767).scaled_to(2 * 1500**2)
    else:
        fitted = KMeans(np.zeros((2, count), np.int32), np.full(2, 1500.0**2), *np.zeros((2, 2), np.int32))
        fitted = fitted.scaled_to(16384)
    parts = ModelParts(
        fitted.number,
        ("x", "y"),
        16,
        4,
        1000.0,
        features,
        scales,
        fitted.parameters(),
        Decision(2, 3, 200, 1),
        baseline=(5,) * count,
    )
    return Case(parts)


@pytest.mark.parametrize(("family", "keeps_a_journal"), [("gaussian", False), ("kmeans", False), ("gaussian", True)])
def test_heap_in_use_does_not_move(worker: Worker, family: str, keeps_a_journal: bool, tmp_path: Path) -> None:
    model = every_kind(family).data
    about = {
        "windows": _WINDOWS,
        "channels": _CHANNELS,
        "rate_millihertz": 1_000_000,
        "loud_every": 300,
        "spoilt_every": 4321,
    }
    about["journal"] = str(tmp_path / "journal") if keeps_a_journal else ""
    found = json.loads(worker.ask("soak", packed([model, json.dumps(about).encode()])))
    assert found["windows"] >= _WINDOWS
    assert found["alarms"] >= 100, "alarms with their reasons are part of what must not allocate"
    assert found["lines"] > found["windows"]
    assert found["lost"] == 0
    assert min(found["reasons"][:5]) > 0, "windows without verdict, for every reason, are part of it"
    assert found["raised"] > 2 and found["kept"] == 2 and found["fed"] > 0 and found["health"] > 10
    if keeps_a_journal:
        scored = found["windows"] - sum(found["reasons"])
        assert found["summed"] == scored, "each score was added to the minute's summary"
        assert found["noted"] > 0
    assert len(set(found["in_use"])) == 1, f"bytes in use after each tenth: {found['in_use']}"
