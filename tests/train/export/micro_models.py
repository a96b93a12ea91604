"""Models for the micro:bit's accelerometer, made of noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from offbeat.train.arithmetic import sine_table
from offbeat.train.families import FAMILIES
from offbeat.train.features import Feature, extract
from offbeat.train.modelfile import Decision, ModelParts, Standardize, build
from offbeat.train.pipeline import cut_windows, standardized

__all__ = ["AXES", "BANDS", "HOP", "MOTION", "RATE", "SCALE", "WINDOW", "hum", "microbit_model"]

AXES = ("x", "y", "z")
RATE, WINDOW, HOP, SCALE = 50.0, 32, 16, 0.001

_PLAIN = ("mean", "rms", "mean_abs_difference")
MOTION = tuple(
    feature
    for channel in range(3)
    for feature in (
        *(Feature("correlation", channel, other) for other in range(channel + 1, 3)),
        *(Feature(kind, channel) for kind in _PLAIN),
    )
)
"""The twelve features of three axes that `offbeat train --features motion` takes."""

BANDS = tuple(Feature("band", channel, 1 + 2 * i, 2) for channel in range(3) for i in range(6))
"""More than fits: a spectrum takes code."""


def hum(frames: int, seed: int = 0, size: float = 200.0) -> NDArray[np.int16]:
    """Noise around gravity, int16 [frames, 3]."""
    generator = np.random.default_rng(seed)
    return (np.array([20, -30, 1000]) + size * generator.standard_normal((frames, 3))).astype(np.int16)


def microbit_model(features: Sequence[Feature] = MOTION, rate: float = RATE, sensor: str = "MMA8653") -> bytes:
    """A Gaussian model file: the hum is normal, three times the hum is not."""
    windows = cut_windows(hum(4000), WINDOW, HOP)
    found = extract(windows, features, sine_table(WINDOW))
    scales = tuple(Standardize(int(value), 8192, 0, 13) for value in found.mean(axis=0))
    family = FAMILIES["gaussian"].fit(standardized(found, scales) / 128.0, seed=0)
    family = family.scaled_to(2 * int(family.distances(standardized(found, scales)).max()))
    parts = ModelParts(
        family=family.number, channels=AXES, window=WINDOW, hop=HOP, rate=rate, features=tuple(features),
        standardize=scales, parameters=family.parameters(), decision=Decision(2, 3, 224, 0),
        meta={"name": "desk", "scales": ",".join([str(SCALE)] * 3), "sensor": sensor, "units": "g,g,g"},
    )  # fmt: skip
    return build(parts)
