"""CSV recordings, read and written in blocks. Format and errors: ``docs/recordings.md``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .recording_grid import CountScale, TimeGrid, estimate_rate

if TYPE_CHECKING:
    from .recording import Block, Recording, Settings

__all__ = ["CsvReader", "write_csv_rows"]

_LONGEST_LINE = 65536


def _lines(path: Path, file: IO[str], start: int) -> Iterator[str]:
    """Lines of a text file, bounded in length. start: number of the first."""
    number = start
    while True:
        try:
            line = file.readline(_LONGEST_LINE)
        except UnicodeDecodeError:
            raise InputError(
                f"{path} is not text near line {number}; a recording is CSV in UTF-8, or Parquet"
            ) from None
        if not line:
            return
        if len(line) == _LONGEST_LINE or "\0" in line:
            raise InputError(f"{path} line {number} is no line of a CSV file; is this a binary file?")
        yield line
        number += 1


class CsvReader:
    """A CSV recording; see RecordingReader for what the attributes mean."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self._settings = settings
        self._about: dict[str, str] = {}
        self._read_header()
        self._choose_columns()
        self.sensor = self._about.get("sensor", "")
        self.units = tuple(self._pairs("unit").get(name, "") for name in self.channels)
        self._measure()

    def _open(self) -> IO[str]:
        try:
            return self.path.open(encoding="utf-8-sig", newline="")
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror}); check its permissions") from None

    def _read_header(self) -> None:
        with self._open() as file:
            self._skipped = 0
            for line in _lines(self.path, file, 1):
                self._skipped += 1
                if line.startswith("#"):
                    key, mark, value = line[1:].partition(":")
                    if mark:
                        self._about[key.strip().lower()] = value.strip()
                elif line.strip():
                    self._delimiter = ";" if line.count(";") > line.count(",") else ","
                    self._names = [name.strip().strip('"') for name in line.rstrip("\r\n").split(self._delimiter)]
                    break
            else:
                raise InputError(f"{self.path} has no header row; the first row must name the columns, like t,x,y,z")
        for name in self._names:
            if self._names.count(name) > 1:
                raise InputError(f"{self.path} has two columns named {name!r}; rename one in the header row")
        if all(_is_number(name) for name in self._names):
            raise InputError(f"{self.path} has no header row; the first row must name the columns, like t,x,y,z")

    def _pairs(self, key: str) -> dict[str, str]:
        words = self._about.get(key, "").split()
        return {name: value for name, mark, value in (word.partition("=") for word in words) if mark}

    def _choose_columns(self) -> None:
        settings, names = self._settings, self._names
        self._has_time = settings.time_column in names
        self.has_labels = settings.label_column in names
        other = {settings.time_column, settings.label_column}
        self.channels = settings.channels or tuple(name for name in names if name not in other)
        for name in self.channels:
            if name not in names:
                raise InputError(f"{self.path} has no column {name!r}; its columns are {', '.join(names)}")
        if not self.channels:
            raise InputError(f"{self.path} has no channel; one column a channel is needed besides t and label")
        self._numbers = [names.index(name) for name in self.channels]
        if self._has_time:
            self._numbers.insert(0, names.index(settings.time_column))

    def _measure(self) -> None:
        """Rate and scales, from the start of the file or, for decimals without a scale, from all of it."""
        settings = self._settings
        known = {name: float(value) for name, value in self._pairs("scale").items() if _is_number(value)}
        self._scale = CountScale(self.path, self.channels, known, settings.scale)
        times: NDArray[np.float64] | None = None
        rows = 0
        for values, start in self._values(65536):
            rows += len(values)
            if times is None:
                times = values[:, 0].copy() if self._has_time else np.zeros(0)
            if not self._scale.watch(values[:, int(self._has_time) :], self._line(start)):
                break
        if rows == 0:
            raise InputError(f"{self.path} has a header row but no samples; record again")
        assert times is not None  # noqa: S101  rows > 0
        self.scales = self._scale.settle()
        stated = settings.rate or (float(self._about["rate"]) if _is_number(self._about.get("rate", "")) else None)
        self.rate = estimate_rate(self.path, times if self._has_time else None, stated)

    def _line(self, row: int) -> int:
        return self._skipped + 1 + row

    def _values(self, rows: int) -> Iterator[tuple[NDArray[np.float64], int]]:
        for values, _, start in self._rows(rows, labels=False):
            yield values, start

    def _rows(self, rows: int, labels: bool) -> Iterator[tuple[NDArray[np.float64], list[str] | None, int]]:
        """Blocks of (numbers float64 [rows, T + C], labels, first row)."""
        with self._open() as file:
            for _ in range(self._skipped):
                file.readline()
            lines = _lines(self.path, file, self._skipped + 1)
            start = 0
            while block := list(islice(lines, rows)):
                kept = [line for line in block if not line.isspace()]
                if kept:
                    values = self._parse(kept, start)
                    yield values, self._label_texts(kept) if labels else None, start
                start += len(kept)

    def _parse(self, lines: list[str], start: int) -> NDArray[np.float64]:
        try:
            values = np.loadtxt(
                lines, delimiter=self._delimiter, usecols=self._numbers, comments=None, quotechar='"', ndmin=2
            )
        except (ValueError, IndexError):
            raise self._explain(lines, start) from None
        # loadtxt looks at the chosen columns only, and would take a row with a field too many as it comes.
        delimiters = len(self._names) - 1
        if any(line.count(self._delimiter) != delimiters and '"' not in line for line in lines):
            raise self._explain(lines, start)
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            row, column = bad[0]
            name = self._names[self._numbers[column]]
            raise InputError(
                f"{self.path} line {self._line(start + int(row))}, column {name!r} is not a finite number; "
                "remove the row, or record again"
            )
        return values

    def _explain(self, lines: list[str], start: int) -> InputError:
        for offset, line in enumerate(lines):
            fields = line.rstrip("\r\n").split(self._delimiter)
            where = f"{self.path} line {self._line(start + offset)}"
            if len(fields) != len(self._names):
                return InputError(
                    f"{where} has {len(fields)} fields, the header row names {len(self._names)}; mend that row"
                )
            for column in self._numbers:
                if not _is_number(fields[column]):
                    shown = fields[column][:40]
                    return InputError(f"{where}, column {self._names[column]!r} holds {shown!r}, which is not a number")
        return InputError(f"{self.path} cannot be read near line {self._line(start)}; is it a CSV file?")

    def _label_texts(self, lines: list[str]) -> list[str]:
        at = self._names.index(self._settings.label_column)
        if at == len(self._names) - 1:
            return [line.rstrip("\r\n").rpartition(self._delimiter)[2].strip('" ') for line in lines]
        return [line.rstrip("\r\n").split(self._delimiter, at + 1)[at].strip('" ') for line in lines]

    def blocks(self, rows: int = 65536) -> Iterator[Block]:
        """Counts and labels from the start, split at gaps; see RecordingReader."""
        from .recording import Block

        grid = TimeGrid(self.path, self.rate, self._settings.allow_gaps) if self._has_time else None
        gaps = 0
        for values, texts, start in self._rows(rows, labels=self.has_labels):
            counts = self._scale.counts(values[:, int(self._has_time) :], self._line(start))
            labels = np.array(texts, dtype=str) if texts is not None else None
            edges = grid.gaps(values[:, 0], self._line(start)) if grid else []
            for number, (low, high) in enumerate(pairwise([0, *edges, len(counts)])):
                gaps += number > 0
                if high > low:
                    yield Block(counts[low:high], None if labels is None else labels[low:high], start + low + gaps)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def write_csv_rows(
    path: Path,
    about: Recording,
    rows: Iterable[tuple[int, NDArray[np.int16], NDArray[np.str_] | None]],
) -> None:
    """Write blocks (first row on the time grid, counts int16 [n, C], labels) to a file, whole or not at all."""
    pairs = zip(about.channels, about.units, about.scales, strict=True)
    triples = list(pairs)
    header = ["# offbeat recording"]
    if about.sensor:
        header.append(f"# sensor: {' '.join(about.sensor.split())}")
    header.append(f"# rate: {about.rate!r}")
    if any(unit for _, unit, _ in triples):
        header.append("# unit: " + " ".join(f"{name}={unit}" for name, unit, _ in triples if unit))
    header.append("# scale: " + " ".join(f"{name}={float(scale)!r}" for name, _, scale in triples))
    labelled = about.labels is not None
    header.append(",".join(["t", *about.channels, *(["label"] if labelled else [])]))
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write("\n".join(header) + "\n")
            for start, counts, labels in rows:
                file.write(_format(start, counts, labels, about.rate))
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _format(start: int, counts: NDArray[np.int16], labels: NDArray[np.str_] | None, rate: float) -> str:
    times = ((start + np.arange(len(counts))) / rate).tolist()
    columns = [[f"{t:.7f}" for t in times], *(map(str, column) for column in counts.T.tolist())]
    if labels is not None:
        columns.append(["".join(c for c in str(x) if c.isprintable() and c not in ',;"') for x in labels])
    return "\n".join(map(",".join, zip(*columns, strict=True))) + "\n"
