"""From the numbers of a file to int16 counts: the scale of each channel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

__all__ = ["CountScale", "Origin", "fitting_scale"]

_LOWEST, _HIGHEST = -32768, 32767
_HALF_RANGE = 16384.0


class Origin(Enum):
    """Where the scale of a channel comes from."""

    STATED = "given, or in the header"
    COUNTS = "whole numbers without a scale: a count is the unit"
    FITTED = "fitted to the largest magnitude of the file"
    SILENT = "decimals that are all zero: any scale would do"


def fitting_scale(largest: float) -> float:
    """The power of two at which a magnitude takes a quarter to a half of the positive int16 range.

    Half, so that a later recording twice as loud still fits; a power of two, so that the division is exact.
    """
    mantissa, exponent = math.frexp(largest / _HALF_RANGE)
    return math.ldexp(1.0, max(exponent - (mantissa == 0.5), -1000))


class CountScale:
    """Finds the scale of each channel, then brings numbers to counts.

    A channel of whole numbers holds counts, one of decimals holds its unit. Scale (unit per count): as given, else
    as the header says, else 1 for counts, else fitted. Counts whose header names another scale than the one given
    are brought to the given one; counts without a header are worth 1.
    header, given: unit per count by channel.
    """

    def __init__(
        self, path: Path, place: str, channels: Sequence[str], header: Mapping[str, float], given: Mapping[str, float]
    ) -> None:
        self._path = path
        self._place = place
        self._channels = tuple(channels)
        self._header = [header.get(name) for name in channels]
        self._given = [given.get(name) for name in channels]
        self._unknown = np.array([given.get(name, header.get(name)) is None for name in channels])
        self._decimal = np.zeros(len(channels), dtype=bool)
        self._largest = np.zeros(len(channels))
        self._divisors = np.ones(len(channels))
        self._whole = np.zeros(len(channels), dtype=bool)
        self.scales: tuple[float, ...] = ()
        self.origins: tuple[Origin, ...] = ()

    def watch(self, values: NDArray[np.float64], decimal: NDArray[np.bool_]) -> bool:
        """See numbers float64 [n, C], and which columns are decimals, bool [C]; True while more must be seen."""
        self._decimal |= decimal
        self._largest = np.maximum(self._largest, np.abs(values).max(axis=0))
        return bool((self._decimal & self._unknown).any())

    def settle(self) -> None:
        """Choose the scales, from all that was seen."""
        found = [self._choose(i) for i in range(len(self._channels))]
        self.scales = tuple(scale for scale, _ in found)
        self.origins = tuple(origin for _, origin in found)
        for i, header in enumerate(self._header):
            worth = 1.0 if self._decimal[i] or header is None else header
            self._divisors[i] = self.scales[i] / worth
            self._whole[i] = not self._decimal[i] and (header is not None or self._given[i] is None)

    def _choose(self, i: int) -> tuple[float, Origin]:
        stated = self._given[i] or self._header[i]
        if stated is not None:
            return stated, Origin.STATED
        if not self._decimal[i]:
            return 1.0, Origin.COUNTS
        if not self._largest[i]:
            return 1.0, Origin.SILENT
        return fitting_scale(float(self._largest[i])), Origin.FITTED

    def counts(self, values: NDArray[np.float64], places: NDArray[np.int64]) -> NDArray[np.int16]:
        """Numbers float64 [n, C] as counts int16 [n, C], off by half a count at most.

        Raises InputError for a number outside int16, and for decimals in a channel of counts.
        """
        with np.errstate(over="ignore"):  # infinity is outside too
            counts = np.rint(values / self._divisors)
        if counts.min(initial=0) < _LOWEST or counts.max(initial=0) > _HIGHEST:
            row, i = np.argwhere((counts < _LOWEST) | (counts > _HIGHEST))[0].tolist()
            raise self._outside(row, i, float(values[row, i]), places)
        broken = self._whole & (values != np.rint(values)) if self._whole.any() else self._whole
        if broken.any():
            row, i = np.argwhere(broken)[0].tolist()
            raise self._broken(row, i, float(values[row, i]), places)
        return counts.astype(np.int16)

    def _where(self, row: int, i: int, places: NDArray[np.int64]) -> str:
        return f"{self._path} {self._place} {places[row]}, column {self._channels[i]!r}"

    def _outside(self, row: int, i: int, value: float, places: NDArray[np.int64]) -> InputError:
        scale, divisor, name = self.scales[i], float(self._divisors[i]), self._channels[i]
        fits = fitting_scale(abs(value) * scale / divisor)
        shown = f"{value:.10g}" if divisor == 1 else f"{value:.10g} at {scale:.10g} per count"
        return InputError(
            f"{self._where(row, i, places)}: {shown} is outside the range of int16 ({_LOWEST} to {_HIGHEST}); "
            f"give a coarser scale, for instance --scale {name}={fits:.10g}"
        )

    def _broken(self, row: int, i: int, value: float, places: NDArray[np.int64]) -> InputError:
        name = self._channels[i]
        mend = f"say what a count is worth with --scale {name}=NUMBER"
        if self._header[i] is not None:
            mend = "write all of it in counts, or all of it in its unit with a decimal point"
        return InputError(
            f"{self._where(row, i, places)}: {value:.10g} stands in a column that began with whole "
            f"numbers, which are counts; {mend}"
        )
