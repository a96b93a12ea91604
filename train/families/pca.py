"""Principal components: Hotelling's T^2 inside their subspace and the squared residual Q outside, as one index."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from threadpoolctl import threadpool_limits

from offbeat.train.arithmetic import SMALL_INTEGER_MAX, Int32, clamp, rounded_shift, scaled
from offbeat.train.errors import InputError

from .base import Family, reduce_and_gain

__all__ = ["PCA"]

Floats = NDArray[np.float64]

COMBINATIONS = ("max", "sum")
LONGEST_ROW = 131000  # sum of absolute loadings of a component: times 8191 it stays below 2**30
LONGEST_COLUMN = 32767  # and of a feature: times 32767
LEAST_SHIFT, MOST_SHIFT = 10, 14
MOST_SCORE = 32766
_QUANTILE, _NORMAL_QUANTILE = 0.99, 2.326
_BASE = 16384  # distance at which both statistics' limits lie before the threshold is set

# Variance, (1/32 standard deviation)^2. The scores come in steps of 1/128, and rounding at each step of the
# arithmetic leaves noise of about half a step: a deviation assumed to be at least 4 steps keeps it unseen.
_FLOOR = 2.0**-10
_LEAST_LIMIT = 2.0**-6  # the least that reduce and gain resolve


def _limit(variances: Floats) -> float:
    """99 % limit of a sum of independent squares with these variances.

    Jackson and Mudholkar's (1979) formula with h0 = 1/3, which is defined for any variances where their own h0 is
    not: Box's (1954) scaled chi-square through the cube root of Wilson and Hilferty (1931).
    """
    first, second = variances.sum(), (variances**2).sum()
    spread = 2 * second / (9 * first**2)
    return float(first * (1 - spread + _NORMAL_QUANTILE * np.sqrt(spread)) ** 3)


@dataclass(frozen=True)
class _Model:
    """The fit in float64: loadings [R, F] in unit rows, variances [R]."""

    loadings: Floats
    variances: Floats

    def statistics(self, scores: Floats) -> tuple[Floats, Floats]:
        """T^2 and Q, float64 [W] each."""
        principal = scores @ self.loadings.T
        residual = scores - principal @ self.loadings
        return (principal**2 / self.variances).sum(axis=1), (residual**2).sum(axis=1)


def _fitted(scores: Floats, variance: float) -> tuple[_Model, float, float]:
    """Components for that share of the variance, and the limits of T^2 and Q; infinite without a residual."""
    variances, vectors = np.linalg.eigh(LedoitWolf(assume_centered=True).fit(scores).covariance_)
    variances, loadings = np.maximum(variances[::-1], 0), vectors.T[::-1]
    share = np.cumsum(variances) / max(variances.sum(), 1e-12)
    count = len(variances)
    components = max(1, min(int(np.searchsorted(share, variance)) + 1, count - 1))
    variances = np.maximum(variances, _FLOOR)
    model = _Model(loadings[:components], variances[:components])
    # The theory holds for Gaussian windows, the quantile for many: whichever is larger.
    found = [float(np.quantile(statistic, _QUANTILE)) for statistic in model.statistics(scores)]
    inside = max(found[0], _limit(np.ones(components)))
    outside = max(found[1], _limit(variances[components:]), _LEAST_LIMIT) if components < count else np.inf
    return model, inside, outside


def _quantized_loadings(loadings: Floats) -> tuple[Int32, int]:
    """Loadings and their common shift, so that no sum over features or over components can overflow."""
    components, count = loadings.shape
    row, column = np.abs(loadings).sum(axis=1).max(), np.abs(loadings).sum(axis=0).max()
    largest = min((LONGEST_ROW - count) / row, (LONGEST_COLUMN - components) / column)
    shift = min(int(np.floor(np.log2(largest))), MOST_SHIFT)
    return np.round(loadings * 2.0**shift).astype(np.int32), shift


def _saturation(count: int) -> int:
    """Largest absolute value of which `count` squares add up to a small integer."""
    return min(int(np.sqrt(SMALL_INTEGER_MAX / count)), 32767)


def _scale(limit: float) -> tuple[int, int]:
    return reduce_and_gain(round(min(limit, SMALL_INTEGER_MAX))) if np.isfinite(limit) else (0, 0)


def _limit_of(reduce: int, gain: int) -> float:
    return 256.0 * 2.0**15 * 2.0**reduce / gain if gain else np.inf


@dataclass(frozen=True)
class PCA(Family):
    """Fitted components. loadings: int32 [R, F], times 2**shift.

    multipliers, shifts: int32 [R], reciprocal standard deviations of the components; limits: at which the scaled
    principal scores and the residuals saturate; inside, outside: limits of T^2 and of Q (Q14) at distance 16384;
    scales: reduce and gain of either; variance: the share that was asked for.
    """

    name: ClassVar[str] = "pca"
    number: ClassVar[int] = 4
    usual_size: ClassVar[int] = 1024
    variants: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"variance": 0.7, "combine": "max"},
        {"variance": 0.85, "combine": "max"},
        {"variance": 0.95, "combine": "sum"},
    )

    loadings: Int32
    shift: int
    multipliers: Int32
    shifts: Int32
    limits: tuple[int, int]
    combine: str
    inside: float
    outside: float
    scales: tuple[int, int, int, int]
    variance: float | None = None
    model: _Model | None = None
    threshold: int = _BASE

    @classmethod
    def fit(  # type: ignore[override]  # a family names its own settings
        cls, scores: Floats, seed: int, *, variance: float = 0.95, combine: str = "max"
    ) -> Self:
        """Eigenvectors of scikit-learn's Ledoit-Wolf covariance, quantized.

        variance: share of it that the components keep, between 0 and 1; one dimension at least is left to Q.
        combine: "max" for the larger of T^2 and Q, each over its limit, "sum" for their sum (Yue and Qin, 2001).
        Raises InputError for other settings.
        """
        if not 0 < variance < 1:
            raise InputError(f"principal components cannot keep {variance:g} of the variance; choose 0.7 to 0.95")
        if combine not in COMBINATIONS:
            raise InputError(f'T^2 and Q cannot be combined by "{combine}"; choose "max" or "sum"')
        with threadpool_limits(1):  # with so little data, starting more threads costs more than they bring
            model, inside, outside = _fitted(scores, variance)
        loadings, shift = _quantized_loadings(model.loadings)
        reciprocal = 1 / np.sqrt(model.variances)
        shifts = np.minimum(np.floor(np.log2(32767 / reciprocal)), 16).astype(np.int32)
        multipliers = np.round(reciprocal * 2.0**shifts).astype(np.int32)
        components, count = loadings.shape
        family = cls(
            loadings,
            shift,
            multipliers,
            shifts,
            (_saturation(components), _saturation(count)),
            combine,
            inside * 16384,
            outside * 16384,
            (0, 0, 0, 0),
            variance=variance,
            model=model,
        )
        return family.scaled_to(_BASE)

    @classmethod
    def from_parameters(cls, parameters: bytes | memoryview, count: int) -> Self:
        """Read the section that ``parameters()`` wrote."""
        components, _, add, shift, *rest = struct.unpack_from("<10H", parameters, 0)
        scales = (rest[2], rest[3], rest[4], rest[5])
        words = np.frombuffer(parameters, "<i2", offset=20).astype(np.int32)
        multipliers, shifts = words[: 2 * components].reshape(components, 2).T
        loadings = words[2 * components :].reshape(components, count)
        inside, outside = _limit_of(*scales[:2]), _limit_of(*scales[2:])
        limits = (rest[0], rest[1])
        return cls(loadings, shift, multipliers, shifts, limits, COMBINATIONS[add], inside, outside, scales)

    def parameters(self) -> bytes:
        """Sizes, combination, shift, limits and scales; multiplier and shift of each component; loadings by rows."""
        add = COMBINATIONS.index(self.combine)
        header = struct.pack("<10H", *self.loadings.shape, add, self.shift, *self.limits, *self.scales)
        deviations = np.stack([self.multipliers, self.shifts], axis=1).astype("<i2").tobytes()
        return header + deviations + self.loadings.astype("<i2").tobytes()

    @property
    def settings(self) -> dict[str, Any]:
        """Components, the share of the variance that was asked for, and the combination."""
        asked = {} if self.variance is None else {"variance": self.variance}
        return {"components": len(self.loadings), **asked, "combine": self.combine}

    @property
    def operations(self) -> int:
        """Multiply-accumulates of one score."""
        components, count = self.loadings.shape
        return 2 * components * count + 2 * components + count

    def _principal(self, vectors: Int32) -> Int32:
        return clamp(rounded_shift(vectors @ self.loadings.T, self.shift), 32767)

    def _weighed(self, principal: Int32) -> Int32:
        return clamp(rounded_shift(principal * self.multipliers, self.shifts), self.limits[0])

    def _residual(self, vectors: Int32, principal: Int32) -> Int32:
        return clamp(vectors - rounded_shift(principal @ self.loadings, self.shift), self.limits[1])

    def _statistics(self, vectors: Int32) -> tuple[Int32, Int32]:
        """T^2 and Q, Q14, int32 [W] each."""
        principal = self._principal(vectors)
        weighed, residual = self._weighed(principal), self._residual(vectors, principal)
        return (weighed * weighed).sum(axis=1, dtype=np.int32), (residual * residual).sum(axis=1, dtype=np.int32)

    def _combined(self, inside: NDArray[np.floating], outside: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.maximum(inside, outside) if self.combine == "max" else inside + outside

    def distances(self, vectors: Int32) -> Int32:
        """Larger or sum of T^2 and Q, each over its limit; 16384 = on the limit."""
        inside, outside = self._statistics(vectors)
        index = self._combined(inside * (_BASE / self.inside), outside * (_BASE / self.outside))
        return np.clip(index, 0, SMALL_INTEGER_MAX).astype(np.int32)

    def scaled_to(self, threshold: int) -> Self:
        """Put score 256 at this multiple (over 16384) of both limits, or of their sum."""
        scales = (*_scale(self.inside * threshold / _BASE), *_scale(self.outside * threshold / _BASE))
        return replace(self, scales=scales, threshold=threshold)

    def _scaled(self, vectors: Int32) -> tuple[Int32, Int32]:
        inside, outside = self._statistics(vectors)
        return scaled(inside, *self.scales[:2]), scaled(outside, *self.scales[2:])

    def score(self, vectors: Int32) -> Int32:
        """Larger or sum of the two scaled statistics."""
        inside, outside = self._scaled(vectors)
        return np.maximum(inside, outside) if self.combine == "max" else np.minimum(inside + outside, MOST_SCORE)

    def contributions(self, vectors: Int32) -> Int32:
        """Of T^2 z_j (P' L^-1 P z)_j, L the variances; of Q the squared residual; of the one that counts, or both."""
        principal = self._principal(vectors)
        back = clamp(rounded_shift(self._weighed(principal) * self.multipliers, self.shifts), 32767)
        parts = vectors * clamp(rounded_shift(back @ self.loadings, self.shift), 32767)
        residual = self._residual(vectors, principal)
        inside = np.sign(parts) * scaled(np.abs(parts), *self.scales[:2])
        outside = scaled(residual * residual, *self.scales[2:])
        if self.combine == "sum":
            return inside + outside
        larger, other = self._scaled(vectors)
        return np.where((other > larger)[:, None], outside, inside)

    def float_score(self, scores: Floats) -> Floats:
        """The same in float64, without quantization or saturation."""
        if self.model is None:
            raise RuntimeError("a family read from a file has no float model")
        inside, outside = self.model.statistics(scores)
        index = self._combined(inside * 16384 / self.inside, outside * 16384 / self.outside)
        return (index * _BASE * 256 / self.threshold).astype(np.float64)
