"""Scores normal windows by models that have not seen them: blocks of time, dealt to folds, with a purge around each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .arithmetic import Int32
from .dataset import Stretch, WindowSet

__all__ = ["CrossFit", "Score", "blocks_of", "cross_fit"]

Score = Callable[[Int32], NDArray[np.float64]]
"""From features int32 [W, F] of one stretch, in order of time, to scores float64 [K, W] of K kinds."""

_FOLDS = 5
_BLOCKS_A_FOLD = 4
_LEAST_BLOCK = 20  # windows
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


@dataclass(frozen=True)
class CrossFit:
    """Models that have each not seen a fifth of the normal windows, and what they say of it.

    blocks: scores float64 [K, W] of each block of time by the model that had not seen it, in order of time; scores: of
    each fold's model; folds: int [W], the model that has not seen a normal window; features: int32 [W, F], of these;
    stretches: int [W], which one each is in; memory: how many windows before it a score depends on.
    """

    blocks: list[NDArray[np.float64]]
    scores: list[Score]
    folds: NDArray[np.intp]
    features: Int32
    stretches: NDArray[np.intp]
    memory: int

    @property
    def held_out(self) -> NDArray[np.float64]:
        """Scores of all blocks, float64 [K, W]."""
        return np.concatenate(self.blocks, axis=1)

    def unseen(self, features: Int32, places: NDArray[np.integer]) -> NDArray[np.float64]:
        """Scores float64 [K, S] of windows made from normal ones, each by the model that has not seen the original.

        features: int32 [S, F]; places: int [S], of the originals among the normal windows, -1 for one that no model
        has seen. A model with a memory sees the normal windows before first, and as one run those whose originals
        follow one another in a block.
        """
        owner = np.where(places >= 0, self.folds[places], 0)
        if not self.memory:
            parts = [np.flatnonzero(owner == fold) for fold in range(len(self.scores))]
        else:
            same = [np.diff(each) == 0 for each in (owner, self.stretches[places], places - np.arange(len(places)))]
            parts = np.split(np.arange(len(places)), np.flatnonzero(~np.all(same, axis=0)) + 1)
        found = [(part, self._run(owner[part[0]], features[part], places[part[0]])) for part in parts if len(part)]
        result = np.empty((len(found[0][1]), len(features)))
        for part, scores in found:
            result[:, part] = scores
        return result

    def _run(self, fold: int, features: Int32, place: int) -> NDArray[np.float64]:
        before = np.arange(max(place - self.memory, 0), max(place, 0))
        lead = self.features[before[self.stretches[before] == self.stretches[place]]]
        return self.scores[fold](np.concatenate([lead, features]))[:, len(lead) :]


def cross_fit(windows: WindowSet, make: Callable[[Sequence[Int32]], Score], memory: int = 0) -> CrossFit:
    """Score each block by a model made of the others, less the windows that overlap the block.

    make: from the features of stretches to the model's score; memory: how many windows before it a score depends on.
    """
    normal, purge = windows.normal, _purge(windows)
    held_out: dict[tuple[int, int], NDArray[np.float64]] = {}
    scores: list[Score] = []
    owner = [np.zeros(len(stretch.features), dtype=np.intp) for stretch in normal]
    for number, fold in enumerate(_folds(normal, purge)):
        used = [np.ones(len(stretch.features), dtype=bool) for stretch in normal]
        for index, part in fold:
            used[index][max(part.start - purge, 0) : part.stop + purge] = False
            owner[index][part] = number
        rest = [run for stretch, mask in zip(normal, used, strict=True) for run in _kept(stretch, mask)]
        score = make(rest)
        scores.append(score)
        if not memory:
            held_out |= {(index, part.start): score(normal[index].features[part]) for index, part in fold}
            continue
        for index in {index for index, _ in fold}:
            # a stateful model runs through the whole stretch, of which the blocks of the fold are taken out
            found = score(normal[index].features)
            for where, part in fold:
                if where == index:
                    held_out[index, part.start] = found[:, part]
    blocks = [held_out[key] for key in sorted(held_out)]
    features = np.concatenate([stretch.features for stretch in normal])
    stretches = np.repeat(np.arange(len(normal)), [len(stretch.features) for stretch in normal])
    return CrossFit(blocks, scores, np.concatenate(owner), features, stretches, memory)
