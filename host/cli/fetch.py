"""`offbeat fetch`: the model that is on a board, as a model directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json, Port
from .output import print_json, progress, say

__all__ = ["command"]

EXAMPLE = (
    "offbeat fetch --port /dev/ttyACM0 -o models/fan; "
    "as slow adaptation has moved it: offbeat fetch --port /dev/ttyACM0 --adapted -o models/fan-now"
)
NEEDS_ARGUMENTS = True


def command(
    port: Port,
    out: Annotated[Path, typer.Option("-o", "--out", help="Model directory to write.", show_default=False)],
    adapted: Annotated[bool, typer.Option("--adapted", help="As slow adaptation has moved it.")] = False,
    json: Json = False,
) -> None:
    """Fetch the model file that is on a board: one that it has learned by itself, or any other.

    The directory is like that of `offbeat train`, but for the report, which takes the recording: evaluate, export and
    validate take it.
    """
    from offbeat.host.fetch import fetch

    with progress(json) as show:
        report = fetch(port, out, show, adapted)
    if json:
        print_json(report.as_dict())
        return
    say(f"{report.directory}: model {report.identity}")
    if report.statement:
        say(report.statement)
    for warning in report.warnings:
        say(warning, style="yellow")
