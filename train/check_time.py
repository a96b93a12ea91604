"""The times of a recording: how evenly it was sampled, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from .check_report import Finding, Verdict
from .limits import time_in_words
from .recording import Block, RecordingReader
from .recording_table import Source, Table
from .recording_time import MOST_DECIMALS, decimals

__all__ = ["Timing", "WatchedReader", "gaps", "jitter"]

Times = NDArray[np.float64]

# Error of a sample whose instant is off, against the signal's RMS: 2 pi f t for RMS frequency f and RMS error t.
_JITTER_SEEN = 0.05
_JITTER_TOO_LARGE = 0.5

_FEW_SAMPLES = 20  # a gap that is shorter is no pause that someone made


class _TimedSource:
    """A source that hands the time column of each table on before the table."""

    def __init__(self, source: Source, column: str | None, see: Callable[[Times], None]) -> None:
        self.path, self.header, self.size, self.place = source.path, source.header, source.size, source.place
        self._source, self._column, self._see = source, column, see
        self.done = 0

    def largest(self, numbers: Sequence[str]) -> NDArray[np.float64] | None:
        return self._source.largest(numbers)

    def tables(self, rows: int, numbers: Sequence[str], label: str | None) -> Iterator[Table]:
        for table in self._source.tables(rows, numbers, label):
            if self._column is not None:
                self._see(table.numbers[:, list(numbers).index(self._column)])
            self.done = table.done
            yield table


class WatchedReader(RecordingReader):
    """A reader whose blocks someone else sees first, with their times: one pass serves them both.

    see: called with (block, times float64 [rows] s or None, share of the file that was read). The reader it is made
    from stays as it is.
    """

    def __init__(self, reader: RecordingReader, see: Callable[[Block, Times | None, float], None]) -> None:
        vars(self).update(vars(reader))
        self._see = see
        self._pending = np.zeros(0)
        column = self._time if self._has_time else None
        self._timed = _TimedSource(reader._source, column, self._remember)
        self._source = self._timed

    def _remember(self, times: Times) -> None:
        self._pending = np.concatenate([self._pending, times])

    def blocks(self, rows: int = 65536) -> Iterator[Block]:
        """As RecordingReader.blocks()."""
        for block in super().blocks(rows):
            count = len(block.counts)
            times = self._pending[:count] if self._has_time else None
            self._pending = self._pending[count:]
            self._see(block, times, self._timed.done / max(self._timed.size, 1))
            yield block


class Timing:
    """Steps between the times of one or more recordings. period: seconds."""

    def __init__(self, period: float) -> None:
        self._period = period
        self._last: float | None = None
        self._steps = 0
        self._sum = 0.0
        self._squares = 0.0
        self._decimals = 0
        self.largest = 0.0  # deviation of a step from the period, s
        self.stretches = 0
        self.gaps = 0
        self.lost = 0.0  # s
        self.longest_gap = 0.0  # s

    def begin(self) -> None:
        """Another recording begins: what lies between it and the last is no gap."""
        self._last = None

    def add(self, times: Times | None, after_gap: bool) -> None:
        """See the times float64 [n] s of a block, None where the file has none; after_gap: whether a gap precedes."""
        if self._last is None or after_gap:
            self.stretches += 1
        if times is None:
            return
        if after_gap and self._last is not None:
            missing = float(times[0]) - self._last - self._period
            self.gaps += 1
            self.lost += missing
            self.longest_gap = max(self.longest_gap, missing)
        joined = times if after_gap or self._last is None else np.concatenate([[self._last], times])
        self._last = float(times[-1])
        self._decimals = max(self._decimals, decimals(times))
        if len(joined) < 2:
            return
        off = np.diff(joined) - self._period
        self._steps += len(off)
        self._sum += float(off.sum())
        self._squares += float((off**2).sum())
        self.largest = max(self.largest, float(np.abs(off).max()))

    @property
    def known(self) -> bool:
        """Whether there were times to judge."""
        return self._steps > 0

    @property
    def resolution(self) -> float:
        """The last decimal that the times were written with, in seconds; 0 where they are finer than a nanosecond."""
        return 10.0**-self._decimals if self._decimals <= MOST_DECIMALS else 0.0

    @property
    def jitter(self) -> float:
        """Standard deviation of the steps in seconds, without what the rounding of the times may explain.

        Rounding to a grid of r moves a step by r/2 at most when steps alternate between two multiples of it.
        """
        mean = self._sum / self._steps
        variance = self._squares / self._steps - mean**2
        return float(np.sqrt(max(variance - self.resolution**2 / 4, 0.0)))


def jitter(timing: Timing, frequency: float, rate: float) -> Finding:
    """How evenly the samples were taken.

    frequency: RMS frequency in Hz of the vibrating channel with the highest, 0 where there is none: a mean
    over a window does not mind. The error against the
    signal's RMS is 2 pi f t (first order, for independent errors of the instants).
    """
    if not timing.known:
        return Finding(
            "jitter", "good", "no timestamps, so how even the sampling is cannot be seen; a column t shows it"
        )
    period, step = 1 / rate, timing.jitter
    share = (
        f"steps of {time_in_words(period)} vary by {step / period:.1%} RMS, by {timing.largest / period:.0%} at most"
    )
    if step == 0:
        even = "every step is alike" if timing.largest < 1e-3 * period else "no more than the rounding of the times"
        return Finding("jitter", "good", even if even.startswith("every") else f"{share}: {even}")
    error = 2 * np.pi * frequency * step / np.sqrt(2)
    verdict: Verdict = "good" if error < _JITTER_SEEN else "care" if error < _JITTER_TOO_LARGE else "no"
    sentence = f"{share}, which adds noise of about {error:.1%} of the signal"
    if verdict == "good":
        return Finding("jitter", "good", sentence)
    return Finding(
        "jitter", verdict, sentence,
        "let a timer or the sensor's own FIFO take the samples, not a loop with a delay, and stamp them on the board",
    )  # fmt: skip


def gaps(timing: Timing, seconds: float, window: int, rate: float) -> Finding:
    """What is missing. seconds: recorded, without the gaps."""
    if not timing.known:
        return Finding("gaps", "good", "no timestamps, so lost samples cannot be seen")
    if not timing.gaps:
        return Finding("gaps", "good", "no sample is missing")
    share = timing.lost / (timing.lost + seconds)
    usual = seconds / timing.stretches
    sentence = (
        f"{timing.gaps} gap{'' if timing.gaps == 1 else 's'}, together {time_in_words(timing.lost)} "
        f"({share:.1%} of the time), the longest {time_in_words(timing.longest_gap)}"
    )
    advice = "pass --allow-gaps to train, no window spans one"
    if timing.lost < _FEW_SAMPLES * timing.gaps / rate:
        advice += "; samples are lost on the way, or come late: a faster serial line, fewer channels, a lower rate"
    if usual >= window / rate:
        return Finding("gaps", "care", sentence, advice)
    sentence += (
        f"; between two lie {time_in_words(usual)} on average, less than a window of {time_in_words(window / rate)}"
    )
    return Finding("gaps", "no", sentence, advice)
