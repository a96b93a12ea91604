"""The trees that a forest is made of, in float64: isolation trees, or regression trees that learn a teacher's score."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingRegressor, IsolationForest
from sklearn.tree import BaseDecisionTree
from threadpoolctl import threadpool_limits

__all__ = ["FloatForest", "FloatTree", "boosted", "isolating"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_SAMPLES = 256  # windows that an isolation tree sees, as in the paper
_LEARN_FROM = 20_000  # windows, evenly spread
_ON_EDGE = 0.999  # quantile of the sums that counts as the edge of what was seen
_LEAST_REACH = 0.5  # standard deviations from the middle of a feature's range to its bounds
_SUBSAMPLE = 0.7  # of the windows for each boosted tree (Friedman, 2002)
_FEWEST_MEMBERS = 5  # windows in a leaf of a boosted tree
_ORDINARY = 0.25  # quantile of the targets that a normal window may have
_SATURATION = 128  # times that; the score scale saturates at 32 to 64 times the threshold


@dataclass(frozen=True)
class FloatTree:
    """A binary tree in preorder: a node's left child follows it.

    features: int64 [N], -1 in a leaf; thresholds: float64 [N], `score <= threshold` goes left; rights: int64 [N],
    where the right child is; leaves: int64 [N], how many below the node; values: float64 [N].
    """

    features: Integers
    thresholds: Floats
    rights: Integers
    leaves: Integers
    values: Floats

    def predict(self, scores: Floats) -> Floats:
        """Value of the leaf that each window [W, F] falls into, float64 [W]."""
        found = np.empty(len(scores))
        pending = [(0, np.arange(len(scores)))]
        while pending:
            node, members = pending.pop()
            feature = self.features[node]
            if feature < 0:
                found[members] = self.values[node]
                continue
            left = scores[members, feature] <= self.thresholds[node]
            pending += [(node + 1, members[left]), (int(self.rights[node]), members[~left])]
        return found


@dataclass(frozen=True)
class FloatForest:
    """Outlier score max(sum of leaf values + base, 0) + weight * excess beyond low .. high, summed over features.

    low, high: float64 [F], standard deviations; weight: for each of them; unit: integers of D to 1 of this score.
    """

    trees: tuple[FloatTree, ...]
    base: float
    low: Floats
    high: Floats
    weight: float
    unit: float = 1.0

    def score(self, scores: Floats) -> Floats:
        """Outlier score of windows [W, F], float64 [W]."""
        inside = np.sum([tree.predict(scores) for tree in self.trees], axis=0) + self.base
        excess = np.maximum(scores - self.high, 0) + np.maximum(self.low - scores, 0)
        return np.maximum(inside, 0) + self.weight * excess.sum(axis=1)


def _expanded(tree: BaseDecisionTree, leaves: int) -> NDArray[np.bool_]:
    """Which nodes to keep split, so that there are at most so many leaves: those that most windows come to."""
    keep = np.zeros(tree.node_count, dtype=np.bool_)
    waiting = [(-int(tree.n_node_samples[0]), 0)]
    left = leaves - 1
    while waiting and left > 0:
        _, node = heapq.heappop(waiting)
        if tree.children_left[node] >= 0:
            keep[node] = True
            left -= 1
            for child in (int(tree.children_left[node]), int(tree.children_right[node])):
                heapq.heappush(waiting, (-int(tree.n_node_samples[child]), child))
    return keep


def _in_preorder(tree: BaseDecisionTree, values: Floats, keep: NDArray[np.bool_]) -> FloatTree:
    """scikit-learn's tree without what is below the nodes that are not kept split; values: [N] of its nodes."""
    order: list[int] = []
    pending = [0]
    while pending:
        node = pending.pop()
        order.append(node)
        if keep[node]:
            pending += [int(tree.children_right[node]), int(tree.children_left[node])]
    place = {node: i for i, node in enumerate(order)}
    rights, leaves = np.zeros(len(order), dtype=np.int64), np.ones(len(order), dtype=np.int64)
    for i in range(len(order) - 1, -1, -1):
        if keep[order[i]]:
            rights[i] = place[int(tree.children_right[order[i]])]
            leaves[i] = leaves[i + 1] + leaves[rights[i]]
    features = np.where(keep[order], tree.feature[order], -1).astype(np.int64)
    return FloatTree(features, tree.threshold[order], rights, leaves, values[order])


def _expected_length(windows: NDArray[np.integer]) -> Floats:
    """Average path length c(n) of an unsuccessful search in a binary search tree of n windows (Liu et al., 2008)."""
    n = np.maximum(windows, 2).astype(np.float64)
    return np.where(windows > 2, 2 * (np.log(n - 1 + (n == 2)) + np.euler_gamma) - 2 * (n - 1) / n, windows == 2) * 1.0


def _depths(tree: BaseDecisionTree) -> Floats:
    depths = np.zeros(tree.node_count)
    for node in range(tree.node_count):
        for child in (tree.children_left[node], tree.children_right[node]):
            if child >= 0:
                depths[child] = depths[node] + 1
    return depths


def _with_range(trees: list[FloatTree], base: float | None, scores: Floats) -> FloatForest:
    """Trees with the term that goes on growing outside of the range of ``scores``.

    Half a (typical) feature's range beyond its bound adds as much as the trees' sum spans from its median, or from
    the least where base is None: then that least sum counts as 0.
    """
    sums = np.sum([tree.predict(scores) for tree in trees], axis=0)
    start = float(sums.min() if base is None else np.median(sums))
    span = float(np.quantile(sums, _ON_EDGE)) - start
    low, high = scores.min(axis=0), scores.max(axis=0)
    reach = max(float(np.median((high - low) / 2)), _LEAST_REACH)
    weight = (span if span > 0 else 1.0) / reach
    return FloatForest(tuple(trees), -start if base is None else base, low, high, weight)


def isolating(scores: Floats, trees: int, leaves: int, seed: int) -> FloatForest:
    """scikit-learn's IsolationForest on standard scores [W, F], each tree cut to at most ``leaves`` leaves.

    A leaf's value is how much shorter its path is than the longest of its tree, in splits. Where a tree was cut, the
    expected length of a path through the windows there stands for their paths, as at the paper's own limit of depth.
    """
    with threadpool_limits(1):  # with so little data, starting more threads costs more than they bring
        samples = min(_SAMPLES, len(scores))
        fitted = IsolationForest(n_estimators=trees, max_samples=samples, random_state=seed).fit(scores)
    found = []
    for estimator in fitted.estimators_:
        tree = estimator.tree_
        lengths = _depths(tree) + _expected_length(tree.n_node_samples)
        found.append(_in_preorder(tree, -lengths, _expanded(tree, leaves)))
    return _with_range(found, None, scores)


def _learnable(targets: Floats) -> tuple[Floats, Floats]:
    """Targets above their least, saturated, and weights by which errors count relative to them.

    Otherwise far outliers, where a teacher's score runs into the thousands, take all the splits, and the integers'
    range; errors on ordinary normal windows count alike.
    """
    above = targets - targets.min()
    ordinary = float(np.quantile(above, _ORDINARY)) or float(above.mean()) or 1.0
    learnable = np.minimum(above / ordinary, _SATURATION)
    return learnable * ordinary, (learnable + 1) ** -2.0


def boosted(scores: Floats, targets: Floats, trees: int, leaves: int, seed: int) -> FloatForest:
    """Boosted regression trees (Friedman, 2001; 2002) from standard scores [W, F] to targets [W], 0 at their least."""
    few = np.linspace(0, len(scores) - 1, min(len(scores), _LEARN_FROM)).astype(int)
    wanted, weights = _learnable(targets[few])
    rate = min(max(1.4 / np.sqrt(trees), 0.05), 1.0)
    with threadpool_limits(1):
        fitted = GradientBoostingRegressor(
            n_estimators=trees,
            learning_rate=rate,
            subsample=_SUBSAMPLE if len(few) > 1 else 1.0,
            max_depth=None,
            max_leaf_nodes=leaves,
            min_samples_leaf=min(_FEWEST_MEMBERS, max(len(few) // 10, 1)),
            random_state=seed,
        ).fit(scores[few], wanted, sample_weight=weights)
    found = []
    for estimator in fitted.estimators_[:, 0]:
        tree = estimator.tree_
        found.append(_in_preorder(tree, rate * tree.value[:, 0, 0], tree.children_left >= 0))
    return _with_range(found, float(fitted.init_.constant_[0, 0]), scores)
