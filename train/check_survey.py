"""One pass over recordings in bounded memory: all that the fit check knows of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from offbeat.device.quality import CLIPPED, JITTER, REASONS

from .check_drift import Cells, watched_features
from .check_levels import Levels
from .check_spectrum import Spectra
from .check_time import Timing, WatchedReader
from .dataset import window_blocks
from .features import extract
from .recording import Block, RecordingReader, normal_mask

__all__ = ["Survey"]


class Survey:
    """What recordings hold, gathered by add() one after the other.

    levels and spectra: of normal rows; windows: how many are normal from end to end; looked_at: those of them that
    share half of their samples at most, of which are cells, and silent, int64 [C], in how many a channel does not
    move; unfit: of the windows, how many the board would not judge, by reason; timing: of all rows; labels: how often
    each stands there, "" for normal. look_closely: False leaves the channels alone and counts rows only.
    """

    def __init__(self, reader: RecordingReader, window: int, hop: int, look_closely: bool = True) -> None:
        count = len(reader.channels)
        self.window, self.hop, self.rate = window, hop, reader.rate
        self.levels = [Levels() for _ in range(count if look_closely else 0)]
        self.spectra = Spectra(reader.rate, count)
        self.kinds = watched_features(count)
        self.cells = Cells(self.kinds)
        self.silent = np.zeros(count, dtype=np.int64)
        self.timing = Timing(1 / reader.rate)
        self.labels: Counter[str] = Counter()
        self.unfit: Counter[str] = Counter()
        self.windows = self.looked_at = 0
        self._stride = max(window // (2 * hop), 1)  # windows that share more than half of their samples say little new
        self._runs = 0
        self._closely = look_closely
        self._next_row: int | None = None

    @property
    def rows(self) -> int:
        """Samples of each channel."""
        return self.labels.total()

    @property
    def seconds(self) -> float:
        """Recorded, without gaps."""
        return self.rows / self.rate

    @property
    def normal_seconds(self) -> float:
        """Covered by windows that are normal from end to end."""
        return (self.hop * (self.windows - self._runs) + self.window * self._runs) / self.rate

    def add(self, reader: RecordingReader, progress: Callable[[float], None]) -> None:
        """Read a recording through. Raises InputError where it is damaged."""
        self.timing.begin()
        self._next_row = None

        def see(block: Block, times: NDArray[np.float64] | None, share: float) -> None:
            self._see(block, times)
            progress(share)

        was_normal = False
        blocks = window_blocks(WatchedReader(reader, see), self.window, self.hop)
        for windows, fault, whole, _, continues, signs in blocks:
            normal = (fault == "") & whole
            self.unfit[REASONS[JITTER]] += int(signs.late[normal].sum())
            self.unfit[REASONS[CLIPPED]] += int(signs.clipped[normal].sum())
            before = np.concatenate([[was_normal and continues], normal[:-1]])
            self._runs += int((normal & ~before).sum())
            self.windows += int(normal.sum())
            was_normal = bool(normal[-1])
            if self._closely and normal.any():
                few = windows[normal][:: self._stride]
                self.looked_at += len(few)
                features = extract(few, self.kinds, np.zeros(0, dtype=np.int16))
                self.silent += signs.still[normal][:: self._stride].sum(axis=0)
                self.cells.add(features)

    def _see(self, block: Block, times: NDArray[np.float64] | None) -> None:
        self.timing.add(times, self._next_row is not None and block.start_row != self._next_row)
        self._next_row = block.start_row + len(block.counts)
        normal = self._count_labels(block)
        if not self._closely or not normal.any():
            return
        counts = block.counts if normal.all() else block.counts[normal]
        for channel, levels in enumerate(self.levels):
            levels.add(counts[:, channel])
        for low, high in _runs(normal):
            self.spectra.add(block.counts[low:high])

    def _count_labels(self, block: Block) -> NDArray[np.bool_]:
        """Count the labels of a block; returns which rows are normal, bool [rows]."""
        count = len(block.counts)
        if block.labels is None:
            self.labels[""] += count
            return np.ones(count, dtype=bool)
        starts = np.flatnonzero(np.concatenate([[True], block.labels[1:] != block.labels[:-1]]))
        words, lengths = block.labels[starts], np.diff(starts, append=count)
        normal = normal_mask(words)
        for word, good, length in zip(words.tolist(), normal.tolist(), lengths.tolist(), strict=True):
            self.labels["" if good else word] += length
        return np.repeat(normal, lengths)


def _runs(mask: NDArray[np.bool_]) -> Sequence[tuple[int, int]]:
    """(start, stop) of the runs of True in bool [n]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
