"""The counts of a channel: is it alive, cut off at an end of its range, and finely enough resolved?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .check_report import Finding, Opinion, Verdict, over_channels

__all__ = ["End", "Levels", "clipping", "life", "longest_run", "resolution"]

_MARGIN = 1024  # counts by which the table of levels grows at least

_INSIDE = 8  # levels inside an end that it is compared with
_PILE = 4.0  # a sine's last level holds 2.4 times as many samples as the one inside it, noise fewer
_PILE_AT_RANGE = 1.5
_LEAST_PILED = 8  # samples
_LEAST_AT_RANGE = 4  # samples
_SWITCH = 4  # a channel of so few levels is a switch: it stands at its ends because there is nothing else
_SMALLEST_RANGE = 512  # counts; smaller powers of two are met by chance
_CLIPPED_TOO_OFTEN = 0.05

_STILL = 0.01  # share of windows
_MOSTLY_STILL = 0.5

# RMS in steps of the sensor. Below half a step most samples are equal, and what a window shows is where the mean lies
# between two counts; quantization adds 0.29 steps of noise, which from four on changes an RMS by less than 0.3 %.
_RMS_LOST = 0.5
_RMS_COARSE = 4.0
_FEW_LEVELS = 4


def longest_run(mask: NDArray[np.bool_]) -> int:
    """Length of the longest run of True in bool [n]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


@dataclass(frozen=True)
class End:
    """One end of what a channel shows. level: count; samples: that stand there; share: of all; clipped; at_range:
    whether it is a power of two, as the end of a converter's range is; run: most samples there in a row, as far as
    one block shows."""

    level: int
    samples: int
    share: float
    clipped: bool
    at_range: bool
    run: int


class Levels:
    """How often a channel showed each count; add() samples, then ask. 512 KiB at most."""

    def __init__(self) -> None:
        self._first = 0
        self._table = np.zeros(0, dtype=np.int64)
        self._runs = {-1: (0, 0), 1: (0, 0)}  # by end: level, longest run there

    def add(self, values: NDArray[np.int16]) -> None:
        """Count samples that follow one another, int16 [n], n >= 1."""
        low, high = int(values.min()), int(values.max())
        self._reach(low, high)
        at = low - self._first
        self._table[at : at + high - low + 1] += np.bincount(values.astype(np.int32) - low)
        for end, level in ((-1, low), (1, high)):
            known, run = self._runs[end]
            if not run or (level - known) * end >= 0:
                longest = longest_run(values == level)
                self._runs[end] = (level, max(longest, run) if run and level == known else longest)

    def _reach(self, low: int, high: int) -> None:
        stop = self._first + len(self._table)
        if len(self._table) and self._first <= low and high < stop:
            return
        first = max(min(low, self._first if len(self._table) else low) - _MARGIN, -32768)
        last = min(max(high, stop - 1 if len(self._table) else high) + _MARGIN, 32767)
        table = np.zeros(last - first + 1, dtype=np.int64)
        table[self._first - first : self._first - first + len(self._table)] = self._table
        self._first, self._table = first, table

    @property
    def seen(self) -> NDArray[np.int64]:
        """The distinct counts, int64 [L], rising."""
        return np.flatnonzero(self._table) + self._first

    @property
    def samples(self) -> int:
        """How many were counted."""
        return int(self._table.sum())

    @property
    def deviation(self) -> float:
        """Standard deviation of all samples, in counts."""
        seen, often = self.seen.astype(np.float64), self._table[self._table > 0]
        mean = np.average(seen, weights=often)
        return float(np.sqrt(np.average((seen - mean) ** 2, weights=often)))

    @property
    def step(self) -> int:
        """Counts from one level to the next: above 1 where the sensor resolves less than a count.

        The 1 % quantile of the distances between the counts seen, so that a few odd values do not hide the grid.
        """
        seen = self.seen
        return int(np.quantile(np.diff(seen), 0.01, method="lower")) if len(seen) > 1 else 1

    @property
    def bits(self) -> float:
        """Bits that are used: log2 of the number of steps that the range seen holds."""
        seen = self.seen
        return float(np.log2((seen[-1] - seen[0]) / self.step + 1))

    def end(self, side: int) -> End:
        """The lowest (side -1) or highest (+1) level, and whether samples pile up there as cut-off ones do."""
        seen, often = self.seen, self._table[self._table > 0]
        order = slice(None) if side < 0 else slice(None, None, -1)
        level, here, inside = int(seen[order][0]), int(often[order][0]), often[order][1 : _INSIDE + 1]
        most = int(inside.max(initial=0))
        limit = -level if side < 0 else level + self.step
        at_range = limit >= _SMALLEST_RANGE and limit & (limit - 1) == 0
        piled = here >= _LEAST_PILED and here > _PILE * most
        at_the_stop = at_range and here >= _LEAST_AT_RANGE and here > _PILE_AT_RANGE * most
        clipped = len(seen) > _SWITCH and (piled or at_the_stop)
        return End(level, here, here / self.samples, clipped, at_range, self._runs[side][1])

    @property
    def clipped(self) -> float:
        """Share of the samples that stand at an end where they pile up."""
        return sum(end.share for end in (self.end(-1), self.end(1)) if end.clipped)


def life(names: Sequence[str], levels: Sequence[Levels], still: Sequence[float | None]) -> Finding:
    """Dead and stuck channels. still: share of windows without movement, None where that says nothing."""
    opinions = []
    for name, channel, share in zip(names, levels, still, strict=True):
        if len(channel.seen) == 1:
            value = int(channel.seen[0])
            opinions.append(Opinion(name, "no", "is all zeros" if value == 0 else f"is constant ({value} counts)"))
        elif share is not None and share > _STILL:
            verdict: Verdict = "no" if share > _MOSTLY_STILL else "care"
            opinions.append(Opinion(name, verdict, f"does not move at all in {share:.0%} of the windows"))
        else:
            opinions.append(Opinion(name, "good", "moves"))
    advice = (
        "check power, wiring and mounting of that sensor; leave a channel out with --channels that is never connected; "
        "where the machine was off, label that or cut it out"
    )
    return over_channels("dead channels", opinions, "every channel moves", advice)


def clipping(names: Sequence[str], levels: Sequence[Levels]) -> Finding:
    """Samples that stand at an end of the range. names, levels: channels that live."""
    opinions = []
    for name, channel in zip(names, levels, strict=True):
        ends = [end for end in (channel.end(-1), channel.end(1)) if end.clipped]
        if not ends:
            opinions.append(Opinion(name, "good", "is not clipped"))
            continue
        where = " and ".join(f"{end.level}{' (the end of its range)' if end.at_range else ''}" for end in ends)
        run = max(end.run for end in ends)
        words = f"stands at {where} in {_percent(channel.clipped)} of the samples, up to {run} in a row"
        # Zero may be the natural end of a quantity, such as a flow: then nothing is cut off.
        cut = sum(end.share for end in ends if end.level)
        opinions.append(Opinion(name, "no" if cut > _CLIPPED_TOO_OFTEN else "care", words))
    advice = (
        "raise the sensor's range (for instance from 2 g to 8 g) or lower its gain; a signal that is cut off at 0 "
        "needs a bias; where the machine was off, label that or cut it out"
    )
    return over_channels("clipping", opinions, "no channel stands at an end of its range", advice)


def resolution(
    names: Sequence[str], levels: Sequence[Levels], rms: Sequence[float], slow: Sequence[bool], floors: Sequence[float]
) -> Finding:
    """Quantization against what is to be seen.

    rms: typical RMS about the mean within a window, in counts; floors: RMS in counts of noise as strong as the quiet
    parts of the spectrum, NaN where it is unknown. A slow channel is judged by the levels it used, since its mean
    over a window resolves a sixteenth of a count.
    """
    opinions = []
    for name, channel, size, is_slow, floor in zip(names, levels, rms, slow, floors, strict=True):
        step, count = channel.step, len(channel.seen)
        unit = "counts" if step == 1 else f"steps of {step} counts"
        if is_slow:
            few = count < _FEW_LEVELS
            opinions.append(Opinion(name, "care" if few else "good", f"shows only {count} levels"))
            continue
        words = f"has an RMS of {size / step:.2g} {unit}, {channel.bits:.1f} bits in all"
        if floor < 0.35 * step:
            words += "; its noise floor is that of rounding"
        share = size / step
        opinions.append(Opinion(name, "no" if share < _RMS_LOST else "care" if share < _RMS_COARSE else "good", words))
    used = [channel.bits for channel in levels]
    good = " to ".join(dict.fromkeys(f"{bits:.1f}" for bits in (min(used), max(used)))) + " bits are used"
    advice = (
        "take a smaller range or a higher gain, a sensor with finer steps, or a place on the machine that moves more; "
        "for decimals, give a finer --scale"
    )
    return over_channels("resolution", opinions, good, advice)


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else f"{share * 1e6:.0f} in a million"
