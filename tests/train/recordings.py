"""Recordings that the tests make: files of any content, tables, recordings in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from offbeat.train.recording import (
    Recording,
    open_recording,
)


def save(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def table(times: np.ndarray, *columns: np.ndarray) -> str:
    """A CSV with columns t, x, y …"""
    names = ",".join(["t", *"xyzuvw"[: len(columns)]])
    rows = zip(*(column.tolist() for column in (times, *columns)), strict=True)
    return names + "\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows)


def made(counts: np.ndarray, labels: np.ndarray | None = None, **about: Any) -> Recording:
    width = counts.shape[1]
    names = about.pop("channels", tuple(f"c{i}" for i in range(width)))
    scales, units = about.pop("scales", (1.0,) * width), about.pop("units", ("",) * width)
    return Recording(Path("made.csv"), counts, labels, names, about.pop("rate", 400.0), scales, units, **about)


def whole(path: Path, rows: int, **options: Any) -> tuple[np.ndarray, np.ndarray | None, list[int]]:
    """Counts, labels and start rows of the blocks of a recording."""
    blocks = list(open_recording(path, **options).blocks(rows))
    assert all(0 < len(block.counts) <= rows and block.counts.dtype == np.int16 for block in blocks)
    labels = None if blocks[0].labels is None else np.concatenate([b.labels for b in blocks if b.labels is not None])
    return np.concatenate([block.counts for block in blocks]), labels, [block.start_row for block in blocks]


# -- what is written is read --

LABELS = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), max_size=12).map(str.strip)
NAMES = st.text(st.sampled_from('abcXYZ09 _-./°;,"=#'), min_size=1, max_size=8).map(str.strip).filter(bool)
POSITIVE = st.floats(1e-6, 1e6)
