"""One family of offbeat on the cases of one data set, by the estimator that users have."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.float_features import FloatPipeline
from offbeat.train import OffbeatDetector
from offbeat.train.arrays import to_counts
from offbeat.train.errors import InputError
from offbeat.train.pipeline import cut_windows

from .cases import DataSet
from .measures import delays, false_alarms, figures

__all__ = ["judge_family"]

Floats = NDArray[np.float64]


def _float_auroc(detector: OffbeatDetector, case: Any, integer: Floats) -> float | None:
    """AUROC of the same model in floats from the samples on."""
    training = detector.training_
    pipeline = training.pipeline
    counts = to_counts(case.test.reshape(-1, case.test.shape[-1]), detector.scales_)
    label = np.asarray(case.label)
    if not 0 < label.sum() < len(label):
        return None
    if case.kind == "window":
        windows = counts.reshape(case.test.shape)
    else:
        windows = cut_windows(counts, pipeline.window, pipeline.hop)
        if pipeline.hop != 1:
            return None
    scores = FloatPipeline(pipeline, training.chosen.family).score(windows)
    if len(scores) < len(label):  # rows before the first window has ended: as the estimator judges them
        scores = np.concatenate([integer[: len(label) - len(scores)], scores])
    return float(roc_auc_score(label, np.nan_to_num(scores, posinf=1e30)))


def judge_family(data_set: DataSet, cases: Sequence[Any], family: str) -> dict:
    """Fit and score a family, or auto, case by case; figures over all cases, as JSON holds them."""
    scores, found, exact, integer, alarms, delay = [], [], [], [], [], []
    seconds = 0.0
    for case in cases:
        start = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                detector = OffbeatDetector(family=family, rate=data_set.rate).fit(case.train)
        except InputError as error:
            return {"failed": str(error)}
        seconds += time.process_time() - start
        own = -detector.score_samples(case.test)
        scores.append((own, np.zeros(1)))
        training = detector.training_
        found.append((training.chosen.family.name, training.chosen.plan.name, training.chosen.size))
        in_floats = _float_auroc(detector, case, own)
        if in_floats is not None:
            exact.append(in_floats)
            integer.append(float(roc_auc_score(case.label, own)))
        alarms += false_alarms(case, training, own)
        delay += delays(case, own > 256, data_set.rate)
    names = [f"{name} on {plan}" for name, plan, _ in found]
    return {
        **figures(cases, scores, lambda train: 256.0),
        "chosen": max(set(names), key=names.count),
        "bytes": max(size for _, _, size in found),
        "seconds": seconds,
        "float_auroc": float(np.mean(exact)) if exact else None,
        "integer_auroc": float(np.mean(integer)) if integer else None,
        "alarms": alarms,
        "delays": delay,
    }
