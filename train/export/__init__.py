"""Export targets: one module each; adding one is a module and a line in TARGETS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from offbeat.train.errors import InputError
from offbeat.train.modelfile import read_model

from . import arduino, c, microbit, micropython, tflite, usermod, zephyr
from .target import Target, replace_export

__all__ = ["TARGETS", "export"]

TARGETS: dict[str, Target] = {
    "c": Target(
        c.files, "C99: the runtime and the model as arrays, or one pair of files", ("single_file", "prefix", "forest")
    ),
    "arduino": Target(arduino.files, "a library for the IDE and arduino-cli, with two examples"),
    "zephyr": Target(zephyr.files, "a module with CMake and Kconfig, with a sample"),
    "micropython": Target(
        micropython.files, "the package and model.beat for a board; or one module", ("frozen", "minify", "mpy")
    ),
    "microbit": Target(microbit.files, "one module for the BBC micro:bit v1, and a hex file to flash", ("firmware",)),
    "usermod": Target(usermod.files, "a user C module: the C runtime inside a MicroPython firmware"),
    "tflite": Target(tflite.files, "an autoencoder for TensorFlow Lite, through tinymlgen", ("recording",)),
}
"""What a model can be exported to, by the name of the target."""


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _checked(target: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given. Raises InputError for one that the target does not know."""
    given = {name: value for name, value in options.items() if value not in (None, False, (), [])}
    for name in given:
        if name not in TARGETS[target].options:
            owners = [owner for owner, other in TARGETS.items() if name in other.options]
            where = f"belongs to --to {' or '.join(owners)}" if owners else "is unknown"
            raise InputError(f"{_option(name)} {where}, not to --to {target}; leave it out")
    return given


def export(model: str | Path, target: str, directory: str | Path, **options: Any) -> list[Path]:
    """Export a model directory or model file; returns the files written. Raises InputError.

    options: those of the target, by the names in TARGETS; None, False and an empty list mean not given. Files of that
    name in the directory are overwritten, each whole or not at all; code that an earlier export left there and this one
    does not have is removed, so that no old model stays beside the new one; others are left alone.
    """
    if target not in TARGETS:
        raise InputError(f"--to {target} is unknown; choose {' or '.join(TARGETS)}")
    given = _checked(target, options)
    source, out = Path(model), Path(directory)
    if source.is_dir():
        source /= "model.beat"
    read_model(source)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a directory with -o")
    files = TARGETS[target].files(source.read_bytes(), **given)
    try:
        out.mkdir(parents=True, exist_ok=True)
        return replace_export(files, out)
    except OSError as error:
        place = error.filename2 or error.filename or out
        raise InputError(f"{place} cannot be written ({error.strerror}); name another directory with -o") from None
