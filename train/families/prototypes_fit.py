"""The fit of `prototypes` in float64: centroids, a one-class support vector machine on them, and distillation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from sklearn.cluster import KMeans
from sklearn.linear_model import RidgeCV
from sklearn.svm import OneClassSVM

from offbeat.train.arithmetic import Int32, clamp

__all__ = ["Grid", "Kernel", "Model", "distilled", "one_class", "placed"]

Floats = NDArray[np.float64]

_MOST_STEP = 65  # takes 127 of them as far as a standard score goes
_PLACED_ON = 4000  # windows, evenly spread
_MACHINE_ON = 1500  # whose support vectors grow with them
_LEARNED_ON = 8000
_WINDOWS_EACH = 3  # different ones that there are for a prototype
_OUTSIDE = 0.1  # share of the training windows that the machine may leave outside
_NORMAL = 0.25  # share of a student's windows that are taken for normal, as the rest may have been sampled around them
_LEAST_WIDTH = 0.25  # squared standard deviations at which the kernel has fallen to 1/e
_REACH = 3.0  # widths of the kernel: there it is 1/20, and distance takes over
_WIDTHS = (1, 2, 4, 8, 16, 32)  # that a student may have, in units of the distance to the nearest prototype
_PENALTIES = np.logspace(-3, 1, 9)  # that a window's share of the squared error bears
_SLOPE = 0.25  # a width beyond the reach, in units of the kernel's height: steeper than the kernel at its reach
_LEAST_SLOPE = 0.1  # of a student
_BLOCK = 4096  # windows


@dataclass(frozen=True)
class Kernel:
    """Weighted Gaussian kernels: distance = largest - sum_k weights_k exp(-gamma d_k^2) + slope max(d^2 - reach, 0).

    weights: [P]; d^2: to the nearest prototype, in squared standard deviations.
    """

    gamma: float
    weights: Floats
    largest: float
    slope: float

    @property
    def reach(self) -> float:
        """Squared distance from which on it counts itself."""
        return _REACH / self.gamma


@dataclass(frozen=True)
class Grid:
    """Prototypes as coordinates int32 [P, F], int8 each, times steps int32 [F] of a 128th standard deviation."""

    coordinates: Int32
    steps: Int32

    @property
    def centroids(self) -> Floats:
        """In standard deviations, float64 [P, F]."""
        return self.coordinates * self.steps / 128


@dataclass(frozen=True)
class Model:
    """What is made in float64 of the distances to prototypes [P, F], which lie on the grid that int8 has."""

    grid: Grid
    neighbours: int
    kernel: Kernel | None = None

    def distances(self, scores: Floats) -> Floats:
        """Sum of the least squared distances, or the kernel's distance; float64 [W]."""
        return np.concatenate([self._distances(block) for block in _blocks(scores)])

    def _distances(self, scores: Floats) -> Floats:
        squared = _squared(scores, self.grid.centroids)
        if self.kernel is None:
            return np.sort(squared, axis=1)[:, : self.neighbours].sum(axis=1)
        likeness = np.exp(-self.kernel.gamma * squared) @ self.kernel.weights
        beyond = np.maximum(squared.min(axis=1) - self.kernel.reach, 0)
        return np.maximum(self.kernel.largest - likeness, 0) + self.kernel.slope * beyond


def _blocks(scores: Floats) -> Iterator[Floats]:
    for start in range(0, len(scores), _BLOCK):
        yield scores[start : start + _BLOCK]


def _squared(scores: Floats, centroids: Floats) -> Floats:
    """Squared distances, float64 [W, P]."""
    return np.stack([((scores - centroid) ** 2).sum(axis=1) for centroid in centroids], axis=1)


def _evenly(count: int, most: int) -> NDArray[np.intp]:
    """Places of at most so many of `count` windows, evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.intp)


def placed(scores: Floats, prototypes: int, seed: int, importance: Floats | None = None) -> Grid:
    """Prototypes: the centroids of k-means, as few as the windows that differ can carry.

    Measured on recordings against windows nearest to the centroids and against farthest-point selection: noise of
    a single window, or of the outermost ones, makes both worse prototypes. importance: of each window, float64 [W].
    """
    few = _evenly(len(scores), _PLACED_ON)
    distinct = len(np.unique(scores[few], axis=0))
    count = max(1, min(prototypes, distinct // _WINDOWS_EACH))
    weights = None if importance is None else importance[few]
    means = KMeans(count, n_init=2, random_state=seed).fit(scores[few], sample_weight=weights).cluster_centers_ * 128
    steps = np.clip(np.ceil(np.abs(means).max(axis=0) / 127), 1, _MOST_STEP).astype(np.int32)
    # Weights that are fitted to what int8 holds need not suffer from its rounding.
    return Grid(clamp(np.round(means / steps).astype(np.int32), 127), steps)


def _width(squared: Floats) -> float:
    """Of the kernel, from squared distances [W, P]: what the distance to the nearest prototype typically is."""
    return max(float(np.median(squared.min(axis=1))), _LEAST_WIDTH)


def one_class(scores: Floats, centroids: Floats, seed: int) -> Kernel:
    """One-class support vector machine (Schoelkopf et al., 2001), its function carried by the centroids.

    Their weights reproduce it, by non-negative least squares, on the training windows, on copies that are moved about
    and on the centroids: the reduced set of Burges (1996). Non-negative ones cannot make an outlier a normal window.
    """
    few = scores[_evenly(len(scores), _MACHINE_ON)]
    squared = _squared(few, centroids)
    width = _width(squared)
    machine = OneClassSVM(nu=_OUTSIDE, gamma=1 / width).fit(few)
    rng = np.random.default_rng(seed)
    step = np.sqrt(width / few.shape[1]) * rng.choice([0.5, 1, 2], (len(few), 1))
    # A centroid that no other point is near could have any weight, were it not one itself.
    points = np.concatenate([few, few + step * rng.normal(size=few.shape), centroids])
    wanted = np.concatenate([machine.score_samples(block) for block in _blocks(points)])
    features = np.exp(-_squared(points, centroids) / width)
    weights = nnls(features, wanted)[0]
    largest = float((features[: len(few)] @ weights).max())
    return Kernel(1 / width, weights, largest, _SLOPE * largest / width)


def _influence(targets: Floats) -> Floats:
    """Of each window on where prototypes lie and on the squared error, float64 [W].

    What the teacher finds most normal counts fully. Of the rest, of which samples around the windows hold much, each
    counts the less the farther off it is, as otherwise what lies farthest would decide both.
    """
    low, high = np.quantile(targets, [0.02, _NORMAL])
    spread = max(high - low, 1e-3 * float(np.ptp(targets)), 1e-12)
    return (1 + np.maximum(targets - high, 0) / spread) ** -4.0


def _regression(
    squared: Floats, targets: Floats, influence: Floats, gamma: float, least: float
) -> tuple[float, Floats, float]:
    """Ridge regression on kernels and on the distance beyond their reach.

    Returns its error by generalized cross-validation, weights [P] and slope, not below `least`.
    """
    features = np.exp(-gamma * squared)
    beyond = np.maximum(squared.min(axis=1) - _REACH / gamma, 0)
    unit = max(float(np.average(beyond, weights=influence)), 1e-9)
    penalties = _PENALTIES * influence.sum() / features.shape[1] / 100
    both = np.column_stack([features, beyond / unit])
    ridge = RidgeCV(alphas=penalties).fit(both, targets, sample_weight=influence)
    slope = float(ridge.coef_[-1] / unit)
    if slope >= least:
        return -ridge.best_score_, -ridge.coef_[:-1], slope
    ridge = RidgeCV(alphas=penalties).fit(features, targets - least * beyond, sample_weight=influence)
    return -ridge.best_score_, -ridge.coef_, least


def distilled(scores: Floats, targets: Floats, prototypes: int, seed: int) -> Model:
    """Kernels whose distance reproduces targets [W], a teacher's outlier score of scores [W, F].

    Distillation (Hinton, Vinyals and Dean, 2015): ridge regression (Hoerl and Kennard, 1970), of which generalized
    cross-validation chooses penalty and width of the kernel. The student's distance starts at 0, whatever the
    teacher's does.
    """
    few = _evenly(len(scores), _LEARNED_ON)
    scores, targets = scores[few], targets[few]
    influence = _influence(targets)
    grid = placed(scores, prototypes, seed, influence)
    squared = _squared(scores, grid.centroids)
    width = _width(squared[targets <= np.quantile(targets, _NORMAL)])
    height = float(np.quantile(targets, 0.95) - targets.min())
    best = np.inf
    for factor in _WIDTHS:
        gamma = 1 / (factor * width)
        least = _LEAST_SLOPE * gamma * max(height, 1e-9)
        error, weights, slope = _regression(squared, targets, influence, gamma, least)
        if error < best:
            best, kernel = error, Kernel(gamma, weights, 0.0, slope)
    likeness = np.exp(-kernel.gamma * squared) @ kernel.weights
    beyond = np.maximum(squared.min(axis=1) - kernel.reach, 0)
    largest = float((likeness - kernel.slope * beyond).max())
    return Model(grid, 1, replace(kernel, largest=max(largest, 0.0)))
