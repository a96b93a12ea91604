"""Distillation on real recordings: teacher, student and quantized student, judged by the same faults."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from offbeat.train.arrays import ArrayReader, scales_of, to_counts
from offbeat.train.distill import outlier_scores, taught
from offbeat.train.modelfile import Decision
from offbeat.train.pipeline import standardized
from offbeat.train.training import Options, train

from .cases import DataSet

__all__ = ["TEACHERS", "TEACHING_SETS", "judge_teacher"]

TEACHERS = ("isolation_forest", "one_class_svm", "pyod.models.knn.KNN")
TEACHING_SETS = ("fan_uci", "cwru0", "gear4")


def judge_teacher(data_set: DataSet, cases: Sequence[Any], teacher: str) -> dict:
    """AUROC and bytes of a teacher, its student before quantization, and the student, on the first case of windows."""
    case = cases[0]
    flat = case.train.reshape(-1, case.train.shape[-1])
    scales, window = scales_of(flat), case.train.shape[1]
    options = Options(window=window, hop=window, decision=Decision(k=1, n=1), apart=True, distill=teacher)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        training = train([ArrayReader(to_counts(flat, scales), data_set.rate, scales, case.name)], options)
        chosen, pipeline = training.chosen, training.pipeline
        normal = np.concatenate([stretch.features for stretch in training.windows.normal])
        master = taught(teacher, standardized(normal, chosen.scales) / 128, options.seed)
        counts = to_counts(case.test.reshape(-1, case.test.shape[-1]), scales).reshape(case.test.shape)
        vectors = pipeline.vectors(pipeline.extract(counts))
        said = outlier_scores(master, vectors / 128)
    learned, quantized = chosen.family.float_score(vectors / 128), chosen.family.distances(vectors)
    healthy, faulty = np.asarray(case.label) == 0, np.asarray(case.label) == 1
    found = {}
    for name, scores in (("teacher", said), ("student", learned), ("quantized", quantized)):
        scores = np.nan_to_num(np.asarray(scores, dtype=np.float64), posinf=1e30)
        limit = np.quantile(scores[healthy], 0.99, method="higher")
        found[name] = {
            "auroc": float(roc_auc_score(case.label, scores)),
            "tpr_at_1fpr": float((scores[faulty] > limit).mean()),
        }
    return {
        **found, "family": f"{chosen.family.name} on {chosen.plan.name}", "teacher_bytes": len(pickle.dumps(master)),
        "bytes": chosen.size,
    }  # fmt: skip
