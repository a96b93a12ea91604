"""Numbers and words from the bytes of CSV rows, a column at a time: an order faster than a row at a time."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .recording_table import LONGEST_LABEL

__all__ = ["FieldError", "Fields", "numbers_in", "split_fields", "words_in"]

_PADDING = bytes(32)  # numbers_in() looks up to _PLAIN_WIDTH bytes past the start of a field
_PLAIN_WIDTH = 19  # 18 digits fit int64, and a decimal point
_MOST_BLANKS = 8
_MINUS, _POINT, _ZERO = b"-.0"


class FieldError(Exception):
    """What is wrong with a row. row: from 0 in its block; column: from 0, or None for the whole row."""

    def __init__(self, row: int, column: int | None, wrong: str) -> None:
        super().__init__(wrong)
        self.row = row
        self.column = column
        self.wrong = wrong


@dataclass(frozen=True)
class Fields:
    """Where the fields of a block lie. characters: uint8, padded; starts, ends: int64 [K][n], offsets into it."""

    characters: NDArray[np.uint8]
    starts: list[NDArray[np.int64]]
    ends: list[NDArray[np.int64]]

    def text(self, row: int, column: int) -> str:
        """One field as text."""
        return self.characters[self.starts[column][row] : self.ends[column][row]].tobytes().decode(errors="replace")


def split_fields(lines: bytes, delimiter: str, columns: int) -> Fields:
    """Find the fields of whole lines (each with its line end, none of them blank).

    Raises FieldError where a line does not have as many fields as there are columns.
    """
    if b'"' in lines:
        return _split_quoted(lines, delimiter, columns)
    characters = np.frombuffer(lines + _PADDING, dtype=np.uint8)
    line_ends = np.flatnonzero(characters == ord("\n"))
    line_starts = np.concatenate([[0], line_ends[:-1] + 1])
    marks = np.flatnonzero(characters == ord(delimiter))
    wanted = columns - 1
    even = len(marks) == wanted * len(line_ends)
    table = marks.reshape(len(line_ends), wanted) if even else marks[:0].reshape(0, wanted)
    if not even or (wanted and ((table[:, 0] < line_starts) | (table[:, -1] > line_ends)).any()):
        found = np.diff(np.searchsorted(marks, line_ends), prepend=0)
        row = int(np.flatnonzero(found != wanted)[0])
        raise _wrong_count(row, int(found[row]) + 1, columns)
    line_ends = line_ends - ((line_ends > line_starts) & (characters[line_ends - 1] == ord("\r")))
    between = [np.ascontiguousarray(table[:, i]) for i in range(wanted)]
    return Fields(characters, [line_starts, *(mark + 1 for mark in between)], [*between, line_ends])


def _wrong_count(row: int, found: int, wanted: int) -> FieldError:
    fields = "1 field" if found == 1 else f"{found} fields"
    return FieldError(row, None, f"has {fields}, the header row names {wanted}; mend or remove that row")


def _split_quoted(lines: bytes, delimiter: str, columns: int) -> Fields:
    fields: list[bytes] = []
    for row, line in enumerate(lines.decode().split("\n")[:-1]):
        try:
            found = next(csv.reader([line.removesuffix("\r")], delimiter=delimiter, strict=True))
        except csv.Error:
            raise FieldError(row, None, "has a quote that does not close; mend or remove that row") from None
        if len(found) != columns:
            raise _wrong_count(row, len(found), columns)
        fields.extend(text.encode() for text in found)
    ends = np.cumsum(np.fromiter(map(len, fields), dtype=np.int64, count=len(fields)))
    starts = np.concatenate([[0], ends[:-1]])
    characters = np.frombuffer(b"".join(fields) + _PADDING, dtype=np.uint8)
    return Fields(
        characters,
        [np.ascontiguousarray(starts[i::columns]) for i in range(columns)],
        [np.ascontiguousarray(ends[i::columns]) for i in range(columns)],
    )


def _bounds(fields: Fields, column: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Offsets of a column's fields without a few blanks around them; what has more is left to float()."""
    start, end = fields.starts[column], fields.ends[column]
    for _ in range(_MOST_BLANKS):
        before, behind = (fields.characters[at] == ord(" ") for at in (start, end - 1))
        before &= start < end
        behind &= start < end - before
        if not (before.any() or behind.any()):
            break
        start, end = start + before, end - behind
    return start, end


def numbers_in(fields: Fields, column: int) -> tuple[NDArray[np.float64], bool]:
    """A column as numbers float64 [n], and whether any was written with decimals.

    Up to 15 digits they are what float() gives; up to 18 digits, within two units in the last of float64's 53 bits.
    Raises FieldError where a field is empty, no number, or not finite.
    """
    characters = fields.characters
    start, end = _bounds(fields, column)
    minus = characters[start] == _MINUS
    start = start + minus
    width = end - start
    plain = (width > 0) & (width <= _PLAIN_WIDTH)
    mantissa = np.zeros(len(width), dtype=np.int64)
    points = np.zeros(len(width), dtype=np.int64)
    behind = np.zeros(len(width), dtype=np.int64)
    for i in range(min(int(width.max()), _PLAIN_WIDTH)):
        character = characters[start + i]
        inside = width > i
        digit = character - _ZERO  # uint8 wraps: what stands before "0" becomes large
        is_digit = inside & (digit < 10)
        is_point = inside & (character == _POINT)
        mantissa = np.where(is_digit, mantissa * 10 + digit, mantissa)
        if is_point.any():
            points += is_point
            behind += np.where(is_point, width - i - 1, 0)
        plain &= is_digit | is_point | ~inside
    plain &= (points <= 1) & (width > points) & (width - points < _PLAIN_WIDTH)
    values = mantissa / 10.0 ** np.where(plain, behind, 0)
    values[minus] *= -1
    decimal = bool((points > 0).any())
    if not plain.all():
        odd = np.flatnonzero(~plain)
        values[odd], exponents = _odd_numbers(fields, column, odd)
        decimal = decimal or exponents
    return values, decimal


def _odd_numbers(fields: Fields, column: int, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], bool]:
    """Numbers with exponents, plus signs or very many digits, and whether any has decimals."""
    start, end = fields.starts[column][rows].tolist(), fields.ends[column][rows].tolist()
    data = fields.characters.tobytes().decode("latin-1")  # one character a byte: offsets hold, and digits are ASCII
    texts = [data[low:high] for low, high in zip(start, end, strict=True)]
    joined = " ".join(texts)
    try:
        if "_" in joined:  # float() reads 1_000, no other program does
            raise ValueError
        values = np.array([float(text) for text in texts])
    except ValueError:
        raise _first_bad(fields, column, rows) from None
    if not np.isfinite(values).all():
        raise _first_bad(fields, column, rows)
    return values, any(mark in joined for mark in ".eE")


def _first_bad(fields: Fields, column: int, rows: NDArray[np.int64]) -> FieldError:
    named = ((row, _what_is_wrong(fields.text(row, column).strip())) for row in rows.tolist())
    return next(FieldError(row, column, wrong) for row, wrong in named if wrong)


def _what_is_wrong(text: str) -> str:
    """Why a field is no number that can be used; "" where it is one."""
    if not text:
        return "holds '', which is not a number; fill it in, or remove the row"
    shown = repr(text if len(text) <= 40 else text[:40] + "…")
    try:
        number = float("none" if "_" in text or not text.isascii() else text)
    except ValueError:
        mend = "mend that field, remove the row, or leave the column out"
        if "," in text:
            mend = "write it with a decimal point"
        return f"holds {shown}, which is not a number; {mend}"
    return "" if math.isfinite(number) else f"is not a finite number but {shown}; remove the row"


def words_in(fields: Fields, column: int) -> NDArray[np.str_]:
    """A column as text, str [n], without the blanks around each word. Raises FieldError where one is too long."""
    characters, start, end = fields.characters, fields.starts[column], fields.ends[column]
    width = end - start
    longest = int(width.max())
    if longest > LONGEST_LABEL:
        wrong = f"holds a label of {longest} bytes; shorten it to {LONGEST_LABEL}"
        raise FieldError(int(width.argmax()), column, wrong)
    # Labels come in long runs: decode one word a run.
    changed = np.diff(width, prepend=-1) != 0
    last = len(characters) - 1
    for i in range(longest):
        character = characters[np.minimum(start + i, last)]
        changed[1:] |= (character[1:] != character[:-1]) & (width[1:] > i)
    first = np.flatnonzero(changed)
    data = characters.tobytes()
    words = [
        data[low:high].decode().strip() for low, high in zip(start[first].tolist(), end[first].tolist(), strict=True)
    ]
    return np.repeat(np.array(words, dtype=np.str_), np.diff(first, append=len(width)))
