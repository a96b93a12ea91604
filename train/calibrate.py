"""From a false-alarm budget to a threshold, with what the data can and cannot support.

Where held-out normal data are long enough, the threshold is a rank: the lowest at which the alarms counted, Poisson
bounds (F. Garwood, Biometrika 28, 1936) and the differences between blocks of time keep the budget at 95 %
confidence. Beyond, a generalised-Pareto tail of the highest levels carries the threshold on, to a rate a few times
below what counting can show and no further. ``docs/thresholds.md`` tells why, and what came of it on real recordings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv
from scipy.stats import chi2, nbinom, poisson

from .budget import Budget, duration, rate_in_words
from .decision import level
from .errors import InputError
from .modelfile import Decision
from .tail import DRAWS, Floats, Tail, block_factors, cluster_starts, fit_tail

__all__ = ["CONFIDENCE", "Calibration", "calibrate", "rate_bound", "rate_supported"]

CONFIDENCE = 0.95

_REACH = 7.0  # the tail is followed to rates so many times lower than counting can show
_BEYOND = 1.2  # least margin, in squared distance, above the highest held-out level where the tail sets the threshold
_LONG = 64
_MOST = 2**30 - 1
_BLOCKS = 10  # where the caller names fewer than half as many
_ENOUGH = 10  # alarms from which on counting tells more than the tail
_HIGHEST_SHARE = 0.1  # of the windows: a threshold below these levels would be in alarm for much of the time
_KEPT_RATES = 199


def rate_bound(count: float, hours: float) -> float:
    """Upper bound, at 95 % confidence, of the rate an hour after ``count`` events in ``hours``."""
    return float(chi2.ppf(CONFIDENCE, 2 * (count + 1)) / (2 * hours))


@dataclass(frozen=True)
class Calibration:
    """How the threshold was set.

    threshold: squared distance, on the scale of the family's distances; hours: of held-out normal data; alarms: false
    alarms of that data at the threshold; promised: false alarms an hour that counting them supports at 95 %
    confidence, whatever the tail; supported: whether that keeps the budget; basis: "ranks", or "tail" where the
    threshold lies beyond the data; low, high: ends of the interval of the false alarms an hour of further normal
    running, at 90 % confidence, if the tail goes on as it began; needed: hours of normal data without a false alarm
    that would support the budget; highest: level of the held-out data, squared distance; rates: equally likely false
    alarms an hour, lowest first, whatever the tail; alarms_together: how many alarms one disturbance brings, on
    average.
    """

    budget: Budget
    threshold: int
    hours: float
    alarms: int
    promised: float
    supported: bool
    basis: str
    low: float
    high: float
    needed: float
    highest: int
    rates: tuple[float, ...]
    alarms_together: float

    def expected(self, hours: float) -> tuple[int, int]:
        """The least and the most false alarms in so many hours of further normal running, at 90 % confidence.

        A prediction interval: uncertainty of the rate, and chance. Clusters of alarms come as a Poisson process, the
        alarms of one are geometric; their number is taken as negative binomial with the same mean and variance.
        """
        means = np.maximum(np.asarray(self.rates) * hours, 1e-9)
        spread = max(2 * self.alarms_together - 1, 1.0)  # variance over mean

        def share_to(count: int) -> float:
            if spread < 1.001:
                return float(poisson.cdf(count, means).mean())
            return float(nbinom.cdf(count, means / (spread - 1), 1 / spread).mean())

        return _first(lambda count: share_to(count) >= 1 - CONFIDENCE), _first(lambda n: share_to(n) >= CONFIDENCE)

    @property
    def statement(self) -> str:
        """What the threshold promises, in plain sentences."""
        data = f"{duration(self.hours)} of normal data"
        if self.supported:
            return (
                f"At most {self.budget.text} at 95 % confidence: {data}, held out in blocks, "
                f"gave {_alarms(self.alarms)} at this threshold. {self._outlook}"
            )
        takes = f"{self.budget.text} takes {duration(self.needed)} of normal data without a false alarm."
        if self.high <= self.budget.per_hour:
            return (
                f"{self.budget.text} at 95 % confidence if the tail of the levels goes on as it began: the threshold "
                f"lies beyond all held-out data. {data} by themselves support at best "
                f"{rate_in_words(self.promised)}; to show it without a tail, {takes} {self._outlook}"
            )
        return (
            f"{data} support at best {rate_in_words(self.promised)} at 95 % confidence, not {self.budget.text}: "
            f"the threshold lies beyond all held-out data, where their tail leads to at most "
            f"{rate_in_words(self.high)}. {takes} {self._outlook}"
        )

    @property
    def _outlook(self) -> str:
        low, high = self.expected(self.hours)
        count = "no false alarm" if high == 0 else f"{low} to {_alarms(high)}" if low < high else _alarms(high)
        return f"As much normal running again should bring {count} (90 % confidence)."


def _alarms(count: int) -> str:
    return f"{count} false alarm{'' if count == 1 else 's'}"


def _first(enough: Callable[[int], bool]) -> int:
    """The first count from 0 on that is enough; all later ones must be, too."""
    low, high = -1, 1
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


@dataclass(frozen=True)
class _Trace:
    """Windows among which every alarm at or above some threshold begins and ends; calm ones between are left out.

    scores, levels: int [V] in order of time.
    """

    scores: NDArray[np.integer]
    levels: NDArray[np.integer]
    decision: Decision

    def starts(self, threshold: float) -> tuple[int, int]:
        """How many alarms a threshold gives, and for how many windows in all. Same rules as ``decision.alarms``, in
        steps of alarms instead of windows."""
        fire = np.flatnonzero(self.levels >= threshold)
        calm = self.scores < self.decision.release * float(threshold) / 256
        index = np.arange(len(calm))
        ended = np.flatnonzero(index - np.maximum.accumulate(np.where(calm, -1, index)) >= self.decision.n)
        count = windows = at = 0
        while (next_start := np.searchsorted(fire, at)) < len(fire):
            start = int(fire[next_start])
            quiet = np.searchsorted(ended, start + self.decision.n)
            end = int(ended[quiet]) if quiet < len(ended) else len(calm)
            count, windows = count + 1, windows + end - start
            at = end + max(self.decision.holdoff, 1)
        return count, windows

    def alarms(self, threshold: float) -> int:
        """False alarms at a threshold; one that stays on counts again every 64 windows, so that a threshold low
        enough to be always in alarm does not look like one alarm."""
        count, windows = self.starts(threshold)
        return max(count, -(-windows // _LONG))


def _trace(distances: NDArray[np.integer], levels: NDArray[np.integer], decision: Decision, least: float) -> _Trace:
    """The windows that matter to thresholds from ``least`` on."""
    busy = np.flatnonzero(distances >= decision.release * float(least) / 256)
    kept = np.zeros(len(distances) + 1, dtype=np.int32)
    np.add.at(kept, busy, 1)
    np.subtract.at(kept, np.minimum(busy + decision.n + decision.holdoff + 1, len(distances)), 1)
    near = np.cumsum(kept[:-1]) > 0
    return _Trace(distances[near], levels[near], decision)


@dataclass(frozen=True)
class _Evidence:
    """What held-out data say of rates. tail: of clusters; together: alarms in a cluster; factors: float [S], by how
    much a further run may differ from these data; trace, hours: to count in."""

    tail: Tail
    together: float
    factors: Floats
    trace: _Trace
    hours: float

    def counted(self, alarms: int, more: float) -> Floats:
        """Equally likely alarms an hour after so many; more: 1 for an upper bound, 0 for a lower."""
        spread = 2 * self.together - 1
        even = (np.random.default_rng(2).permutation(DRAWS) + 0.5) / DRAWS
        return gammaincinv(max(alarms / spread + more, 1e-3), even) * spread / self.hours * self.factors

    def bound(self, alarms: int) -> float:
        """Upper bound, at 95 % confidence, of the alarms an hour after so many."""
        return float(np.quantile(self.counted(alarms, 1.0), CONFIDENCE))

    def extrapolated(self, threshold: float) -> Floats:
        """Equally likely alarms an hour at a squared distance by the tail alone, float [S]."""
        return self.tail.rates(float(np.sqrt(threshold))) * self.together * self.factors

    def believed(self, threshold: float) -> Floats:
        """The same, never below what no alarm at all in ``_REACH`` times the data would show, float [S], sorted."""
        return np.maximum(np.sort(self.extrapolated(threshold)), np.sort(self.counted(0, 1.0)) / _REACH)

    def foreseen(self, threshold: float) -> Floats:
        """The same, never below the posterior of Jeffreys' prior after no alarm at all in the data, float [S], sorted.

        A threshold may rest on the law of the tail; what is foretold of a run to come must hold where that law fails.
        """
        return np.maximum(self.believed(threshold), np.sort(self.counted(0, 0.5)))


def _evidence(
    distances: NDArray[np.integer], levels: NDArray[np.integer], decision: Decision, hours: float,
    blocks: Sequence[int], least: float,
) -> _Evidence:  # fmt: skip
    """Decluster the highest levels, fit their tail, and compare the blocks. least: threshold to be counted at."""
    total = len(levels)
    exceedances = max(1, min(int(np.clip(2 * np.sqrt(total), 30, 400)), total // 3))
    start = np.partition(levels, total - exceedances - 1)[total - exceedances - 1] if total > 1 else levels[0]
    times = np.flatnonzero(levels > start)
    if not len(times):  # many levels are equal to the highest
        times = np.flatnonzero(levels == levels.max())
    first = cluster_starts(times, decision.n + decision.holdoff)
    heights = np.sqrt(np.maximum(levels[times], 0.0))
    peaks = np.maximum.reduceat(heights, first)
    root = float(np.sqrt(max(int(start), 0)))
    tail = fit_tail(peaks, root, hours, float((heights - root).mean()))
    block = np.searchsorted(np.cumsum(blocks), times[first], side="right")
    factors = block_factors(np.bincount(block, minlength=len(blocks)), blocks)
    middle = float(np.median(peaks))
    trace = _trace(distances, levels, decision, min(least, middle**2))
    together = max(1.0, trace.starts(middle**2)[0] / int((peaks >= middle).sum()))
    return _Evidence(tail, together, factors, trace, hours)


def _lowest(candidates: NDArray[np.integer], trace: _Trace, most: int) -> int:
    """The lowest of the candidates, highest first, that gives no more alarms; the highest gives none."""
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if trace.alarms(candidates[middle]) <= most:
            low = middle
        else:
            high = middle - 1
    return int(candidates[low])


def _inputs(
    distances: NDArray[np.integer] | Sequence[NDArray[np.integer]], hours: float, blocks: Sequence[int] | None
) -> tuple[NDArray[np.integer], Sequence[int]]:
    """Distances in one array, and lengths of blocks of time that cover them."""
    if not isinstance(distances, np.ndarray):
        blocks = blocks or [len(part) for part in distances]
        distances = np.concatenate([np.zeros(0, dtype=np.int32), *distances])
    total = len(distances)
    if not total or not hours > 0:
        raise InputError("there are no held-out normal windows to set a threshold by; record more normal data")
    if blocks is not None and sum(blocks) != total:
        raise InputError(f"the blocks hold {sum(blocks)} windows of {total} held-out ones; name each window once")
    if blocks is None or len(blocks) < _BLOCKS / 2:
        edges = np.arange(_BLOCKS + 1) * total // _BLOCKS
        blocks = np.diff(edges).tolist()
    return distances, [length for length in blocks if length]


def calibrate(
    distances: NDArray[np.integer] | Sequence[NDArray[np.integer]],
    hours: float,
    budget: Budget,
    decision: Decision,
    blocks: Sequence[int] | None = None,
) -> Calibration:
    """Set the threshold for a budget.

    distances: held-out squared distances of normal windows, int [W] in order of time, stretches joined, or a list of
    such arrays, one a block; hours: of data in them; blocks: lengths of the blocks of time, in windows, which should
    each be longer than what the machine remembers (None: those of the list, or tenths). Raises InputError.
    """
    joined, lengths = _inputs(distances, hours, blocks)
    levels = level(joined, decision)
    highest = max(int(levels.max()), 0)
    most_counted = max(64, 16 * decision.n * (int(budget.per_hour * hours) + 1))
    counted = min(most_counted, max(int(len(levels) * _HIGHEST_SHARE), 1))
    candidates = np.unique(np.partition(levels, len(levels) - counted)[-counted:])[::-1] + 1
    evidence = _evidence(joined, levels, decision, hours, lengths, float(candidates[-1]))
    none = evidence.bound(0)
    supported = none <= budget.per_hour
    if supported:
        most = _first(lambda count: evidence.bound(count + 1) > budget.per_hour)
        threshold = max(_lowest(candidates, evidence.trace, most), 256)
    else:
        allowed = max(budget.per_hour, none / _REACH)
        reached = evidence.tail.level_at(allowed, CONFIDENCE, evidence.together * evidence.factors)
        threshold = int(min(np.ceil(max(reached**2, _BEYOND * highest, 256)), _MOST))
    alarms = evidence.trace.alarms(threshold)
    by_count = supported and alarms >= _ENOUGH
    rates = evidence.counted(alarms, 0.5) if by_count else evidence.foreseen(threshold)
    least = evidence.counted(alarms, 0.0) if by_count else evidence.extrapolated(threshold)
    low = float(np.quantile(least, 1 - CONFIDENCE))
    promised = evidence.bound(alarms)
    high = promised if supported else float(np.quantile(evidence.believed(threshold), CONFIDENCE))
    kept = np.quantile(rates, (np.arange(_KEPT_RATES) + 0.5) / _KEPT_RATES)
    return Calibration(
        budget, threshold, hours, alarms, promised, supported, "ranks" if supported else "tail", low, high,
        hours * none / budget.per_hour, highest, tuple(kept.tolist()), evidence.together,
    )  # fmt: skip


def rate_supported(
    distances: NDArray[np.integer] | Sequence[NDArray[np.integer]], hours: float, decision: Decision, threshold: int
) -> float | None:
    """The least budget, in false alarms an hour, that counting supports at a threshold: upper bound at 95 % confidence.

    distances, hours: as of calibrate(); threshold: squared distance. None where so much of the normal data lies above
    it that calibrate() would not go so low.
    """
    joined, lengths = _inputs(distances, hours, None)
    levels = level(joined, decision)
    if (levels >= threshold).mean() > _HIGHEST_SHARE:
        return None
    evidence = _evidence(joined, levels, decision, hours, lengths, threshold)
    return evidence.bound(evidence.trace.alarms(threshold))
