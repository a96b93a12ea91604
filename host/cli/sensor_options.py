"""Options that say how a sensor is set up, for commands that write settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from offbeat.host.project import Project
from offbeat.host.sensors import SensorChoice, sensor_named
from offbeat.train.errors import InputError

__all__ = ["Bus", "PinOptions", "RangeG", "SensorRate", "sensor_choice"]

SensorRate = Annotated[
    float | None, typer.Option("--sensor-rate", help="Samples a second of the sensor; by default the model's.")
]
RangeG = Annotated[int | None, typer.Option("--range", help="Range of an accelerometer in g: 2, 4, 8 or 16.")]
Bus = Annotated[str | None, typer.Option("--bus", help="i2c, spi or analogue, where the sensor has a choice.")]
PinOptions = Annotated[
    list[str] | None, typer.Option("--pin", help="Other pins than the board's usual ones: sda=16; repeatable.")
]


def sensor_choice(
    project: Project | None, name: str | None, rate: float | None, range_g: int | None, bus: str | None,
    pins: Sequence[str] | None,
) -> SensorChoice | None:  # fmt: skip
    """The sensor that options name, over that of offbeat.toml; None where neither does. Raises InputError."""
    base = project.sensor if project is not None else None
    if name is not None and (base is None or base.name != name):
        base = SensorChoice(sensor_named(name).name)
    given = {
        key: value
        for key, value in (("--sensor-rate", rate), ("--range", range_g), ("--bus", bus), ("--pin", pins))
        if value not in (None, [], ())
    }
    if base is None:
        if given:
            raise InputError(f"{' and '.join(given)}: of which sensor? Name it with --sensor, or in offbeat.toml")
        return None
    options = dict(base.options)
    options |= {} if rate is None else {"rate": int(rate) if rate.is_integer() else rate}
    options |= {} if range_g is None else {"range_g": range_g}
    return SensorChoice(base.name, options, bus or base.bus, {**base.pins, **_pins(pins or ())})


def _pins(words: Sequence[str]) -> dict[str, int | str]:
    found: dict[str, int | str] = {}
    for word in words:
        name, mark, value = word.partition("=")
        if not mark or not name or not value:
            raise InputError(f"--pin {word!r} is not NAME=PIN; write for instance --pin sda=16 --pin scl=17")
        found[name] = int(value) if value.isdigit() else value
    return found
