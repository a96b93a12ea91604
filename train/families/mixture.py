"""Gaussian mixture: the least over its components of squared Mahalanobis distance plus the component's offset."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from offbeat.train.arithmetic import SMALL_INTEGER_MAX, Int32, clamp, rounded_shift, scaled
from offbeat.train.errors import InputError

from .base import Family, reduce_and_gain

__all__ = ["Mixture"]

Floats = NDArray[np.float64]

COVARIANCES = ("diag", "full")
MOST_COMPONENTS = 8
_MOST_BYTES = 8000
LONGEST_ROW = 65000  # sum of a row's absolute weights: with differences of 16382 the sum stays below 2**30
LEAST_SHIFT, MOST_SHIFT = 6, 24
MOST_OFFSET = 2**28
_FLOOR = 1e-2  # variance, a tenth of a standard deviation squared: an orientation that never moved may yet
_OUTLIERS = 0.02  # share of the held-out windows that count no worse than the rest
_PRIOR = 2  # windows of the common covariance that a component starts with
_FIT_ON = 2000  # windows, evenly spread
_CHOOSE_ON = 600
_BLOCKS, _FOLDS = 20, 5
_STARTS, _TRIAL_STARTS = 8, 3
_COUNTS = (1, 2, 3, 4, 6, 8)
_HOPELESS = 3.0  # -2 log-likelihood a window worse than the best: more components of that kind are not tried
_AS_GOOD = 1.0  # -2 log-likelihood a window, half a nat: twice what it differs between seeds
_FEWEST_MEMBERS = 5  # a component of less is an outlier of its own


@dataclass(frozen=True)
class _Model:
    """Components in float64: means [K, F]; factors, inverse Cholesky [K, F, F], or reciprocal deviations [K, F].

    offsets [K]: -2 log weight + log det covariance, relative to the least of them, which is `base`.
    """

    means: Floats
    factors: Floats
    offsets: Floats
    base: float

    def distances(self, scores: Floats) -> Floats:
        """Least squared Mahalanobis distance plus offset, float64 [W]."""
        return np.min([self._distance(scores, k) for k in range(len(self.means))], axis=0)

    def _distance(self, scores: Floats, component: int) -> Floats:
        difference, factor = scores - self.means[component], self.factors[component]
        whitened = difference @ factor.T if factor.ndim == 2 else difference * factor
        return (whitened**2).sum(axis=1) + self.offsets[component]


def _evenly(scores: Floats, most: int) -> Floats:
    return scores[np.linspace(0, len(scores) - 1, min(len(scores), most)).astype(int)]


def _possible(scores: Floats, components: int) -> int:
    """No more components than there are different windows to carry them."""
    distinct = len(np.unique(scores, axis=0))
    return max(1, min(components, distinct // max(10, scores.shape[1])))


def _estimator(components: int, covariance: str, seed: int, starts: int = 1, **initial: Any) -> GaussianMixture:
    return GaussianMixture(
        components,
        covariance_type=covariance,
        reg_covar=_FLOOR,
        tol=2e-3,  # nats a window; small steps on flat likelihoods take hundreds of iterations and change no verdict
        max_iter=1000,
        n_init=starts,
        random_state=seed,
        **initial,
    )


def _regularised(fitted: GaussianMixture, scores: Floats) -> _Model:
    """Components of a fit, less those of hardly any windows, each covariance drawn towards the common one.

    The covariance is the posterior mode under an inverse Wishart prior that is worth some windows of the common
    covariance within components (Fraley and Raftery, 2007), itself shrunk as Ledoit and Wolf (2004) do: a
    component of few windows cannot collapse onto them.
    """
    responsibilities = fitted.predict_proba(scores)
    members = responsibilities.sum(axis=0)
    kept = members >= min(_FEWEST_MEMBERS, members.max())
    members, means, covariances = members[kept], fitted.means_[kept], fitted.covariances_[kept]
    weights = members / members.sum()
    common = np.tensordot(weights, covariances, axes=1)
    full = covariances.ndim == 3
    if full:
        own = responsibilities[:, kept].argmax(axis=1)
        shrinkage = ledoit_wolf_shrinkage(scores - means[own], assume_centered=True)
        common = (1 - shrinkage) * common + shrinkage * np.trace(common) / len(common) * np.eye(len(common))
    share = (_PRIOR / (members + _PRIOR)).reshape(-1, *[1] * common.ndim)
    drawn = (1 - share) * covariances + share * common
    if full:
        factors = np.linalg.inv(np.linalg.cholesky(drawn))
        diagonals = np.diagonal(factors, axis1=1, axis2=2)
    else:
        factors = diagonals = 1 / np.sqrt(drawn)
    offsets = -2 * np.log(weights) - 2 * np.log(diagonals).sum(axis=1)
    base = float(offsets.min())
    return _Model(means, factors, offsets - base, base)


def _fitted(scores: Floats, components: int, covariance: str, seed: int) -> _Model:
    """scikit-learn's GaussianMixture, regularised. Nothing is trimmed: a regime that is rare is normal too."""
    possible = _possible(scores, components)
    return _regularised(_estimator(possible, covariance, seed, starts=_STARTS).fit(scores), scores)


def _held_out(scores: Floats, components: int, covariance: str, seed: int) -> Floats | None:
    """-2 log-likelihood of each block of time, less a constant, by a fit to other blocks; None for too few windows."""
    if len(scores) < 5 * _FOLDS:
        return None
    blocks = np.array_split(scores, min(_BLOCKS, len(scores) // 5))
    found = np.zeros(len(blocks))
    for fold in range(_FOLDS):
        training = np.concatenate([block for number, block in enumerate(blocks) if number % _FOLDS != fold])
        if _possible(training, components) < components:
            return None
        # What one start finds differs between seeds by more than what is to be told apart.
        estimator = _estimator(components, covariance, seed, starts=_TRIAL_STARTS)
        model = _regularised(estimator.fit(training), training)
        each = [model.distances(block) + model.base for block in blocks[fold::_FOLDS]]
        # What a few outliers do to a mean would decide the choice: no window counts worse than most.
        ceiling = np.quantile(np.concatenate(each), 1 - _OUTLIERS)
        found[fold::_FOLDS] = [np.minimum(values, ceiling).mean() for values in each]
    return found


def _chosen(scores: Floats, seed: int, components: int | None, covariance: str | None) -> tuple[int, str]:
    """Components and covariance by the likelihood of blocks that were held out.

    Of the models within half a nat a window of the best, the largest in bytes counts: as long as it explains held-out
    normal data as well, the tighter description leaves less room for faults, and one with correlations sees faults
    that only break those. (The smallest, as Breiman, Friedman, Olshen and Stone, 1984, would have it, covers two
    regimes by one component, and all between.)
    """
    few, width = _evenly(scores, _CHOOSE_ON), scores.shape[1]
    losses: dict[tuple[int, str], float] = {}
    for kind in COVARIANCES if covariance is None else (covariance,):
        most = max(_MOST_BYTES // _block_bytes(width, kind), 1)
        counts = [count for count in _COUNTS if count <= most] if components is None else [components]
        losses |= _losses(few, counts, kind, seed)
    if not losses:
        return components or 1, covariance or COVARIANCES[0]
    best = min(losses.values())
    good = [choice for choice, loss in losses.items() if loss <= best + _AS_GOOD]
    return max(good, key=lambda choice: choice[0] * _block_bytes(width, choice[1]))


def _losses(scores: Floats, counts: Sequence[int], kind: str, seed: int) -> dict[tuple[int, str], float]:
    """Mean -2 log-likelihood of held-out windows by components and covariance, as far as it is worth trying."""
    found: dict[tuple[int, str], float] = {}
    for count in counts:
        each = _held_out(scores, count, kind, seed)
        if each is None:
            break
        found[count, kind] = float(each.mean())
        if found[count, kind] > min(found.values()) + _HOPELESS:
            break
    return found


def _block_bytes(width: int, covariance: str) -> int:
    """Of one component in the model file."""
    weights = width if covariance == "diag" else width * (width + 1) // 2
    return 2 * (2 + width + (width + 1) // 2 + weights)


def _quantized_row(row: Floats) -> tuple[NDArray[np.int64], int]:
    """Weights as int16 and their shift, so that no sum can overflow."""
    largest, total = np.abs(row).max(), np.abs(row).sum()
    exponent = min(int(np.floor(np.log2(min(32767 / largest, (LONGEST_ROW - len(row)) / total)))), MOST_SHIFT)
    # A row too long for the least shift, of features that are nearly one another's copies, comes out shorter.
    return np.round(row * 2.0**exponent).astype(np.int64), max(exponent, LEAST_SHIFT)


def _rows(factor: Floats) -> Iterator[Floats]:
    yield from (factor if factor.ndim == 2 else factor[:, None])


@dataclass(frozen=True)
class Mixture(Family):
    """Fitted components. means: int32 [K, F] (Q7); offsets: int32 [K] (Q14); shifts: int32 [K, F].

    weights: int32, lower triangles [K, F, F] with covariance "full", [K, F] with "diag"; limit: at which whitened
    scores saturate; reduce, gain: score scale.
    """

    name: ClassVar[str] = "mixture"
    number: ClassVar[int] = 3
    variants: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"components": 2, "covariance": "diag"},
        {"components": 4, "covariance": "diag"},
        {"components": 8, "covariance": "diag"},
        {"components": 2, "covariance": "full"},
        {"components": 4, "covariance": "full"},
        {"components": 6, "covariance": "full"},
    )

    means: Int32
    offsets: Int32
    shifts: Int32
    weights: Int32
    limit: int
    reduce: int = 0
    gain: int = 32767
    model: _Model | None = None
    threshold: int = 256

    @classmethod
    def fit(  # type: ignore[override]  # a family names its own settings
        cls, scores: Floats, seed: int, *, components: int | None = None, covariance: str | None = None
    ) -> Self:
        """scikit-learn's GaussianMixture, regularised and quantized.

        components: 1 to 8, fewer where the windows do not carry them; covariance: "diag" or "full". What is not
        given is chosen by held-out likelihood. Raises InputError for other settings.
        """
        if components is not None and not 1 <= components <= MOST_COMPONENTS:
            raise InputError(f"a mixture of {components} components cannot be fitted; choose 1 to {MOST_COMPONENTS}")
        if covariance is not None and covariance not in COVARIANCES:
            raise InputError(f'a mixture has no covariance "{covariance}"; choose "diag" or "full"')
        with threadpool_limits(1):  # with so little data, starting more threads costs more than they bring
            if components is None or covariance is None:
                components, covariance = _chosen(scores, seed, components, covariance)
            model = _fitted(_evenly(scores, _FIT_ON), components, covariance, seed)
        return cls._quantized(model)

    @classmethod
    def _quantized(cls, model: _Model) -> Self:
        means = clamp(np.round(model.means * 128).astype(np.int32), 8191)
        offsets = np.minimum(np.round(model.offsets * 16384), MOST_OFFSET).astype(np.int32)
        shifts, weights = np.zeros(means.shape, dtype=np.int32), np.zeros(model.factors.shape, dtype=np.int32)
        for k, factor in enumerate(model.factors):
            for i, row in enumerate(_rows(factor)):
                quantized, shifts[k, i] = _quantized_row(row)
                weights[k, i] = quantized if factor.ndim == 2 else quantized[0]
        largest = (SMALL_INTEGER_MAX - 1 - int(offsets.max())) / means.shape[1]
        return cls(means, offsets, shifts, weights, min(int(np.sqrt(largest)), 32767), model=model)

    @classmethod
    def from_parameters(cls, parameters: bytes | memoryview, count: int) -> Self:
        """Read the section that ``parameters()`` wrote."""
        components, _, full, limit, reduce, gain = struct.unpack_from("<6H", parameters, 0)
        blocks = np.frombuffer(parameters, "<i2", offset=12).reshape(components, -1)
        offsets = np.ascontiguousarray(blocks[:, :2]).view("<i4")[:, 0].astype(np.int32)
        means = blocks[:, 2 : 2 + count].astype(np.int32)
        end = 2 + count + (count + 1) // 2
        shifts = np.ascontiguousarray(blocks[:, 2 + count : end]).view(np.uint8)[:, :count].astype(np.int32)
        weights = blocks[:, end:].astype(np.int32)
        if full:
            triangles = np.zeros((components, count, count), dtype=np.int32)
            triangles[:, *np.tril_indices(count)] = weights
            weights = triangles
        return cls(means, offsets, shifts, weights, limit, reduce, gain)

    def parameters(self) -> bytes:
        """Sizes, limit, reduce and gain; of each component offset, means, shifts and weights by rows."""
        components, count = self.means.shape
        header = (components, count, int(self._full), self.limit, self.reduce, self.gain)
        parts = [struct.pack("<6H", *header)]
        for offset, mean, shifts, weights in zip(self.offsets, self.means, self.shifts, self.weights, strict=True):
            own = weights[np.tril_indices(count)] if self._full else weights
            parts += [struct.pack("<i", offset), mean.astype("<i2").tobytes()]
            parts += [shifts.astype(np.uint8).tobytes(), b"\0" * (count % 2), own.astype("<i2").tobytes()]
        return b"".join(parts)

    @property
    def _full(self) -> bool:
        return self.weights.ndim == 3

    @property
    def settings(self) -> dict[str, Any]:
        """Components and covariance."""
        return {"components": len(self.means), "covariance": "full" if self._full else "diag"}

    @property
    def chosen(self) -> dict[str, Any]:
        """Components and covariance."""
        return self.settings

    @property
    def operations(self) -> int:
        """Multiply-accumulates of one score at most: a component that is already farther is given up."""
        components, count = self.means.shape
        return components * count * ((count + 1) // 2 + 2 if self._full else 3)

    def _whitened(self, vectors: Int32, component: int) -> Int32:
        difference, weights = vectors - self.means[component], self.weights[component]
        sums = difference @ weights.T if self._full else difference * weights
        return clamp(rounded_shift(sums, self.shifts[component]), self.limit)

    def _each(self, vectors: Int32) -> Int32:
        """Squared distance plus offset by component, int32 [K, W]."""
        result = np.empty((len(self.means), len(vectors)), dtype=np.int32)
        for k in range(len(self.means)):
            whitened = self._whitened(vectors, k)
            result[k] = (whitened * whitened).sum(axis=1, dtype=np.int32) + self.offsets[k]
        return result

    def distances(self, vectors: Int32) -> Int32:
        """Least squared Mahalanobis distance plus offset, Q14."""
        return self._each(vectors).min(axis=0)

    def scaled_to(self, threshold: int) -> Self:
        """Put score 256 at this distance (Q14)."""
        reduce, gain = reduce_and_gain(threshold)
        return replace(self, reduce=reduce, gain=gain, threshold=threshold)

    def score(self, vectors: Int32) -> Int32:
        """Distance over that of the threshold, times 256."""
        return scaled(self.distances(vectors), self.reduce, self.gain)

    def _parts(self, vectors: Int32, component: int) -> Int32:
        """The split of a component's squared distance over features, int32 [W, F]."""
        whitened = self._whitened(vectors, component)
        if not self._full:
            return whitened * whitened
        back = np.zeros_like(vectors)
        for i in range(vectors.shape[1]):
            back += (self.weights[component, i] * whitened[:, i : i + 1]) >> self.shifts[component, i]
        return (vectors - self.means[component]) * clamp(back, 32767)

    def contributions(self, vectors: Int32) -> Int32:
        """d_j (W' W d)_j of the component that counts, and an equal share of its offset for each feature."""
        nearest = self._each(vectors).argmin(axis=0)
        result = np.empty_like(vectors)
        for k in range(len(self.means)):
            own = nearest == k
            parts = self._parts(vectors[own], k) + self.offsets[k] // vectors.shape[1]
            result[own] = np.sign(parts) * scaled(np.abs(parts), self.reduce, self.gain)
        return result

    def float_score(self, scores: Floats) -> Floats:
        """The same in float64, without quantization or saturation."""
        if self.model is None:
            raise RuntimeError("a family read from a file has no float model")
        return self.model.distances(scores) * 16384 * 256 / self.threshold
