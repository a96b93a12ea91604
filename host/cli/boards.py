"""`offbeat boards`: which boards offbeat knows, and how a sensor is wired to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Json
from .output import print_json, say, table
from .sensor_options import Bus, PinOptions, sensor_choice

if TYPE_CHECKING:
    from offbeat.train.boards import Board

__all__ = ["command"]

EXAMPLE = "offbeat boards;  offbeat boards pico --sensor lis3dh"
NEEDS_ARGUMENTS = False

_SENSOR = "Sensor to draw: lis3dh, mpu6050, adxl345, msa301, bme280 or analogue."


def command(
    name: Annotated[str | None, typer.Argument(metavar="[BOARD]", help="Draw the wiring of this one.")] = None,
    sensor: Annotated[str | None, typer.Option(help=_SENSOR)] = None,
    bus: Bus = None,
    pin: PinOptions = None,
    json: Json = False,
) -> None:
    """List the boards with flash, RAM and clock, and what runs there; draw the wiring of a sensor to one of them.

    `offbeat deploy` goes to those with MicroPython; every board takes the exports in C, for Arduino or for Zephyr.
    The sensor is a lis3dh, or that of offbeat.toml.
    """
    from offbeat.host.drawing import is_wired, wiring_drawing
    from offbeat.host.project import current_project
    from offbeat.host.sensors import SensorChoice
    from offbeat.train.boards import BOARDS, board_named

    choice = sensor_choice(current_project(), sensor, None, None, bus, pin) or SensorChoice("lis3dh")
    shown = list(BOARDS.values()) if name is None else [board_named(name)]
    drawing = None
    if name is not None and shown[0].wiring is not None and is_wired(choice):
        drawing = wiring_drawing(shown[0], choice)
    if json:
        print_json([
            {"name": b.name, "core": b.core, "flash": b.flash, "ram": b.ram, "clock": b.clock,
             "float_unit": b.float_unit, "deploy": b.wiring is not None, "source": b.source,
             **({} if drawing is None else {"wiring": drawing})}
            for b in shown
        ])  # fmt: skip
        return
    _print(shown)
    if drawing is not None:
        say(f"\n{drawing}\n")
        if "SDA " in drawing and "MOSI" not in drawing:
            say("Bare chips of I2C need 4.7 kOhm from SDA and SCL to 3.3 V; breakout boards bring them along.")
    elif name is None:
        say("\nThe wiring of one of them: offbeat boards NAME --sensor lis3dh")
    else:
        say(f"\n{_exports(shown[0])}" if shown[0].wiring is None else f"\nA sensor {choice.name} needs no wire.")


def _exports(board: Board) -> str:
    """How a model gets onto a board that `offbeat deploy` does not go to."""
    own = "microbit (MicroPython), " if board.name.startswith("microbit") else ""
    return f"A {board.name} takes exports: offbeat export --to {own}c, arduino or zephyr."


def _print(boards: Sequence[Board]) -> None:
    from offbeat.train.limits import size_in_words

    rows = [
        (b.name, b.core, size_in_words(b.flash), size_in_words(b.ram), f"{b.clock / 1e6:g} MHz",
         "MicroPython, C" if b.wiring is not None else "C", b.source)
        for b in boards
    ]  # fmt: skip
    table("", ("board", "core", "flash", "RAM", "clock", "offbeat in", "source"), rows)
