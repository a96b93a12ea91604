"""Tries one family on one set of features: held-out distances, threshold, and what it finds of injected faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from .crossfit import Altered, Score, cross_fit
from .dataset import WindowSet
from .distill import learn, outlier_scores, taught
from .families import FAMILIES, Family
from .features import Feature
from .modelfile import Decision, Standardize
from .pipeline import standardized, without_baseline

__all__ = ["Candidate", "Faulty", "Plan", "teacher_quality", "try_family"]

_REFERENCE = 1 << 20  # distance at which float and integer scores are put on one scale
_MOST_FITTED = 50_000  # windows, evenly spread: no estimator here learns more from the next


@dataclass(frozen=True)
class Plan:
    """What a candidate is made of.

    name: of the set of features; columns: their places among all that were extracted; least: the least deviation to
    assume of each; slew: of each feature's baseline, Q15 a window, 0 for none; wander: whether means wander slowly;
    teacher: whose score is learned, none: the family is fitted to the windows.
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


@dataclass(frozen=True)
class Faulty:
    """Windows with one fault. features: int32 [S, F], windows for themselves, scored by the final model; altered: or
    windows of blocks of slow sensors, scored by a model that has not seen their block."""

    features: Int32
    altered: tuple[Altered, ...] = ()

    def select(self, columns: Sequence[int]) -> Faulty:
        """The same with some of the features."""
        own = list(columns)
        altered = tuple(replace(each, features=each.features[:, own]) for each in self.altered)
        return Faulty(self.features[:, own], altered)


@dataclass(frozen=True)
class Candidate:
    """One family on one set of features.

    held_out: int32 distances of the normal windows, each scored by a model that had not seen its block, a list of
    blocks in order of time; quality: mean over the injected faults of the AUROC of faulty windows against held-out
    normal ones; f1: of all of them at the threshold; float_quality, float_f1: the same of the float model before
    quantization; detected: share of windows with an injected fault, by fault, that score at or above the threshold;
    float_error: 99 % quantile of the score's change by quantization, in score units, over windows that score below
    twice the threshold; settings: of the fit, empty where it chose itself; cost: of the whole model.
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


def _held_out(
    windows: WindowSet, make: Callable[[Sequence[Int32]], Score], faulty: Mapping[str, Faulty], apart: bool
) -> tuple[list[NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Scores float64 [K, W] of the blocks of normal windows and, by fault, float64 [K, S] of windows with a fault.

    Where a recording shows only a part of what the machine does, as those of slow sensors, a block that a model has not
    seen lies about as far out as a small fault: then both are scored by models that have not seen the block.
    apart: windows with a fault may be scored all at once.
    """
    blocks, scores = cross_fit(windows, make, {fault: each.altered for fault, each in faulty.items() if each.altered})
    rest = {fault: each.features for fault, each in faulty.items() if not each.altered}
    if rest:
        score = make([stretch.features for stretch in windows.normal])
        for fault, features in rest.items():
            runs = [features] if apart else [row[None] for row in features]
            scores[fault] = np.concatenate([score(run) for run in runs], axis=1)
    return blocks, scores


@dataclass(frozen=True)
class _Judged:
    """Of each kind of score: mean AUROC over the faults, F1 at a threshold, and shares found by fault."""

    quality: list[float]
    f1: list[float]
    detected: dict[str, float]


def _judge(healthy: NDArray[np.float64], faulty: Mapping[str, NDArray[np.float64]], threshold: float) -> _Judged:
    """Scores of held-out normal windows, float64 [K, W], against those of windows with a fault."""
    quality, f1 = [], []
    for kind, normal in enumerate(healthy):
        of_faults = [scores[kind] for scores in faulty.values()]
        truths = [np.repeat([0, 1], [len(normal), len(scores)]) for scores in of_faults]
        pairs = zip(truths, of_faults, strict=True)
        quality.append(float(np.mean([roc_auc_score(t, np.concatenate([normal, scores])) for t, scores in pairs])))
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
        same = {**settings, **fitted.structure}

        def make(stretches: Sequence[Int32]) -> Score:
            own, part = _fit(stretches, plan, family, same)
            return _both(part, own, plan)

        blocks, scores = _held_out(windows, make, faulty, not family.stateful)
    held_out = [block[0].astype(np.int32) for block in blocks]
    calibration = calibrate(held_out, windows.normal_hours, plan.budget, plan.decision)
    judged = _judge(np.concatenate(blocks, axis=1), scores, calibration.threshold)
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
        float_error=_float_error(fitted, standardized(sample, scales)),
        settings=dict(settings),
        cost=cost_of(
            plan.features, fitted, windows.window, windows.hop, windows.samples.shape[2], baseline=bool(plan.slew.any())
        ),
    )


def teacher_quality(windows: WindowSet, faulty: Mapping[str, Faulty], plan: Plan) -> float:
    """Mean AUROC over the faults of the plan's teacher itself, judged as a candidate is."""

    def make(stretches: Sequence[Int32]) -> Score:
        features = np.concatenate(stretches)
        scales = scale_features(features, plan.features, plan.least, plan.wander)
        teacher = taught(plan.teacher, standardized(features, scales) / 128, plan.seed)

        def score(some: Int32) -> NDArray[np.float64]:
            return outlier_scores(teacher, without_baseline(standardized(some, scales), plan.slew) / 128)[None]

        return score

    blocks, scores = _held_out(windows, make, faulty, apart=True)
    return _judge(np.concatenate(blocks, axis=1), scores, np.inf).quality[0]
