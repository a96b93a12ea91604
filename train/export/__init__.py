"""Export targets: one module each; adding one is a module and a line in TARGETS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from offbeat.train.errors import InputError
from offbeat.train.modelfile import read_model

from . import c, micropython

__all__ = ["TARGETS", "export"]

TARGETS: dict[str, Callable[[bytes, Path], list[Path]]] = {"c": c.write, "micropython": micropython.write_package}
"""Functions that write a model file's bytes to a directory, by the name of the target."""


def export(model: str | Path, target: str, directory: str | Path) -> list[Path]:
    """Export a model directory or model file; returns the files written. Raises InputError.

    Files of that name in the directory are overwritten, each whole or not at all; others are left alone.
    """
    if target not in TARGETS:
        raise InputError(f"--to {target} is unknown; choose {' or '.join(TARGETS)}")
    source, out = Path(model), Path(directory)
    if source.is_dir():
        source /= "model.beat"
    read_model(source)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a directory with -o")
    try:
        out.mkdir(parents=True, exist_ok=True)
        return TARGETS[target](source.read_bytes(), out)
    except OSError as error:
        raise InputError(
            f"{error.filename2 or out} cannot be written ({error.strerror}); name another directory with -o"
        ) from None
