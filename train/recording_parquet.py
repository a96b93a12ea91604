"""Parquet recordings, read in batches; needs the extra ``offbeat[parquet]``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .recording_grid import CountScale, TimeGrid, estimate_rate

if TYPE_CHECKING:
    from .recording import Block, Settings

__all__ = ["ParquetReader"]


def _open(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(f"{path}: reading Parquet needs pyarrow; pip install 'offbeat[parquet]'") from None
    try:
        return pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is not a Parquet file that can be read ({str(error)[:80]}); write it again") from None


class ParquetReader:
    """A Parquet recording; see RecordingReader for what the attributes mean."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self._settings = settings
        self._file = _open(path)
        names = list(self._file.schema_arrow.names)
        self._has_time = settings.time_column in names
        self.has_labels = settings.label_column in names
        other = {settings.time_column, settings.label_column}
        self.channels = settings.channels or tuple(name for name in names if name not in other)
        for name in self.channels:
            if name not in names:
                raise InputError(f"{path} has no column {name!r}; its columns are {', '.join(names)}")
        if not self.channels:
            raise InputError(f"{path} has no channel; one column a channel is needed besides t and label")
        about = self._metadata()
        units = about.get("unit", {})
        self.sensor = str(about.get("sensor", ""))
        self.units = tuple(str(units.get(name, "")) for name in self.channels)
        self._measure(about)

    def _metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in (self._file.schema_arrow.metadata or {}).items():
            name = key.decode(errors="replace")
            if name.startswith("offbeat."):
                text = value.decode(errors="replace")
                try:
                    found[name[8:]] = json.loads(text)
                except ValueError:
                    found[name[8:]] = text
        return {key: value for key, value in found.items() if key not in ("scale", "unit") or isinstance(value, dict)}

    def _measure(self, about: dict[str, Any]) -> None:
        known = {str(k): float(v) for k, v in about.get("scale", {}).items() if isinstance(v, int | float)}
        self._scale = CountScale(self.path, self.channels, known, self._settings.scale)
        times: NDArray[np.float64] | None = None
        for values, _, start in self._rows(65536, False):
            if times is None:
                times = values[:, 0].copy() if self._has_time else np.zeros(0)
            if not self._scale.watch(values[:, int(self._has_time) :], start + 1):
                break
        if times is None:
            raise InputError(f"{self.path} has no samples; record again")
        self.scales = self._scale.settle()
        stated = self._settings.rate or (float(about["rate"]) if isinstance(about.get("rate"), int | float) else None)
        self.rate = estimate_rate(self.path, times if self._has_time else None, stated)

    def _rows(self, rows: int, labels: bool) -> Iterator[tuple[NDArray[np.float64], NDArray[np.str_] | None, int]]:
        numbers = [*([self._settings.time_column] if self._has_time else []), *self.channels]
        wanted = [*numbers, *([self._settings.label_column] if labels else [])]
        start = 0
        for batch in self._file.iter_batches(batch_size=rows, columns=wanted):
            columns = []
            for name in numbers:
                try:
                    columns.append(batch.column(name).to_numpy(zero_copy_only=False).astype(np.float64))
                except (ValueError, TypeError):
                    raise InputError(f"{self.path}, column {name!r} does not hold numbers; convert it") from None
            values = np.stack(columns, axis=1)
            bad = np.argwhere(~np.isfinite(values))
            if len(bad):
                row, column = bad[0]
                raise InputError(
                    f"{self.path} row {start + int(row) + 1}, column {numbers[column]!r} is not a finite "
                    "number; remove the row"
                )
            texts = None
            if labels:
                found = batch.column(self._settings.label_column).to_pylist()
                texts = np.array(["" if text is None else str(text) for text in found], dtype=str)
            yield values, texts, start
            start += len(values)

    def blocks(self, rows: int = 65536) -> Iterator[Block]:
        """Counts and labels from the start, split at gaps; see RecordingReader."""
        from .recording import Block

        grid = TimeGrid(self.path, self.rate, self._settings.allow_gaps) if self._has_time else None
        gaps = 0
        for values, labels, start in self._rows(rows, self.has_labels):
            counts = self._scale.counts(values[:, int(self._has_time) :], start + 1)
            edges = grid.gaps(values[:, 0], start + 1) if grid else []
            for number, (low, high) in enumerate(pairwise([0, *edges, len(counts)])):
                gaps += number > 0
                if high > low:
                    yield Block(counts[low:high], None if labels is None else labels[low:high], start + low + gaps)
