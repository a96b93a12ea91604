"""`offbeat export`: a model as C or as MicroPython."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json
from .output import print_json, say

__all__ = ["command"]

EXAMPLE = "offbeat export models/fan --to c -o firmware/detector"
NEEDS_ARGUMENTS = True


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Model directory, or a model file.")],
    to: Annotated[str, typer.Option("--to", help="c or micropython.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="Directory to write.", show_default=False)],
    json: Json = False,
) -> None:
    """Export a model: C99 source with its runtime, or the files that are copied onto a MicroPython board."""
    from offbeat.train.export import export

    files = [str(path) for path in export(model, to, out)]
    if json:
        print_json({"target": to, "directory": str(out), "files": files})
    else:
        say(f"{out}: {len(files)} files for {to}; README.md there says what to do next")
