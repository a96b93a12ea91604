"""Scores normal windows by models that have not seen them: blocks of time, dealt to folds, with a purge around each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .arithmetic import Int32
from .dataset import Stretch, WindowSet

__all__ = ["Altered", "Score", "blocks_of", "cross_fit"]

Score = Callable[[Int32], NDArray[np.float64]]
"""From features int32 [W, F] of one stretch, in order of time, to scores float64 [K, W] of K kinds."""

_FOLDS = 5
_BLOCKS_A_FOLD = 4
_LEAST_BLOCK = 20  # windows
_LEAD = 1000  # windows before an altered one that a model with a memory sees; at the slew of slow sensors, 3 deviations
_MOST_PURGED = 20  # a block loses at most one window in so many, on either side, to those that overlap its neighbours


def _folds(stretches: Sequence[Stretch], purge: int) -> list[list[tuple[int, slice]]]:
    """Split the normal windows into blocks of time, dealt to the folds in turn: lists of (stretch, slice).

    Several short blocks a fold, not one long one: a machine that changes its regime once in a recording would
    otherwise be judged on a regime that no model of the fold has seen.
    """
    total = sum(len(stretch.features) for stretch in stretches)
    blocks = max(_FOLDS, min(_FOLDS * _BLOCKS_A_FOLD, total // max(_LEAST_BLOCK, 2 * purge)))
    edges = [total * block // blocks for block in range(blocks + 1)]
    folds: list[list[tuple[int, slice]]] = [[] for _ in range(_FOLDS)]
    for number, (low, high) in enumerate(pairwise(edges)):
        start = 0
        for index, stretch in enumerate(stretches):
            stop = start + len(stretch.features)
            if max(low, start) < min(high, stop):
                folds[number % _FOLDS].append((index, slice(max(low, start) - start, min(high, stop) - start)))
            start = stop
    return folds


@dataclass(frozen=True)
class Altered:
    """What windows would be with a fault. stretch: index of the normal stretch; start: of its windows, the first;
    features: int32 [M, F]."""

    stretch: int
    start: int
    features: Int32


def _purge(windows: WindowSet) -> int:
    overlap = -(-windows.window // windows.hop)
    return min(-(-overlap // 2), max(windows.normal_windows // _MOST_PURGED, 1))


def blocks_of(windows: WindowSet) -> list[tuple[int, int, int]]:
    """The blocks that cross_fit() holds out, in order of time: (normal stretch, first window, one past the last)."""
    parts = [part for fold in _folds(windows.normal, _purge(windows)) for part in fold]
    return sorted((index, part.start, part.stop) for index, part in parts)


def _kept(stretch: Stretch, used: NDArray[np.bool_]) -> list[Int32]:
    """The runs of used windows of a stretch."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], used.astype(np.int8), [0]])))
    return [stretch.features[low:high] for low, high in zip(edges[::2], edges[1::2], strict=True)]


def _of_altered(score: Score, stretch: Stretch, altered: Altered) -> NDArray[np.float64]:
    """Scores float64 [K, M] of altered windows, after the stretch's own windows before them."""
    before = stretch.features[max(altered.start - _LEAD, 0) : altered.start]
    return score(np.concatenate([before, altered.features]))[:, len(before) :]


def cross_fit(
    windows: WindowSet, make: Callable[[Sequence[Int32]], Score], altered: Mapping[str, Sequence[Altered]] | None = None
) -> tuple[list[NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Scores of each block by a model made of the others, less the windows that overlap the block.

    make: from the features of stretches to the model's score; altered: by fault, some windows of blocks with that
    fault, scored by the model that has not seen their block. Returns float64 [K, W] of each block, in order of time;
    and by fault float64 [K, S].
    """
    normal, purge = windows.normal, _purge(windows)
    held_out: dict[tuple[int, int], NDArray[np.float64]] = {}
    faulty: dict[str, list[NDArray[np.float64]]] = {fault: [] for fault in altered or ()}
    for fold in _folds(normal, purge):
        used = [np.ones(len(stretch.features), dtype=bool) for stretch in normal]
        for index, part in fold:
            used[index][max(part.start - purge, 0) : part.stop + purge] = False
        rest = [run for stretch, mask in zip(normal, used, strict=True) for run in _kept(stretch, mask)]
        score = make(rest)
        for index in {index for index, _ in fold}:
            # a stateful model runs through the whole stretch, of which the blocks of the fold are taken out
            found = score(normal[index].features)
            for where, part in fold:
                if where == index:
                    held_out[index, part.start] = found[:, part]
        own = {(index, part.start) for index, part in fold}
        for fault, each in (altered or {}).items():
            faulty[fault] += [_of_altered(score, normal[a.stretch], a) for a in each if (a.stretch, a.start) in own]
    scores = {fault: np.concatenate(each, axis=1) for fault, each in faulty.items()}
    return [held_out[key] for key in sorted(held_out)], scores
