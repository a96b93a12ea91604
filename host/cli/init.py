"""`offbeat init`: offbeat.toml for a board, a sensor and a machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json
from .output import print_json, say
from .sensor_options import Bus, PinOptions, RangeG, SensorRate, sensor_choice

__all__ = ["command"]

EXAMPLE = "offbeat init --board pico --sensor lis3dh --machine fan --port /dev/ttyACM0"
NEEDS_ARGUMENTS = True


def command(
    board: Annotated[str, typer.Option(help="Board; `offbeat boards` lists them.")],
    sensor: Annotated[str, typer.Option(help="Sensor: lis3dh, mpu6050, adxl345, msa301, bme280, analogue, …")],
    machine: Annotated[str, typer.Option(help="What is watched; names the model, and its directory.")] = "machine",
    port: Annotated[str, typer.Option("--port", "-p", help="Serial port of the board.")] = "",
    false_alarms: Annotated[str, typer.Option(help="Budget: 1/day, 2/week, 0.5/hour.")] = "1/day",
    sensor_rate: SensorRate = None,
    range_g: RangeG = None,
    bus: Bus = None,
    pin: PinOptions = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an offbeat.toml that is there.")] = False,
    json: Json = False,
) -> None:
    """Write offbeat.toml into the current directory: all commands that run there start from what it says.

    It is text with comments, made to be edited; options given to a command win over it.
    """
    from offbeat.host.drawing import is_wired, wiring_drawing
    from offbeat.host.project import FILE, Project, write_project
    from offbeat.train.boards import board_named

    known = board_named(board)
    choice = sensor_choice(None, sensor, sensor_rate, range_g, bus, pin)
    directory = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in machine).strip(".-")
    project = Project(
        Path(FILE), board, port, choice, machine, Path("models") / (directory or "machine"), false_alarms
    )  # fmt: skip
    write_project(project, force)
    if json:
        print_json({"path": FILE, "board": board, "sensor": sensor, "machine": machine, "model": str(project.model)})
        return
    say(f"{FILE} is written.")
    if choice is not None and known.wiring is None:
        say(f"`offbeat deploy` does not go to a {board}; it takes `offbeat export`.", style="yellow")
    elif choice is not None and is_wired(choice):
        say(f"\n{wiring_drawing(known, choice)}\n")
    if known.wiring is not None:
        if port is None:
            say(f"Find the port with `offbeat ports`, and write it into {FILE}.")
        say("Next: offbeat deploy, offbeat record normal.csv --seconds 1800, offbeat train normal.csv, offbeat deploy")
