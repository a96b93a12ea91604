"""What a model that came from a board says of itself, and its model directory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from offbeat.device.fit import KINDS
from offbeat.device.modelfile import parse
from offbeat.device.threshold import REACH

from .budget import Budget, duration, parse_budget, rate_in_words
from .calibrate import rate_bound
from .export.c import arrays
from .modeldir import replace_directory, require_place
from .pipeline import Pipeline

__all__ = ["Learned", "describe", "doubts", "golden_holds", "write_learned_directory"]

_STILL_RMS = 1024  # 1/1024 octave: two counts
_MOST = 1 << 30


@dataclass(frozen=True)
class Learned:
    """How a board learned its model. Hours: of the two periods; alarms: at the threshold, of the second period;
    counted: whether the threshold is a rank of what it held, or stands above all of it."""

    budget: Budget
    learned_hours: float
    threshold_hours: float
    alarms: int
    counted: bool

    @property
    def statement(self) -> str:
        """What the threshold promises, in plain sentences."""
        data = f"{duration(self.threshold_hours)} of normal running after {duration(self.learned_hours)} of learning"
        count = f"{self.alarms} false alarm{'' if self.alarms == 1 else 's'}"
        if self.counted:
            return f"At most {self.budget.text} at 95 % confidence: {data} gave {count} at this threshold."
        needed = duration(rate_bound(0, 1.0) / self.budget.per_hour)
        shown = rate_bound(0, self.threshold_hours)
        return (
            f"{data} support at best {rate_in_words(shown)} at 95 % confidence, not {self.budget.text}: the threshold "
            f"lies beyond all that they held, where their tail leads to {rate_in_words(shown / REACH)}. "
            f"{self.budget.text} takes "
            f"{needed} without a false alarm, after as much learning."
        )


def describe(pipeline: Pipeline) -> Learned | None:
    """How the model was learned on a board, by its meta section; None where a trainer made it, or it tells nonsense."""
    meta = pipeline.model.meta
    try:
        counts = [int(meta[key]) for key in ("learned_windows", "threshold_windows", "threshold_alarms")]
        budget = parse_budget(meta.get("false_alarms", ""))
    except (KeyError, ValueError):
        return None
    if not (0 < counts[0] < _MOST and 0 < counts[1] < _MOST and 0 <= counts[2] < _MOST):
        return None
    hours = pipeline.hop / pipeline.rate / 3600
    counted = meta.get("threshold_basis") == "ranks"
    return Learned(budget, counts[0] * hours, counts[1] * hours, counts[2], counted)


def golden_holds(pipeline: Pipeline) -> bool:
    """Whether NumPy finds the features and scores of the golden vectors that the board made."""
    shape = (1, pipeline.window, len(pipeline.channels))
    for features, score, window in pipeline.model.golden_windows():
        found = pipeline.extract(np.frombuffer(window, "<i2").reshape(shape))
        if found.astype("<i4").tobytes() != bytes(features) or int(pipeline.score_apart(found)[0]) != score:
            return False
    return True


def doubts(pipeline: Pipeline) -> list[str]:
    """What a person should look at before trusting the model, one sentence each."""
    found = []
    unseen = [int(text) for text in pipeline.model.meta.get("unseen", "").split(",") if text.isdigit()]
    names = [pipeline.channels[channel] for channel in unseen if channel < len(pipeline.channels)]
    found += [
        f"channel {name} never moved: is the sensor connected? It is watched, and an alarm comes when it moves clearly"
        for name in names
    ]
    rms = [
        scale.center
        for scale, (kind, *_) in zip(pipeline.standardize, pipeline.model.features, strict=True)
        if KINDS[kind] == "rms"
    ]
    if rms and max(rms) < _STILL_RMS:
        found.append("no channel moved by more than two counts: was the machine running?")
    return found


def _summary(pipeline: Pipeline, learned: Learned | None) -> dict[str, Any]:
    return {
        "identity": pipeline.model.identity,
        "name": pipeline.model.name,
        "family": pipeline.family.name,
        "channels": list(pipeline.channels),
        "rate": pipeline.rate,
        "window": pipeline.window,
        "hop": pipeline.hop,
        "features": list(pipeline.names),
        "decision": vars(pipeline.decision).copy(),
        "learned": None
        if learned is None
        else {
            "asked": learned.budget.text,
            "learned_hours": learned.learned_hours,
            "threshold_hours": learned.threshold_hours,
            "held_out_alarms": learned.alarms,
            "supported": learned.counted,
            "statement": learned.statement,
        },
        "warnings": doubts(pipeline),
    }


def _card(pipeline: Pipeline, learned: Learned | None) -> str:
    model = pipeline.model
    how = "It was fetched from a board." if learned is None else "It was learned on a board, without a recording."
    lines = [f"# {model.name or 'model'}", "", f"Model `{model.identity}`. {how}", ""]
    rows = [
        ("family", pipeline.family.name),
        ("sensor", model.meta.get("sensor", "") or "not named"),
        ("channels", ", ".join(pipeline.channels)),
        ("rate", f"{pipeline.rate:g} Hz"),
        ("window, hop", f"{pipeline.window}, {pipeline.hop} samples"),
        ("features", ", ".join(pipeline.names)),
    ]
    lines += ["| | |", "|---|---|", *(f"| {key} | {value.replace('|', '/')} |" for key, value in rows), ""]
    if learned is not None:
        lines += ["## Threshold", "", learned.statement, ""]
    lines += ["## Limits", ""]
    lines.append("- It knows only how the machine ran meanwhile: another speed, load or mounting is an anomaly to it.")
    lines += [f"- {text[0].upper()}{text[1:]}." for text in doubts(pipeline)]
    return "\n".join(lines) + "\n"


def _golden(pipeline: Pipeline) -> str:
    shape = (pipeline.window, len(pipeline.channels))
    vectors = [
        {
            "window": np.frombuffer(window, "<i2").reshape(shape).tolist(),
            "features": np.frombuffer(features, "<i4").tolist(),
            "score": score,
        }
        for features, score, window in pipeline.model.golden_windows()
    ]
    return json.dumps({"model": pipeline.model.identity, "features": pipeline.names, "vectors": vectors}) + "\n"


def write_learned_directory(model: bytes, directory: Path) -> dict[str, Any]:
    """Write the model directory of a model file alone: what training writes, but for the report, which takes data.

    Returns the content of summary.json. Raises InputError where the directory cannot be one, ModelError where the
    bytes are no model.
    """
    require_place(directory)
    pipeline = Pipeline(parse(model))
    learned = describe(pipeline)
    header, source = arrays(pipeline.model)
    summary = _summary(pipeline, learned)
    files: dict[str, str | bytes] = {
        "model.beat": model,
        "model.h": header,
        "model.c": source,
        "golden.json": _golden(pipeline),
        "card.md": _card(pipeline, learned),
    }
    summary["files"] = [*files, "summary.json", "micropython/"]
    files["summary.json"] = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    directory.parent.mkdir(parents=True, exist_ok=True)
    replace_directory(directory, files, model)
    return summary
