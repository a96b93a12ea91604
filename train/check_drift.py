"""Whether the normal data stay the same: blocks of time against each other, trends, ways of running."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks
from scipy.stats import kendalltau

from .arithmetic import Int32
from .check_report import Finding, Opinion, over_channels
from .features import Feature
from .limits import time_in_words

__all__ = ["Cells", "Drift", "drift_of", "stationarity", "watched_features"]

Floats = NDArray[np.float64]

_MOST_CELLS = 2048
_QUIETEST = -2 * 1024  # log2 of a quarter of a count, Q10: below it a window is silent, however silent

_BLOCKS = 12
_LEAST_WINDOWS = 40

_WANDERS = 1.0
_TREND = 0.7  # Kendall's tau; of 12 blocks in random order 1 in 600 reaches it

_BINS = 128
_SILVERMAN = 0.6  # of his rule for one normal density, 1.06, which would hide that there are two
_VALLEY = 0.2  # of the lower of two peaks: between two ways of running there is hardly any time
_LEAST_TIME = 0.05  # share of a way of running
_LEAST_APART = 4.0  # least deviations


def watched_features(channels: int) -> list[Feature]:
    """What is followed over time of each channel: mean, RMS, mean absolute difference."""
    kinds = ("mean", "rms", "mean_abs_difference")
    return [Feature(kind, channel) for channel in range(channels) for kind in kinds]


class Cells:
    """Windows in order of time, a few to a cell: mean and squares of each feature, 2,048 cells at most.

    When they are full, neighbours are joined, so that memory does not grow with the recording. kinds: of the features.
    """

    def __init__(self, kinds: Sequence[Feature]) -> None:
        features = len(kinds)
        self._lowest = np.array([-np.inf if feature.kind == "mean" else _QUIETEST for feature in kinds])
        self._size = 1
        self._full = 0
        self._pending = np.zeros((0, features))
        self._means = np.zeros((_MOST_CELLS, features))
        self._within = np.zeros((_MOST_CELLS, features))  # sum of squares about the cell's mean

    def add(self, features: Int32) -> None:
        """See features int32 [W, F] of windows, in order of time."""
        rows = np.concatenate([self._pending, np.maximum(features, self._lowest)])
        while len(rows) >= self._size:
            cells = min(len(rows) // self._size, _MOST_CELLS - self._full)
            taken = rows[: cells * self._size].reshape(cells, self._size, -1)
            means = taken.mean(axis=1)
            here = slice(self._full, self._full + cells)
            self._means[here] = means
            self._within[here] = ((taken - means[:, None]) ** 2).sum(axis=1)
            self._full += cells
            rows = rows[cells * self._size :]
            if self._full == _MOST_CELLS:
                self._join()
        self._pending = rows

    def _join(self) -> None:
        pairs = (_MOST_CELLS // 2, 2, -1)
        means, within = self._means.reshape(pairs), self._within.reshape(pairs)
        half = _MOST_CELLS // 2
        apart = self._size * ((means - means.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
        self._within[:half] = within.sum(axis=1) + apart
        self._means[:half] = means.mean(axis=1)
        self._full, self._size = half, 2 * self._size

    @property
    def windows(self) -> int:
        """How many windows are in whole cells."""
        return self._full * self._size

    @property
    def size(self) -> int:
        """Windows in a cell."""
        return self._size

    @property
    def means(self) -> Floats:
        """Means of the cells, float64 [cells, F]."""
        return self._means[: self._full]

    @property
    def within(self) -> Floats:
        """Sums of squares about the cells' means, float64 [cells, F]."""
        return self._within[: self._full]


@dataclass(frozen=True)
class Drift:
    """How one feature behaves over blocks of time.

    wander: standard deviation of the blocks' means over the one within blocks; trend: Kendall's tau of the means
    over time; change: last quarter of the blocks less the first, in the feature's own unit; ways: of running that
    stand apart.
    """

    feature: Feature
    wander: float
    trend: float
    change: float
    ways: int


def drift_of(cells: Cells, kinds: Sequence[Feature], least: Sequence[float]) -> list[Drift]:
    """Drift of each feature, [] where there are too few windows to tell.

    kinds: of the cells' features; least: smallest standard deviation within blocks to assume of each, see
    least_deviations().
    """
    if cells.windows < _LEAST_WINDOWS:
        return []
    blocks = np.array_split(np.arange(len(cells.means)), _BLOCKS)
    means = np.stack([cells.means[block].mean(axis=0) for block in blocks])
    squares = cells.within.sum(axis=0)
    for block, mean in zip(blocks, means, strict=True):
        squares = squares + cells.size * ((cells.means[block] - mean) ** 2).sum(axis=0)
    inside = np.maximum(np.sqrt(squares / (cells.windows - _BLOCKS)), least)
    wander = means.std(axis=0, ddof=1) / inside
    found = []
    for j, feature in enumerate(kinds):
        tau = kendalltau(np.arange(_BLOCKS), means[:, j]).statistic
        change = means[-_BLOCKS // 4 :, j].mean() - means[: _BLOCKS // 4, j].mean()
        ways = _ways(cells.means[:, j], least[j])
        found.append(Drift(feature, float(wander[j]), float(np.nan_to_num(tau)), float(change), ways))
    return found


def _ways(values: Floats, least: float) -> int:
    """Peaks of the density of values float64 [n] that hardly any value lies between."""
    low, high = float(values.min()), float(values.max())
    if high - low < _LEAST_APART * least:
        return 1
    table, edges = np.histogram(values, _BINS, (low, high))
    bandwidth = _SILVERMAN * values.std() * len(values) ** -0.2
    density = gaussian_filter1d(table.astype(float), bandwidth / (edges[1] - edges[0]), mode="constant")
    density = np.pad(density, 1)
    peaks, about = find_peaks(density, prominence=0)
    apart = peaks[about["prominences"] >= (1 - _VALLEY) * density[peaks]]
    valleys = [low + int(density[low:high].argmin()) for low, high in pairwise(apart)]
    shares = [part.sum() / len(values) for part in np.split(table, [max(valley - 1, 0) for valley in valleys])]
    return max(sum(share >= _LEAST_TIME for share in shares), 1)


def stationarity(
    names: Sequence[str], drifts: Sequence[Drift], units: Sequence[str], scales: Sequence[float], seconds: float
) -> Finding:
    """Whether blocks of time differ by more than the windows inside them.

    names, units, scales: of all channels; drifts: of the live ones' features; seconds: of a window.
    """
    if not drifts:
        return Finding(
            "stationarity", "care", "too short for drift to be seen",
            f"record more than {time_in_words(_LEAST_WINDOWS * seconds)} of normal data",
        )  # fmt: skip
    opinions, ways, trend = [], 1, False
    for channel in dict.fromkeys(drift.feature.channel for drift in drifts):
        own = [drift for drift in drifts if drift.feature.channel == channel]
        most = max(own, key=lambda drift: drift.wander)
        ways = max(ways, *(drift.ways for drift in own))
        if most.wander <= _WANDERS:
            opinions.append(Opinion(names[channel], "good", "stays the same"))
            continue
        rising = abs(most.trend) >= _TREND
        trend |= rising
        what = {"mean": "mean", "rms": "RMS"}.get(most.feature.kind, "mean absolute difference")
        words = f"wanders: its {what} varies {most.wander:.2g} times as much between blocks of time as inside them"
        if rising:
            words += f", and it {'rises' if most.change > 0 else 'falls'} by {_change(most, units, scales)}"
        opinions.append(Opinion(names[channel], "care", words))
    advice = "record longer, over every load and temperature that is normal"
    if ways > 1:
        advice = (
            f"record each of the {ways} ways of running for as long as it is usual, and all of them; one model for "
            "each is sharper than one for all"
        )
    elif trend:
        advice = f"begin when the machine is warm, and go on until nothing rises or falls any more; {advice}"
    good = "blocks of time are like one another"
    if ways > 1:
        good += f", with the same {ways} ways of running"
    finding = over_channels("stationarity", opinions, good, advice)
    if ways == 1 or finding.verdict == "good":
        return finding
    sentence = f"{ways} ways of running stand apart; {finding.sentence}"
    return Finding(finding.name, finding.verdict, sentence, finding.advice, finding.channels)


def _change(drift: Drift, units: Sequence[str], scales: Sequence[float]) -> str:
    if drift.feature.kind != "mean":
        factor = 2 ** (abs(drift.change) / 1024)
        if factor > 3:
            return f"a factor of {factor:.2g}"
        return f"{(factor if drift.change > 0 else 1 / factor) - 1:.0%}".removeprefix("-")
    channel = drift.feature.channel
    unit = units[channel] or ("counts" if scales[channel] == 1 else "")
    return f"{abs(drift.change) / 16 * scales[channel]:.3g} {unit}".strip()
