"""Random but valid mixtures, to the extremes that the format allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from offbeat.train.families.base import reduce_and_gain
from offbeat.train.families.mixture import LONGEST_ROW, MOST_OFFSET, Mixture

__all__ = ["make"]


def _row(rng: np.random.Generator, length: int) -> NDArray[np.int32]:
    """Weights from next to nothing to the largest sum, now and then with one of -32768."""
    row = rng.normal(0, 1, length) * (rng.random(length) < rng.uniform(0.1, 1))
    row[-1] += rng.choice([0.5, 1, 8])
    total = LONGEST_ROW - length if rng.random() < 0.3 else 2 ** rng.uniform(4, 15.9) - length
    weights = np.clip(np.fix(row / np.abs(row).sum() * max(total, 1)), -32768, 32767)
    if rng.random() < 0.05:
        weights[:] = 0
        weights[rng.integers(length)] = -32768
    return weights.astype(np.int32)


def _weights(rng: np.random.Generator, components: int, count: int, full: bool) -> NDArray[np.int32]:
    if not full:
        return np.concatenate([_row(rng, 1) for _ in range(components * count)]).reshape(components, count)
    weights = np.zeros((components, count, count), dtype=np.int32)
    for k in range(components):
        for i in range(count):
            weights[k, i, : i + 1] = _row(rng, i + 1)
    return weights


def make(rng: np.random.Generator, count: int) -> Mixture:
    """A mixture of `count` features; some have components that are equally near, of which the first counts."""
    components, full = int(rng.integers(1, 9)), bool(rng.integers(2))
    means = rng.integers(-1, 2, (components, count)) * int(rng.choice([0, 64, 1024, 8191]))
    offsets = (rng.random(components) * 2.0 ** rng.uniform(0, 28, components)).astype(np.int32)
    offsets[rng.integers(components)] = rng.choice([0, MOST_OFFSET])
    shifts = rng.integers(6, 25, (components, count))
    weights = _weights(rng, components, count, full)
    if components > 1 and rng.random() < 0.4:
        means[-1], offsets[-1], shifts[-1], weights[-1] = means[0], offsets[0], shifts[0], weights[0]
    limit = min(int(np.sqrt((2**30 - 2 - int(offsets.max())) / count)), 32767)
    scale = reduce_and_gain(int(2 ** rng.uniform(8, 29)))
    if rng.random() < 0.3:
        scale = int(rng.integers(31)), int(rng.integers(32768))
        limit = int(rng.integers(limit + 1))
    return Mixture(means.astype(np.int32), offsets, shifts.astype(np.int32), weights, limit, *scale)
