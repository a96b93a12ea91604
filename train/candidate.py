"""Tries one family on one set of features: held-out distances, threshold, and what it finds of injected faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from .arithmetic import Int32
from .budget import Budget
from .calibrate import Calibration, calibrate
from .choose import scale_features
from .cost import Cost, cost_of
from .dataset import Stretch, WindowSet
from .families import FAMILIES, Family
from .features import Feature
from .modelfile import Decision, Standardize
from .pipeline import standardized, without_baseline

__all__ = ["Candidate", "Plan", "try_family"]

_FOLDS = 5
_BLOCKS_A_FOLD = 4
_LEAST_BLOCK = 20  # windows
_MOST_PURGED = 20  # a block loses at most one window in so many, on either side, to those that overlap its neighbours
_MOST_FITTED = 50_000  # windows, evenly spread: no estimator here learns more from the next


@dataclass(frozen=True)
class Plan:
    """What a candidate is made of.

    name: of the set of features; columns: their places among all that were extracted; least: the least deviation to
    assume of each; slew: of each feature's baseline, Q15 a window, 0 for none; wander: whether means wander slowly.
    """

    name: str
    features: tuple[Feature, ...]
    columns: tuple[int, ...]
    least: tuple[float, ...]
    slew: NDArray[np.int32]
    wander: bool
    budget: Budget
    decision: Decision
    seed: int


@dataclass(frozen=True)
class Candidate:
    """One family on one set of features.

    held_out: int32 distances of the normal windows, each scored by a model that had not seen its
    block, a list of blocks in order of time; quality: mean over the injected faults of the AUROC of faulty windows
    against held-out normal ones; detected: share of windows with an injected fault, by fault, that score at or above
    the threshold; float_error: 99 % quantile of the score's change by quantization, in score units, over windows that
    score below twice the threshold; settings: of the fit, empty where it chose itself; cost: of the whole model.
    """

    plan: Plan
    scales: tuple[Standardize, ...]
    family: Family
    calibration: Calibration
    held_out: list[Int32]
    quality: float
    detected: dict[str, float]
    float_error: float
    settings: Mapping[str, Any]
    cost: Cost

    @property
    def mean_detected(self) -> float:
        """Mean over the faults."""
        return float(np.mean(list(self.detected.values())))

    @property
    def size(self) -> int:
        """Bytes of the family's parameters."""
        return len(self.family.parameters())


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


def _fit(
    stretches: Sequence[Int32], plan: Plan, family: type[Family], settings: Mapping[str, Any]
) -> tuple[tuple[Standardize, ...], Family]:
    features = np.concatenate(stretches)
    scales = scale_features(features, plan.features, plan.least, plan.wander)
    if family.stateful:
        runs = {"runs": [len(stretch) for stretch in stretches]}
        return scales, family.fit(standardized(features, scales) / 128, plan.seed, **runs, **settings)
    scores = standardized(features[:: -(-len(features) // _MOST_FITTED)], scales) / 128
    return scales, family.fit(scores, plan.seed, **settings)


def _kept(stretch: Stretch, used: NDArray[np.bool_]) -> list[Int32]:
    """The runs of used windows of a stretch."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], used.astype(np.int8), [0]])))
    return [stretch.features[low:high] for low, high in zip(edges[::2], edges[1::2], strict=True)]


def _cross_fit(windows: WindowSet, plan: Plan, family: type[Family], settings: Mapping[str, Any]) -> list[Int32]:
    """Distances of each block by a model fitted to the others, less the windows that overlap the block."""
    normal = windows.normal
    overlap = -(-windows.window // windows.hop)
    purge = min(-(-overlap // 2), max(windows.normal_windows // _MOST_PURGED, 1))
    held_out: dict[tuple[int, int], Int32] = {}
    for fold in _folds(normal, purge):
        used = [np.ones(len(stretch.features), dtype=bool) for stretch in normal]
        for index, part in fold:
            used[index][max(part.start - purge, 0) : part.stop + purge] = False
        rest = [run for stretch, mask in zip(normal, used, strict=True) for run in _kept(stretch, mask)]
        scales, fitted = _fit(rest, plan, family, settings)
        for index in {index for index, _ in fold}:
            # a stateful model runs through the whole stretch, of which the blocks of the fold are taken out
            vectors = without_baseline(standardized(normal[index].features, scales), plan.slew)
            distances = fitted.distances(vectors)
            for where, part in fold:
                if where == index:
                    held_out[index, part.start] = distances[part]
    return [held_out[key] for key in sorted(held_out)]


def _float_error(family: Family, vectors: Int32) -> float:
    exact, score = family.float_score(vectors / 128), family.score(vectors)
    near = exact < 512
    return float(np.quantile(np.abs(exact[near] - score[near]), 0.99)) if near.any() else 0.0


def _each_apart(family: Family, vectors: Int32) -> Int32:
    """Distances of windows that do not follow one another."""
    if not family.stateful:
        return family.distances(vectors)
    return np.concatenate([family.distances(vector[None]) for vector in vectors])


def try_family(
    name: str, settings: Mapping[str, Any], windows: WindowSet, faulty: Mapping[str, Int32], plan: Plan
) -> Candidate:
    """Fit a family to some features of normal windows, calibrate it and judge it by faulty windows.

    settings: of the family's fit; windows: with the plan's features; faulty: by fault, int32 [S, F], those features of
    windows with the fault.
    """
    family = FAMILIES[name]
    with threadpool_limits(1):  # the same sums whatever runs beside, so the same model
        held_out = _cross_fit(windows, plan, family, settings)
        normal = [stretch.features for stretch in windows.normal]
        scales, fitted = _fit(normal, plan, family, settings)
    calibration = calibrate(np.concatenate(held_out), windows.normal_hours, plan.budget, plan.decision)
    fitted = fitted.scaled_to(calibration.threshold)
    healthy = np.concatenate(held_out)
    quality, detected = [], {}
    for fault, features in faulty.items():
        distances = _each_apart(fitted, standardized(features, scales))
        truth = np.repeat([0, 1], [len(healthy), len(distances)])
        quality.append(roc_auc_score(truth, np.concatenate([healthy, distances])))
        detected[fault] = float((distances >= calibration.threshold).mean())
    sample = np.concatenate(normal)[:: -(-len(healthy) // _MOST_FITTED)]
    error = _float_error(fitted, standardized(sample, scales))
    cost = cost_of(
        plan.features, fitted, windows.window, windows.hop, windows.samples.shape[2], baseline=bool(plan.slew.any())
    )
    return Candidate(
        plan, scales, fitted, calibration, held_out, float(np.mean(quality)), detected, error, dict(settings), cost
    )
