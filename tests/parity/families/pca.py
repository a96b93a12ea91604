"""Random but valid principal components, to the extremes that the format allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from offbeat.train.families.base import reduce_and_gain
from offbeat.train.families.pca import COMBINATIONS, LONGEST_COLUMN, LONGEST_ROW, PCA

__all__ = ["make"]


def _loadings(rng: np.random.Generator, components: int, count: int) -> NDArray[np.int32]:
    """Sums over features and over components up to their limits, or orthonormal rows as a fit gives them."""
    if rng.random() < 0.4:
        rows = np.linalg.qr(rng.normal(0, 1, (count, components)))[0].T
        return np.round(rows * 2.0 ** rng.uniform(9, 11)).astype(np.int32)
    rows = rng.normal(0, 1, (components, count)) * (rng.random((components, count)) < rng.uniform(0.1, 1))
    rows[:, rng.integers(count)] += rng.choice([0.5, 1, 8])
    row, column = np.abs(rows).sum(axis=1).max(), np.abs(rows).sum(axis=0).max()
    share = 1.0 if rng.random() < 0.5 else rng.random()
    return np.fix(rows * min(LONGEST_ROW / row, LONGEST_COLUMN / column) * share).astype(np.int32)


def _limit(rng: np.random.Generator, count: int) -> int:
    largest = min(int(np.sqrt((2**30 - 1) / count)), 32767)
    return largest if rng.random() < 0.8 else int(rng.integers(largest + 1))


def _scale(rng: np.random.Generator) -> tuple[int, int]:
    if rng.random() < 0.7:
        return reduce_and_gain(int(2 ** rng.uniform(8, 29)))
    return int(rng.integers(31)), int(rng.integers(32768))


def make(rng: np.random.Generator, count: int) -> PCA:
    """Principal components of `count` features, combined either way, of any share of T^2 and Q in the score."""
    components = int(rng.integers(1, count + 1))
    inside, outside = _scale(rng), _scale(rng)
    if rng.random() < 0.2:
        outside = inside
    return PCA(
        _loadings(rng, components, count),
        int(rng.integers(10, 15)),
        (32767 / 2.0 ** rng.uniform(0, 15, components)).astype(np.int32),
        rng.integers(1, 17, components).astype(np.int32),
        (_limit(rng, components), _limit(rng, count)),
        str(rng.choice(COMBINATIONS)),
        16384.0,
        16384.0,
        (*inside, *outside),
    )
