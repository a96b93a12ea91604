"""Prototypes: the distance to the nearest of a few typical windows, or a one-class kernel machine on them, in int8."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from offbeat.train.arithmetic import SMALL_INTEGER_MAX, Int32, bit_length, clamp, scaled
from offbeat.train.errors import InputError

from .base import Family, reduce_and_gain
from .prototypes_fit import Kernel as FloatKernel
from .prototypes_fit import Model, distilled, one_class, placed

__all__ = ["POWERS", "Kernel", "Prototypes"]

Floats = NDArray[np.float64]

MODES = ("nearest", "kernel")
MOST_PROTOTYPES = 64  # that a fit takes; the format has room for 255
MOST_NEIGHBOURS = 3
LONGEST_WEIGHTS = 32000  # sum of absolute weights: times 32767 it stays below 2**30
MOST_KERNEL_GAIN = 16383
_MOST_BYTES = 8000
_HEADER = struct.Struct("<7H")
_KERNEL = struct.Struct("<HHiiHH")

_OCTAVE = 2048  # steps of the exponent
_HEIGHT = 2**18  # of the kernel's distance where no prototype is near
_ROOM = 2**30 - 2**21  # for the distance beyond the kernel's reach

POWERS: Int32 = np.minimum(np.round(32768 * 2.0 ** (-np.arange(65) / 64)), 32767).astype(np.int32)
"""min(round(2^15 2^(-i/64)), 32767), int32 [65]."""


def _power(steps: Int32) -> Int32:
    """2^15 times 2^(-steps / 2048) for 0 <= steps < 32768, between the points of POWERS by straight lines."""
    index, fraction, octaves = (steps >> 5) & 63, steps & 31, steps >> 11
    mantissa = (POWERS[index] * 32 + (POWERS[index + 1] - POWERS[index]) * fraction + 16) >> 5
    return (mantissa + ((1 << octaves) >> 1)) >> octaves


@dataclass(frozen=True)
class Kernel:
    """Weighted kernels in integers. weights: int32 [P]; largest: the distance far from all, less what is beyond.

    reduce, gain: take a squared distance (Q14) to the exponent; shift: takes the sum of kernels to the distance's
    scale; reach: squared distance from which on far_gain / 32768 of it counts.
    """

    reduce: int
    gain: int
    largest: int
    reach: int
    shift: int
    far_gain: int
    weights: Int32

    def distances(self, squared: Int32) -> Int32:
        """From squared distances int32 [P, W] to int32 [W]."""
        near = squared >> self.reduce
        steps = (np.minimum(near, 65535) * self.gain + 8192) >> 14
        inside = (near < 65536) & (steps < 32768)
        values = np.where(inside, _power(np.where(inside, steps, 0)), 0)
        likeness = (self.weights[:, None] * values).sum(axis=0, dtype=np.int32) >> self.shift
        beyond = np.maximum(squared.min(axis=0) - self.reach, 0)
        far = (beyond >> 15) * self.far_gain + (((beyond & 32767) * self.far_gain) >> 15)
        return np.maximum(self.largest - likeness, 0) + far


def _quantized(kernel: FloatKernel, longest: int) -> tuple[Kernel, float]:
    """In integers, for squared distances (Q14) up to `longest`; and what 1 of the float distance is worth."""
    exponent = kernel.gamma * np.log2(np.e) * _OCTAVE / 16384
    reduce = min(max(int(np.floor(np.log2(MOST_KERNEL_GAIN / 16384 / exponent))), 0), 30)
    gain = min(round(exponent * 2.0 ** (reduce + 14)), MOST_KERNEL_GAIN)
    slope = max(kernel.slope, 1e-30)
    most = min(_HEIGHT / max(kernel.largest, 1e-30), 16000 / slope, _ROOM * 16384 / (slope * longest))
    each = (LONGEST_WEIGHTS - len(kernel.weights)) / max(np.abs(kernel.weights).sum(), 1e-30)
    each = min(each, most * 2.0**15)  # where there are hardly any weights
    shift = max(int(np.ceil(np.log2(each * 32768 / most))), 0)
    unit = each * 32768 / 2.0**shift
    return Kernel(
        reduce=reduce,
        gain=gain,
        largest=min(round(kernel.largest * unit), _HEIGHT),
        reach=min(round(kernel.reach * 16384), SMALL_INTEGER_MAX),
        shift=shift,
        far_gain=max(round(2 * kernel.slope * unit), 1),
        weights=np.round(kernel.weights * each).astype(np.int32),
    ), unit


def _even(count: int) -> int:
    return (count + 1) // 2 * 2


@dataclass(frozen=True)
class Prototypes(Family):
    """Fitted prototypes. coordinates: int32 [P, F], int8 each, times steps int32 [F] a standard score (Q7).

    neighbours: how many of the nearest count; limit: at which differences saturate; kernel: of mode "kernel"; reduce,
    gain: score scale; unit: what 1 of the float model's distance is worth.
    """

    name: ClassVar[str] = "prototypes"
    number: ClassVar[int] = 6
    variants: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"mode": "nearest", "prototypes": 8},
        {"mode": "nearest", "prototypes": 16},
        {"mode": "kernel", "prototypes": 16},
        {"mode": "nearest", "prototypes": 32},
        {"mode": "kernel", "prototypes": 32},
        {"mode": "kernel", "prototypes": 64},
    )

    coordinates: Int32
    steps: Int32
    neighbours: int
    limit: int
    kernel: Kernel | None = None
    reduce: int = 0
    gain: int = 32767
    model: Model | None = None
    unit: float = 16384.0
    threshold: int = 256

    @classmethod
    def fit(  # type: ignore[override]  # a family names its own settings
        cls, scores: Floats, seed: int, *, mode: str = "kernel", prototypes: int = 64, neighbours: int = 1
    ) -> Self:
        """Centroids of k-means, and in mode "kernel" scikit-learn's OneClassSVM carried by them; then int8.

        mode: "nearest" or "kernel"; prototypes: 1 to 64, fewer where the windows do not carry them or the section
        would exceed 8000 bytes; neighbours: 1 to 3, the squared distances that add up in mode "nearest". Raises
        InputError for other settings.
        """
        if mode not in MODES:
            raise InputError(f'prototypes have no mode "{mode}"; choose "nearest" or "kernel"')
        if not 1 <= neighbours <= (1 if mode == "kernel" else MOST_NEIGHBOURS):
            raise InputError(
                f'{neighbours} neighbours cannot count in mode "{mode}"; choose 1, or up to {MOST_NEIGHBOURS} in mode '
                '"nearest"'
            )
        most = cls._most(prototypes, scores.shape[1])
        with threadpool_limits(1):  # with so little data, starting more threads costs more than they bring
            grid = placed(scores, most, seed)
            kernel = one_class(scores, grid.centroids, seed) if mode == "kernel" else None
        return cls._of(Model(grid, min(neighbours, len(grid.coordinates)), kernel))

    @classmethod
    def learn(cls, scores: Floats, targets: Floats, seed: int, *, prototypes: int = 64) -> Self:
        """A student in mode "kernel" whose distance reproduces a teacher's outlier score.

        scores: standard scores float64 [W, F]; targets: float64 [W], the higher the more abnormal; prototypes: 1 to
        64, as in fit. It learns best from windows on both sides of the teacher's threshold. Raises InputError for
        other settings, and for targets that are not one finite number a window.
        """
        if targets.shape != (len(scores),) or not np.isfinite(targets).all():
            raise InputError("a student of prototypes needs one finite outlier score for each window")
        with threadpool_limits(1):
            return cls._of(distilled(scores, targets, cls._most(prototypes, scores.shape[1]), seed))

    @staticmethod
    def _most(prototypes: int, count: int) -> int:
        if not 1 <= prototypes <= MOST_PROTOTYPES:
            raise InputError(f"{prototypes} prototypes cannot be fitted; choose 1 to {MOST_PROTOTYPES}")
        row = _even(count)
        return min(prototypes, (_MOST_BYTES - _HEADER.size - _KERNEL.size - row) // (row + 2))

    @classmethod
    def _of(cls, model: Model) -> Self:
        """Quantize."""
        coordinates, steps = model.grid.coordinates, model.grid.steps
        count = model.neighbours * len(steps)
        limit = min(int(np.sqrt(SMALL_INTEGER_MAX / count)), 32767)
        if model.kernel is None:
            return cls(coordinates, steps, model.neighbours, limit, model=model)
        kernel, unit = _quantized(model.kernel, count * limit * limit)
        return cls(coordinates, steps, 1, limit, kernel, model=model, unit=unit)

    @classmethod
    def from_parameters(cls, parameters: bytes | memoryview, count: int) -> Self:
        """Read the section that ``parameters()`` wrote."""
        prototypes, _, mode, neighbours, limit, reduce, gain = _HEADER.unpack_from(parameters, 0)
        at, kernel = _HEADER.size, None
        if mode:
            weights = np.frombuffer(parameters, "<i2", prototypes, at + _KERNEL.size).astype(np.int32)
            exponent_reduce, exponent_gain, largest, reach, shift, far_gain = _KERNEL.unpack_from(parameters, at)
            kernel = Kernel(exponent_reduce, exponent_gain, largest, reach, shift, far_gain, weights)
            at += _KERNEL.size + 2 * prototypes
        steps = np.frombuffer(parameters, np.uint8, count, at).astype(np.int32)
        rows = np.frombuffer(parameters, np.int8, prototypes * _even(count), at + _even(count))
        coordinates = rows.reshape(prototypes, -1)[:, :count].astype(np.int32)
        return cls(coordinates, steps, neighbours, limit, kernel, reduce, gain)

    def parameters(self) -> bytes:
        """Sizes, mode, neighbours, limit, reduce, gain; the kernel and its weights; steps and coordinates by rows."""
        prototypes, count = self.coordinates.shape
        sizes = (prototypes, count, int(self.kernel is not None), self.neighbours)
        parts = [_HEADER.pack(*sizes, self.limit, self.reduce, self.gain)]
        if self.kernel is not None:
            k = self.kernel
            parts.append(_KERNEL.pack(k.reduce, k.gain, k.largest, k.reach, k.shift, k.far_gain))
            parts.append(k.weights.astype("<i2").tobytes())
        rows = np.zeros((1 + prototypes, _even(count)), dtype=np.uint8)
        rows[0, :count] = self.steps
        rows[1:, :count] = self.coordinates.astype(np.int8).view(np.uint8)
        return b"".join([*parts, rows.tobytes()])

    @property
    def settings(self) -> dict[str, Any]:
        """Mode, prototypes and, in mode "nearest", neighbours."""
        if self.kernel is not None:
            return {"mode": "kernel", "prototypes": len(self.coordinates)}
        return {"mode": "nearest", "prototypes": len(self.coordinates), "neighbours": self.neighbours}

    @property
    def operations(self) -> int:
        """Squared differences at most, and six steps for each kernel."""
        return int(self.coordinates.size) + (6 * len(self.coordinates) if self.kernel is not None else 0)

    def _squared(self, vectors: Int32) -> Int32:
        """Squared distances, Q14, int32 [P, W]."""
        result = np.empty((len(self.coordinates), len(vectors)), dtype=np.int32)
        for k, coordinates in enumerate(self.coordinates):
            difference = clamp(vectors - coordinates * self.steps, self.limit)
            result[k] = (difference * difference).sum(axis=1, dtype=np.int32)
        return result

    def _distances(self, squared: Int32) -> Int32:
        if self.kernel is not None:
            return self.kernel.distances(squared)
        return np.sort(squared, axis=0)[: self.neighbours].sum(axis=0, dtype=np.int32)

    def distances(self, vectors: Int32) -> Int32:
        """Sum of the least squared distances (Q14), or the kernel's distance."""
        return self._distances(self._squared(vectors))

    @property
    def own_unit(self) -> bool:
        """A kernel machine's height is its own; squared distances are all Q14."""
        return self.kernel is not None

    def scaled_to(self, threshold: int) -> Self:
        """Put score 256 at this distance."""
        reduce, gain = reduce_and_gain(threshold)
        return replace(self, reduce=reduce, gain=gain, threshold=threshold)

    def score(self, vectors: Int32) -> Int32:
        """Distance over that of the threshold, times 256."""
        return scaled(self.distances(vectors), self.reduce, self.gain)

    def contributions(self, vectors: Int32) -> Int32:
        """The score, shared out as the squared differences to the nearest prototype; 0 where there are none."""
        squared = self._squared(vectors)
        score = scaled(self._distances(squared), self.reduce, self.gain)
        nearest = squared.argmin(axis=0)
        difference = clamp(vectors - self.coordinates[nearest] * self.steps, self.limit)
        parts = difference * difference
        total = parts.sum(axis=1, dtype=np.int32)
        shift = np.maximum(bit_length(total) - 15, 0)
        parts, total = parts >> shift[:, None], np.maximum(total >> shift, 1)
        return (score[:, None] * parts + (total >> 1)[:, None]) // total[:, None]

    def float_score(self, scores: Floats) -> Floats:
        """The same in float64, without quantization, but of the coordinates, or saturation."""
        if self.model is None:
            raise RuntimeError("a family read from a file has no float model")
        return self.model.distances(scores) * self.unit * 256 / self.threshold
