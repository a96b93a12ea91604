"""Linear prediction of each window from those before it: residuals, and their CUSUM for what creeps."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from offbeat.train.arithmetic import SMALL_INTEGER_MAX, Int32, clamp, rounded_shift, scaled
from offbeat.train.errors import InputError

from .base import Family, reduce_and_gain

__all__ = ["LONGEST_ROW", "MOST_LAGS", "MOST_MULTIPLIER", "MOST_SECOND_SHIFT", "MOST_SHIFT", "Autoregressive"]

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

MOST_LAGS = 4
LONGEST_ROW = 131000  # sum of absolute weights of a feature: times 8191 it stays below 2**30
MOST_SHIFT = 18
MOST_MULTIPLIER, MOST_SECOND_SHIFT = 16383, 24
_HEADER = struct.Struct("<10H")

_PENALTIES = (0.001, 0.01, 0.1)  # of the ridge, for each window
_FOLDS = 4
_FOLDS_FROM = 40  # windows
_FIT_VALUES = 4_000_000  # numbers in the matrix of predictors; longer recordings are thinned out evenly
_OUTLIERS = 0.02  # share of the training windows that the second fit leaves out

_ERROR_BITS = 9  # of an error of prediction after the point, two more than the scores have
_RESIDUAL_BITS = (3, 7)  # of a residual, least and most
_SATURATION = 8.0  # one residual counts up to so many times the root of the limit, if the bits allow
_FLOOR = 2.0**-5  # least deviation of an error, so that the rounding of scores to 1/128 stays unseen
_SLACKS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)  # deviations; the CUSUM is tuned to shifts of twice as many (Page, 1954)
_DRIFT = 1.25  # where sums grow so many times as high as those of independent residuals, they drift: more slack
_REACH = 4.0  # deviations that one window adds to the CUSUM at most, so that a single spike does not exceed
_CEILING = 2.5  # the CUSUM saturates at so many times its limit, and is back soon after a fault
_QUANTILE = 0.99
_LEAST_RESIDUAL, _LEAST_CUSUM = 1.0, 4.0  # limits that even constant training data give
_BASE = 16384  # distance at which both statistics' limits lie before the threshold is set


def _starts(runs: Sequence[int], total: int) -> Index:
    """Of each window the first one of its stretch."""
    if sum(runs) != total or min(runs, default=0) < 1:
        raise InputError(f"the stretches {list(runs)} do not add up to {total} windows; give the length of each")
    ends = np.cumsum(runs)
    return np.repeat(ends - runs, runs)


@dataclass(frozen=True)
class _Model:
    """The predictor in float64: coefficients [F, L, F], intercepts [F]; deviations [F] of its errors."""

    coefficients: Floats
    intercepts: Floats
    deviations: Floats

    def errors(self, scores: Floats, starts: Index, windows: Index) -> Floats:
        """Scores less their prediction, float64 [len(windows), F]; before a stretch all is as in its first window."""
        predicted = np.tile(self.intercepts, (len(windows), 1))
        for lag in range(self.coefficients.shape[1]):
            before = np.maximum(windows - lag - 1, starts[windows])
            predicted += scores[before] @ self.coefficients[:, lag].T
        return scores[windows] - predicted


def _fitted(scores: Floats, starts: Index, windows: Index, lags: int, penalty: float) -> _Model:
    """Ridge regression of those windows on the `lags` before each."""
    count = scores.shape[1]
    complete = windows[windows - starts[windows] >= lags]
    rows = complete if len(complete) else windows
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _FIT_VALUES // (lags * count))).astype(int)]
    history = np.hstack([scores[np.maximum(rows - lag, starts[rows])] for lag in range(1, lags + 1)])
    ridge = Ridge(alpha=penalty * len(rows), solver="cholesky").fit(history, scores[rows])
    return _Model(ridge.coef_.reshape(count, lags, count), np.asarray(ridge.intercept_), np.ones(count))


def _inner(errors: Floats) -> NDArray[np.bool_]:
    """The windows but for those with the largest errors."""
    squared = (errors**2).sum(axis=1)
    return squared <= np.quantile(squared, 1 - _OUTLIERS)


def _held_out(scores: Floats, starts: Index, lags: int, penalty: float) -> Floats:
    """Errors of each window by a predictor that has not seen its quarter of the recordings, float64 [W, F]."""
    windows = np.arange(len(scores))
    if len(scores) < _FOLDS_FROM:
        return _fitted(scores, starts, windows, lags, penalty).errors(scores, starts, windows)
    errors = []
    for block in np.array_split(windows, _FOLDS):
        others = np.setdiff1d(windows, block, assume_unique=True)
        errors.append(_fitted(scores, starts, others, lags, penalty).errors(scores, starts, block))
    return np.concatenate(errors)


def _trained(scores: Floats, starts: Index, lags: int) -> tuple[_Model, Floats]:
    """The predictor, and its held-out residuals in deviations, float64 [W, F].

    A first fit shows the windows that are worst predicted, the second one leaves them out.
    """
    tried = []
    for penalty in _PENALTIES:
        errors = _held_out(scores, starts, lags, penalty)
        tried.append(((errors[_inner(errors)] ** 2).mean(), penalty, errors))
    _, penalty, errors = min(tried, key=lambda one: one[0])
    deviations = np.maximum(np.sqrt((errors[_inner(errors)] ** 2).mean(axis=0)), _FLOOR)
    windows = np.arange(len(scores))
    first = _fitted(scores, starts, windows, lags, penalty).errors(scores, starts, windows)
    model = _fitted(scores, starts, windows[_inner(first)], lags, penalty)
    return replace(model, deviations=deviations), errors / deviations


def _cusum(residuals: NDArray[Any], slack: float, reach: float, ceiling: float) -> NDArray[Any]:
    """Two-sided CUSUM of one stretch of residuals [W, F] from zero: the larger sum of each feature, [W, F]."""
    steps = np.clip(residuals, -reach, reach)
    sums = np.concatenate([steps - slack, -steps - slack], axis=1)
    state = np.zeros(sums.shape[1], dtype=sums.dtype)
    for i, step in enumerate(sums):
        state = np.minimum(np.maximum(state + step, 0), ceiling)
        sums[i] = state
    count = residuals.shape[1]
    return np.maximum(sums[:, :count], sums[:, count:])


def _residual_limit(residuals: Floats) -> float:
    return max(float(np.quantile((residuals**2).sum(axis=1), _QUANTILE)), _LEAST_RESIDUAL)


def _chart(residuals: Floats, runs: Sequence[int]) -> tuple[float, float]:
    """The least slack at which the CUSUM of training keeps near zero, and the limit of its largest sum, squared.

    With a slack of half a deviation, a sum of independent residuals exceeds s with probability exp(-s - 0.583)
    (Siegmund, 1985); there are two for each feature.
    """
    independent = np.log(2 * residuals.shape[1] / (1 - _QUANTILE)) - 0.583
    stretches = np.split(residuals, np.cumsum(runs)[:-1])
    for slack in _SLACKS:
        sums = np.concatenate([_cusum(part, slack, _REACH, np.inf).max(axis=1) for part in stretches])
        highest = float(np.quantile(sums, _QUANTILE))
        if highest <= _DRIFT * independent:
            break
    return slack, max(highest**2, _LEAST_CUSUM)


def _quantized_row(row: Floats) -> tuple[Int32, int]:
    """A feature's weights, and the shift of their sum to Q9, so that no sum can overflow."""
    longest, largest = np.abs(row).sum(), np.abs(row).max()
    fits = min((LONGEST_ROW - len(row)) / max(longest, 1e-9), 32767 / max(largest, 1e-9))
    finer = _ERROR_BITS - 7
    shift = min(max(int(np.floor(np.log2(fits))) - finer, 1), MOST_SHIFT)
    return np.round(row * min(2.0 ** (shift + finer), fits)).astype(np.int32), shift


def _scale(limit: float) -> tuple[int, int]:
    return reduce_and_gain(round(min(limit, SMALL_INTEGER_MAX))) if np.isfinite(limit) else (0, 0)


def _limit_of(reduce: int, gain: int) -> float:
    return 256.0 * 2.0**15 * 2.0**reduce / gain if gain else np.inf


def _residual_bits(limit: float, largest: int) -> int:
    """Bits after the point that leave residuals room to grow beyond their limit, of which `largest` squares fit."""
    bits = int(np.floor(np.log2(largest / (_SATURATION * np.sqrt(limit)))))
    return min(max(bits, _RESIDUAL_BITS[0]), _RESIDUAL_BITS[1])


@dataclass(frozen=True)
class Autoregressive(Family):
    """Fitted predictor; a score depends on the windows before it.

    weights: int32 [F, L, F], feature, lag and predictor; shifts, from their sums to Q9; biases (Q9); multipliers and
    seconds (shifts), from errors in Q9 to residuals in deviations: int32 [F] each. bounds: where a residual
    saturates, and slack, reach and ceiling of the CUSUM, ceiling 0 for none; limits: of the squared residuals and of
    the squared CUSUM at distance 16384; scales: reduce and gain of either; bits: of a residual after the point.
    """

    name: ClassVar[str] = "autoregressive"
    number: ClassVar[int] = 8
    stateful: ClassVar[bool] = True
    variants: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"lags": 1, "cusum": True},
        {"lags": 2, "cusum": False},
        {"lags": 2, "cusum": True},
        {"lags": 4, "cusum": True},
    )

    weights: Int32
    shifts: Int32
    biases: Int32
    multipliers: Int32
    seconds: Int32
    bounds: tuple[int, int, int, int]
    limits: tuple[float, float]
    scales: tuple[int, int, int, int] = (0, 0, 0, 0)
    bits: int = 7
    model: _Model | None = None
    threshold: int = _BASE

    @classmethod
    def fit(  # type: ignore[override]  # a family names its own settings
        cls, scores: Floats, seed: int, *, runs: Sequence[int] | None = None, lags: int = 2, cusum: bool = True
    ) -> Self:
        """scikit-learn's Ridge of each window on the `lags` before it, quantized; the penalty by held-out quarters.

        runs: lengths of the stretches that follow one another in scores, None for one. cusum: whether sums of
        residuals count as well. Raises InputError for other settings.
        """
        if not 1 <= lags <= MOST_LAGS:
            raise InputError(f"windows cannot be predicted from the {lags} before them; choose 1 to {MOST_LAGS} lags")
        runs = [len(scores)] if runs is None else list(runs)
        with threadpool_limits(1):  # with so little data, starting more threads costs more than they bring
            model, residuals = _trained(scores, _starts(runs, len(scores)), lags)
        limit = _residual_limit(residuals)
        slack, cusum_limit = _chart(residuals, runs) if cusum else (0.0, np.inf)
        return cls._quantized(model, limit, slack, cusum_limit)

    @classmethod
    def _quantized(cls, model: _Model, limit: float, slack: float, cusum_limit: float) -> Self:
        count = len(model.deviations)
        largest = min(int(np.sqrt(SMALL_INTEGER_MAX / count)), 32767)
        bits = _residual_bits(limit, largest)
        one = 2.0**bits
        rows = [_quantized_row(row) for row in model.coefficients.reshape(count, -1)]
        scale = 2.0 ** (bits - _ERROR_BITS) / model.deviations
        seconds = np.clip(np.floor(np.log2(MOST_MULTIPLIER / scale)), 1, MOST_SECOND_SHIFT).astype(np.int32)
        ceiling = min(round(_CEILING * np.sqrt(cusum_limit) * one), 32767) if np.isfinite(cusum_limit) else 0
        family = cls(
            weights=np.stack([row for row, _ in rows]).reshape(model.coefficients.shape),
            shifts=np.array([shift for _, shift in rows], dtype=np.int32),
            biases=clamp(np.round(model.intercepts * 2.0**_ERROR_BITS).astype(np.int32), 32767),
            multipliers=np.minimum(np.round(scale * 2.0**seconds), MOST_MULTIPLIER).astype(np.int32),
            seconds=seconds,
            bounds=(largest, round(slack * one), round(_REACH * one), ceiling),
            limits=(limit * one**2, cusum_limit * one**2),
            bits=bits,
            model=model,
        )
        return family.scaled_to(_BASE)

    @classmethod
    def from_parameters(cls, parameters: bytes | memoryview, count: int) -> Self:
        """Read the section that ``parameters()`` wrote."""
        _, lags, *rest = _HEADER.unpack_from(parameters, 0)
        bounds = (rest[0], rest[1], rest[2], rest[3])
        scales = (rest[4], rest[5], rest[6], rest[7])
        rows = np.frombuffer(parameters, "<i2", offset=_HEADER.size).astype(np.int32).reshape(count, 3 + lags * count)
        biases, multipliers, both = rows[:, :3].T
        limits = (_limit_of(*scales[:2]), _limit_of(*scales[2:]))
        weights = rows[:, 3:].reshape(count, lags, count)
        return cls(weights, both & 255, biases, multipliers, both >> 8, bounds, limits, scales)

    def parameters(self) -> bytes:
        """Sizes, bounds and scales; by rows bias, multiplier, shifts and weights."""
        count, lags, _ = self.weights.shape
        header = _HEADER.pack(count, lags, *self.bounds, *self.scales)
        heads = np.stack([self.biases, self.multipliers, self.shifts + 256 * self.seconds], axis=1)
        return header + np.concatenate([heads, self.weights.reshape(count, -1)], axis=1).astype("<i2").tobytes()

    @property
    def settings(self) -> dict[str, Any]:
        """Lags, and whether there is a CUSUM."""
        return {"lags": self.weights.shape[1], "cusum": self.bounds[3] > 0}

    @property
    def operations(self) -> int:
        """Multiply-accumulates of the prediction, scaling of the residuals, and steps of the CUSUM and the history."""
        count, lags, _ = self.weights.shape
        return self.weights.size + count * (4 + lags + 6 * (self.bounds[3] > 0))

    def _residuals(self, vectors: Int32) -> Int32:
        """Errors of prediction over their deviations, int32 [W, F]."""
        total = np.zeros_like(vectors)
        before = vectors
        for lag in range(self.weights.shape[1]):
            before = np.concatenate([before[:1], before[:-1]])
            total = total + before @ self.weights[:, lag].T
        errors = clamp(vectors * 4 - rounded_shift(total, self.shifts) - self.biases, 32767)
        return clamp(rounded_shift(errors * self.multipliers, self.seconds), self.bounds[0])

    def _statistics(self, vectors: Int32) -> tuple[Int32, Int32]:
        """Squared residuals and the CUSUM's squared sums, int32 [W, F] each."""
        residuals = self._residuals(vectors)
        sums = _cusum(residuals, *self.bounds[1:])
        return residuals * residuals, sums * sums

    def distances(self, vectors: Int32) -> Int32:
        """Larger of the squared residuals' sum and the largest squared CUSUM, each over its limit; 16384 = on it."""
        residual, cusum = self._statistics(vectors)
        inside = residual.sum(axis=1, dtype=np.int32) * (_BASE / self.limits[0])
        index = np.maximum(inside, cusum.max(axis=1) * (_BASE / self.limits[1]))
        return np.clip(index, 0, SMALL_INTEGER_MAX).astype(np.int32)

    def scaled_to(self, threshold: int) -> Self:
        """Put score 256 at this multiple (over 16384) of both limits."""
        scales = (*_scale(self.limits[0] * threshold / _BASE), *_scale(self.limits[1] * threshold / _BASE))
        return replace(self, scales=scales, threshold=threshold)

    def score(self, vectors: Int32) -> Int32:
        """Larger of the two scaled statistics; vectors are one stretch, from a reset."""
        residual, cusum = self._statistics(vectors)
        return np.maximum(
            scaled(residual.sum(axis=1, dtype=np.int32), *self.scales[:2]),
            scaled(cusum.max(axis=1), *self.scales[2:]),
        )

    def contributions(self, vectors: Int32) -> Int32:
        """The squared residuals; where the CUSUM counts its square, all for the feature with the largest sum."""
        residual, cusum = self._statistics(vectors)
        parts = scaled(residual, *self.scales[:2])
        creeping = scaled(cusum.max(axis=1), *self.scales[2:])
        rows = np.flatnonzero(creeping > scaled(residual.sum(axis=1, dtype=np.int32), *self.scales[:2]))
        parts[rows] = 0
        parts[rows, cusum[rows].argmax(axis=1)] = creeping[rows]
        return parts

    def float_score(self, scores: Floats) -> Floats:
        """The same in float64, one stretch from a reset, without quantization; residuals do not saturate."""
        if self.model is None:
            raise RuntimeError("a family read from a file has no float model")
        windows = np.arange(len(scores))
        residuals = self.model.errors(scores, np.zeros_like(windows), windows) / self.model.deviations
        slack, reach, ceiling = (bound / 2.0**self.bits for bound in self.bounds[1:])
        sums = _cusum(residuals, slack, reach, ceiling).max(axis=1)
        index = np.maximum((residuals**2).sum(axis=1) / self.limits[0], sums**2 / self.limits[1])
        return np.asarray(index * 4.0**self.bits * _BASE * 256 / self.threshold)
