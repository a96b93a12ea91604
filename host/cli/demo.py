"""`offbeat demo`: the main job without hardware."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json
from .output import print_json, progress, say

__all__ = ["command"]

EXAMPLE = "offbeat demo --directory demo"
NEEDS_ARGUMENTS = False


def command(
    directory: Annotated[Path, typer.Option(help="Where the recordings and the model go.")] = Path("demo"),
    json: Json = False,
) -> None:
    """Simulate a machine, train, export, run on a virtual board, validate, and wait for the alarm.

    Exit code 1 when the board differs from the trainer, or the fault raises no alarm.
    """
    from offbeat.host.demo import demo

    with progress(json) as show:
        result = demo(directory, (lambda text: None) if json else lambda text: say(text), show)
    if json:
        print_json(result.as_dict())
    else:
        verdict = "The demo did all it should" if result.ok else "The demo did not do what it should"
        say(f"{verdict}, in {result.seconds:.0f} s.", style="bold green" if result.ok else "bold red")
    if not result.ok:
        raise typer.Exit(1)
