"""What lies beyond the highest levels of normal data: clusters of exceedances and a generalised-Pareto tail.

Levels of normal windows that stand above a high level come in clusters, because windows overlap and machines are
slow; the clusters are found by the intervals estimator (C. A. T. Ferro and J. Segers, J. R. Stat. Soc. B 65, 2003).
Their peaks above that level follow a generalised Pareto law (J. Pickands, Annals of Statistics 3, 1975; for the
thresholds of detectors: A. Siffer et al., SPOT, KDD 2017). SPOT takes its most likely parameters for the truth, which
with a few dozen peaks they are not. Here all parameters are weighed by their likelihood, with a prior that holds the
shape near 0 (E. S. Martins and J. R. Stedinger, Water Resources Research 36, 2000), and every answer is a set of
equally likely rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

__all__ = ["DRAWS", "Floats", "Tail", "block_factors", "cluster_starts", "fit_tail"]

Floats = NDArray[np.float64]

DRAWS = 2000
_SHAPES = np.linspace(-0.5, 0.5, 21)  # the mean of the law exists, and its likelihood is bounded
_SHAPE_DEVIATION = 0.2
_SCALES = np.geomspace(0.2, 5.0, 49)  # of the mean excess
_SCALE_DEVIATION = 0.7  # of its logarithm
_DISPERSIONS = np.concatenate([[0.0], np.geomspace(0.02, 5.0, 24)])
_DISPERSION_MEAN = 1.0


@dataclass(frozen=True)
class Tail:
    """Rates of clusters above any level from ``start`` on, as equally likely draws.

    start: level, a distance (not squared); shape, scale: of the generalised Pareto law, float [S]; rate: clusters an
    hour above ``start``, float [S]; clusters: how many it was fitted to.
    """

    start: float
    shape: Floats
    scale: Floats
    rate: Floats
    clusters: int

    def rates(self, level: float) -> Floats:
        """Clusters an hour whose peak exceeds a level, float [S]."""
        excess = max(level - self.start, 0.0) / self.scale
        straight = np.abs(self.shape) < 1e-6
        shape = np.where(straight, 1.0, self.shape)
        base = np.maximum(1 + shape * excess, 0.0)
        with np.errstate(divide="ignore"):
            share = np.where(straight, np.exp(-excess), base ** (-1 / shape))
        return self.rate * share

    def level_at(self, rate: float, quantile: float, factor: Floats | float = 1.0) -> float:
        """The level at which so large a share of the draws, times ``factor``, lies at or below a rate."""
        low, high = self.start, self.start + float(np.median(self.scale))
        while np.quantile(self.rates(high) * factor, quantile) > rate and high < 1e3 * low + 1e9:
            low, high = high, self.start + 2 * (high - self.start)
        for _ in range(40):
            middle = (low + high) / 2
            if np.quantile(self.rates(middle) * factor, quantile) > rate:
                low = middle
            else:
                high = middle
        return high


def cluster_starts(times: NDArray[np.integer], least_gap: int) -> NDArray[np.intp]:
    """Which of the exceedances begin a cluster: indices into ``times``.

    times: windows at which a level is exceeded, increasing, int [E]; least_gap: windows between clusters at least.
    Intervals estimator of the extremal index, and declustering by it: Ferro and Segers (2003), equations 5 to 6.
    """
    if len(times) < 2:
        return np.arange(len(times))
    gaps = np.diff(times).astype(np.float64)
    if gaps.max() <= 2:
        index = 2 * gaps.sum() ** 2 / (len(gaps) * (gaps**2).sum())
    else:
        index = 2 * (gaps - 1).sum() ** 2 / (len(gaps) * ((gaps - 1) * (gaps - 2)).sum())
    clusters = int(np.clip(np.ceil(index * len(gaps)), 1, len(gaps)))
    longest_inside = np.sort(gaps)[::-1][clusters - 1]
    apart = gaps > max(longest_inside, least_gap) if clusters < len(gaps) else gaps > least_gap
    return np.concatenate([[0], np.flatnonzero(apart) + 1])


def block_factors(counts: NDArray[np.integer], lengths: Sequence[int], seed: int = 0) -> Floats:
    """By how much the rate of one block of time differs from the mean: equally likely factors, float [S].

    counts: events of each block, int [B]; lengths: of the blocks, in any unit. The rates of blocks follow a gamma
    law, so counts are negative binomial; its dispersion is weighed by likelihood and an exponential prior.
    """
    share = np.asarray(lengths, dtype=np.float64) / sum(lengths)
    expected = np.maximum(counts.sum(), 0.5) * share
    with np.errstate(divide="ignore"):
        size = 1 / np.maximum(_DISPERSIONS, 1e-6)[:, None]
    likelihood = (
        gammaln(counts + size) - gammaln(size) + size * np.log(size / (size + expected))
        + counts * np.log(expected / (size + expected))
    ).sum(axis=1)  # fmt: skip
    spacing = np.gradient(_DISPERSIONS)
    weight = np.exp(likelihood - likelihood.max() - _DISPERSIONS / _DISPERSION_MEAN) * spacing
    generator = np.random.default_rng(seed)
    dispersion = generator.choice(_DISPERSIONS, DRAWS, p=weight / weight.sum())
    size = 1 / np.maximum(dispersion, 1e-6)
    return np.where(dispersion > 0, generator.gamma(size) / size, 1.0)


def fit_tail(peaks: Floats, start: float, hours: float, typical_excess: float, seed: int = 0) -> Tail:
    """Weigh generalised Pareto laws by the peaks of clusters.

    peaks: float [K], distances above ``start``; hours: of data; typical_excess: a first idea of the scale, for where
    there are hardly any peaks.
    """
    excess = np.maximum(np.asarray(peaks, dtype=np.float64) - start, 0.0)
    typical = max(typical_excess, 1e-6 * max(start, 1.0))
    scales = (typical * _SCALES)[:, None]
    weights = np.empty((len(_SHAPES), len(_SCALES)))
    for row, shape in enumerate(_SHAPES):
        if abs(shape) < 1e-6:
            fit = -np.log(scales) - excess / scales
        else:
            base = 1 + shape * excess / scales
            with np.errstate(divide="ignore", invalid="ignore"):
                fit = np.where(base > 0, -np.log(scales) - (1 + 1 / shape) * np.log(base), -np.inf)
        weights[row] = fit.sum(axis=1) - 0.5 * (shape / _SHAPE_DEVIATION) ** 2
    weights -= 0.5 * (np.log(_SCALES) / _SCALE_DEVIATION) ** 2
    weights = np.exp(weights - weights.max())
    generator = np.random.default_rng(seed + 1)
    picked = generator.choice(weights.size, DRAWS, p=(weights / weights.sum()).ravel())
    shape_at, scale_at = np.unravel_index(picked, weights.shape)
    rate = generator.gamma(len(excess) + 0.5, size=DRAWS) / hours
    return Tail(start, _SHAPES[shape_at], scales[scale_at, 0], rate, len(excess))
