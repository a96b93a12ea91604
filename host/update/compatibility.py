"""Whether a model and a board go together, before a byte of the model is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from offbeat.device import modelfile
from offbeat.device.families import FAMILIES
from offbeat.device.fit import misfit
from offbeat.device.modelfile import Model
from offbeat.host.board import Board
from offbeat.train.errors import InputError

from .board_side import About

__all__ = ["check_compatible", "windows_for"]

_UNITS: Final = {"": 0.0, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_MOST: Final = 0x3FFFFFFF


@dataclass(frozen=True)
class _Sensor:
    """What a board's own check of a model looks at."""

    channels: tuple[str, ...]
    scales: tuple[str, ...]
    sensor: str
    rate_millihertz: int


def check_compatible(board: Board, model: Model, size: int, found: About) -> None:
    """Raises InputError where the board's sensor, its software or its flash do not suit a model of ``size`` bytes."""
    hello = board.hello
    scales = tuple(repr(scale) for scale in hello.scales)
    why = misfit(model, _Sensor(hello.channels, scales, hello.sensor, round(hello.rate * 1000)))
    wanted, has = {
        "channels": (f"{model.channels} channels", f"{len(hello.channels)}"),
        "rate": (f"{model.rate_millihertz / 1000:g} Hz", f"{hello.rate:g} Hz"),
        "range": (f"scales {model.meta.get('scales', '')}", ",".join(scales)),
        "sensor": (f"sensor {model.meta.get('sensor', '')!r}", repr(hello.sensor)),
    }.get(why, ("", ""))
    if why:
        raise InputError(
            f"{board.port}: the model wants {wanted}, the board has {has}; push a model that was trained for this board"
        )
    _check_software(board, model, found)
    if size > found.room:
        raise InputError(
            f"{board.port}: the model has {size} bytes, the board's file system has room for {found.room}; remove "
            "files from it, or train a smaller model, --flash"
        )


def _check_software(board: Board, model: Model, found: About) -> None:
    update = "deploy this version of offbeat to it, or train with the version that it has"
    if found.format != modelfile.VERSION:
        raise InputError(
            f"{board.port}: the board reads model files of format {found.format}, this is format "
            f"{modelfile.VERSION}; {update}"
        )
    if not found.family:
        raise InputError(
            f"{board.port}: the board has not got the code of family {FAMILIES.get(model.family, model.family)}; "
            "deploy it there first, or train another family"
        )
    newest = max(feature[0] for feature in model.features)
    if newest > found.features:
        raise InputError(f"{board.port}: the model has a feature that the board does not know; {update}")


def windows_for(text: str, model: Model, option: str) -> int:
    """Windows of a model that a number, or a time such as 90s, 10min, 2h or 1d, stands for. Raises InputError."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(s|min|h|d|)", text.strip())
    if not found or (not found[2] and "." in found[1]):
        raise InputError(
            f"{option} {text!r} is neither windows nor a time; write for instance 200, 90s, 10min, 2h or 1d"
        )
    number = float(found[1])
    if found[2]:
        number = number * _UNITS[found[2]] * model.rate_millihertz / 1000 / model.hop
    windows = max(int(number), 1)
    if not 1 <= windows <= _MOST or number <= 0:
        raise InputError(f"{option} {text} is not between 1 and {_MOST} windows")
    return windows
