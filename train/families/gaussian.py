"""One Gaussian: squared Mahalanobis distance through an integer inverse Cholesky factor."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from offbeat.train.arithmetic import Int32, clamp, rounded_shift, scaled

from .base import Family, reduce_and_gain

__all__ = ["Gaussian"]

_LONGEST_ROW = 65535
_COARSER = 1  # bit: whitened scores in 1/64, which saturate at 32 deviations; coarser, reasons would add up to less


def _precision_factor(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse Cholesky factor W (lower triangle, W cov W' = 1) of a shrunk covariance.

    Nothing is trimmed: a way of running that is rare in the recordings is normal too.
    """
    covariance = LedoitWolf(assume_centered=True).fit(scores).covariance_
    floor = 1e-5 * np.trace(covariance) / len(covariance) + 1e-6
    factor = np.linalg.cholesky(covariance + floor * np.eye(len(covariance)))
    return np.linalg.inv(factor)


@dataclass(frozen=True)
class Gaussian(Family):
    """Fitted Gaussian. weights: int32 [F, F] lower triangle; shifts: int32 [F]; reduce, gain: score scale."""

    name: ClassVar[str] = "gaussian"
    number: ClassVar[int] = 1
    usual_size: ClassVar[int] = 1024

    weights: Int32
    shifts: Int32
    reduce: int = 0
    gain: int = 32767
    factor: NDArray[np.float64] | None = None
    threshold: int = 256

    @classmethod
    def fit(cls, scores: NDArray[np.float64], seed: int, **settings: Any) -> Self:
        """Ledoit-Wolf shrinkage (2004), then rows quantized so that no sum can overflow."""
        factor = _precision_factor(scores)
        weights, shifts = np.zeros(factor.shape, dtype=np.int32), np.zeros(len(factor), dtype=np.int32)
        for i, row in enumerate(factor):
            largest, total = np.abs(row).max(), np.abs(row).sum()
            shift = int(np.floor(np.log2(min(32767 / largest, (_LONGEST_ROW - len(row)) / total))))
            shifts[i] = min(max(shift + _COARSER, 6), 24)
            weights[i] = np.round(row * 2.0 ** (shifts[i] - _COARSER))
        return cls(weights, shifts, factor=factor)

    @classmethod
    def from_parameters(cls, parameters: bytes | memoryview, count: int) -> Self:
        """Read the section that ``parameters()`` wrote."""
        _, _, reduce, gain = struct.unpack_from("<HHHH", parameters, 0)
        shifts = np.frombuffer(parameters, np.uint8, count, 8).astype(np.int32)
        triangle = np.frombuffer(parameters, "<i2", count * (count + 1) // 2, 8 + (count + 3) // 4 * 4)
        weights = np.zeros((count, count), dtype=np.int32)
        weights[np.tril_indices(count)] = triangle
        return cls(weights, shifts, reduce, gain)

    def parameters(self) -> bytes:
        """Count, reduce and gain; shifts; the lower triangle by rows."""
        count = len(self.shifts)
        shifts = self.shifts.astype(np.uint8).tobytes() + b"\0" * (-count % 4)
        triangle = self.weights[np.tril_indices(count)].astype("<i2").tobytes()
        return struct.pack("<HHHH", count, 0, self.reduce, self.gain) + shifts + triangle

    def _whitened(self, vectors: Int32) -> Int32:
        return clamp(rounded_shift(vectors @ self.weights.T, self.shifts), 2047)

    def distances(self, vectors: Int32) -> Int32:
        """Squared Mahalanobis distance, Q12."""
        whitened = self._whitened(vectors)
        return (whitened * whitened).sum(axis=1, dtype=np.int32)

    def scaled_to(self, threshold: int) -> Self:
        """Put score 256 at this squared distance (Q12)."""
        reduce, gain = reduce_and_gain(threshold)
        return replace(self, reduce=reduce, gain=gain, threshold=threshold)

    def score(self, vectors: Int32) -> Int32:
        """Squared distance over that of the threshold, times 256."""
        return scaled(self.distances(vectors), self.reduce, self.gain)

    def contributions(self, vectors: Int32) -> Int32:
        """z_j (W' W z)_j, the additive split of the squared distance over features."""
        whitened = self._whitened(vectors)
        back = ((self.weights[None] * whitened[:, :, None]) >> self.shifts[None, :, None]).sum(axis=1, dtype=np.int32)
        parts = vectors * clamp(back, 32767)
        return np.sign(parts) * scaled(np.abs(parts), self.reduce, self.gain)

    @property
    def settings(self) -> dict[str, Any]:
        """A Gaussian has nothing to choose."""
        return {}

    @property
    def operations(self) -> int:
        """Multiply-accumulates of the triangle, and the squares."""
        return len(self.shifts) * (len(self.shifts) + 3) // 2

    def float_score(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same in float64, without quantization or saturation."""
        if self.factor is None:
            raise RuntimeError("a family read from a file has no float model")
        return ((scores @ self.factor.T) ** 2).sum(axis=1) * 4.0**-_COARSER * 16384 * 256 / self.threshold
