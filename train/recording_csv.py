"""CSV recordings, read and written in blocks. Format and errors: ``docs/recordings.md``."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .recording_fields import FieldError, numbers_in, split_fields, words_in
from .recording_table import ColumnError, Header, Table, positive_number, stated_limits
from .recording_write import write_csv_rows

__all__ = ["CsvSource", "write_csv_rows"]

_LONGEST_LINE: Final = 65536  # bytes
_CHUNK: Final = 1 << 22  # bytes read at once
_LARGEST_BLOCK: Final = 1 << 24  # bytes; reached where a file has hundreds of columns
_PAIR: Final = re.compile(r'(?:"((?:[^"]|"")*)"|([^\s="]+))=(?:"((?:[^"]|"")*)"|(\S*))')
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_OTHER_KINDS: Final = {
    b"\x1f\x8b": "a gzip file; unpack it first",
    b"PK\x03\x04": "a zip file (or .npz, .xlsx); unpack it, or save it as CSV",
    b"\xff\xfe": "text in UTF-16; save it as UTF-8",
    b"\xfe\xff": "text in UTF-16; save it as UTF-8",
}


class CsvSource:
    """A CSV file of samples; see Source for what the attributes mean. Raises InputError."""

    place = "line"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        self._about: dict[str, str] = {}
        names = self._read_header()
        self.header = Header(
            names,
            sensor=self._about.get("sensor", ""),
            rate=self._stated_rate(),
            units=self._pairs("unit"),
            scales=self._stated_scales(),
            limits=self._stated_limits(),
        )

    def _open(self) -> IO[bytes]:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise InputError(f"{self.path} cannot be read ({error.strerror}); check its permissions") from None

    def _read_header(self) -> tuple[str, ...]:
        with self._open() as file:
            start = file.read(4)
            for magic, kind in _OTHER_KINDS.items():
                if start.startswith(magic):
                    raise InputError(f"{self.path} is {kind}")
            file.seek(3 if start.startswith(b"\xef\xbb\xbf") else 0)
            self._first_line = 1
            while line := file.readline(_LONGEST_LINE + 1):
                text = self._text(line, self._first_line).strip()
                if len(line) > _LONGEST_LINE:
                    raise self._too_long(self._first_line)
                self._first_line += 1
                if text.startswith("#"):
                    key, colon, value = text[1:].partition(":")
                    if colon:
                        self._about[key.strip().lower()] = value.strip()
                elif text:
                    self._body = file.tell()
                    return self._column_names(text)
        raise self._no_header("it has none")

    def _text(self, lines: bytes, first: int) -> str:
        """Whole lines as text; first: number of the first. Raises InputError where they are no text."""
        wrong, at = "", len(lines)
        try:
            text = lines.decode()
        except UnicodeDecodeError as error:
            wrong, at = "is not text in UTF-8; save it as UTF-8, and if it is no text, it is no CSV file", error.start
        if b"\0" in lines[:at]:
            wrong, at = "holds zero bytes, so it is no CSV file; name a CSV or Parquet file", lines.index(b"\0")
        elif b"\r" in lines and not wrong and lines.count(b"\r") != lines.count(b"\r\n"):
            at = next(match.start() for match in re.finditer(rb"\r(?!\n)", lines))
            wrong = "holds a carriage return without a line feed; save it with line ends LF or CRLF"
        if wrong:
            raise InputError(f"{self.path} line {first + lines.count(bytes([10]), 0, at)} {wrong}")
        return text

    def _too_long(self, line: int) -> InputError:
        return InputError(
            f"{self.path} line {line} is no line of a CSV file, it is longer than {_LONGEST_LINE // 1024} KiB; "
            "name a CSV or Parquet file"
        )

    def _no_header(self, why: str) -> InputError:
        return InputError(f"{self.path} has no header row ({why}); let the first row name the columns, like t,x,y,z")

    def _column_names(self, text: str) -> tuple[str, ...]:
        line = self._first_line - 1
        bare = re.sub('"[^"]*"', "", text)
        self._delimiter = ";" if bare.count(";") > bare.count(",") else ","
        if self._delimiter not in text and "\t" in text:
            raise InputError(f"{self.path} line {line} is separated by tabs; separate the columns by commas")
        try:
            row = next(csv.reader([text], delimiter=self._delimiter, strict=True))
        except csv.Error:
            raise InputError(f"{self.path} line {line}, the header row, has an open quote; close it") from None
        names = tuple(name.strip() for name in row)
        for i, name in enumerate(names):
            if "t" not in names and _NUMBER.fullmatch(name):
                raise self._no_header(f"line {line} holds the number {name}")
            if name and name in names[:i]:
                raise InputError(f"{self.path} line {line} has two columns named {name!r}; rename one of them")
        return names

    def _pairs(self, key: str) -> dict[str, str]:
        """What a comment line like ``# unit: x=g "my channel"=m/s`` says, by column."""
        unquote = lambda quoted, plain: quoted.replace('""', '"') if quoted is not None else plain  # noqa: E731
        found = (match.groups() for match in _PAIR.finditer(self._about.get(key, "")))
        return {unquote(*groups[:2]): unquote(*groups[2:]) for groups in found}

    def _stated_rate(self) -> float | None:
        text = self._about.get("rate", "").removesuffix("Hz").strip()
        rate = positive_number(text)
        if text and rate is None:
            raise InputError(f"{self.path}: its line '# rate: {text[:40]}' is no positive number of Hz; mend that line")
        return rate

    def _stated_scales(self) -> dict[str, float]:
        scales = {}
        for name, text in self._pairs("scale").items():
            scale = positive_number(text)
            if scale is None:
                raise InputError(
                    f"{self.path}: its line '# scale:' gives {name!r} the scale {text[:40]!r}, which is no positive "
                    "number; mend that line"
                )
            scales[name] = scale
        return scales

    def _stated_limits(self) -> dict[str, tuple[int, int]]:
        limits = {}
        for name, text in self._pairs("limits").items():
            found = stated_limits(text)
            if found is None:
                raise InputError(
                    f"{self.path}: its line '# limits:' gives {name!r} {text[:40]!r}, which is no range of counts; "
                    "mend that line, for instance x=-2048:2047"
                )
            limits[name] = found
        return limits

    def largest(self, numbers: Sequence[str]) -> NDArray[np.float64] | None:
        """A CSV file does not say."""
        return None

    def tables(self, rows: int, numbers: Sequence[str], label: str | None) -> Iterator[Table]:
        """Read from the start, at most ``rows`` rows at a time; see Source."""
        names = self.header.names
        columns = [names.index(name) for name in numbers]
        for block, first, done in self._blocks(rows):
            lines, places = self._samples(block, first)
            if not len(places):
                continue
            try:
                fields = split_fields(lines, self._delimiter, len(names))
                found = [numbers_in(fields, column) for column in columns]
                words = None if label is None else words_in(fields, names.index(label))
            except FieldError as bad:
                raise self._fault(bad, places) from None
            yield Table(
                np.column_stack([values for values, _ in found]) if found else np.zeros((len(places), 0)),
                np.array([decimal for _, decimal in found]),
                words,
                places,
                done,
            )

    def _fault(self, bad: FieldError, places: NDArray[np.int64]) -> InputError:
        where = f"{self.path} line {places[bad.row]}"
        if bad.column is None:
            return InputError(f"{where} {bad.wrong}")
        name = self.header.names[bad.column]
        return ColumnError(name, f"{where}, column {name!r} {bad.wrong}")

    def _blocks(self, rows: int) -> Iterator[tuple[bytes, int, int]]:
        """Blocks of whole lines, each line ended: (lines, number of the first, bytes of the file up to there)."""
        with self._open() as file:
            file.seek(self._body)
            line, done, held = self._first_line, self._body, b""
            while True:
                chunk = file.read(_CHUNK)
                data = held + chunk
                if not chunk and data and not data.endswith(b"\n"):
                    data += b"\n"
                ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n")) + 1
                lengths = np.diff(ends, prepend=0, append=len(data))
                if lengths.max() > _LONGEST_LINE:
                    raise self._too_long(line + int(lengths.argmax()))
                whole = len(ends) - len(ends) % rows
                if not chunk or len(data) > _LARGEST_BLOCK:
                    whole = len(ends)
                at = 0
                for start in range(0, whole, rows):
                    stop = min(start + rows, whole)
                    block = data[at : ends[stop - 1]]
                    at += len(block)
                    done += len(block)
                    yield block, line, min(done, self.size)
                    line += stop - start
                held = data[at:]
                if not chunk:
                    return

    def _samples(self, block: bytes, first: int) -> tuple[bytes, NDArray[np.int64]]:
        """The lines of a block that are rows, and their numbers."""
        self._text(block, first)
        characters = np.frombuffer(block, dtype=np.uint8)
        starts = np.concatenate([[0], np.flatnonzero(characters == ord("\n"))[:-1] + 1])
        heads = characters[starts]
        places = np.arange(first, first + len(starts), dtype=np.int64)
        if not ((heads <= ord(" ")) | (heads == ord("#"))).any():
            return block, places
        lines = block.split(b"\n")[:-1]
        kept = [i for i, line in enumerate(lines) if line.strip() and not line.startswith(b"#")]
        return b"".join(lines[i] + b"\n" for i in kept), places[kept]
