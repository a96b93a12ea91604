"""Recordings: what was measured, as int16 counts with rate, scale and labels. Format: ``docs/recordings.md``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from offbeat.device.quality import LIMITS

from .errors import InputError
from .recording_labels import MOST_LABELS, label_like, named_like_labels, text_column
from .recording_scale import CountScale, Origin
from .recording_table import ColumnError, Source, Table
from .recording_time import TimeCheck, measure_pace, settle_rate
from .recording_write import write_csv_rows

__all__ = [
    "Block",
    "Progress",
    "ReadOptions",
    "Recording",
    "RecordingReader",
    "channel_ranges",
    "check_compatible",
    "columns_of",
    "common_scales",
    "normal_mask",
    "open_recording",
    "read_recording",
    "write_recording",
]

Progress = Callable[[int, int], None]

_NORMAL: Final = (
    "",
    "normal",
    "0",
    "0.0",
    "ok",
    "healthy",
    "good",
)  # 0.0: a table that held 0 and was saved as floats
_ROWS: Final = 65536


class ReadOptions(TypedDict, total=False):
    """How a recording is to be read; see open_recording()."""

    rate: float | None
    time_column: str
    label_column: str
    channels: Sequence[str] | None
    scale: Mapping[str, float] | None
    allow_gaps: bool
    label_optional: bool
    progress: Progress | None


@dataclass(frozen=True)
class Block:
    """Rows that follow one another without a gap.

    counts: int16 [rows, C]; labels: str [rows] or None; late: bool [rows], rows that came too late for their window, or
    None without times; start_row: number of the first row in the recording, from
    0, where each gap counts as one row more: a block whose start_row is not where the last one ended follows a gap.
    """

    counts: NDArray[np.int16]
    labels: NDArray[np.str_] | None
    start_row: int
    late: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Recording:
    """A whole recording in memory.

    counts: int16 [n, C]; labels: str [n] or None; rate: Hz; scales: unit per count; segments: (start_row, stop_row)
    of each run of counts without a gap, () where there is no gap; limits: lowest and highest count of each channel's
    sensor, () where they are those of int16.
    """

    path: Path
    counts: NDArray[np.int16]
    labels: NDArray[np.str_] | None
    channels: tuple[str, ...]
    rate: float
    scales: tuple[float, ...]
    units: tuple[str, ...]
    sensor: str = ""
    segments: tuple[tuple[int, int], ...] = ()
    limits: tuple[tuple[int, int], ...] = ()

    @property
    def seconds(self) -> float:
        """Length of what was measured, without gaps, in seconds."""
        return len(self.counts) / self.rate


class RecordingReader:
    """A recording that is read in blocks; open_recording() makes it.

    path; channels: names; rate: Hz; sensor: its name or ""; units: "" where unknown; scales: unit per count of each
    channel, 1.0 where a column holds counts of unknown worth; scale_origins: where each scale comes from; limits:
    lowest and highest count of each channel's sensor, those of int16 where they are unknown;
    has_labels; suspects: channels that nobody chose, and that look like labels by name and values. All are known before
    the bulk is read.
    """

    def __init__(self, source: Source, options: ReadOptions) -> None:
        header = source.header
        self.path = source.path
        self.sensor = header.sensor
        self._source = source
        self._progress = options["progress"]
        self._allow_gaps = options["allow_gaps"]
        self._time = options["time_column"]
        self._label = options["label_column"]
        self._choose_columns(options)
        self.units = tuple(header.units.get(name, "") for name in self.channels)
        given = options["scale"] or {}
        self._scale = CountScale(self.path, source.place, self.channels, header.scales, given)
        self._segments: list[tuple[int, int]] | None = None
        self._chosen = options["channels"] is not None
        self.suspects: tuple[str, ...] = ()
        times = self._look()
        self.scales = self._scale.scales
        self.scale_origins = self._scale.origins
        self.limits = tuple(map(self._limits_of, self.channels, self.scales))
        pace = measure_pace(self.path, self._time, times)
        self.rate = settle_rate(self.path, self._time, pace, header.rate, options["rate"])

    def _choose_columns(self, options: ReadOptions) -> None:
        names = self._source.header.names
        self._has_time = self._time in names
        self.has_labels = self._label in names
        beside = (self._time, self._label)
        wanted = tuple(options["channels"] or ())
        # A file may do without t and label; another name was asked for by the one who reads.
        asked = [self._time] * (self._time != "t")
        asked += [self._label] * (self._label != "label" and not options["label_optional"])
        for name in (*wanted, *asked):
            if name not in names:
                raise self._missing(name)
        for i, name in enumerate(wanted):
            if name in beside or name in wanted[:i]:
                why = "is the column of times or of labels" if name in beside else "is named twice"
                raise InputError(f"{name!r} cannot be a channel of {self.path}: it {why}; leave it out of --channels")
        self.channels = wanted or tuple(name for name in names if name not in beside)
        if not self.channels:
            raise InputError(f"{self.path} has no channel besides {' and '.join(names)}; it needs one column a channel")
        if "" in self.channels:
            raise InputError(
                f"{self.path}: column {names.index('') + 1} has no name in the header row; name it, or choose others "
                "with --channels"
            )

    def _limits_of(self, name: str, scale: float) -> tuple[int, int]:
        """A channel's limits, in the counts that this reader gives."""
        header = self._source.header
        low, high = header.limits.get(name, LIMITS)
        if (low, high) == LIMITS:
            return LIMITS
        worth = header.scales.get(name, scale) / scale
        return max(math.ceil(low * worth), LIMITS[0]), min(math.floor(high * worth), LIMITS[1])

    def _missing(self, name: str) -> InputError:
        names = self._source.header.names
        found = f"{self.path} has no column {name!r}; its columns are {', '.join(names)}"
        if name == self._label:
            alike = label_like(self._source, [other for other in names if other != self._time])
            if alike:
                found += f", of which {' and '.join(alike)} look{'s' * (len(alike) == 1)} like labels"
        return InputError(found)

    def _explained(self, error: ColumnError) -> InputError:
        """Of a column of words, what it may be; else what was said."""
        if self._chosen or error.column not in self.channels:
            return error
        others = [name for name in self.channels if name != error.column]
        return InputError(text_column(self._source, error.column, others, self.has_labels) or str(error))

    def _suspects(self, table: Table, first: int) -> tuple[str, ...]:
        """Channels that nobody chose whose name says labels, and whose first rows hold few whole numbers."""
        if self._chosen:
            return ()
        found = []
        for name, values in zip(self.channels, table.numbers[:, first:].T, strict=True):
            if named_like_labels(name) and len(np.unique(values)) <= MOST_LABELS and (values == np.rint(values)).all():
                found.append(name)
        return tuple(found)

    def _tables(self, rows: int, labels: bool) -> Iterator[Table]:
        numbers = [*([self._time] if self._has_time else []), *self.channels]
        try:
            for table in self._source.tables(rows, numbers, self._label if labels else None):
                yield table
                if self._progress:
                    self._progress(table.done, self._source.size)
        except ColumnError as error:
            raise self._explained(error) from None

    def _look(self) -> NDArray[np.float64]:
        """Settle the scales, from the file's start or, for decimals without a scale, from what it says of all its
        numbers, else from all of it.

        Returns the first times, float64 [n] s.
        """
        first = int(self._has_time)
        times: NDArray[np.float64] | None = None
        for table in self._tables(_ROWS, labels=False):
            if times is None:
                times = table.numbers[:, 0].copy() if self._has_time else np.zeros(0)
                self.suspects = self._suspects(table, first)
            if not self._scale.watch(table.numbers[:, first:], table.decimal[first:]):
                break
            largest = self._source.largest(self.channels)
            if largest is not None:
                self._scale.watch(largest[None], table.decimal[first:])
                break
        if times is None:
            raise InputError(f"{self.path} has a header row but no samples; record again")
        self._scale.settle()
        return times

    def blocks(self, rows: int = _ROWS) -> Iterator[Block]:
        """Read from the start, at most ``rows`` rows at a time, never across a gap.

        Raises InputError where a row is bad, and for gaps unless they are allowed.
        """
        if rows < 1:
            raise ValueError(f"blocks of {rows} rows")
        first = int(self._has_time)
        check = TimeCheck(self.path, self._source.place, self._time, self.rate, self._allow_gaps)
        starts, row = [0], 0
        for table in self._tables(rows, self.has_labels):
            counts = self._scale.counts(table.numbers[:, first:], table.places)
            gaps = check.gaps(table.numbers[:, 0], table.places) if self._has_time else []
            late = check.late if self._has_time else None
            for number, (low, high) in enumerate(pairwise([0, *gaps, len(counts)])):
                if number:
                    starts.append(row + low)
                if high > low:
                    labels = None if table.labels is None else table.labels[low:high]
                    late_here = None if late is None else late[low:high]
                    yield Block(counts[low:high], labels, row + low + len(starts) - 1, late_here)
            row += len(counts)
        check.finish()
        self._segments = list(pairwise([*starts, row]))

    @property
    def segments(self) -> list[tuple[int, int]]:
        """(start_row, stop_row) of each run without a gap, in rows as read_recording() counts them.

        Known once blocks() has come to the end; asked for earlier, it reads the file through.
        """
        if self._segments is None:
            for _ in self.blocks():
                pass
        return list(self._segments or [])


def open_recording(
    path: str | Path,
    *,
    rate: float | None = None,
    time_column: str = "t",
    label_column: str = "label",
    channels: Sequence[str] | None = None,
    scale: Mapping[str, float] | None = None,
    allow_gaps: bool = False,
    label_optional: bool = False,
    progress: Progress | None = None,
) -> RecordingReader:
    """Open a CSV or Parquet recording; what it is, is known before its bulk is read.

    rate: Hz, for recordings without a time column; time_column, label_column: their names; channels: columns to
    use, all others by default; scale: unit per count, by channel, of which a file need not have all; allow_gaps:
    gaps in time split blocks instead of being refused; label_optional: a label_column that is not there is no error;
    progress: called with (bytes done, bytes in all) in every
    pass over the file, of which decimals without a scale need one more. Raises InputError.
    """
    file = Path(path)
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise InputError(f"--rate {rate:g} is not positive; give samples a second")
    for name, unit_per_count in (scale or {}).items():
        if not (math.isfinite(unit_per_count) and unit_per_count > 0):
            raise InputError(f"--scale {name}={unit_per_count:g} is not positive; give the unit per count")
    options = ReadOptions(
        rate=rate,
        time_column=time_column,
        label_column=label_column,
        channels=channels,
        scale=scale,
        allow_gaps=allow_gaps,
        label_optional=label_optional,
        progress=progress,
    )
    return RecordingReader(_source(file), options)


def _source(file: Path) -> Source:
    if file.is_dir():
        raise InputError(f"{file} is a directory; name a CSV or Parquet file")
    if not file.exists():
        raise InputError(f"{file}: there is no such recording; check the name")
    if not file.is_file():
        raise InputError(f"{file} is not a regular file; save the recording to one first")
    if file.stat().st_size == 0:
        raise InputError(f"{file} is empty; record again")
    try:
        with file.open("rb") as start:
            parquet = start.read(4) == b"PAR1"
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); check its permissions") from None
    if parquet or file.suffix.lower() in (".parquet", ".pq"):
        from .recording_parquet import ParquetSource

        return ParquetSource(file)
    from .recording_csv import CsvSource

    return CsvSource(file)


def columns_of(path: str | Path) -> tuple[str, ...]:
    """Names of a recording's columns. Raises InputError where it is none."""
    return _source(Path(path)).header.names


def read_recording(path: str | Path, **options: Unpack[ReadOptions]) -> Recording:
    """Read a whole recording into memory; options as of open_recording(). Raises InputError."""
    reader = open_recording(path, **options)
    blocks = list(reader.blocks())
    labels = np.concatenate([b.labels for b in blocks if b.labels is not None]) if reader.has_labels else None
    counts = np.concatenate([block.counts for block in blocks])
    segments = tuple(reader.segments) if len(reader.segments) > 1 else ()
    about = (reader.channels, reader.rate, reader.scales, reader.units, reader.sensor)
    limits = () if all(each == LIMITS for each in reader.limits) else reader.limits
    return Recording(reader.path, counts, labels, *about, segments, limits)


def common_scales(paths: Sequence[str | Path], **options: Unpack[ReadOptions]) -> dict[str, float]:
    """One scale for each channel that serves all these recordings: the coarsest that any of them needs.

    Options as of open_recording(). Raises InputError where a channel holds counts of unknown worth in one file, and
    counts of known worth or decimals in another.
    """
    found: dict[str, tuple[float, Origin, Path]] = {}
    for path in paths:
        reader = open_recording(path, **options)
        for name, scale, origin in zip(reader.channels, reader.scales, reader.scale_origins, strict=True):
            before = found.get(name)
            if before is None or before[1] is Origin.SILENT:
                found[name] = (scale, origin, reader.path)
            elif origin is not Origin.SILENT:
                if scale != before[0] and Origin.COUNTS in (origin, before[1]):
                    counts, other = (reader.path, before[2]) if origin is Origin.COUNTS else (before[2], reader.path)
                    raise InputError(
                        f"{counts} holds {name!r} in counts of unknown worth, {other} does not; add '# scale: {name}=' "
                        "with the unit per count to the former"
                    )
                found[name] = max(before, (scale, origin, reader.path), key=lambda entry: entry[0])
    return {name: scale for name, (scale, _, _) in found.items()}


def check_compatible(readers: Sequence[RecordingReader]) -> None:
    """Raise InputError unless all recordings have the same channels, units, scales, and rate within 1 %."""
    for other in readers[1:]:
        first = readers[0]
        if other.channels != first.channels:
            raise InputError(
                f"{other.path} has channels {', '.join(other.channels)}, {first.path} has {', '.join(first.channels)}; "
                "choose the same columns with --channels"
            )
        if abs(other.rate - first.rate) > 0.01 * first.rate:
            raise InputError(
                f"mixed rates: {other.path} has {other.rate:g} Hz, {first.path} has {first.rate:g} Hz; "
                "train on recordings of one rate"
            )
        for i, name in enumerate(first.channels):
            if first.units[i] and other.units[i] and first.units[i] != other.units[i]:
                raise InputError(
                    f"{other.path} measures {name!r} in {other.units[i]}, {first.path} in {first.units[i]}; convert one"
                )
            if not math.isclose(first.scales[i], other.scales[i], rel_tol=1e-6):
                raise InputError(
                    f"{other.path} and {first.path} have different scales of {name!r}, {other.scales[i]:g} and "
                    f"{first.scales[i]:g} per count; give one with --scale {name}=NUMBER"
                )


def normal_mask(labels: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Which labels mean normal, bool of the same shape: an empty one, normal, 0, ok, healthy or good, in any case."""
    text = np.asarray(labels).astype(str)
    words, inverse = np.unique(text, return_inverse=True)
    return np.array([word.strip().lower() in _NORMAL for word in words], dtype=bool)[inverse.reshape(text.shape)]


def channel_ranges(recording: Recording | RecordingReader) -> dict[str, tuple[int, int]]:
    """Lowest and highest count of each channel; a constant channel has the same twice. Raises InputError."""
    blocks = [recording.counts] if isinstance(recording, Recording) else (b.counts for b in recording.blocks())
    found: dict[str, tuple[int, int]] = {}
    for counts in blocks:
        lows, highs = counts.min(axis=0).tolist(), counts.max(axis=0).tolist()
        for name, low, high in zip(recording.channels, lows, highs, strict=True):
            before = found.get(name, (low, high))
            found[name] = (min(low, before[0]), max(high, before[1]))
    return found


def write_recording(path: str | Path, recording: Recording, progress: Progress = lambda done, total: None) -> None:
    """Write a recording as CSV, whole or not at all; where it has a gap, time leaps by one row.

    progress: called with (rows done, rows in all). Raises InputError for what would not be read as it was, and
    OSError.
    """
    file, counts, labels = Path(path), recording.counts, recording.labels
    if file.suffix.lower() in (".parquet", ".pq"):
        raise InputError(f"{file}: recordings are written as CSV; give a name that ends in .csv")
    if not len(counts):
        raise InputError(f"{file} would be a recording without samples; record again")

    def rows() -> Iterator[tuple[int, NDArray[np.int16], NDArray[np.str_] | None]]:
        for gaps, (low, high) in enumerate(recording.segments or ((0, len(counts)),)):
            for start in range(low, high, _ROWS):
                stop = min(start + _ROWS, high)
                yield start + gaps, counts[start:stop], None if labels is None else labels[start:stop]
                progress(stop, len(counts))

    write_csv_rows(file, recording, rows())
