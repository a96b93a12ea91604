"""Autoencoder: what a small neural network with a bottleneck, in int8, cannot reconstruct of the standard scores."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from offbeat.train.arithmetic import SMALL_INTEGER_MAX, Int32, clamp, rounded_shift, scaled
from offbeat.train.errors import InputError

from .base import Family, reduce_and_gain

__all__ = [
    "LONGEST_SUM",
    "MOST_FIRST_SHIFT",
    "MOST_LAYERS",
    "MOST_MULTIPLIER",
    "MOST_SHIFT",
    "MOST_WIDTH",
    "Autoencoder",
    "Layer",
]

Floats = NDArray[np.float64]

MOST_LAYERS, MOST_WIDTH = 3, 64  # hidden ones
MOST_ACTIVATION = 127
LONGEST_SUM = 32767  # of a row's products and its bias, after the first shift
MOST_MULTIPLIER, MOST_FIRST_SHIFT, MOST_SHIFT = 16383, 15, 24
_HEADER = struct.Struct("<5H")
_ROW = struct.Struct("<hHBB")
_BLOCK = 4  # units, and inputs of each, that C takes at once: device/c/offbeat_dense.c
_OFFSET = 128  # of the weights of even inputs, for the same reason

_INPUT_SHIFT = 3  # Q7 to Q4
_STEP = 2.0**-4
_REACH = MOST_ACTIVATION * _STEP  # standard scores that the network sees
_OUTPUT_STEP = 2.0**-7

_FIT_ON = 5000  # windows, evenly spread
_BATCH = 32
_PATIENCE = 600  # steps of the gradient without progress, and at least ten rounds through the windows
_ATTEMPTS = 8  # a unit may die while it is trained, and narrow layers cannot do without: try another seed
_QUANTILE = 0.999  # of a unit's activations in training, where it saturates
_LEAST_SHARE = 1 / 16  # of the layer's largest one: where a unit that hardly ever fires does


def _widths(hidden: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Narrow enough that the network cannot copy its inputs, and wide enough otherwise."""
    narrowest, code = min(hidden), max(count // 2, min(count - 1, 2), 1)
    return tuple(min(width, code if width == narrowest else 2 * count) for width in hidden)


@dataclass(frozen=True)
class _Model:
    """The network in float64: weights [outputs, inputs] and biases [outputs] of each layer.

    ceilings: [outputs] of each hidden layer, at which its units saturate.
    """

    weights: list[Floats]
    biases: list[Floats]
    ceilings: list[Floats]

    def sums(self, scores: Floats) -> Iterator[Floats]:
        """What the units of each layer sum up, before they saturate; float64 [W, outputs]."""
        activations = np.clip(scores, -_REACH, _REACH)
        for i, (weights, biases) in enumerate(zip(self.weights, self.biases, strict=True)):
            total = activations @ weights.T + biases
            yield total
            if i < len(self.ceilings):
                activations = np.clip(total, 0, self.ceilings[i])

    def errors(self, scores: Floats) -> Floats:
        """Standard scores less their reconstruction, float64 [W, F]."""
        *_, reconstruction = self.sums(scores)
        return scores - reconstruction


def _ceilings(weights: list[Floats], biases: list[Floats], scores: Floats) -> list[Floats]:
    """Where each unit of the hidden layers has its highest activations in training.

    Beyond them the network would extrapolate, and so reconstruct what it has never seen. Units of one layer may
    differ, as the next layer's weights take it up: the equalization of Nagel et al. (2019).
    """
    ceilings: list[Floats] = []
    activations = np.clip(scores, -_REACH, _REACH)
    for layer, bias in zip(weights[:-1], biases[:-1], strict=True):
        activations = np.maximum(activations @ layer.T + bias, 0)
        high = np.quantile(activations, _QUANTILE, axis=0)
        ceilings.append(np.maximum(high, max(high.max() * _LEAST_SHARE, 1e-6)))
        activations = np.minimum(activations, ceilings[-1])
    return ceilings


def _attempt(scores: Floats, hidden: tuple[int, ...], seed: int) -> tuple[float, bool, _Model]:
    """A network of its own beginning: loss, whether every unit of the narrowest layer fires, and the network."""
    network = MLPRegressor(
        hidden_layer_sizes=hidden,
        alpha=0.1,
        batch_size=min(_BATCH, len(scores)),
        learning_rate_init=0.01,
        tol=0.001 * max(1.0, float((scores**2).mean())),
        n_iter_no_change=min(max(_PATIENCE * _BATCH // len(scores), 10), 200),
        max_iter=2000,
        random_state=seed,
    ).fit(scores, scores)
    weights, biases = [np.asarray(w).T for w in network.coefs_], [np.asarray(b) for b in network.intercepts_]
    model = _Model(weights, biases, _ceilings(weights, biases, scores))
    code = np.argmin(hidden)
    fired = list(model.sums(scores))[code].max(axis=0) > 0
    return float(network.loss_), bool(fired.all()), model


def _trained(scores: Floats, hidden: tuple[int, ...], seed: int) -> _Model:
    few = scores[np.linspace(0, len(scores) - 1, min(len(scores), _FIT_ON)).astype(int)]
    few = np.clip(few, -_REACH, _REACH)
    best = np.inf
    with threadpool_limits(1):  # with so little data, starting more threads costs more than they bring
        for attempt in range(_ATTEMPTS):
            loss, alive, found = _attempt(few, hidden, (seed + attempt) % 2**32)
            if loss < best:
                best, model = loss, found
            if alive:
                break
    return model


def _untrained(hidden: tuple[int, ...]) -> _Model:
    """For one feature, which a network could only copy: it is told to be 0."""
    sizes = (1, *hidden, 1)
    weights = [np.zeros((outputs, inputs)) for inputs, outputs in pairwise(sizes)]
    return _Model(weights, [np.zeros(size) for size in sizes[1:]], [np.ones(size) for size in hidden])


@dataclass(frozen=True)
class Layer:
    """Units in integers. weights: int32 [outputs, inputs], int8 each.

    biases, multipliers, first, second: int32 [outputs]; first and second are shifts. A unit gives
    rounded_shift(((weights . activations >> first) + bias) * multiplier, second).
    """

    weights: Int32
    biases: Int32
    multipliers: Int32
    first: Int32
    second: Int32

    def __call__(self, activations: Int32) -> Int32:
        """What the units give for activations int32 [W, inputs]: int32 [W, outputs], not yet saturated."""
        sums = ((activations @ self.weights.T) >> self.first) + self.biases
        return rounded_shift(sums * self.multipliers, self.second)

    def section(self) -> bytes:
        """By four units: of each bias, multiplier and shifts; then their weights, four of each in turn.

        Units and inputs are padded to multiples of four with zeros, and with a second shift of 1. Weights of even
        inputs have 128 added.
        """
        outputs, inputs = self.weights.shape
        idle = -outputs % _BLOCK
        scales = [_ROW.pack(*row) for row in zip(self.biases, self.multipliers, self.first, self.second, strict=True)]
        scales += [_ROW.pack(0, 0, 0, 1)] * idle
        weights = np.pad(self.weights, ((0, idle), (0, -inputs % _BLOCK)))
        weights[:, ::2] += _OFFSET
        parts = []
        for i in range(0, len(weights), _BLOCK):
            groups = weights[i : i + _BLOCK].reshape(_BLOCK, -1, _BLOCK).swapaxes(0, 1)
            parts += [*scales[i : i + _BLOCK], (groups & 0xFF).astype(np.uint8).tobytes()]
        return b"".join(parts)


def _read_block(block: NDArray[np.uint8]) -> tuple[list[tuple[int, ...]], Int32]:
    """Scales and weights, int32 [4, inputs padded], of four units."""
    scales = list(_ROW.iter_unpack(block[: _BLOCK * _ROW.size].tobytes()))
    groups = block[_BLOCK * _ROW.size :].reshape(-1, _BLOCK, _BLOCK)
    weights = groups.swapaxes(0, 1).reshape(_BLOCK, -1).astype(np.int32)
    weights[:, ::2] -= _OFFSET
    weights[:, 1::2] -= 2 * (weights[:, 1::2] & 128)
    return scales, weights


def _read_layer(section: bytes | memoryview, at: int, inputs: int, outputs: int) -> tuple[Layer, int]:
    """The layer at that byte, and where the next one starts."""
    blocks, length = -(-outputs // _BLOCK), _BLOCK * (_ROW.size + inputs + -inputs % _BLOCK)
    data = np.frombuffer(section, np.uint8, blocks * length, at).reshape(blocks, length)
    scales, weights = zip(*[_read_block(block) for block in data], strict=True)
    rows = np.array([row for block in scales for row in block], dtype=np.int32)[:outputs]
    return Layer(np.concatenate(weights)[:outputs, :inputs], *rows.T), at + blocks * length


def _quantized(weights: Floats, steps: Floats, exact: Floats, inputs: Int32, units: Floats) -> Layer:
    """A layer in integers.

    weights: [outputs, inputs]; steps: what 1 is worth in each input; exact: [W, outputs], the sums of the float
    network; inputs: [W, inputs] as the integers have them; units: what 1 is to be worth in each output.
    Bias correction: each bias makes up for the mean error of all quantization before it (Nagel et al., 2019).
    """
    wanted = weights * steps
    largest = np.maximum(np.abs(wanted).max(axis=1), np.abs(exact).max(axis=0) * 2.0**-13)
    step = np.maximum(largest, 1e-9) / MOST_ACTIVATION
    rounded = np.round(wanted / step[:, None]).astype(np.int32)
    sums = inputs @ rounded.T
    bias = (exact - sums * step).mean(axis=0) / step
    longest = MOST_ACTIVATION * np.abs(rounded).sum(axis=1) + np.abs(bias)
    first = np.maximum(np.ceil(np.log2(np.maximum(longest, 1) / (LONGEST_SUM - 3))), 0).astype(np.int32)
    # The first shift rounds down, by half a step on average.
    biases = np.round(bias / 2.0**first + (1 - 2.0**-first) / 2).astype(np.int32)
    ratio = step * 2.0**first / units
    second = np.clip(np.floor(np.log2(MOST_MULTIPLIER / ratio)), 1, MOST_SHIFT).astype(np.int32)
    multipliers = np.minimum(np.round(ratio * 2.0**second), MOST_MULTIPLIER).astype(np.int32)
    return Layer(rounded, biases, multipliers, first, second)


def _inputs(vectors: Int32) -> Int32:
    return clamp(rounded_shift(vectors, _INPUT_SHIFT), MOST_ACTIVATION)


def _fired(sums: Int32) -> Int32:
    return np.clip(sums, 0, MOST_ACTIVATION)


def _layers(model: _Model, vectors: Int32) -> tuple[Layer, ...]:
    """The network in integers, its scales from training vectors int32 [W, F] (Q7)."""
    activations, steps = _inputs(vectors), np.full(vectors.shape[1], _STEP)
    layers = []
    for i, exact in enumerate(model.sums(vectors / 128)):
        last = i == len(model.weights) - 1
        units = np.full(exact.shape[1], _OUTPUT_STEP) if last else model.ceilings[i] / MOST_ACTIVATION
        layers.append(_quantized(model.weights[i], steps, exact, activations, units))
        activations, steps = _fired(layers[-1](activations)), units
    return tuple(layers)


@dataclass(frozen=True)
class Autoencoder(Family):
    """Fitted network. layers: hidden ones and the output's; limit: at which errors saturate; reduce, gain: scale."""

    name: ClassVar[str] = "autoencoder"
    number: ClassVar[int] = 7
    variants: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"hidden": (4,)},
        {"hidden": (8,)},
        {"hidden": (8, 4, 8)},
        {"hidden": (16, 8, 16)},
    )

    layers: tuple[Layer, ...]
    limit: int
    reduce: int = 0
    gain: int = 32767
    model: _Model | None = None
    threshold: int = 256

    @classmethod
    def fit(  # type: ignore[override]  # a family names its own settings
        cls, scores: Floats, seed: int, *, hidden: tuple[int, ...] = (16, 8, 16)
    ) -> Self:
        """scikit-learn's MLPRegressor from the scores to themselves (ReLU, Adam), then int8.

        hidden: widths of the hidden layers, 1 to 3 of 1 to 64 units; the narrowest becomes at most half as wide as
        the scores (2 for 3), the others at most twice. Raises InputError for other settings.
        """
        hidden = tuple(hidden)
        if not 1 <= len(hidden) <= MOST_LAYERS or not all(1 <= width <= MOST_WIDTH for width in hidden):
            raise InputError(
                f"an autoencoder with hidden layers of {hidden} units cannot be built; "
                f"choose 1 to {MOST_LAYERS} layers of 1 to {MOST_WIDTH} units"
            )
        count = scores.shape[1]
        widths = _widths(hidden, count)
        model = _trained(scores, widths, seed) if count > 1 else _untrained(widths)
        vectors = clamp(np.round(scores * 128).astype(np.int32), 8191)
        limit = min(int(np.sqrt(SMALL_INTEGER_MAX / count)), 32767)
        return cls(_layers(model, vectors), limit, model=model)

    @classmethod
    def from_parameters(cls, parameters: bytes | memoryview, count: int) -> Self:
        """Read the section that ``parameters()`` wrote."""
        _, hidden, limit, reduce, gain = _HEADER.unpack_from(parameters, 0)
        sizes = [count, *struct.unpack_from(f"<{hidden}H", parameters, _HEADER.size), count]
        at = _HEADER.size + 2 * (hidden + 1 - hidden % 2)
        layers = []
        for inputs, outputs in pairwise(sizes):
            layer, at = _read_layer(parameters, at, inputs, outputs)
            layers.append(layer)
        return cls(tuple(layers), limit, reduce, gain)

    def parameters(self) -> bytes:
        """Count, hidden layers, limit, reduce, gain; widths of the hidden layers, and 0 after two; the layers."""
        hidden = self.settings["hidden"]
        widths = (*hidden, 0) if len(hidden) % 2 == 0 else hidden
        header = _HEADER.pack(self.layers[0].weights.shape[1], len(hidden), self.limit, self.reduce, self.gain)
        return header + struct.pack(f"<{len(widths)}H", *widths) + b"".join(layer.section() for layer in self.layers)

    @property
    def settings(self) -> dict[str, Any]:
        """Widths of the hidden layers."""
        return {"hidden": tuple(len(layer.weights) for layer in self.layers[:-1])}

    @property
    def operations(self) -> int:
        """Multiply-accumulates of the layers, requantization of the units, and the squares."""
        return sum(layer.weights.size + 4 * len(layer.weights) for layer in self.layers)

    def _errors(self, vectors: Int32) -> Int32:
        activations = _inputs(vectors)
        for layer in self.layers[:-1]:
            activations = _fired(layer(activations))
        return clamp(vectors - self.layers[-1](activations), self.limit)

    def distances(self, vectors: Int32) -> Int32:
        """Squared reconstruction error, Q14."""
        errors = self._errors(vectors)
        return (errors * errors).sum(axis=1, dtype=np.int32)

    def scaled_to(self, threshold: int) -> Self:
        """Put score 256 at this squared error (Q14)."""
        reduce, gain = reduce_and_gain(threshold)
        return replace(self, reduce=reduce, gain=gain, threshold=threshold)

    def score(self, vectors: Int32) -> Int32:
        """Squared error over that of the threshold, times 256."""
        return scaled(self.distances(vectors), self.reduce, self.gain)

    def contributions(self, vectors: Int32) -> Int32:
        """The squared error of each feature."""
        errors = self._errors(vectors)
        return scaled(errors * errors, self.reduce, self.gain)

    def float_score(self, scores: Floats) -> Floats:
        """The same in float64, without quantization or saturation but that of the inputs."""
        if self.model is None:
            raise RuntimeError("a family read from a file has no float model")
        return (self.model.errors(scores) ** 2).sum(axis=1) * 16384 * 256 / self.threshold
