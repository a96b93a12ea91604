"""The time of a recording: its rate, and what may be wrong with its column of seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offbeat.device.quality import late

from .errors import InputError

__all__ = ["MOST_DECIMALS", "Pace", "TimeCheck", "decimals", "measure_pace", "settle_rate"]

MOST_DECIMALS = 9
_ON_GRID = 1e-4  # of a step of the last decimal: what float64 leaves of times of some 1e9 s with microseconds
_LOOKED_AT = 2000  # times of a block by which its decimals are judged

_GAP = 1.5  # a step longer than this many periods is a gap; jitter of 20 % at both ends makes 1.4
_STRETCH = 1024  # steps over which the rate is watched, whatever the size of the blocks
_SHORTEST_STRETCH = 100
_RATE_CHANGE = 0.02
_RATE_MISMATCH = 0.01
_ROUNDING = 5e-4  # crystals of loggers and boards are within some 100 ppm, their RC oscillators are not


def decimals(times: NDArray[np.float64]) -> int:
    """Decimals that times were written with; one more than MOST_DECIMALS where there is no telling."""
    few = times[:: max(1, len(times) // _LOOKED_AT)]
    for count in range(MOST_DECIMALS + 1):
        scaled = few * 10.0**count
        if np.abs(scaled).max(initial=0.0) > 2.0**50:
            break
        if np.abs(scaled - np.rint(scaled)).max(initial=0.0) < _ON_GRID:
            return count
    return MOST_DECIMALS + 1


class Pace:
    """How time goes on. median: of all steps; mean: of those that are no gaps; both in seconds."""

    def __init__(self, steps: NDArray[np.float64]) -> None:
        self.median = float(np.median(steps))
        self.mean = float(steps.mean())
        if steps.min() <= 0 or steps.max() > _GAP * self.mean:
            regular = steps[(steps > 0) & (steps <= _GAP * self.median)]
            self.mean = float(regular.mean()) if len(regular) else self.median

    def differs(self, other: Pace) -> bool:
        """Whether another stretch has another rate.

        Median and mean must agree on it: jitter moves the median of a stretch, and times that were rounded when
        they were written make it jump; a few odd steps move the mean.
        """
        return abs(self.median / other.median - 1) > _RATE_CHANGE and abs(self.mean / other.mean - 1) > _RATE_CHANGE


def measure_pace(path: Path, column: str, times: NDArray[np.float64]) -> Pace | None:
    """Pace of the first times of a file, float64 [n] s; None for a single one. Raises InputError."""
    if len(times) < 2:
        return None
    pace = Pace(np.diff(times))
    if not pace.median > 0:
        raise InputError(
            f"{path}: the times in column {column!r} do not increase; they must be seconds with enough decimals, "
            "or leave the column out and give --rate"
        )
    return pace


def settle_rate(path: Path, column: str, pace: Pace | None, header: float | None, given: float | None) -> float:
    """Sampling rate in Hz: as given, else as the file's header says, else as measured.

    Measured is (n - 1) / (last time - first time), without gaps. Where a number of three significant digits, or
    else a whole one, lies within 0.05 %, it is taken: clocks are not better than that.
    Raises InputError where two of the three differ by more than 1 %, or where there is none.
    """
    if given is not None and header is not None and abs(given / header - 1) > _RATE_MISMATCH:
        raise InputError(
            f"{path} says that its rate is {header:g} Hz, but {given:g} Hz was given; leave --rate out, or mend "
            "the file"
        )
    stated = given or header
    if pace is None:
        if stated is None:
            raise InputError(
                f"{path} has no column {column!r} with two times or more; give the sampling rate with --rate, in Hz"
            )
        return stated
    measured = 1 / pace.mean
    if stated is None:
        nice = (float(f"{measured:.3g}"), float(round(measured)))
        return next((rate for rate in nice if abs(measured - rate) < _ROUNDING * rate), measured)
    if abs(measured / stated - 1) > _RATE_MISMATCH:
        ratio = stated / measured
        unit = next((name for size, name in ((1e3, "milli"), (1e6, "micro")) if abs(ratio / size - 1) < 0.1), "")
        mend = f"write the times in seconds, they look like {unit}seconds" if unit else "mend the one that is wrong"
        raise InputError(f"{path}: column {column!r} says {measured:g} Hz, but {stated:g} Hz was stated; {mend}")
    return stated


class TimeCheck:
    """Follows the time of a file from block to block, whatever their size.

    place: what a row's number counts; rate: Hz. Raises InputError for time that stands or runs backwards, for gaps
    that are not allowed, and for a rate that changes.
    late: bool [n], which rows of the last block came so late after the one before that no window with them is fit.
    """

    def __init__(self, path: Path, place: str, column: str, rate: float, allow_gaps: bool) -> None:
        self._path = path
        self._place = place
        self._column = column
        self._period = 1 / rate
        self._first: Pace | None = None
        self._allow_gaps = allow_gaps
        self._last: float | None = None
        self._decimals = 0
        self.late = np.zeros(0, dtype=bool)
        self._steps = np.zeros(0)
        self._steps_at = np.zeros(0, dtype=np.int64)

    def gaps(self, times: NDArray[np.float64], places: NDArray[np.int64]) -> list[int]:
        """Rows of this block before which time leaps. times: float64 [n] s; places: int64 [n]."""
        before = np.concatenate([times[:1] if self._last is None else [self._last], times[:-1]])
        steps = times - before
        known = slice(1 if self._last is None else 0, None)  # the first row of a file has no step
        self._last = float(times[-1])
        stuck = np.flatnonzero(steps[known] <= 0)
        if len(stuck):
            raise self._stuck(int(stuck[0]) + (known.start or 0), before, times, places)
        found = np.flatnonzero(steps > _GAP * self._period)
        if len(found) and not self._allow_gaps:
            row = int(found[0])
            raise InputError(
                f"{self._path} {self._place} {places[row]}, column {self._column!r}: a gap of {steps[row]:.4g} s after "
                f"second {before[row]:.10g}; split the file there, or pass --allow-gaps"
            )
        self._watch_rate(steps[known], places[known])
        self._find_late(times, steps)
        return found.tolist()

    def _find_late(self, times: NDArray[np.float64], steps: NDArray[np.float64]) -> None:
        """Late by the step that ends there, less what the rounding of the times may have added to it; behind a gap a
        row is not late."""
        behind = steps - self._period
        self.late = late(behind, self._period) & (steps <= _GAP * self._period)
        if self.late.any():
            self._decimals = max(self._decimals, decimals(times))
            self.late &= late(behind - 10.0**-self._decimals, self._period)

    def finish(self) -> None:
        """Judge the steps since the last whole stretch."""
        if len(self._steps) >= _SHORTEST_STRETCH:
            self._judge(self._steps, self._steps_at)

    def _stuck(
        self, row: int, before: NDArray[np.float64], times: NDArray[np.float64], places: NDArray[np.int64]
    ) -> InputError:
        where = f"{self._path} {self._place} {places[row]}, column {self._column!r}"
        now, last = float(times[row]), float(before[row])
        if now == last:
            why, mend = f"it stands still at {now:.10g} s", "write the times with more decimals"
        else:
            why, mend = f"it runs back from {last:.10g} s to {now:.10g} s", "split the file there"
        return InputError(f"{where}: time does not increase, {why}; remove the row, or {mend}")

    def _watch_rate(self, steps: NDArray[np.float64], places: NDArray[np.int64]) -> None:
        steps, places = np.concatenate([self._steps, steps]), np.concatenate([self._steps_at, places])
        whole = len(steps) - len(steps) % _STRETCH
        if whole and self._first is None:
            self._first = Pace(steps[:_STRETCH])
        for start in _STRETCH * self._doubtful(steps[:whole].reshape(-1, _STRETCH)):
            self._judge(steps[start : start + _STRETCH], places[start : start + _STRETCH])
        self._steps, self._steps_at = steps[whole:], places[whole:]

    def _doubtful(self, stretches: NDArray[np.float64]) -> NDArray[np.intp]:
        """Which stretches [K, _STRETCH] are to be judged one by one: with odd steps, or at another pace than the first.

        All at once, since a day at 400 Hz has 34 000 of them.
        """
        if self._first is None:
            return np.zeros(0, dtype=np.intp)
        means, medians = stretches.mean(axis=1), np.median(stretches, axis=1)
        odd = (stretches.min(axis=1) <= 0) | (stretches.max(axis=1) > _GAP * means)
        other = np.abs(medians / self._first.median - 1) > _RATE_CHANGE
        return np.flatnonzero(odd | other)

    def _judge(self, steps: NDArray[np.float64], places: NDArray[np.int64]) -> None:
        pace = Pace(steps)
        self._first = self._first or pace
        if pace.differs(self._first):
            raise InputError(
                f"{self._path} {self._place} {places[0]}: mixed rates, {1 / pace.mean:.4g} Hz near there after "
                f"{1 / self._first.mean:.4g} Hz at the start; split the file there"
            )
