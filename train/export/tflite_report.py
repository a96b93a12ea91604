"""How a converted network's scores agree with those of the integer runtime, in figures and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from offbeat.train.inject import FAULTS, inject
from offbeat.train.pipeline import Pipeline

from .tflite_network import Glue, scores_of

__all__ = ["Trial", "agreement", "markdown", "trial_of"]

_SAYS = {
    "float": "`port(model, optimize=False)`",
    "dynamic": "`port(model, optimize=True)`",
    "int8": "full int8, calibrated",
}


@dataclass(frozen=True)
class Trial:
    """What all are tried on. vectors: int32 [W, F] (Q7); ours: int32 [W], the runtime's scores; faulty: bool [W]."""

    vectors: NDArray[np.int32]
    ours: NDArray[np.int32]
    faulty: NDArray[np.bool_]
    source: str


def trial_of(pipeline: Pipeline, windows: NDArray[np.int16], source: str, most: int = 100) -> Trial:
    """Some normal windows int16 [W, N, C] as they are and with each of FAULTS injected."""
    few = windows[np.linspace(0, len(windows) - 1, min(len(windows), most)).astype(int)]
    faulty = [inject(few, fault, seed) for seed, fault in enumerate(FAULTS)]
    features = pipeline.extract(np.concatenate([windows, *faulty]))
    marks = np.arange(len(features)) >= len(windows)
    return Trial(pipeline.vectors(features), pipeline.score_apart(features), marks, source)


def _auroc(trial: Trial, scores: NDArray[Any]) -> float:
    return float(roc_auc_score(trial.faulty, scores))


def agreement(
    trial: Trial,
    glue: Glue,
    about: Mapping[str, Any],
    outputs: Mapping[str, NDArray[np.float32]],
    ours: Mapping[str, int],
) -> dict[str, Any]:
    """The report. about, outputs: what the worker found; ours: bytes of the integer model."""
    variants = {}
    for name, found in about["variants"].items():
        by_litert = outputs[f"{name}_litert"]
        used = outputs.get(f"{name}_tflm", by_litert)
        scores = scores_of(trial.vectors, used, glue)
        variants[name] = {
            **{key: found.get(key) for key in ("bytes", "arena", "tflm", "refused", "weights", "quantization")},
            "ran_in": "TensorFlow Lite Micro" if found["tflm"] else "LiteRT",
            "litert_differs_by": float(np.abs(used - by_litert).max()),
            "rank_correlation": float(spearmanr(scores, trial.ours).statistic),
            "auroc": _auroc(trial, scores),
            "same_verdict": float(((scores >= 256) == (trial.ours >= 256)).mean()),
        }
    return {
        "versions": about["versions"],
        "windows": len(trial.ours),
        "faulty_windows": int(trial.faulty.sum()),
        "source": trial.source,
        "ours": {**ours, "auroc": _auroc(trial, trial.ours)},
        "variants": variants,
    }


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def markdown(report: Mapping[str, Any]) -> str:
    """The report as a table with the sentences that it calls for."""
    ours = report["ours"]
    rows = [
        _row(
            (
                "",
                "weights",
                "bytes",
                "arena or scratch",
                "AUROC, injected faults",
                "rank correlation with ours",
                "same verdict",
            )
        ),
        _row(["---"] * 7),
        _row(("offbeat, integers", "int8", ours["bytes"], ours["scratch"], f"{ours['auroc']:.4f}", 1, "100 %")),
    ]
    notes = []
    for name, found in report["variants"].items():
        arena = f"{found['arena']}" if found["tflm"] else "not in TFLM"
        rows.append(
            _row((_SAYS[name], ", ".join(found["weights"]), found["bytes"], arena, f"{found['auroc']:.4f}",
                  f"{found['rank_correlation']:.4f}", f"{found['same_verdict']:.1%}"))
        )  # fmt: skip
        if not found["tflm"]:
            notes.append(f"TensorFlow Lite Micro refuses {_SAYS[name]} ({found['refused']}); its figures are LiteRT's.")
    if report["variants"]["dynamic"]["weights"] == ["float32"]:
        notes.append(
            "`optimize=True` left the network as it was: dynamic-range quantization passes over tensors of fewer than "
            "1024 numbers, and this network has none so large."
        )
    notes.append(
        f"{report['windows']} windows, {report['faulty_windows']} of them with an injected fault, from "
        f"{report['source']}. Bytes are those of the flat buffer, or of our parameter section; the interpreter's own "
        "code comes on top of the former. The arena is the smallest that TFLM accepts on this 64-bit host; a core "
        "of 32 bits needs somewhat less."
    )
    return "\n".join(rows) + "\n\n" + "\n\n".join(notes) + "\n"
