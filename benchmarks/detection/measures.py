"""What is measured of scores: the protocol's figures, detection delay, and false alarms against what was promised."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offbeat.train.budget import parse_budget
from offbeat.train.calibrate import calibrate
from offbeat.train.decision import alarm_starts, alarms
from offbeat.train.training import Training

from .cases import protocols

__all__ = ["BUDGETS", "delays", "false_alarms", "figures", "healthy_runs"]

Floats = NDArray[np.float64]

BUDGETS = ("1/day", "1/hour", "10/hour")


def figures(cases: Sequence[Any], scores: Sequence[tuple[Floats, Floats]], rule: Callable[[Floats], float]) -> dict:
    """Figures of ``protocols.evaluate`` for scores that are there already: (of the test, of training) of each case.

    F1, false-alarm rate (far) and missed rate (mar) in percent count the rows of all cases together, AUROC and the
    rate found at 1 % false positives are means over cases. NAB's cases also get NAB's score.
    """
    waiting = iter(range(len(cases)))

    def fit(train: Any) -> Callable[[Any], Floats]:
        number = next(waiting)
        return lambda rows: scores[number][0 if rows is cases[number].test else 1]

    found = protocols().evaluate(cases, fit, rule)
    kept = {key: float(found[key]) for key in ("auroc", "tpr_at_1fpr", "f1", "far", "mar")}
    if "rows_per_day" in cases[0].info:
        waiting = iter(range(len(cases)))
        row = protocols().evaluate_nab(cases, fit, rule)[0]
        kept["nab"] = {key: row[key] for key in ("nab", "windows", "false_events")}
        kept["nab"]["nab"] = float(kept["nab"]["nab"])
    return kept


def _runs(mask: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def delays(case: Any, over: NDArray[np.bool_], rate: float) -> list[float | None]:
    """Seconds from the start of each anomalous run of a stream to its first row above the threshold; None: missed."""
    if case.kind != "stream":
        return []
    found: list[float | None] = []
    for low, high in _runs(np.asarray(case.label) == 1):
        first = np.flatnonzero(over[low:high])
        found.append(float(first[0]) / rate if len(first) else None)
    return found


def healthy_runs(case: Any, window: int) -> list[tuple[int, int]]:
    """(start, stop) of runs of healthy windows in the test part, and of rows whose whole window is healthy."""
    label = np.asarray(case.label)
    if case.kind == "window":
        names = np.where(label == 0, case.group.astype(str), "")
        return [run for name in np.unique(names[label == 0]) for run in _runs(names == name)]
    whole = np.convolve(label, np.ones(window), "full")[: len(label)] == 0
    whole[: window - 1] = False
    return list(_runs(whole))


def false_alarms(case: Any, training: Training, scores: Floats) -> list[dict]:
    """Alarms over all healthy windows of the test, against the interval that each budget's threshold promised.

    scores: of the test, float64, 256 at the threshold of the training's own budget. The threshold for each budget
    comes from the same held-out scores of training data.
    """
    runs = healthy_runs(case, training.windows.window)
    hours = sum(stop - start for start, stop in runs) * training.windows.hop / training.windows.rate / 3600
    own = training.calibration
    found = []
    for text in BUDGETS if hours else ():
        promise = calibrate(training.chosen.held_out, own.hours, parse_budget(text), training.options.decision)
        scaled = np.minimum(scores * own.threshold / promise.threshold, 1 << 30).astype(np.int64)
        count = sum(len(alarm_starts(alarms(scaled[start:stop], training.options.decision))) for start, stop in runs)
        low, high = promise.expected(hours)
        found.append(
            {"case": case.name, "budget": text, "hours": hours, "alarms": count, "low": low, "high": high,
             "inside": bool(low <= count <= high)}
        )  # fmt: skip
    return found
