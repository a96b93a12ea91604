"""Tries one family on one set of features: held-out distances, threshold, and what it finds of injected faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from .arithmetic import SMALL_INTEGER_MAX, Int32
from .boards import DEFAULT_CORE
from .budget import Budget
from .calibrate import Calibration, calibrate
from .choose import scale_features
from .cost import Cost, cost_of
from .crossfit import CrossFit, Score, cross_fit
from .dataset import WindowSet
from .distill import learn, outlier_scores, saved_bytes, taught
from .families import FAMILIES, Family
from .families.base import unit_ratio
from .features import Feature
from .modelfile import Decision, Standardize
from .pipeline import standardized, without_baseline

__all__ = ["Candidate", "Faulty", "Plan", "teacher_quality", "try_family"]

_REFERENCE = 1 << 20  # distance at which float and integer scores are put on one scale
_BASELINE_MEMORY = 1000  # windows; at the slew of slow sensors the baseline goes 3 deviations meanwhile
_FAMILY_MEMORY = 32  # windows of one that predicts from the last few
_MOST_FITTED = 20_000  # windows, evenly spread: no estimator here learns more from the next


@dataclass(frozen=True)
class Plan:
    """What a candidate is made of.

    name: of the set of features; columns: their places among all that were extracted; least: the least deviation to
    assume of each; slew: of each feature's baseline, Q15 a window, 0 for none; wander: whether means wander slowly;
    teacher: whose score is learned, none: the family is fitted to the windows; core: whose cost is counted.
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
    teacher: str = ""
    core: str = DEFAULT_CORE


@dataclass(frozen=True)
class Faulty:
    """Windows with one fault. features: int32 [S, L, F], S stretches of L windows that follow one another; judged: the
    first window of each that bears enough of the fault to be judged; places: int [S], of injected faults (L = 1), which
    of the normal windows, joined, each was made from, or -1; those of neighbours follow one another."""

    features: Int32
    judged: int = 0
    places: NDArray[np.int64] | None = None

    def select(self, columns: Sequence[int]) -> Faulty:
        """The same with some of the features."""
        return replace(self, features=self.features[:, :, list(columns)])


@dataclass(frozen=True)
class Candidate:
    """One family on one set of features.

    held_out: int32 distances of the normal windows, each scored by a model that had not seen its block, a list of
    blocks in order of time; quality: mean over the injected faults of the AUROC of faulty windows against held-out
    normal ones; f1: of all of them at the threshold; float_quality, float_f1: the same of the float model before
    quantization; detected: share of windows with an injected fault, by fault, that score at or above the threshold;
    half_found: the threshold, a squared distance, that would find half of them all; float_error: 99 % quantile of the
    score's change by quantization, in score units, over windows that score below twice the threshold; settings: of the
    fit, empty where it chose itself; cost: of the whole model.
    """

    plan: Plan
    scales: tuple[Standardize, ...]
    family: Family
    calibration: Calibration
    held_out: list[Int32]
    quality: float
    float_quality: float
    f1: float
    float_f1: float
    detected: dict[str, float]
    half_found: int
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


def _fit(
    stretches: Sequence[Int32], plan: Plan, family: type[Family], settings: Mapping[str, Any]
) -> tuple[tuple[Standardize, ...], Family]:
    features = np.concatenate(stretches)
    scales = scale_features(features, plan.features, plan.least, plan.wander)
    if family.stateful:
        runs = {"runs": [len(stretch) for stretch in stretches]}
        return scales, family.fit(standardized(features, scales) / 128, plan.seed, **runs, **settings)
    scores = standardized(features[:: -(-len(features) // _MOST_FITTED)], scales) / 128
    if plan.teacher:
        return scales, learn(family, plan.teacher, scores, plan.seed, **settings)
    return scales, family.fit(scores, plan.seed, **settings)


def _float_error(family: Family, vectors: Int32) -> float:
    exact, score = family.float_score(vectors / 128), family.score(vectors)
    near = exact < 512
    return float(np.quantile(np.abs(exact[near] - score[near]), 0.99)) if near.any() else 0.0


def _both(family: Family, scales: tuple[Standardize, ...], plan: Plan) -> Score:
    """Distances of the integers, and those of the float model before quantization, on the same scale."""
    reference = family.scaled_to(_REFERENCE)

    def score(features: Int32) -> NDArray[np.float64]:
        vectors = without_baseline(standardized(features, scales), plan.slew)
        return np.stack([family.distances(vectors), reference.float_score(vectors / 128) * (_REFERENCE / 256)])

    return score


def _in_unit_of(score: Score, other: Score, features: Int32) -> Score:
    """The other score, in the unit that the first has: by the features int32 [W, F] that both were fitted to."""
    features = features[:: -(-len(features) // _MOST_FITTED)]
    ratios = np.array([[unit_ratio(one, two)] for one, two in zip(score(features), other(features), strict=True)])
    return lambda some: other(some) * ratios


def _memory(plan: Plan, stateful: bool) -> int:
    """How many windows before it a score may depend on, as far as it matters."""
    return _BASELINE_MEMORY if plan.slew.any() else _FAMILY_MEMORY * stateful


def _of_faulty(score: Score, folds: CrossFit, faulty: Faulty) -> NDArray[np.float64]:
    """Scores float64 [K, S] of what is judged of the faulty windows.

    A model that has seen a window without its fault scores it lower than it would a new one, the more so the closer
    it keeps to what it has seen: normal windows are held out, and so must these be.
    """
    stretches, length, count = faulty.features.shape
    features = faulty.features.reshape(stretches * length, count)
    if faulty.places is not None:
        return folds.unseen(features, faulty.places)
    if not folds.memory and length == 1:
        return score(features)
    return np.concatenate([score(run)[:, faulty.judged :] for run in faulty.features], axis=1)


@dataclass(frozen=True)
class _Judged:
    """Of each kind of score: mean AUROC over the faults, F1 at a threshold, and shares found by fault."""

    quality: list[float]
    f1: list[float]
    detected: dict[str, float]


def _auroc(healthy: NDArray[np.float64], faulty: NDArray[np.float64]) -> float:
    """Share of pairs that are ranked right, ties by half (Mann and Whitney, 1947); healthy: float64 [W], sorted once
    for all faults, which for a day of windows is most of the work."""
    below = np.searchsorted(healthy, faulty, side="left") + np.searchsorted(healthy, faulty, side="right")
    return float(below.mean() / (2 * len(healthy)))


def _judge(healthy: NDArray[np.float64], faulty: Mapping[str, NDArray[np.float64]], threshold: float) -> _Judged:
    """Scores of held-out normal windows, float64 [K, W], against those of windows with a fault."""
    quality, f1 = [], []
    for kind, normal in enumerate(healthy):
        of_faults = [scores[kind] for scores in faulty.values()]
        ordered = np.sort(normal)
        quality.append(float(np.mean([_auroc(ordered, scores) for scores in of_faults])))
        found = np.concatenate(of_faults) >= threshold
        f1.append(float(2 * found.sum() / max(found.sum() + len(found) + (normal >= threshold).sum(), 1)))
    detected = {fault: float((scores[0] >= threshold).mean()) for fault, scores in faulty.items()}
    return _Judged(quality, f1, detected)


def try_family(
    name: str, settings: Mapping[str, Any], windows: WindowSet, faulty: Mapping[str, Faulty], plan: Plan
) -> Candidate:
    """Fit a family to some features of normal windows, calibrate it and judge it by faulty windows.

    settings: of the family's fit; windows: with the plan's features; faulty: by fault, with the same features.
    """
    family = FAMILIES[name]

    normal = [stretch.features for stretch in windows.normal]
    with threadpool_limits(1):  # the same sums whatever runs beside, so the same model
        scales, fitted = _fit(normal, plan, family, settings)
        score = _both(fitted, scales, plan)

        # The threshold is that of the model that ships: another size would have other distances.
        alike = settings if plan.teacher else {**settings, **fitted.chosen}

        def make(stretches: Sequence[Int32]) -> Score:
            own, part = _fit(stretches, plan, family, alike)
            of_part = _both(part, own, plan)
            return _in_unit_of(score, of_part, np.concatenate(stretches)) if fitted.own_unit else of_part

        folds = cross_fit(windows, make, _memory(plan, family.stateful))
        scores = {fault: _of_faulty(score, folds, each) for fault, each in faulty.items()}
    held_out = [np.clip(np.round(block[0]), 0, SMALL_INTEGER_MAX).astype(np.int32) for block in folds.blocks]
    calibration = calibrate(held_out, windows.normal_hours, plan.budget, plan.decision)
    judged = _judge(folds.held_out, scores, calibration.threshold)
    fitted = fitted.scaled_to(calibration.threshold)
    sample = np.concatenate(normal)[:: -(-windows.normal_windows // _MOST_FITTED)]
    return Candidate(
        plan=plan,
        scales=scales,
        family=fitted,
        calibration=calibration,
        held_out=held_out,
        quality=judged.quality[0],
        float_quality=judged.quality[1],
        f1=judged.f1[0],
        float_f1=judged.f1[1],
        detected=judged.detected,
        half_found=int(np.median(np.concatenate([found[0] for found in scores.values()]))),
        float_error=_float_error(fitted, standardized(sample, scales)),
        settings=dict(settings),
        cost=cost_of(
            plan.features,
            fitted,
            windows.window,
            windows.hop,
            windows.samples.shape[2],
            baseline=bool(plan.slew.any()),
            core=plan.core,
        ),
    )


def teacher_quality(windows: WindowSet, faulty: Mapping[str, Faulty], plan: Plan) -> tuple[float, int | None]:
    """Mean AUROC over the faults of the plan's teacher itself, judged as a candidate is; and its bytes, where it can be
    saved."""

    sizes: list[int | None] = []

    def make(stretches: Sequence[Int32]) -> Score:
        features = np.concatenate(stretches)
        scales = scale_features(features, plan.features, plan.least, plan.wander)
        teacher = taught(plan.teacher, standardized(features, scales) / 128, plan.seed)
        sizes.append(saved_bytes(teacher))

        def score(some: Int32) -> NDArray[np.float64]:
            return outlier_scores(teacher, without_baseline(standardized(some, scales), plan.slew) / 128)[None]

        return score

    folds = cross_fit(windows, make, _memory(plan, stateful=False))
    score = make([stretch.features for stretch in windows.normal])
    scores = {fault: _of_faulty(score, folds, each) for fault, each in faulty.items()}
    return _judge(folds.held_out, scores, np.inf).quality[0], sizes[-1]
