"""Parquet recordings, read in batches; needs the extra ``offbeat[parquet]``. Format: ``docs/recordings.md``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .recording_table import LONGEST_LABEL, ColumnError, Header, Table, positive_number, stated_limits

__all__ = ["ParquetSource"]

_KEYS: Final = "offbeat."
_LARGEST_BATCH: Final = 1 << 22  # numbers; reached where a file has hundreds of columns
_BUFFER: Final = 1 << 20  # bytes of a column read at once, however large its row group


class ParquetSource:
    """A Parquet file of samples; see Source for what the attributes mean. Raises InputError."""

    place = "row"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        with self._open() as file:
            schema = file.schema_arrow
        self._types = {field.name: field.type for field in schema}
        for name in self._types:
            if schema.names.count(name) > 1:
                raise InputError(f"{path} has two columns named {name!r}; rename one of them")
        about = {key.decode(errors="replace"): value for key, value in (schema.metadata or {}).items()}
        self.header = Header(
            tuple(schema.names),
            sensor=about.get(f"{_KEYS}sensor", b"").decode(errors="replace"),
            rate=self._stated_rate(about.get(f"{_KEYS}rate")),
            units={name: str(unit) for name, unit in self._json(about, "unit").items()},
            scales={name: self._stated_scale(name, scale) for name, scale in self._json(about, "scale").items()},
            limits={name: self._stated_limits(name, text) for name, text in self._json(about, "limits").items()},
        )

    def _open(self) -> Any:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise InputError(f"{self.path}: reading Parquet needs pyarrow; pip install 'offbeat[parquet]'") from None
        try:
            return pyarrow.parquet.ParquetFile(self.path, buffer_size=_BUFFER, pre_buffer=False)
        except (pyarrow.ArrowException, OSError) as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> InputError:
        why = " ".join(str(error).split())[:80].rstrip(".")
        return InputError(f"{self.path} is not a Parquet file that can be read ({why}); write it again")

    def _json(self, about: dict[str, bytes], key: str) -> dict[str, Any]:
        text = about.get(_KEYS + key, b"{}")
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            example = {"scale": '{"x": 0.001}', "limits": '{"x": "-2048:2047"}'}.get(key, '{"x": "g"}')
            raise InputError(
                f"{self.path}: its metadata {_KEYS}{key} is no JSON object of columns; write it like {example}"
            )
        return found

    def _stated_rate(self, text: bytes | None) -> float | None:
        rate = positive_number(text)
        if text is not None and rate is None:
            shown = text[:40].decode(errors="replace")
            raise InputError(f"{self.path}: its metadata {_KEYS}rate, {shown!r}, is no positive number of Hz; mend it")
        return rate

    def _stated_scale(self, name: str, value: object) -> float:
        scale = positive_number(value)
        if scale is None:
            raise InputError(
                f"{self.path}: its metadata {_KEYS}scale gives {name!r} the scale {str(value)[:40]!r}, which is no "
                "positive number; mend it"
            )
        return scale

    def _stated_limits(self, name: str, text: object) -> tuple[int, int]:
        limits = stated_limits(text)
        if limits is None:
            raise InputError(
                f"{self.path}: its metadata {_KEYS}limits gives {name!r} {str(text)[:40]!r}, which is no range of "
                'counts; mend it, for instance {"x": "-2048:2047"}'
            )
        return limits

    def largest(self, numbers: Sequence[str]) -> NDArray[np.float64] | None:
        """Largest magnitude of each column, float64 [K], by the statistics of the row groups; None without them."""
        found = np.zeros(len(numbers))
        with self._open() as file:
            about = file.metadata
            at = {about.schema.column(i).path: i for i in range(about.num_columns)}
            for group in range(about.num_row_groups):
                for place, name in enumerate(numbers):
                    statistics = about.row_group(group).column(at[name]).statistics if name in at else None
                    if statistics is None or not statistics.has_min_max:
                        return None
                    ends = float(statistics.min), float(statistics.max)
                    found[place] = max(found[place], *map(abs, ends))
        return found if np.isfinite(found).all() else None

    def tables(self, rows: int, numbers: Sequence[str], label: str | None) -> Iterator[Table]:
        """Read from the start, at most ``rows`` rows at a time; see Source."""
        import pyarrow

        decimal = np.array([self._is_decimal(name) for name in numbers])
        wanted = [*numbers, *([] if label is None else [label])]
        start = 0
        with self._open() as file:
            total = file.metadata.num_rows
            batches = file.iter_batches(min(rows, max(1, _LARGEST_BATCH // len(wanted))), columns=wanted)
            while True:
                try:
                    batch = next(batches, None)
                except (pyarrow.ArrowException, OSError) as error:
                    raise self._damaged(error) from None
                if batch is None:
                    return
                if not batch.num_rows:
                    continue
                places = np.arange(start + 1, start + 1 + batch.num_rows, dtype=np.int64)
                columns = [self._numbers(batch.column(name), name, places) for name in numbers]
                values = np.column_stack(columns) if columns else np.zeros((len(places), 0))
                words = None if label is None else self._words(batch.column(label), label, places)
                start += batch.num_rows
                yield Table(values, decimal, words, places, self.size * start // total)

    def _is_decimal(self, name: str) -> bool:
        """Whether a column holds floats, not integers. Raises InputError where it holds no numbers."""
        import pyarrow.types as types

        kind = self._types[name]
        if types.is_floating(kind) or types.is_decimal(kind):
            return True
        if types.is_integer(kind):
            return False
        raise ColumnError(
            name, f"{self.path}, column {name!r} holds {kind}, not numbers; convert it (times to seconds)"
        )

    def _numbers(self, column: Any, name: str, places: NDArray[np.int64]) -> NDArray[np.float64]:
        if column.null_count:
            empty = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
            raise InputError(
                f"{self.path} row {places[empty]}, column {name!r} is empty; fill it in, or remove the row"
            )
        values = column.to_numpy(zero_copy_only=False).astype(np.float64)
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise InputError(
                f"{self.path} row {places[bad[0]]}, column {name!r} is not a finite number but '{values[bad[0]]}'; "
                "remove the row"
            )
        return values

    def _words(self, column: Any, name: str, places: NDArray[np.int64]) -> NDArray[np.str_]:
        import pyarrow.types as types

        encoded = column if types.is_dictionary(column.type) else column.dictionary_encode()
        words = ["" if value is None else str(value).strip() for value in encoded.dictionary.to_pylist()]
        numbers = encoded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
        lengths = np.array([*map(len, words), 0])[numbers]
        row = int(lengths.argmax())
        if lengths[row] > LONGEST_LABEL:
            raise InputError(
                f"{self.path} row {places[row]}, column {name!r} holds a label of {lengths[row]} characters; shorten "
                f"it to {LONGEST_LABEL}"
            )
        return np.array([*words, ""], dtype=np.str_)[numbers]
