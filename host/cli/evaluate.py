"""`offbeat evaluate`: a model against labelled recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Channels, Json, Label, Rate, Recordings, ScaleOption, open_all
from .output import print_json, progress, say, table

__all__ = ["command"]

EXAMPLE = "offbeat evaluate models/fan faulty.csv"
NEEDS_ARGUMENTS = True


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Model directory, or a model file.")],
    recordings: Recordings,
    rate: Rate = None,
    channels: Channels = None,
    label_column: Label = "label",
    scale: ScaleOption = None,
    allow_gaps: Annotated[bool, typer.Option(help="Use recordings with gaps; no window spans one.")] = False,
    json: Json = False,
) -> None:
    """Score recordings with a model: precision, recall, F1, false alarms an hour, detection delay, AUROC."""
    from offbeat.train.evaluate import evaluate
    from offbeat.train.modelfile import read_model
    from offbeat.train.pipeline import Pipeline

    pipeline = Pipeline(read_model(model))
    scales = [float(value) for value in pipeline.model.meta.get("scales", "").split(",") if value]
    readers = open_all(
        recordings, rate=rate, channels=channels or ",".join(pipeline.channels), label_column=label_column, scale=scale,
        allow_gaps=allow_gaps, model_scales=dict(zip(pipeline.channels, scales, strict=False)),
    )  # fmt: skip
    with progress(json) as show:
        result = evaluate(pipeline, readers, lambda share: show("scoring", share))
    if json:
        print_json(result.as_dict())
        return
    rows = [
        ("windows", result.windows), ("faulty windows", result.faulty_windows), ("hours", f"{result.hours:.3g}"),
        ("AUROC", _number(result.auroc)), ("precision", _number(result.precision)), ("recall", _number(result.recall)),
        ("F1", _number(result.f1)), ("alarms", result.alarms), ("false alarms", result.false_alarms),
        ("false alarms an hour", _number(result.false_alarms_per_hour)),
        ("median detection delay", "-" if result.median_delay is None else f"{result.median_delay:.2f} s"),
    ]  # fmt: skip
    if result.unjudged:
        each = ", ".join(f"{count} {reason}" for reason, count in result.unjudged.items())
        rows.append(("without verdict", f"{sum(result.unjudged.values())} more: {each}"))
    table("", ("measure", "value"), rows)
    for item in result.detections:
        missed = f"no verdict, {item.no_verdict}" if item.no_verdict else "not detected"
        delay = missed if item.delay is None else f"alarm after {item.delay:.2f} s"
        say(f"{item.path}: {item.fault} from {item.start:.2f} s: {delay}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
