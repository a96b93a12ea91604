"""Arrays as recordings, so that what is trained from memory goes the way of what is trained from files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offbeat.device.quality import LIMITS

from .recording import Block, RecordingReader
from .recording_scale import Origin, fitting_scale

__all__ = ["ArrayReader", "scales_of", "to_counts"]

_ROWS = 1 << 16


def scales_of(values: NDArray[np.floating] | NDArray[np.integer]) -> tuple[float, ...]:
    """Unit per count of each channel of samples [n, C]: 1 for integers that fit int16, else a fitting power of two."""
    if np.issubdtype(values.dtype, np.integer) and values.min(initial=0) >= -32768 and values.max(initial=0) <= 32767:
        return (1.0,) * values.shape[1]
    largest = np.abs(values).max(axis=0)
    return tuple(fitting_scale(float(each)) if each > 0 else 1.0 for each in largest)


def to_counts(values: NDArray[np.floating] | NDArray[np.integer], scales: Sequence[float]) -> NDArray[np.int16]:
    """Samples [n, C] as counts int16 [n, C], saturated: a sensor does the same."""
    return np.clip(np.rint(values / np.asarray(scales)), -32768, 32767).astype(np.int16)


class ArrayReader(RecordingReader):
    """Counts in memory, int16 [n, C], read like a recording without gaps; labels: str [n], or None."""

    def __init__(
        self,
        counts: NDArray[np.int16],
        rate: float,
        scales: Sequence[float],
        name: str,
        labels: NDArray[np.str_] | None = None,
    ) -> None:
        self.path = Path(name)
        self.sensor = ""
        self.channels = tuple(f"x{i}" for i in range(counts.shape[1]))
        self.units = ("",) * counts.shape[1]
        self.scales = tuple(scales)
        self.scale_origins = (Origin.STATED,) * counts.shape[1]
        self.limits = (LIMITS,) * counts.shape[1]
        self.rate = rate
        self.has_labels = labels is not None
        self._labels = labels
        self.suspects = ()
        self._counts = counts

    def blocks(self, rows: int = _ROWS) -> Iterator[Block]:
        """The counts in blocks of at most ``rows`` rows."""
        for start in range(0, len(self._counts), rows):
            labels = None if self._labels is None else self._labels[start : start + rows]
            yield Block(self._counts[start : start + rows], labels, start)
