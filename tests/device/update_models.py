"""Models that fit the sensor of update_cases.py: noise of 400 Hz on two channels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from offbeat.train.arithmetic import sine_table
from offbeat.train.families import FAMILIES
from offbeat.train.features import Feature, extract
from offbeat.train.modelfile import Decision, Golden, ModelParts, Standardize, build
from offbeat.train.pipeline import cut_windows, standardized

__all__ = ["fitted"]

_SCALES = "0.001,0.002"


def _noise(frames: int) -> NDArray[np.int16]:
    """What the script's sensor gives, int16 [n, 2]."""
    counts, state = [], 1
    for _ in range(2 * frames):
        state = (state * 8121 + 28411) % 134456
        counts.append((state >> 4) % 3000 - 1500)
    return np.array(counts, dtype=np.int16).reshape(frames, 2)


def _model(name: str, window: int, margin: int, golden: int) -> bytes:
    """RMS of both channels. margin: threshold over the largest score of normal noise."""
    features = tuple(Feature("rms", channel, 0, 0) for channel in range(2))
    windows = cut_windows(_noise(8000), window, 16)
    found = extract(windows, features, sine_table(window))
    scales = []
    for column in found.T:
        deviation = float(column.std()) + 1.0
        shift = min(15, int(np.floor(np.log2(16383 * deviation / 128))))
        scales.append(Standardize(round(column.mean()), min(16383, round(128 / deviation * 2**shift)), 0, shift))
    vectors = standardized(found, tuple(scales))
    family = FAMILIES["gaussian"].fit(vectors / 128.0, seed=0)
    family = family.scaled_to(margin * int(family.distances(vectors).max()))
    parts = ModelParts(
        family=family.number, channels=("x", "y"), window=window, hop=16, rate=400.0, features=features,
        standardize=tuple(scales), parameters=family.parameters(), decision=Decision(1, 2, 256, 0),
        meta={"name": name, "scales": _SCALES, "sensor": "noise"},
        golden=[Golden(w, f, int(s)) for w, f, s in zip(windows, found, family.score(vectors), strict=True)][:golden],
    )  # fmt: skip
    return build(parts)


def fitted() -> dict[str, bytes]:
    """Models by name: old and new, of which neither finds twice the noise odd; strict, which does; large, of more
    than two blocks of flash; small, of a few hundred bytes."""
    return {
        "old": _model("old", 32, 40, 1),
        "new": _model("new", 64, 40, 3),
        "strict": _model("strict", 32, 3, 1),
        "large": _model("large", 256, 400, 9),
        "small": _model("small", 32, 400, 0),
    }
