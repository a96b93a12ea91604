"""Faults injected into a user's own normal windows, to choose between models where no fault was recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAULTS", "PROCESS_FAULTS", "SEVERITIES", "Fault", "inject", "inject_from"]

Floats = NDArray[np.float64]
Change = Callable[[Floats, Floats, Floats, float, np.random.Generator], Floats]


def _gain(centred: Floats, spread: Floats, hit: Floats, size: float, generator: np.random.Generator) -> Floats:
    return centred * (1 + (size - 1) * hit)


def _offset(centred: Floats, spread: Floats, hit: Floats, size: float, generator: np.random.Generator) -> Floats:
    return centred + size * spread * hit * generator.choice([-1, 1], (len(centred), 1, 1))


def _tone(centred: Floats, spread: Floats, hit: Floats, size: float, generator: np.random.Generator) -> Floats:
    windows, samples, channels = centred.shape
    cycles = generator.uniform(1.5 / samples, 0.45, (windows, 1, 1)) * np.arange(samples)[None, :, None]
    phase = generator.random((windows, 1, channels))
    return centred + size * spread * hit * np.sqrt(2) * np.sin(2 * np.pi * (cycles + phase))


def _impulses(centred: Floats, spread: Floats, hit: Floats, size: float, generator: np.random.Generator) -> Floats:
    windows, samples, _ = centred.shape
    rate = generator.uniform(0.05, 0.2, (windows, 1, 1))
    passed = np.floor(np.arange(-1, samples)[None, :, None] * rate + generator.random((windows, 1, 1)))
    return centred + size * spread * hit * (np.diff(passed, axis=1) > 0)


def _noise(centred: Floats, spread: Floats, hit: Floats, size: float, generator: np.random.Generator) -> Floats:
    return centred + size * spread * hit * generator.standard_normal(centred.shape)


def _stuck(centred: Floats, spread: Floats, hit: Floats, size: float, generator: np.random.Generator) -> Floats:
    start = round(centred.shape[1] * (1 - size))
    result = centred.copy()
    result[:, start:] = np.where(hit > 0, centred[:, start : start + 1], centred[:, start:])
    return result


def _dropout(centred: Floats, spread: Floats, hit: Floats, size: float, generator: np.random.Generator) -> Floats:
    lost = generator.random((*centred.shape[:2], 1)) < size
    return np.where(lost & (hit > 0), 0.0, centred)


def _drift(centred: Floats, spread: Floats, hit: Floats, size: float, generator: np.random.Generator) -> Floats:
    ramp = np.linspace(-1, 1, centred.shape[1])[None, :, None]
    return centred + size * spread * hit * ramp * generator.choice([-1, 1], (len(centred), 1, 1))


def _warp(centred: Floats, spread: Floats, hit: Floats, size: float, generator: np.random.Generator) -> Floats:
    last = centred.shape[1] - 1
    at = np.arange(last + 1) * size
    at = np.where(at > last, 2 * last - at, at)  # past the end the window runs backwards
    low = np.floor(at).astype(int)
    part = (at - low)[None, :, None]
    return centred[:, low] * (1 - part) + centred[:, np.minimum(low + 1, last)] * part


def _ramp(centred: Floats, spread: Floats, hit: Floats, size: float, generator: np.random.Generator) -> Floats:
    ramp = np.linspace(0, 1, centred.shape[1])[None, :, None]
    return centred + size * spread * hit * ramp * generator.choice([-1, 1], (len(centred), 1, 1))


@dataclass(frozen=True)
class Fault:
    """A fault of one kind. size: its severity; one_channel: whether a channel drawn by chance has it, or all; unharmed:
    the size that changes nothing."""

    change: Change
    size: float
    one_channel: bool
    says: str
    unharmed: float = 0.0

    def times(self, severity: float) -> Fault:
        """The same fault, so many times as severe."""
        return replace(self, size=self.unharmed + severity * (self.size - self.unharmed))


SEVERITIES = (0.5, 1.0, 2.0)
"""How many times its size a fault is injected, so that no choice hangs on one size of it."""


FAULTS: dict[str, Fault] = {
    "gain": Fault(_gain, 1.4, False, "vibration 1.4 times as strong", 1.0),
    "gain of one channel": Fault(_gain, 1.5, True, "one channel 1.5 times as strong", 1.0),
    "loss of one channel": Fault(_gain, 0.7, True, "one channel 0.7 times as strong", 1.0),
    "offset": Fault(_offset, 1.0, False, "an offset of 1 RMS"),
    "offset of one channel": Fault(_offset, 2.0, True, "an offset of 2 RMS in one channel"),
    "tone": Fault(_tone, 0.5, False, "a tone of 0.5 RMS"),
    "tone in one channel": Fault(_tone, 0.7, True, "a tone of 0.7 RMS in one channel"),
    "impulses": Fault(_impulses, 3.0, False, "an impulse of 3 RMS each 5 to 20 samples"),
    "noise": Fault(_noise, 0.5, False, "white noise of 0.5 RMS"),
    "noise in one channel": Fault(_noise, 0.7, True, "white noise of 0.7 RMS in one channel"),
    "stuck": Fault(_stuck, 0.3, True, "one channel stuck for the last 30 % of the window"),
    "dropout": Fault(_dropout, 0.2, True, "20 % of one channel's samples lost"),
    "drift": Fault(_drift, 1.0, True, "one channel rising or falling by 2 RMS over the window"),
    "faster": Fault(_warp, 1.2, False, "everything 1.2 times as fast", 1.0),
    "slower": Fault(_warp, 0.85, False, "everything 0.85 times as fast", 1.0),
}
"""Faults by name; RMS is that of the channel in the window, mean removed."""


PROCESS_FAULTS: dict[str, Fault] = {
    "offset": Fault(_offset, 1.5, False, "all channels off by 1.5 standard deviations"),
    "offset of one channel": Fault(_offset, 4.0, True, "one channel off by 4 standard deviations"),
    "drift": Fault(_ramp, 6.0, True, "one channel drifting by 6 standard deviations"),
    "oscillation": Fault(_tone, 3.0, True, "one channel swinging by 3 standard deviations"),
    "noise": Fault(_noise, 3.0, True, "white noise of 3 standard deviations in one channel"),
    "against the others": Fault(_gain, -4.0, True, "one channel moving the other way, 4 times as far"),
}
"""Faults of slow sensors by name; the standard deviation is the channel's over all normal data."""


def inject(windows: NDArray[np.int16], fault: str, seed: int, severity: float = 1.0) -> NDArray[np.int16]:
    """Windows int16 [W, N, C] with a fault of FAULTS, so many times its size, saturated to int16."""
    values = windows.astype(np.float64)
    centred = values - values.mean(axis=1, keepdims=True)
    spread, generator = centred.std(axis=1, keepdims=True), np.random.default_rng(seed)
    return _injected(values, centred, spread, FAULTS[fault].times(severity), generator)


def inject_from(
    runs: Sequence[NDArray[np.int16]], normal: NDArray[np.int16], onset: int, fault: str, seed: int
) -> list[NDArray[np.int16]]:
    """Runs int16 [n, C] of a slow sensor with a fault of PROCESS_FAULTS from sample ``onset`` on.

    runs: each longer than ``onset``; normal: int16 [n, C], all normal samples, whose mean and standard deviation the
    size of a fault refers to.
    """
    middle, spread = normal.mean(axis=0), np.maximum(normal.std(axis=0), 1.0)[None, None]
    generator, faulty = np.random.default_rng(seed), []
    for run in runs:
        values = run[None, onset:].astype(np.float64)
        after = _injected(values, values - middle, spread, PROCESS_FAULTS[fault], generator)
        faulty.append(np.concatenate([run[:onset], after[0]]))
    return faulty


def _injected(
    values: Floats, centred: Floats, spread: Floats, kind: Fault, generator: np.random.Generator
) -> NDArray[np.int16]:
    hit = np.ones((len(values), 1, values.shape[2]))
    if kind.one_channel:
        hit[:] = 0
        hit[np.arange(len(values)), 0, generator.integers(values.shape[2], size=len(values))] = 1
    faulty = kind.change(centred, spread, hit, kind.size, generator) + (values - centred)
    return np.clip(np.round(faulty), -32768, 32767).astype(np.int16)
