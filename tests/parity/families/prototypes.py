"""Random but valid prototypes, to the extremes that the format allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from offbeat.train.families.base import reduce_and_gain
from offbeat.train.families.prototypes import LONGEST_WEIGHTS, MOST_KERNEL_GAIN, Kernel, Prototypes

__all__ = ["make"]

_LARGEST = 2**30 - 1


def _weights(rng: np.random.Generator, prototypes: int) -> NDArray[np.int32]:
    """Of either sign or of one, from hardly any to the largest sum, now and then all in one."""
    weights = rng.normal(0, 1, prototypes) * (rng.random(prototypes) < rng.uniform(0.1, 1))
    weights[rng.integers(prototypes)] += rng.choice([-8, 1, 8])
    if rng.random() < 0.5:
        weights = np.abs(weights)
    total = LONGEST_WEIGHTS if rng.random() < 0.5 else 2 ** rng.uniform(0, 14.9)
    return np.fix(weights / np.abs(weights).sum() * total).astype(np.int32)


def _kernel(rng: np.random.Generator, prototypes: int, count: int, limit: int) -> Kernel:
    """Exponents from those that never fall to those that leave nothing, and distances up to the largest."""
    weights = _weights(rng, prototypes)
    shift = int(rng.choice([1, 2, 6, 12, 30]))
    longest, heaviest = count * limit * limit, int(np.abs(weights).sum()) * 32767 >> shift
    largest = _LARGEST - 2 - heaviest if rng.random() < 0.2 else min(heaviest, 2**29)
    room = _LARGEST - 2 - heaviest - largest
    far_gain = min((room << 15) // max(longest, 1), 32767)
    far_gain = far_gain if rng.random() < 0.5 else int(rng.integers(far_gain + 1))
    # What the kernels resolve: 16 octaves within the largest distance, or within the first few steps.
    reduce = int(rng.integers(31)) if rng.random() < 0.2 else int(rng.integers(2, 12))
    gain = int(rng.integers(MOST_KERNEL_GAIN // 2, MOST_KERNEL_GAIN + 1)) if rng.random() < 0.8 else 0
    reach = int(rng.choice([0, 2**14, rng.integers(2**20), _LARGEST]))
    return Kernel(reduce, gain, largest, reach, shift, far_gain, weights)


def make(rng: np.random.Generator, count: int) -> Prototypes:
    """Prototypes of `count` features in either mode; some are equally near, of which the first is the nearest."""
    kernels = bool(rng.integers(2))
    prototypes = int(rng.choice([1, 2, 3, rng.integers(1, 20), rng.integers(1, 60)]))
    neighbours = 1 if kernels else int(rng.integers(1, min(prototypes, 3) + 1))
    coordinates = rng.integers(-128, 128, (prototypes, count)).astype(np.int32) >> rng.integers(0, 8)
    if prototypes > 1 and rng.random() < 0.4:
        coordinates[-1] = coordinates[0]
    steps = rng.integers(0, 256, count).astype(np.int32) >> rng.integers(0, 7)
    limit = min(int(np.sqrt(_LARGEST / (neighbours * count))), 32767)
    if rng.random() < 0.3:
        limit = int(rng.integers(limit + 1))
    kernel = _kernel(rng, prototypes, count, limit) if kernels else None
    scale = reduce_and_gain(int(2 ** rng.uniform(8, 29)))
    if rng.random() < 0.3:
        scale = int(rng.integers(31)), int(rng.integers(32768))
    return Prototypes(coordinates, steps, neighbours, limit, kernel, *scale)
