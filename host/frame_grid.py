"""Puts raw frames on one grid of time, whatever happens on the way: lost lines, a restart, a pulled plug."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Clipping", "FrameGrid"]


class FrameGrid:
    """Where frames belong, as indices of a grid on which frame i was sampled i / rate seconds after the first.

    A board numbers its frames from 0 with each RECORD command; take() carries them on to the grid. Inside such a
    session the place of a frame is exact, however many lines are lost. Between two sessions it is exact where the
    second continues the first, else the host's clock gives it, to the nearest frame: the time from the last frame
    before the break to the first after it.

    rate: Hz; most: frames wanted, None without a limit; position: index after the last frame that is known to have
    been sampled, at most ``most``; frames: how many came; lost: how many indices before ``position`` have none; gaps:
    stretches of such indices.
    """

    def __init__(self, rate: float, most: int | None = None) -> None:
        self.rate = rate
        self.most = most
        self.position = 0
        self.frames = 0
        self.gaps = 0
        self.sessions = 0
        self._base: int | None = None
        self._asked = 0
        self._continues = True
        self._arrived: float | None = None
        self._in_gap = False

    @property
    def lost(self) -> int:
        """Indices before ``position`` without a frame."""
        return self.position - self.frames

    def begin(self, asked: int, continues: bool) -> None:
        """The next frame is the first of a session of ``asked`` frames.

        continues: it was sampled right after the last frame taken, and no line between them is missing.
        """
        self.sessions += 1
        self._base = None
        self._asked = asked
        self._continues = continues

    def take(self, first: int, count: int, now: float) -> tuple[int, int]:
        """Take ``count`` frames that the board numbers from ``first`` on: (index of the first, how many are wanted).

        now: seconds of a monotonic clock. Raises ValueError where the session cannot have such frames.
        """
        if not (self.sessions and count > 0 and 0 <= first <= self._asked - count):
            raise ValueError(f"frames {first} to {first + count - 1} of {self._asked}")
        if self._base is not None and self._base + first < self.position:
            # The board heard RECORD twice, as its first answer was lost: it has begun to count anew.
            self.begin(self._asked, continues=True)
        if self._base is None:
            self._base = self.position
            if not self._continues and self._arrived is not None:
                elapsed = round((now - self._arrived) * self.rate)
                self._base += max(0, elapsed - first - count)
        start = self._base + first
        self._skip_to(start)
        kept = count if self.most is None else max(0, min(count, self.most - start))
        if kept:
            self._in_gap = False
        self.position += kept
        self.frames += kept
        self._arrived = now
        return start, kept

    def end(self) -> None:
        """The session is over and the board has sent all of its frames: those that did not come are lost."""
        self._skip_to((self.position if self._base is None else self._base) + self._asked)

    def _skip_to(self, position: int) -> None:
        if self.most is not None:
            position = min(position, self.most)
        if position > self.position:
            self.gaps += not self._in_gap
            self._in_gap = True
            self.position = position


class Clipping:
    """Counts samples at the limits of their sensor.

    What these limits are is not known: they are taken to be those of the narrowest two's complement number, of 8 to
    16 bits, that holds every sample of the channel, for instance -2048 and 2047.
    """

    _BITS = np.arange(8, 17)

    def __init__(self, channels: int) -> None:
        self._highest = (1 << (self._BITS - 1)) - 1
        self._at_limit = np.zeros((len(self._BITS), channels), dtype=np.int64)
        self._width = np.zeros(channels, dtype=np.intp)
        self._frames = 0

    def see(self, counts: NDArray[np.int16]) -> None:
        """Count these samples, int16 [n, C]."""
        if not len(counts):
            return
        # One's complement brings -2048 and 2047 to the same number.
        folded = np.where(counts < 0, ~counts, counts)
        self._at_limit += (folded[None] == self._highest[:, None, None]).sum(axis=1)
        self._width = np.maximum(self._width, np.searchsorted(self._highest, folded.max(axis=0)))
        self._frames += len(counts)

    @property
    def share(self) -> NDArray[np.float64]:
        """Share of each channel's samples that are at its limits, float64 [C]; 0 without samples."""
        return self._at_limit[self._width, np.arange(len(self._width))] / max(self._frames, 1)
