"""k of n windows, hysteresis and hold-off: from scores to alarms. Rules: ``docs/pipeline.md``, "Decision"."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .modelfile import Decision

__all__ = ["alarm_starts", "alarms", "level"]


def alarms(scores: NDArray[np.integer], decision: Decision, threshold: float = 256) -> NDArray[np.bool_]:
    """Whether the alarm is on after each window. scores: int [W] in order; returns bool [W].

    A threshold other than 256 shifts the release level with it, as rescaling the model would.
    """
    over = np.asarray(scores) >= threshold
    calm = np.asarray(scores) < decision.release * float(threshold) / 256
    mask = (1 << decision.n) - 1
    history = quiet = hold = 0
    alarm = False
    result = np.zeros(len(over), dtype=bool)
    for i in range(len(over)):
        history = ((history << 1) | int(over[i])) & mask
        hold = max(hold - 1, 0)
        if not alarm:
            if history.bit_count() >= decision.k and hold == 0:
                alarm, quiet = True, 0
        else:
            quiet = quiet + 1 if calm[i] else 0
            if quiet >= decision.n:
                alarm, hold, history = False, decision.holdoff, 0
        result[i] = alarm
    return result


def alarm_starts(alarm: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Indices of the windows at which an alarm starts."""
    return np.flatnonzero(alarm & ~np.concatenate([[False], alarm[:-1]]))


def level(scores: NDArray[np.integer], decision: Decision) -> NDArray[np.integer]:
    """The k-th largest of the last n scores, per window: the highest threshold at which k of n would fire.

    The first n - 1 windows look back at what there is. Returns int [W].
    """
    scores = np.asarray(scores)
    if not len(scores):
        return scores
    lowest = np.iinfo(scores.dtype).min
    padded = np.concatenate([np.full(decision.n - 1, lowest, dtype=scores.dtype), scores])
    last = sliding_window_view(padded, decision.n)
    return np.partition(last, decision.n - decision.k, axis=1)[:, decision.n - decision.k]
