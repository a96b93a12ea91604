"""The model directory: everything that training leaves behind, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .card import card, summary_of
from .errors import InputError
from .evaluate import score_stretches, summarize
from .export.c import arrays
from .report import report_html
from .training import Training

__all__ = ["Written", "replace_directory", "require_place", "write_model_directory"]


@dataclass(frozen=True)
class Written:
    """What was written: the directory and the summary that ``offbeat train --json`` prints."""

    directory: Path
    summary: dict[str, object]


def _golden(training: Training) -> str:
    """Golden vectors as JSON: windows, features and scores that every runtime must reproduce."""
    pipeline = training.pipeline
    windows = training.windows.samples[:8]
    features = pipeline.extract(windows)
    scores = pipeline.score_apart(features)
    vectors = [
        {"window": w.tolist(), "features": f.tolist(), "score": int(s)}
        for w, f, s in zip(windows, features, scores, strict=True)
    ]
    return json.dumps({"model": pipeline.model.identity, "features": pipeline.names, "vectors": vectors}) + "\n"


def require_place(directory: Path) -> None:
    """Raises InputError where a directory cannot be made or written to: better before training than after."""
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory} is a file; name a directory for the model with -o")
    there = next(place for place in (directory, *directory.absolute().parents) if place.exists())
    if not there.is_dir():
        raise InputError(f"{directory}: {there} is a file; name another directory for the model with -o")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{directory}: {there} cannot be written to; name another directory for the model with -o")


def write_model_directory(
    training: Training, directory: Path, progress: Callable[[str, float], None] = lambda stage, share: None
) -> Written:
    """Write model.beat, model.h, model.c, micropython/model.beat, golden.json, card.md and report.html.

    The files are made in a temporary neighbour; only when all are whole do they take their places, so that a
    crash leaves the old model or the new one. Raises InputError where the directory cannot be one.
    """
    require_place(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    scored = score_stretches(training.pipeline, training.windows.stretches)
    if training.validation is not None:
        scored = training.validation.evaluated(scored)
    evaluation = summarize(scored, training.pipeline)
    summary = summary_of(training, evaluation)
    header, source = arrays(training.pipeline.model)
    progress("report", 0.0)
    files: dict[str, str | bytes] = {
        "model.beat": training.model,
        "model.h": header,
        "model.c": source,
        "golden.json": _golden(training),
        "card.md": card(training, evaluation),
        "report.html": report_html(training, scored, evaluation),
    }
    summary["files"] = [*files, "micropython/"]
    files["summary.json"] = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    progress("report", 0.8)
    replace_directory(directory, files, training.model)
    progress("report", 1.0)
    return Written(directory, summary)


def replace_directory(directory: Path, files: dict[str, str | bytes], model: bytes) -> None:
    """Put files and the MicroPython form of a model into a model directory, whole; its parent is there."""
    from .export.micropython import write_package

    temporary = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}."))
    try:
        for name, content in files.items():
            (temporary / name).write_bytes(content.encode() if isinstance(content, str) else content)
        write_package(model, temporary / "micropython")
        directory.mkdir(exist_ok=True)
        for made in sorted(temporary.iterdir(), key=lambda path: path.name == "model.beat"):
            place = directory / made.name
            if made.is_dir():
                shutil.rmtree(place, ignore_errors=True)
            made.replace(place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
