"""What a file of samples says and holds, whatever its format: what its readers hand to the checks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

__all__ = ["LONGEST_LABEL", "ColumnError", "Header", "Source", "Table", "positive_number", "stated_limits"]

LONGEST_LABEL = 256  # characters; NumPy gives each row of a block the room of its longest label


class ColumnError(InputError):
    """What is wrong in a column of numbers. column: its name."""

    def __init__(self, column: str, sentence: str) -> None:
        super().__init__(sentence)
        self.column = column


@dataclass(frozen=True)
class Header:
    """What a file says of itself. rate: Hz; units, scales (unit per count), limits (lowest and highest count of the
    sensor, as the scale means them): by the name of the column."""

    names: tuple[str, ...]
    sensor: str = ""
    rate: float | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """Some rows of a file, as they stand there.

    numbers: float64 [n, K], all finite; decimal: bool [K], columns written with decimals; labels: str [n] or None;
    places: int64 [n], the number by which messages name each row; done: bytes of the file up to here.
    """

    numbers: NDArray[np.float64]
    decimal: NDArray[np.bool_]
    labels: NDArray[np.str_] | None
    places: NDArray[np.int64]
    done: int


class Source(Protocol):
    """A file of samples. size: bytes; place: what a row's number counts, "line" or "row"."""

    path: Path
    header: Header
    size: int
    place: str

    def largest(self, numbers: Sequence[str]) -> NDArray[np.float64] | None:
        """Largest magnitude of each of these columns, float64 [K], where the file says it without being read."""

    def tables(self, rows: int, numbers: Sequence[str], label: str | None) -> Iterator[Table]:
        """Read from the start, at most ``rows`` rows at a time. Raises InputError where a row is bad."""


def positive_number(value: object) -> float | None:
    """A value from a header as a finite number above zero; None where it is none."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def stated_limits(text: object) -> tuple[int, int] | None:
    """Limits from a header, ``-2048:2047``, as (lowest, highest); None where they are none of int16."""
    low, colon, high = str(text).partition(":")
    try:
        found = int(low), int(high)
    except ValueError:
        return None
    return found if colon and -32768 <= found[0] < found[1] <= 32767 else None
