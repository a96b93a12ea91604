"""The autoencoder's integers as the float network that TensorFlow can hold, and what it leaves to glue code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offbeat.train.families.autoencoder import Autoencoder, Layer
from offbeat.train.pipeline import Pipeline

__all__ = ["HIGHEST_INPUT", "Glue", "glue_of", "network_inputs", "scores_of", "weights_of"]

Floats = NDArray[np.float32]

HIGHEST_INPUT = 127 / 16
"""Standard scores are saturated here before the network sees them, as the int8 inputs are."""

_SATURATED = 127.0  # where the units of the hidden layers saturate, in integers
_RELU6 = 6.0  # and where those of TensorFlow Lite's fused ReLU6 do


def _layer(layer: Layer, input_unit: float, output_unit: float) -> tuple[Floats, Floats]:
    """Kernel float32 [inputs, outputs] and bias float32 [outputs] of one layer.

    input_unit: what 1 of the float input is in integers; output_unit: what 1 in integers is in the float output.
    The first shift rounds down, by (1 - 2^-first) / 2 on average, which the bias takes up.
    """
    scale = layer.multipliers / 2.0**layer.second * output_unit
    kernel = layer.weights.T * input_unit / 2.0**layer.first * scale
    bias = (layer.biases - (1 - 2.0**-layer.first) / 2) * scale
    return kernel.astype(np.float32), bias.astype(np.float32)


def weights_of(family: Autoencoder) -> list[tuple[Floats, Floats]]:
    """Kernel and bias of each dense layer, ReLU6 after all but the last.

    The network takes standard scores within +-HIGHEST_INPUT and gives their reconstruction. A hidden unit saturates at
    127 in integers, which is 6 here: the one saturation that TensorFlow Lite fuses into a dense layer.
    """
    found = []
    into = 16.0  # Q4
    for i, layer in enumerate(family.layers):
        last = i == len(family.layers) - 1
        found.append(_layer(layer, into, 2.0**-7 if last else _RELU6 / _SATURATED))
        into = _SATURATED / _RELU6
    return found


def network_inputs(vectors: NDArray[np.int32]) -> Floats:
    """Standard scores int32 [W, F] (Q7) as the network takes them, float32 [W, F]."""
    return np.clip(vectors / 128, -HIGHEST_INPUT, HIGHEST_INPUT).astype(np.float32)


@dataclass(frozen=True)
class Glue:
    """What stands between features and network, and between network and score; arrays float [F].

    A standard score is (feature - center) * scale. Errors saturate at limit; the score is gain times the sum of their
    squares, and 256 is the threshold.
    """

    center: NDArray[np.float64]
    scale: NDArray[np.float64]
    limit: float
    gain: float


def glue_of(pipeline: Pipeline, family: Autoencoder) -> Glue:
    """The glue of a model whose family is this autoencoder."""
    shifts = np.array([s.first_shift + s.second_shift for s in pipeline.standardize])
    multipliers = np.array([s.multiplier for s in pipeline.standardize])
    gain = 16384 * family.gain / 2.0 ** (family.reduce + 15)
    centers = np.array([float(s.center) for s in pipeline.standardize])
    return Glue(centers, multipliers / 2.0**shifts / 128, family.limit / 128, gain)


def scores_of(vectors: NDArray[np.int32], outputs: NDArray[np.floating], glue: Glue) -> NDArray[np.float64]:
    """Scores float64 [W] of standard scores int32 [W, F] (Q7) and what a network gave for them, [W, F]."""
    errors = np.clip(vectors / 128 - outputs, -glue.limit, glue.limit)
    return (errors**2).sum(axis=1) * glue.gain
