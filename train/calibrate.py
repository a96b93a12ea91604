"""From a false-alarm budget to a threshold, with what the data can and cannot support.

The alarms of held-out normal data are a Poisson count. With m of them in T hours, the rate is below
``chi2.ppf(0.95, 2 (m + 1)) / (2 T)`` at 95 % confidence (F. Garwood, Biometrika 28, 1936); with none that is
the rule of three, 3.0 / T. The threshold is the lowest at which that bound keeps the budget; where even no
alarm at all cannot show it, the threshold stands a fifth above the highest held-out level (in squared distance),
and the statement says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from .budget import Budget, duration, rate_in_words
from .decision import alarm_starts, alarms, level
from .modelfile import Decision

__all__ = ["CONFIDENCE", "Calibration", "calibrate", "rate_bound"]

CONFIDENCE = 0.95


def rate_bound(count: int, hours: float) -> float:
    """Upper bound, at 95 % confidence, of the rate an hour after ``count`` events in ``hours``."""
    return float(chi2.ppf(CONFIDENCE, 2 * (count + 1)) / (2 * hours))


@dataclass(frozen=True)
class Calibration:
    """How the threshold was set.

    threshold: squared distance, on the scale of the family's distances; hours: of held-out normal data;
    alarms: false alarms of that data at the threshold; promised: false alarms an hour that it supports at
    95 % confidence; supported: whether that keeps the budget.
    """

    budget: Budget
    threshold: int
    hours: float
    alarms: int
    promised: float
    supported: bool

    @property
    def statement(self) -> str:
        """What the threshold promises, in one sentence."""
        data = f"{duration(self.hours)} of normal data"
        if self.supported:
            return (
                f"At most {self.budget.text} at 95 % confidence: {data}, held out in blocks, "
                f"gave {self.alarms} false alarm{'' if self.alarms == 1 else 's'} at this threshold."
            )
        needed = duration(rate_bound(0, 1.0) / self.budget.per_hour)
        return (
            f"{data} support at best {rate_in_words(self.promised)} at 95 % confidence, not {self.budget.text}: "
            f"the threshold stands a fifth above the highest level of the held-out data. "
            f"{self.budget.text} takes {needed} of normal data without a false alarm."
        )


_LONG = 64
_BEYOND = 1.2  # the next extreme of as much data again lies above the last one half the time


def _count(distances: NDArray[np.integer], decision: Decision, threshold: float) -> int:
    """False alarms at a threshold; one that stays on counts again every 64 windows, so that a threshold low
    enough to be always in alarm does not look like one alarm."""
    alarm = alarms(distances, decision, threshold)
    return max(len(alarm_starts(alarm)), -(-int(alarm.sum()) // _LONG))


def _candidates(distances: NDArray[np.integer], decision: Decision, most: int) -> NDArray[np.integer]:
    """Thresholds worth trying, highest first: just above each level among the highest."""
    levels = np.sort(level(distances, decision))[::-1]
    enough = max(64, 16 * decision.n * (most + 1))
    return np.unique(levels[:enough])[::-1] + 1


def calibrate(distances: NDArray[np.integer], hours: float, budget: Budget, decision: Decision) -> Calibration:
    """Set the threshold for a budget.

    distances: held-out squared distances of normal windows, int [W] in order of time, stretches joined;
    hours: of data in them.
    """
    most = -1
    while rate_bound(most + 1, hours) <= budget.per_hour:
        most += 1
    candidates = _candidates(distances, decision, max(most, 0))
    low, high = 0, len(candidates) - 1  # candidates[0] is above every level: no alarm
    while low < high:
        middle = (low + high + 1) // 2
        if _count(distances, decision, candidates[middle]) <= max(most, 0):
            low = middle
        else:
            high = middle - 1
    threshold = max(int(candidates[low]), 256)
    if most < 0:
        threshold = min(round(threshold * _BEYOND), 2**30 - 1)
    found = _count(distances, decision, threshold)
    return Calibration(budget, threshold, hours, found, rate_bound(found, hours), most >= 0)
