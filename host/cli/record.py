"""`offbeat record`: raw samples from a board into a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json, Port
from .output import print_json, progress, say

__all__ = ["command"]

EXAMPLE = "offbeat record --port /dev/ttyACM0 normal.csv --seconds 600"
NEEDS_ARGUMENTS = True


def command(
    out: Annotated[Path, typer.Argument(help="CSV file to write.", show_default=False)],
    port: Port,
    seconds: Annotated[float | None, typer.Option(help="Length; without it, Ctrl-C ends the recording.")] = None,
    label: Annotated[str | None, typer.Option(help="Label of every sample, for instance bearing_outer.")] = None,
    json: Json = False,
) -> None:
    """Record raw samples from a board: it announces recording mode, and ends it by itself.

    The recording survives unplugging; the file appears when it is complete, or not at all.
    """
    from offbeat.host.record import record

    with progress(json) as show:
        result = record(port, out, seconds=seconds, label=label, progress=show)
    if json:
        print_json(result.as_dict())
        return
    say(f"{result.path}: {result.frames} samples, {result.seconds:.1f} s")
    clipped = [name for name, share in result.clipped.items() if share > 0]
    if clipped:
        say(f"clipped in {', '.join(clipped)}: choose a wider sensor range", style="yellow")
    if result.lost_frames:
        say(f"{result.lost_frames} samples were lost in {result.gaps} gaps; train with --allow-gaps", style="yellow")
