"""Random but valid autoregressive predictors, to the extremes that the format allows, and what to feed them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from offbeat.train.families.autoregressive import (
    LONGEST_ROW,
    MOST_LAGS,
    MOST_MULTIPLIER,
    MOST_SECOND_SHIFT,
    MOST_SHIFT,
    Autoregressive,
)
from offbeat.train.families.base import reduce_and_gain

__all__ = ["make", "sequence"]


def _weights(rng: np.random.Generator, count: int, lags: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Rows up to the longest, or near "as before"; with shifts that make of them what a fit does, or anything."""
    length = lags * count
    if rng.random() < 0.4:
        rows = rng.normal(0, 0.1 / np.sqrt(length), (count, length))
        rows[:, :count] += np.eye(count) * rng.uniform(0.3, 1)
        return np.round(rows * 2.0**14).astype(np.int32), np.full(count, 12, dtype=np.int32)
    rows = rng.normal(0, 1, (count, length)) * (rng.random((count, length)) < rng.uniform(0.1, 1))
    rows[:, rng.integers(length)] += rng.choice([0.5, 1, 8])
    longest = LONGEST_ROW * (1.0 if rng.random() < 0.5 else rng.random())
    weights = np.fix(rows * (longest / np.abs(rows).sum(axis=1, keepdims=True)))
    return np.clip(weights, -32767, 32767).astype(np.int32), rng.integers(1, MOST_SHIFT + 1, count).astype(np.int32)


def _scale(rng: np.random.Generator) -> tuple[int, int]:
    if rng.random() < 0.8:
        return reduce_and_gain(int(2 ** rng.uniform(8, 29)))
    return int(rng.integers(31)), int(rng.integers(32768))


def _bounds(rng: np.random.Generator, count: int) -> tuple[int, int, int, int]:
    """Limit of a residual; slack, reach and ceiling of the CUSUM, which one in four does not have."""
    largest = min(int(np.sqrt((2**30 - 1) / count)), 32767)
    limit = largest if rng.random() < 0.8 else int(rng.integers(largest + 1))
    if rng.random() < 0.25:
        return limit, 0, 0, 0
    if rng.random() < 0.5:
        return limit, 64, 512, int(rng.integers(256, 4096))
    slack, reach = int(rng.choice([0, 64, 32767])), int(rng.choice([0, 512, 32767]))
    return limit, slack, reach, int(rng.choice([1, 2000, 32767]))


def make(rng: np.random.Generator, count: int) -> Autoregressive:
    """A predictor of `count` features from 1 to 4 windows, with a CUSUM or without."""
    lags = int(rng.integers(1, MOST_LAGS + 1))
    weights, shifts = _weights(rng, count, lags)
    bounds = _bounds(rng, count)
    residual = _scale(rng)
    cusum = ((0, 0) if bounds[3] == 0 else residual) if rng.random() < 0.5 else _scale(rng)
    seconds = rng.integers(1, MOST_SECOND_SHIFT + 1, count).astype(np.int32)
    typical = np.minimum(2.0 ** (seconds - 2) * rng.choice([0.1, 1, 30]), MOST_MULTIPLIER)
    return Autoregressive(
        weights=weights.reshape(count, lags, count),
        shifts=shifts,
        biases=rng.integers(-32768, 32768, count).astype(np.int32) >> rng.integers(0, 16),
        multipliers=(typical if rng.random() < 0.8 else rng.integers(0, MOST_MULTIPLIER + 1, count)).astype(np.int32),
        seconds=seconds,
        bounds=bounds,
        limits=(16384.0, 16384.0),
        scales=(*residual, *cusum),
    )


def sequence(rng: np.random.Generator, family: Autoregressive, windows: int) -> NDArray[np.int32]:
    """Standard scores int32 [windows, F] in order of time: level and drift, noise, steps, and either extreme."""
    count = len(family.shifts)
    level = rng.normal(0, 200, count) + np.linspace(0, rng.normal(0, 300), windows)[:, None]
    scores = level + rng.normal(0, 128, (windows, count)).cumsum(axis=0) * rng.choice([0, 0.1, 1])
    scores += rng.normal(0, rng.choice([3, 100, 3000]), (windows, count))
    wild = rng.random(windows) < 0.2
    scores[wild] = rng.choice([-8191, 8191], (wild.sum(), count))
    stretch = int(rng.integers(windows))
    scores[stretch : stretch + 3] = 8191 * np.sign(family.weights[0, 0])
    return np.clip(np.round(scores), -8191, 8191).astype(np.int32)
