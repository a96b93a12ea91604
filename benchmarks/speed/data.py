"""A day of a machine's vibration as a recording: tones that drift, noise, two ways of running. Made outside of all timing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

__all__ = ["CHANNELS", "RATE", "recording"]

RATE = 400.0  # Hz
CHANNELS = ("x", "y", "z")
_SCALE, _UNIT = 1 / 2048, "g"
_ROWS = 1_440_000  # an hour: made and written at once


def _schema(typed: pa.DataType) -> pa.Schema:
    about = {
        "offbeat.rate": f"{RATE:g}",
        "offbeat.scale": json.dumps(dict.fromkeys(CHANNELS, _SCALE)),
        "offbeat.unit": json.dumps(dict.fromkeys(CHANNELS, _UNIT)),
    }
    return pa.schema([("t", pa.float64()), *((name, typed) for name in CHANNELS)], metadata=about)


def _counts(rows: NDArray[np.int64], generator: np.random.Generator) -> Iterator[NDArray[np.int16]]:
    """Counts of each channel: shaft and blade tones, louder in every other quarter of an hour, and noise."""
    t = rows / RATE
    loud = 1 + 0.3 * (np.floor(t / 900) % 2) + 0.05 * np.sin(2 * np.pi * t / 3600)
    for channel in range(len(CHANNELS)):
        tones = 300 * np.sin(2 * np.pi * 24.8 * t + channel) + 120 * np.sin(2 * np.pi * 73.3 * t + 2 * channel)
        yield np.rint(loud * tones + generator.normal(0, 80, len(rows))).astype(np.int16)


def _tables(samples: int) -> Iterator[pa.Table]:
    generator = np.random.default_rng(0)
    for start in range(0, samples, _ROWS):
        rows = np.arange(start, min(start + _ROWS, samples))
        yield pa.table([rows / RATE, *_counts(rows, generator)], schema=_schema(pa.int16()))


def _write_parquet(path: Path, samples: int) -> None:
    with pyarrow.parquet.ParquetWriter(path, _schema(pa.int16())) as writer:
        for table in _tables(samples):
            writer.write_table(table)


def _write_csv(path: Path, samples: int) -> None:
    scales = " ".join(f"{name}={_SCALE!r}" for name in CHANNELS)
    units = " ".join(f"{name}={_UNIT}" for name in CHANNELS)
    header = (
        f"# offbeat recording\n# rate: {RATE:g}\n# unit: {units}\n# scale: {scales}\n{','.join(['t', *CHANNELS])}\n"
    )
    with path.open("wb") as file:
        file.write(header.encode())
        for table in _tables(samples):
            pyarrow.csv.write_csv(table, file, pyarrow.csv.WriteOptions(include_header=False))


def recording(folder: Path, kind: str, hours: float, say: Callable[[str], None]) -> tuple[Path, int]:
    """A recording of so many hours, made unless it is there; its path and samples. kind: parquet or csv."""
    samples = round(hours * 3600 * RATE)
    path = folder / f"vibration-{samples}.{kind}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        say(f"making {path}, {samples:,} samples of {len(CHANNELS)} axes")
        temporary = path.with_name(f".{path.name}")
        (_write_parquet if kind == "parquet" else _write_csv)(temporary, samples)
        temporary.replace(path)
    return path, samples
