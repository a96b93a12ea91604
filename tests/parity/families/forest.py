"""Random but valid forests, to the extremes that the format allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from offbeat.train.families.base import reduce_and_gain
from offbeat.train.families.forest import LARGEST_BASE, LARGEST_SUM, Forest

__all__ = ["make"]

_MOST_LEFT = 127  # leaves of a left child


def _tree(rng: np.random.Generator, leaves: int, count: int, spread: int, largest: int) -> list[int]:
    """Words of a tree, from balanced to one long path; thresholds go to either end of int16."""
    if leaves == 1:
        return [int(rng.choice([0, largest, rng.integers(largest + 1)]))]
    shape = rng.random()
    left = int(rng.integers(1, leaves)) if shape < 0.6 else 1 if shape < 0.8 else leaves - 1
    left = min(left, _MOST_LEFT)
    threshold = int(np.clip(rng.integers(-spread, spread + 1), -32768, 32767))
    head = [int(rng.integers(count)) + 256 * left - 32768, threshold]
    return [
        *head,
        *_tree(rng, left, count, spread, largest),
        *_tree(rng, leaves - left, count, spread, largest),
    ]


def _bounds(rng: np.random.Generator, count: int) -> NDArray[np.int32]:
    edge = int(rng.choice([0, 300, 8191]))
    return np.sort(rng.integers(-edge, edge + 1, (2, count)), axis=0).astype(np.int32)


def make(rng: np.random.Generator, count: int) -> Forest:
    """A forest of `count` features: few large trees or many small ones, any share of the excess in the score."""
    number, most = (int(rng.integers(1, 5)), 255) if rng.random() < 0.3 else (int(rng.integers(1, 33)), 24)
    spread, largest = int(rng.choice([64, 512, 8191, 32768])), int(rng.choice([1, 1000, 32767]))
    sizes = rng.integers(1, most + 1, number)
    trees = tuple(np.array(_tree(rng, int(size), count, spread, largest), dtype=np.int32) for size in sizes)
    bounds = _bounds(rng, count)
    excess = int(np.maximum(8191 - bounds[1], bounds[0] + 8191).sum())
    spare = LARGEST_SUM - 8 * sum(int(tree[tree >= 0].max()) for tree in trees)
    heaviest = min(spare // max(excess, 1), 32767)
    weight = heaviest if rng.random() < 0.3 else int(rng.integers(heaviest + 1))
    base = int(rng.choice([0, LARGEST_BASE, -LARGEST_BASE, -rng.integers(sum(sizes) * largest + 1)]))
    scale = reduce_and_gain(int(2 ** rng.uniform(8, 29)))
    if rng.random() < 0.3:
        scale = int(rng.integers(31)), int(rng.integers(32768))
    return Forest(trees, bounds, base, weight, *scale)
