"""Random but valid autoencoders, to the extremes that the format allows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from offbeat.train.families.autoencoder import (
    LONGEST_SUM,
    MOST_FIRST_SHIFT,
    MOST_LAYERS,
    MOST_MULTIPLIER,
    MOST_SHIFT,
    MOST_WIDTH,
    Autoencoder,
    Layer,
)
from offbeat.train.families.base import reduce_and_gain

__all__ = ["make"]


def _weights(rng: np.random.Generator, outputs: int, inputs: int) -> NDArray[np.int32]:
    """From a few small ones to rows of either extreme of int8."""
    kind = rng.random()
    if kind < 0.3:
        return rng.choice([-128, 127], (outputs, inputs)).astype(np.int32)
    if kind < 0.6:
        return rng.integers(-128, 128, (outputs, inputs)).astype(np.int32)
    sparse = rng.normal(0, rng.choice([3, 40]), (outputs, inputs)) * (rng.random((outputs, inputs)) < 0.4)
    return np.clip(np.round(sparse), -127, 127).astype(np.int32)


def _layer(rng: np.random.Generator, outputs: int, inputs: int, last: bool) -> Layer:
    """Sums up to the longest; outputs that saturate, or that spread over the range of what comes next."""
    weights = _weights(rng, outputs, inputs)
    sums = 127 * np.abs(weights).sum(axis=1)
    least = np.maximum(np.ceil(np.log2(np.maximum(sums, 1) / (LONGEST_SUM - 1))), 0).astype(np.int32)
    first = np.minimum(least + rng.integers(0, 3, outputs) * (rng.random() < 0.5), MOST_FIRST_SHIFT)
    left = LONGEST_SUM - 1 - (sums >> first)
    biases = np.fix(left * rng.choice([0, 0.1, 1], outputs) * rng.choice([-1, 1], outputs)).astype(np.int32)
    if rng.random() < 0.3:
        multipliers = rng.choice([0, 1, MOST_MULTIPLIER], outputs)
        return Layer(weights, biases, multipliers, first, rng.integers(1, MOST_SHIFT + 1, outputs))
    typical = np.maximum(sums >> first, 1) / np.sqrt(inputs) / (500 if last else 60)
    second = np.clip(np.floor(np.log2(MOST_MULTIPLIER * typical)), 1, MOST_SHIFT).astype(np.int32)
    multipliers = np.clip(np.round(2.0**second / typical), 0, MOST_MULTIPLIER).astype(np.int32)
    return Layer(weights, biases, multipliers, first, second)


def _scale(rng: np.random.Generator) -> tuple[int, int]:
    if rng.random() < 0.7:
        return reduce_and_gain(int(2 ** rng.uniform(8, 29)))
    return int(rng.integers(31)), int(rng.integers(32768))


def make(rng: np.random.Generator, count: int) -> Autoencoder:
    """An autoencoder of `count` features with 1 to 3 hidden layers of any width."""
    most = int(rng.choice([3, 9, MOST_WIDTH]))
    hidden = rng.integers(1, most + 1, int(rng.integers(1, MOST_LAYERS + 1))).tolist()
    sizes = [count, *hidden, count]
    layers = tuple(
        _layer(rng, outputs, inputs, last=i == len(hidden)) for i, (inputs, outputs) in enumerate(pairwise(sizes))
    )
    largest = min(int(np.sqrt((2**30 - 1) / count)), 32767)
    limit = largest if rng.random() < 0.8 else int(rng.integers(largest + 1))
    return Autoencoder(layers, limit, *_scale(rng))
