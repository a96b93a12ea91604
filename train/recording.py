"""Recordings: what was measured, as int16 counts with rate, scale and labels. Format: ``docs/recordings.md``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

__all__ = [
    "Block",
    "Recording",
    "RecordingReader",
    "Settings",
    "check_compatible",
    "common_scales",
    "normal_mask",
    "open_recording",
    "read_recording",
    "write_recording",
]

_NORMAL = ("", "normal", "0", "ok", "healthy", "good")
_WRITE_ROWS = 65536


@dataclass(frozen=True)
class Block:
    """Rows that follow one another without a gap. counts: int16 [rows, C]; labels: str [rows] or None;
    start_row: number of the first row in the recording, where each gap counts as one row more."""

    counts: NDArray[np.int16]
    labels: NDArray[np.str_] | None
    start_row: int


class RecordingReader(Protocol):
    """A recording that is read in blocks. rate: Hz; scales: unit per count of each channel."""

    path: Path
    channels: tuple[str, ...]
    rate: float
    sensor: str
    units: tuple[str, ...]
    scales: tuple[float, ...]
    has_labels: bool

    def blocks(self, rows: int = 65536) -> Iterator[Block]:
        """Read from the start, at most ``rows`` rows at a time. Raises InputError where a row is bad."""


@dataclass(frozen=True)
class Recording:
    """A whole recording in memory. counts: int16 [n, C]; labels: str [n] or None; rate: Hz."""

    path: Path
    counts: NDArray[np.int16]
    labels: NDArray[np.str_] | None
    channels: tuple[str, ...]
    rate: float
    scales: tuple[float, ...]
    units: tuple[str, ...]
    sensor: str = ""

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.counts) / self.rate


def normal_mask(labels: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Which labels mean normal: an empty one, normal, 0, ok, healthy or good, in any case."""
    text = np.asarray(labels).astype(str)
    words, inverse = np.unique(text, return_inverse=True)
    return np.array([word.strip().lower() in _NORMAL for word in words], dtype=bool)[inverse.reshape(text.shape)]


def open_recording(
    path: str | Path,
    *,
    rate: float | None = None,
    time_column: str = "t",
    label_column: str = "label",
    channels: Sequence[str] | None = None,
    scale: Mapping[str, float] | None = None,
    allow_gaps: bool = False,
) -> RecordingReader:
    """Open a CSV or Parquet recording; what it is, is known before its bulk is read.

    rate: Hz, for recordings without a time column; channels: columns to use, all by default; scale: unit per
    count of decimal columns, by name; allow_gaps: gaps in time split blocks instead of being refused.
    Raises InputError.
    """
    file = Path(path)
    if rate is not None and not rate > 0:
        raise InputError(f"--rate {rate:g} is not positive; give samples a second")
    if file.is_dir():
        raise InputError(f"{file} is a directory; name a CSV or Parquet file")
    if not file.exists():
        raise InputError(f"{file}: there is no such recording; check the name")
    if file.stat().st_size == 0:
        raise InputError(f"{file} is empty; record again")
    settings = Settings(
        rate, time_column, label_column, tuple(channels) if channels else None, dict(scale or {}), allow_gaps
    )
    if file.suffix.lower() in (".parquet", ".pq"):
        from .recording_parquet import ParquetReader

        return ParquetReader(file, settings)
    from .recording_csv import CsvReader

    return CsvReader(file, settings)


@dataclass(frozen=True)
class Settings:
    """How a recording is to be read; see open_recording()."""

    rate: float | None
    time_column: str
    label_column: str
    channels: tuple[str, ...] | None
    scale: dict[str, float]
    allow_gaps: bool


def read_recording(path: str | Path, **settings: object) -> Recording:
    """Read a whole recording into memory; settings as in open_recording(). Raises InputError."""
    reader = open_recording(path, **settings)  # type: ignore[arg-type]
    blocks = list(reader.blocks())
    labels = np.concatenate([b.labels for b in blocks if b.labels is not None]) if reader.has_labels else None
    counts = np.concatenate([block.counts for block in blocks])
    return Recording(
        reader.path, counts, labels, reader.channels, reader.rate, reader.scales, reader.units, reader.sensor
    )


def common_scales(
    paths: Sequence[str | Path],
    *,
    rate: float | None = None,
    channels: Sequence[str] | None = None,
    label_column: str = "label",
) -> dict[str, float]:
    """The coarsest scale that any of these recordings needs, for each channel."""
    scales: dict[str, float] = {}
    for path in paths:
        reader = open_recording(path, rate=rate, channels=channels, label_column=label_column, allow_gaps=True)
        for name, scale in zip(reader.channels, reader.scales, strict=True):
            scales[name] = max(scale, scales.get(name, 0.0))
    return scales


def check_compatible(readers: Sequence[RecordingReader]) -> None:
    """Raise InputError unless all recordings have the same channels, rate (within 1 %) and scales."""
    first = readers[0]
    for other in readers[1:]:
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
        if not np.allclose(other.scales, first.scales, rtol=1e-6):
            raise InputError(
                f"{other.path} and {first.path} have different scales per count; give one with --scale NAME=NUMBER"
            )


def write_recording(
    path: str | Path, recording: Recording, progress: Callable[[int, int], None] = lambda done, total: None
) -> None:
    """Write a recording as CSV, whole or not at all."""
    from .recording_csv import write_csv_rows

    file, total = Path(path), len(recording.counts)

    def rows() -> Iterator[tuple[int, NDArray[np.int16], NDArray[np.str_] | None]]:
        for start in range(0, total, _WRITE_ROWS):
            part = slice(start, start + _WRITE_ROWS)
            yield start, recording.counts[part], None if recording.labels is None else recording.labels[part]
            progress(min(start + _WRITE_ROWS, total), total)

    write_csv_rows(file, recording, rows())
