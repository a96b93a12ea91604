"""Forest of threshold trees: the sum of the leaves that a window falls into, and how far it lies out of range.

Isolation forest (F. T. Liu, K. M. Ting and Z.-H. Zhou, 2008), or boosted trees that learn another model's score.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from offbeat.train.arithmetic import Int32, clamp, scaled
from offbeat.train.errors import InputError

from .base import Family, reduce_and_gain
from .forest_fit import FloatForest, FloatTree, boosted, isolating

__all__ = ["LARGEST_BASE", "LARGEST_SUM", "MOST_LEAVES", "MOST_TREES", "Forest"]

Floats = NDArray[np.float64]
Members = NDArray[np.int64]

MOST_TREES, MOST_LEAVES = 255, 128  # of a fit: a left child has at most 127 leaves
LARGEST_LEAF = LARGEST_WEIGHT = 32767
LARGEST_SCORE = 8191
LARGEST_BASE = 2**28
# Eight times the trees' largest leaves and the largest excess: what the path adds to one feature is below 6.6 times
# those leaves and one for each of at most 254 steps of 255 trees, so with the base nothing reaches 2**30.
LARGEST_SUM = 0x2FFF0000
_HEADER = struct.Struct("<5Hi")
_INNER = 32768


def _words(tree: FloatTree, unit: float) -> Int32:
    """A tree in words, preorder: a leaf's value, or an inner node's feature and left child's leaves, and threshold.

    Thresholds are rounded down, so that on the grid of standard scores every comparison stays what it was.
    """
    words: list[int] = []
    least = tree.values[tree.features < 0].min()
    for node, feature in enumerate(tree.features.tolist()):
        if feature < 0:
            words.append(min(round((float(tree.values[node]) - least) * unit), LARGEST_LEAF))
        else:
            threshold = int(np.clip(np.floor(tree.thresholds[node] * 128), -LARGEST_SCORE - 1, LARGEST_SCORE))
            words += [feature + 256 * int(tree.leaves[node + 1]) - _INNER, threshold]
    return np.array(words, dtype=np.int32)


def _largest_excess(bounds: Int32) -> int:
    return int(np.maximum(LARGEST_SCORE - bounds[1], bounds[0] + LARGEST_SCORE).sum())


def _leaves(tree: Int32) -> int:
    """How many leaves a tree, or a subtree, of that many words has."""
    return (len(tree) + 2) // 3


def _leaf_sums(tree: Int32) -> Int32:
    """Sum of the leaves before each word, int32 [words + 1]."""
    sums = np.zeros(len(tree) + 1, dtype=np.int32)
    at = 0
    while at < len(tree):
        if tree[at] < 0:
            at += 2
        else:
            sums[at + 1] = tree[at]
            at += 1
    return np.cumsum(sums, dtype=np.int32)


@dataclass(frozen=True)
class Forest(Family):
    """Fitted trees. trees: int32 [words] each, int16 words in preorder; bounds: int32 [2, F], low and high (Q7).

    base: added to the sum of the leaves; weight: of each 1/128 of a standard deviation out of bounds; reduce, gain:
    score scale.
    """

    name: ClassVar[str] = "forest"
    number: ClassVar[int] = 5
    variants: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"trees": 4, "leaves": 16},
        {"trees": 8, "leaves": 16},
        {"trees": 16, "leaves": 16},
        {"trees": 16, "leaves": 32},
        {"trees": 32, "leaves": 32},
    )

    trees: tuple[Int32, ...]
    bounds: Int32
    base: int
    weight: int
    reduce: int = 0
    gain: int = 32767
    model: FloatForest | None = None
    threshold: int = 256

    @classmethod
    def fit(  # type: ignore[override]  # a family names its own settings
        cls, scores: Floats, seed: int, *, trees: int = 16, leaves: int = 32
    ) -> Self:
        """scikit-learn's IsolationForest, cut to size and quantized.

        trees: 1 to 255; leaves: 2 to 128, the most of a tree. Raises InputError for other settings.
        """
        _check_size(trees, leaves)
        return cls._quantized(isolating(scores, trees, leaves, seed))

    @classmethod
    def learn(cls, scores: Floats, targets: Floats, seed: int, *, trees: int = 16, leaves: int = 16) -> Self:
        """Learn another model's outlier score, so that a small forest can stand for it (distillation).

        scores: float64 [W, F], standard scores of normal and of other windows, for no tree knows better where it saw
        none; targets: float64 [W], the teacher's outlier score of each, higher for more abnormal; trees and leaves as
        in fit(). Distances are proportional to what is learnt of the targets above their least. Raises InputError for
        other settings, and for targets that are not one finite number a window.
        """
        _check_size(trees, leaves)
        targets = np.asarray(targets, dtype=np.float64)
        if targets.shape != (len(scores),) or not np.isfinite(targets).all():
            raise InputError(
                f"the scores to learn have shape {targets.shape} or are not all finite; give one number for each of "
                f"the {len(scores)} windows"
            )
        return cls._quantized(boosted(scores, targets, trees, leaves, seed))

    @classmethod
    def _quantized(cls, model: FloatForest) -> Self:
        bounds = clamp(np.round(np.stack([model.low, model.high]) * 128).astype(np.int32), LARGEST_SCORE)
        values = [tree.values[tree.features < 0] for tree in model.trees]
        largest = np.array([leaves.max() - leaves.min() for leaves in values])
        base = model.base + sum(float(leaves.min()) for leaves in values)
        step = model.weight / 128
        unit = min(
            LARGEST_LEAF / max(float(largest.max()), 1e-9),
            LARGEST_WEIGHT / step,
            (LARGEST_BASE - 1) / max(abs(base), 1e-9),
            (LARGEST_SUM - 2**20) / (8 * float(largest.sum()) + step * max(_largest_excess(bounds), 1)),
        )
        trees = tuple(_words(tree, unit) for tree in model.trees)
        spare = LARGEST_SUM - 8 * sum(int(tree[tree >= 0].max()) for tree in trees)
        return cls(
            trees,
            bounds,
            round(base * unit),
            min(max(round(step * unit), 1), spare // max(_largest_excess(bounds), 1), LARGEST_WEIGHT),
            model=replace(model, unit=unit),
        )

    @classmethod
    def from_parameters(cls, parameters: bytes | memoryview, count: int) -> Self:
        """Read the section that ``parameters()`` wrote."""
        number, _, reduce, gain, weight, base = _HEADER.unpack_from(parameters, 0)
        words = np.frombuffer(parameters, "<i2", offset=_HEADER.size).astype(np.int32)
        bounds, at = words[: 2 * count].reshape(2, count), 2 * count
        trees = []
        for _ in range(number):
            end = at + 3 * int(words[at]) - 1
            trees.append(words[at + 1 : end])
            at = end
        return cls(tuple(trees), bounds, base, weight, reduce, gain)

    def parameters(self) -> bytes:
        """Trees, features, reduce, gain, weight, base; low and high bounds; of each tree its leaves and its words."""
        count = self.bounds.shape[1]
        header = _HEADER.pack(len(self.trees), count, self.reduce, self.gain, self.weight, self.base)
        trees = [word.astype("<i2").tobytes() for tree in self.trees for word in (np.array([_leaves(tree)]), tree)]
        return header + self.bounds.astype("<i2").tobytes() + b"".join(trees)

    @property
    def settings(self) -> dict[str, Any]:
        """How many trees, and the most leaves of one."""
        return {"trees": len(self.trees), "leaves": max(_leaves(tree) for tree in self.trees)}

    @property
    def operations(self) -> int:
        """Comparisons: the mean depth of each tree's leaves, and one of each feature with its bounds."""
        return round(sum(_mean_depth(tree) for tree in self.trees)) + self.bounds.shape[1]

    def _excess(self, vectors: Int32) -> Int32:
        """How far each feature lies out of its bounds, int32 [W, F] (Q7)."""
        return np.maximum(vectors - self.bounds[1], 0) + np.maximum(self.bounds[0] - vectors, 0)

    def distances(self, vectors: Int32) -> Int32:
        """Sum of leaves and base, at least 0, plus the weighted excess."""
        inside = np.full(len(vectors), self.base, dtype=np.int32)
        for tree in self.trees:
            for node, _, members in _visited(tree, vectors):
                if tree[node] >= 0:
                    inside[members] += tree[node]
        return np.maximum(inside, 0) + self.weight * self._excess(vectors).sum(axis=1, dtype=np.int32)

    @property
    def own_unit(self) -> bool:
        """Leaves are scaled to fill their words."""
        return True

    def scaled_to(self, threshold: int) -> Self:
        """Put score 256 at this distance, or at 256 where it is less."""
        reduce, gain = reduce_and_gain(threshold)
        return replace(self, reduce=reduce, gain=gain, threshold=max(threshold, 256))

    def score(self, vectors: Int32) -> Int32:
        """Distance over that of the threshold, times 256."""
        return scaled(self.distances(vectors), self.reduce, self.gain)

    def contributions(self, vectors: Int32) -> Int32:
        """Of each feature its own excess, the changes of the mean leaf at its nodes, and an equal share of the rest."""
        count = vectors.shape[1]
        parts = self.weight * self._excess(vectors)
        rest = self.base
        for tree in self.trees:
            sums = _leaf_sums(tree)
            rest += int(sums[-1]) // _leaves(tree)
            _add_path(tree, sums, vectors, parts)
        parts += rest // count if rest >= 0 else -(-rest // count)
        return np.sign(parts) * scaled(np.abs(parts), self.reduce, self.gain)

    def float_score(self, scores: Floats) -> Floats:
        """The same in float64, without quantization or saturation."""
        if self.model is None:
            raise RuntimeError("a family read from a file has no float model")
        return self.model.score(scores) * self.model.unit * 256 / self.threshold


def _check_size(trees: int, leaves: int) -> None:
    if not 1 <= trees <= MOST_TREES or not 2 <= leaves <= MOST_LEAVES:
        raise InputError(
            f"a forest of {trees} trees with {leaves} leaves cannot be fitted; choose 1 to {MOST_TREES} trees of 2 to "
            f"{MOST_LEAVES} leaves"
        )


def _visited(tree: Int32, vectors: Int32) -> Iterator[tuple[int, int, Members]]:
    """The nodes that windows come to: place, leaves below, and which windows."""
    pending = [(0, _leaves(tree), np.arange(len(vectors)))]
    while pending:
        node, leaves, members = pending.pop()
        yield node, leaves, members
        if tree[node] < 0:
            left = vectors[members, tree[node] & 255] <= tree[node + 1]
            before = (int(tree[node]) >> 8) & 127
            if left.any():
                pending.append((node + 2, before, members[left]))
            if not left.all():
                pending.append((node + 3 * before, leaves - before, members[~left]))


def _add_path(tree: Int32, sums: Int32, vectors: Int32, parts: Int32) -> None:
    """Add to each feature of parts [W, F] how the mean of the leaves below changes where the path asks for it."""

    def mean(node: int, leaves: int) -> int:
        return int(sums[node + 3 * leaves - 2] - sums[node]) // leaves

    asked: dict[int, tuple[int, int]] = {}
    for node, leaves, members in _visited(tree, vectors):
        own = mean(node, leaves)
        if node in asked:
            feature, above = asked[node]
            parts[members, feature] += own - above
        if tree[node] < 0:
            before = (int(tree[node]) >> 8) & 127
            asked[node + 2] = asked[node + 3 * before] = int(tree[node]) & 255, own


def _mean_depth(tree: Int32) -> float:
    """Mean over the leaves of how many comparisons lead to each: every inner node is one for each leaf below it."""
    total, at = 0, 0
    waiting = [_leaves(tree)]
    while waiting:
        leaves = waiting.pop()
        if tree[at] < 0:
            before = (int(tree[at]) >> 8) & 127
            total += leaves
            waiting += [leaves - before, before]
            at += 2
        else:
            at += 1
    return total / _leaves(tree)
