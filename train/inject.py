"""Faults injected into a user's own normal windows, to choose between models where no fault was recorded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAULTS", "inject"]

Floats = NDArray[np.float64]


def _gain(centred: Floats, spread: Floats, generator: np.random.Generator) -> Floats:
    return centred * 1.3


def _tone(centred: Floats, spread: Floats, generator: np.random.Generator) -> Floats:
    windows, samples, _ = centred.shape
    cycles = generator.uniform(0.05, 0.45, (windows, 1, 1)) * np.arange(samples)[None, :, None]
    return centred + 0.7 * spread * np.sin(2 * np.pi * cycles)


def _impulses(centred: Floats, spread: Floats, generator: np.random.Generator) -> Floats:
    hits = generator.random(centred.shape[:2])[:, :, None] < 0.03
    return centred + 4 * spread * hits * generator.choice([-1, 1], centred.shape[:2])[:, :, None]


def _noise(centred: Floats, spread: Floats, generator: np.random.Generator) -> Floats:
    return centred + 0.7 * spread * generator.standard_normal(centred.shape)


def _offset(centred: Floats, spread: Floats, generator: np.random.Generator) -> Floats:
    return centred + 4 * spread


FAULTS: dict[str, Callable[[Floats, Floats, np.random.Generator], Floats]] = {
    "gain": _gain,
    "tone": _tone,
    "impulses": _impulses,
    "noise": _noise,
    "offset": _offset,
}
"""Faults by name. Severities: gain 1.3; a tone and white noise of 0.7 times the channel's RMS; impulses of
4 times the RMS on 3 % of the samples; an offset of 4 times the RMS."""


def inject(windows: NDArray[np.int16], fault: str, seed: int) -> NDArray[np.int16]:
    """Windows int16 [W, N, C] with a fault of FAULTS in every channel, saturated to int16."""
    generator = np.random.default_rng(seed)
    values = windows.astype(np.float64)
    mean = values.mean(axis=1, keepdims=True)
    centred = values - mean
    spread = centred.std(axis=1, keepdims=True)
    faulty = FAULTS[fault](centred, spread, generator) + mean
    return np.clip(np.round(faulty), -32768, 32767).astype(np.int16)
