"""`offbeat export`: a model in the form that a firmware, an IDE or another runtime takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json
from .output import print_json, progress, say

__all__ = ["command"]

EXAMPLE = (
    "offbeat export models/fan --to c -o firmware/detector;  "
    "offbeat export models/fan --to c --single-file --prefix fan -o firmware/fan;  "
    "offbeat export models/fan --to micropython --frozen --mpy armv7m -o frozen;  "
    "offbeat export models/desk --to microbit -o microbit;  "
    "offbeat export models/net --to tflite --recording normal.csv -o net"
)
NEEDS_ARGUMENTS = True

_TO = "c, arduino, zephyr, micropython, microbit, usermod or tflite."
_SINGLE = "c: one self-contained model.c and model.h."
_PREFIX = "c --single-file: how its names and files begin, for several models in one program."
_FOREST = "c: table, or inline: a forest's trees as code, faster and larger."
_FROZEN = "micropython: one .py with code and model, for boards without a file system."
_MINIFY = "micropython --frozen: as few bytes as possible."
_MPY = "micropython --frozen: compiled by mpy-cross too, for armv6m, armv7m, xtensawin, … or bytecode."
_FIRMWARE = "microbit: MicroPython's hex file, where it is not Debian's firmware-microbit-micropython."
_RECORDING = "tflite: normal recording to calibrate and compare with; repeatable."


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Model directory, or a model file.")],
    to: Annotated[str, typer.Option("--to", help=_TO, show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="Directory to write.", show_default=False)],
    single_file: Annotated[bool, typer.Option("--single-file", help=_SINGLE)] = False,
    prefix: Annotated[str | None, typer.Option(help=_PREFIX)] = None,
    forest: Annotated[str | None, typer.Option(metavar="FORM", help=_FOREST)] = None,
    frozen: Annotated[bool, typer.Option("--frozen", help=_FROZEN)] = False,
    minify: Annotated[bool, typer.Option("--minify", help=_MINIFY)] = False,
    mpy: Annotated[str | None, typer.Option(metavar="ARCH", help=_MPY)] = None,
    firmware: Annotated[Path | None, typer.Option(help=_FIRMWARE, show_default=False)] = None,
    recording: Annotated[list[Path] | None, typer.Option(help=_RECORDING)] = None,
    json: Json = False,
) -> None:
    """Export a model: C99, an Arduino library, a Zephyr module, MicroPython, the micro:bit, or TensorFlow Lite.

    Options that only one form knows name it. Each file is written whole or not at all, and what an earlier export
    left in the directory is removed; README.md says what to do next.
    """
    from offbeat.train.export import export

    with progress(json) as show:
        show(f"export to {to}", 0.0)
        options: dict[str, object] = {"single_file": single_file, "prefix": prefix, "forest": forest}
        options |= {"frozen": frozen, "minify": minify, "mpy": mpy, "firmware": firmware}
        files = [str(path) for path in export(model, to, out, recording=recording, **options)]
    if json:
        print_json({"target": to, "directory": str(out), "files": files})
    else:
        say(f"{out}: {len(files)} files for {to}; README.md there says what to do next")
