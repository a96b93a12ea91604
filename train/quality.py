"""Which windows of a recording are fit to learn from and to be judged: the board's rule, for many windows at once.

The rule itself is ``offbeat.device.quality``, one source for both sides; here it is applied to arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offbeat.device import quality
from offbeat.device.quality import CLIPPED, FIT, JITTER, REASONS, STUCK

from .features import KINDS, Feature

__all__ = ["RESTING", "Quality", "Signs", "examine", "resting_channels", "vibrating_channels"]

RESTING = 0.01
"""Share of the windows above which a channel that stands still does so by nature: then it is not taken for stuck."""

Mask = NDArray[np.bool_]
Limits = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Signs:
    """What is seen in W windows of C channels. late: bool [W], a sample came too late; clipped: bool [W]; still: bool
    [W, C], the channel does not move."""

    late: Mask
    clipped: Mask
    still: Mask

    def part(self, low: int, high: int) -> Signs:
        """Those of the windows from ``low`` to before ``high``."""
        return Signs(self.late[low:high], self.clipped[low:high], self.still[low:high])

    def reasons(self, must_move: Sequence[bool], use_times: bool = True) -> NDArray[np.int8]:
        """Of each window the first reason of REASONS for which it is unfit, FIT where there is none; int8 [W].

        must_move: of each channel, whether it is stuck where it stands still; use_times: whether late samples count.
        """
        stuck = self.still[:, np.asarray(must_move, dtype=bool)].any(axis=1)
        found = np.full(len(self.late), FIT, dtype=np.int8)
        found[stuck] = STUCK
        found[self.clipped] = CLIPPED
        if use_times:
            found[self.late] = JITTER
        return found


def examine(counts: NDArray[np.int16], late: Mask | None, window: int, hop: int, limits: Limits) -> Signs:
    """Look at every window of samples that follow one another.

    counts: int16 [n, C]; late: bool [n], samples that came too late, None where nobody knows; limits: (lowest, highest)
    count of each channel's sensor.
    """
    starts = np.arange(0, len(counts) - window + 1, hop)
    if not len(starts):
        return Signs(np.zeros(0, dtype=bool), np.zeros(0, dtype=bool), np.zeros((0, counts.shape[1]), dtype=bool))
    ends = np.array(limits, dtype=np.int32)
    at_ends = (counts <= ends[:, 0]) | (counts >= ends[:, 1])
    many = quality.clipped(_within(at_ends, starts, window), window) if at_ends.any() else np.zeros(1, dtype=bool)
    moved = np.concatenate([np.zeros((1, counts.shape[1]), dtype=bool), counts[1:] != counts[:-1]])
    return Signs(
        np.zeros(len(starts), dtype=bool) if late is None or not late.any() else _within(late, starts, window) > 0,
        np.broadcast_to(many.any(axis=-1), len(starts)),
        # between the first sample of a window and its last one
        _within(moved, starts + 1, window - 1) == 0,
    )


def _within(marks: Mask, starts: NDArray[np.intp], length: int) -> NDArray[np.int64]:
    """How many rows are marked from each start on: bool [n] or [n, C] -> int [W] or [W, C]."""
    total = np.concatenate([np.zeros((1, *marks.shape[1:]), dtype=np.int32), np.cumsum(marks, axis=0, dtype=np.int32)])
    return total[starts + length] - total[starts]


def vibrating_channels(features: Sequence[Feature], resting: Sequence[int], channels: int) -> list[bool]:
    """Of each channel whether it must move: as the board finds it from the features of a model."""
    kinds = [(KINDS.index(feature.kind), feature.channel) for feature in features]
    return quality.must_move(kinds, resting, channels)


def resting_channels(still: NDArray[np.int64], windows: int) -> list[int]:
    """Channels that stand still in more than RESTING of the windows. still: int64 [C], in how many each does."""
    return [int(channel) for channel in np.flatnonzero(still > RESTING * windows)]


@dataclass(frozen=True)
class Quality:
    """What was left out of training. windows: normal ones that were looked at; unfit: of them, by reason; resting:
    numbers of channels that must not be taken for stuck; uneven: whether so many windows have late samples that none of
    them was left out for that."""

    windows: int
    unfit: Mapping[str, int]
    resting: tuple[int, ...]
    uneven: bool = False

    @property
    def left_out(self) -> int:
        """Windows that were left out."""
        return sum(self.unfit.values())

    def warnings(self) -> list[str]:
        """What a person should know."""
        found = []
        if self.left_out:
            each = ", ".join(f"{count} {_WORDS[reason]}" for reason, count in self.unfit.items() if count)
            found.append(
                f"{self.left_out} of {self.windows} normal windows are left out ({each}): the board gives no verdict "
                "on such windows either"
            )
        if self.uneven:
            found.append(
                "the times of the samples are uneven in more than half of the windows, which are used all the same; a "
                "board gives no verdict on such windows: let a timer or the sensor's own FIFO take the samples"
            )
        return found


_WORDS = {
    "lost": "with lost samples", "bus": "with a bus error", "jitter": "with late samples", "clipped": "clipped",
    "stuck": "with a channel that stands still", "silent": "without samples",
}  # fmt: skip
assert set(_WORDS) == set(REASONS)  # noqa: S101
