"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from offbeat.train.errors import InputError
from offbeat.train.recording import (
    ReadOptions,
    RecordingReader,
    check_compatible,
    columns_of,
    common_scales,
    open_recording,
)

__all__ = ["Channels", "Json", "Label", "Port", "Rate", "Recordings", "ScaleOption", "open_all"]

Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON instead of text.")]
Port = Annotated[str, typer.Option("--port", "-p", help="Serial port of the board; `offbeat ports` lists them.")]
Recordings = Annotated[list[Path], typer.Argument(help="Recordings: CSV or Parquet.", show_default=False)]
Rate = Annotated[float | None, typer.Option("--rate", help="Samples a second, for recordings without a t column.")]
Channels = Annotated[str | None, typer.Option("--channels", help="Columns to use, comma-separated; all by default.")]
Label = Annotated[str, typer.Option("--label-column", help="Column with labels, if there is one.")]
ScaleOption = Annotated[
    str | None,
    typer.Option("--scale", help="Unit per count of decimal columns: x=0.001,y=0.001.", show_default=False),
]


def _scales(text: str | None) -> dict[str, float] | None:
    if text is None:
        return None
    scales = {}
    for part in text.split(","):
        name, mark, value = part.partition("=")
        try:
            scales[name.strip()] = float(value)
        except ValueError:
            mark = ""
        if not mark or not scales[name.strip()] > 0:
            raise InputError(f"--scale {part!r} is not NAME=NUMBER; write for instance --scale x=0.001,y=0.001")
    return scales


def open_all(
    paths: Sequence[Path],
    *,
    rate: float | None,
    channels: str | None,
    label_column: str,
    scale: str | None,
    allow_gaps: bool = False,
    model_scales: dict[str, float] | None = None,
) -> list[RecordingReader]:
    """Open recordings that one model is to see: same channels, same rate, one scale.

    Scales come from --scale, else from the model, else from what fits all files.
    """
    names = tuple(name.strip() for name in channels.split(",")) if channels else None
    # Normal running is often recorded without labels: of several files, one with the column is enough.
    optional = len(paths) > 1 and any(label_column in columns_of(path) for path in paths)
    options = ReadOptions(rate=rate, channels=names, label_column=label_column, label_optional=optional)
    wanted = _scales(scale) or model_scales
    if wanted is None and len(paths) > 1:
        wanted = common_scales(paths, **options)
    options |= ReadOptions(scale=wanted, allow_gaps=allow_gaps)
    readers = [open_recording(path, **options) for path in paths]
    check_compatible(readers)
    for name in _scales(scale) or {}:
        if name not in readers[0].channels:
            raise InputError(f"--scale names {name!r}, which is no channel; there are {', '.join(readers[0].channels)}")
    return readers
