"""What CSV and Parquet recordings share: the grid of time, and the way from numbers to counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

__all__ = ["CountScale", "TimeGrid", "estimate_rate"]

_JITTER = 1.5  # a step longer than this many periods is a gap


def estimate_rate(path: Path, times: NDArray[np.float64] | None, stated: float | None) -> float:
    """Sampling rate in Hz from the first times (float64 [n] s), or as stated.

    A measured rate within 0.05 % of one with three significant digits is that one: clocks are not better.
    """
    if times is None or len(times) < 2:
        if stated is None:
            raise InputError(f"{path} has no column t; give the sampling rate with --rate, in Hz")
        return float(stated)
    period = float(np.median(np.diff(times)))
    if period <= 0:
        raise InputError(
            f"{path}: the times in column t do not increase; they must be seconds, one sample after another"
        )
    whole = np.abs(np.diff(times) - period) < 0.5 * period
    measured = 1 / float(np.diff(times)[whole].mean())
    round_rate = float(f"{measured:.3g}")
    rate = round_rate if abs(measured / round_rate - 1) < 5e-4 else measured
    if stated is not None:
        if abs(rate / stated - 1) > 0.01:
            raise InputError(
                f"{path}: column t says {rate:g} Hz, but {stated:g} Hz was stated; leave --rate away, or mend the times"
            )
        return float(stated)
    return rate


class TimeGrid:
    """Follows column t over blocks, and finds what is wrong with it."""

    def __init__(self, path: Path, rate: float, allow_gaps: bool) -> None:
        self._path = path
        self._period = 1 / rate
        self._allow_gaps = allow_gaps
        self._last: float | None = None

    def gaps(self, times: NDArray[np.float64], line: int) -> list[int]:
        """Rows of this block before which time leaps. line: number of its first line in the file.

        Raises InputError for time that stands or runs backwards, for gaps that are not allowed, and for a
        rate that changes.
        """
        steps = np.diff(times, prepend=self._last if self._last is not None else times[0] - self._period)
        self._last = float(times[-1])
        backwards = np.flatnonzero(steps <= 0)
        if len(backwards):
            row = int(backwards[0])
            raise InputError(
                f"{self._path} line {line + row}: time does not increase there; remove the row, or split the file"
            )
        median = float(np.median(steps))
        if len(steps) >= 100 and abs(median / self._period - 1) > 0.02:
            raise InputError(
                f"{self._path} line {line}: mixed rates, {1 / median:g} Hz from there on after "
                f"{1 / self._period:g} Hz; split the file there"
            )
        gaps = np.flatnonzero(steps > _JITTER * self._period)
        if len(gaps) and not self._allow_gaps:
            row = int(gaps[0])
            raise InputError(
                f"{self._path} line {line + row}: a gap of {steps[row]:.4g} s at {times[row]:.4f} s; "
                "split the file there, or pass --allow-gaps"
            )
        return [int(row) for row in gaps]


class CountScale:
    """Finds the scale of each channel, and brings numbers to int16 counts.

    A channel of integers without a scale holds counts. A channel of decimals gets the scale that was given,
    else the power of two at which the largest magnitude of the file takes half of the int16 range.
    """

    def __init__(
        self, path: Path, channels: Sequence[str], header: Mapping[str, float], given: Mapping[str, float]
    ) -> None:
        self._path = path
        self._channels = channels
        self._header = header
        self._given = given
        self._integer = np.ones(len(channels), dtype=bool)
        self._largest = np.zeros(len(channels))
        self._factors = np.ones(len(channels))

    def watch(self, values: NDArray[np.float64], line: int) -> bool:
        """See a block of numbers float64 [n, C]; True while the rest of the file is needed to choose a scale."""
        self._integer &= (values == np.round(values)).all(axis=0)
        self._largest = np.maximum(self._largest, np.abs(values).max(axis=0))
        open_ = [n not in self._given and n not in self._header for n in self._channels]
        return bool((~self._integer & np.array(open_)).any())

    def settle(self) -> tuple[float, ...]:
        """Unit per count of each channel, as metadata."""
        scales = []
        for i, name in enumerate(self._channels):
            if self._integer[i]:
                scale, divisor = float(self._header.get(name, self._given.get(name, 1.0))), 1.0
                if name not in self._header and name in self._given and self._given[name] != 1.0:
                    divisor = scale
            else:
                scale = float(self._given.get(name, self._header.get(name, 0.0)))
                if not scale:
                    scale = float(2.0 ** np.ceil(np.log2(max(self._largest[i], 1e-30) / 16384)))
                divisor = scale
            scales.append(scale)
            self._factors[i] = divisor
        return tuple(scales)

    def counts(self, values: NDArray[np.float64], line: int) -> NDArray[np.int16]:
        """Numbers float64 [n, C] as counts int16 [n, C]. Raises InputError outside int16."""
        scaled = np.round(values / self._factors)
        bad = np.argwhere((scaled < -32768) | (scaled > 32767))
        if len(bad):
            row, column = bad[0]
            name = self._channels[column]
            raise InputError(
                f"{self._path} line {line + int(row)}, column {name!r}: {values[row, column]:g} is outside the "
                f"range of int16 counts; give its scale with --scale {name}=UNIT_PER_COUNT"
            )
        return scaled.astype(np.int16)
