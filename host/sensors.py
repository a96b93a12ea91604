"""The sensors that a board may be set up with: names and options of the drivers in device/offbeat/sensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from offbeat.train.boards import Board
from offbeat.train.errors import InputError

__all__ = [
    "SENSORS",
    "Sensor",
    "SensorChoice",
    "bus_settings",
    "check_options",
    "is_pin",
    "sensor_for_part",
    "sensor_named",
]

_TYPES = {int: "a whole number", float: "a number", bool: "true or false", str: "text", list: "a list of names"}
_NUMBER = (int, float)
_ACCELEROMETER: dict[str, tuple[type, ...]] = {"rate": _NUMBER, "range_g": (int,), "address": (int,)}


@dataclass(frozen=True)
class Sensor:
    """A kind of sensor. part: what models and drivers call it; buses: i2c, spi, analogue or none, the usual first;
    options: keywords of the driver, with the types of their values; supply, ground, and what follows: terminals on
    a breakout board."""

    name: str
    part: str
    buses: tuple[str, ...]
    options: Mapping[str, tuple[type, ...]]
    terminals: Mapping[str, str] = field(default_factory=dict)


_I2C = {"supply": "VCC, VIN, 3Vo", "ground": "GND", "sda": "SDA", "scl": "SCL"}

SENSORS: dict[str, Sensor] = {
    sensor.name: sensor
    for sensor in (
        Sensor("lis3dh", "LIS3DH", ("i2c",), {**_ACCELEROMETER, "fifo": (bool,)}, _I2C),
        Sensor("mpu6050", "MPU-6050", ("i2c",), _ACCELEROMETER, _I2C),
        Sensor("adxl345", "ADXL345", ("i2c", "spi"), _ACCELEROMETER,
               {**_I2C, "sck": "SCL", "mosi": "SDA", "miso": "SDO", "select": "CS"}),
        Sensor("msa301", "MSA301", ("i2c",), _ACCELEROMETER, _I2C),
        Sensor("bme280", "BME280", ("i2c",), {"rate": _NUMBER, "address": (int,)}, _I2C),
        Sensor("analogue", "", ("analogue",),
               {"rate": _NUMBER, "names": (list,), "unit": (str,), "scale": (str,), "volts": _NUMBER, "frames": (int,)},
               {"supply": "VCC", "ground": "GND", "analogue": "OUT, 0 to 3.3 V"}),
        Sensor("temperature", "", ("none",), {"rate": _NUMBER}),
        Sensor("simulator", "", ("none",), {"rate": _NUMBER, "speed": (int,), "seed": (int,)}),
    )
}  # fmt: skip
"""By the names that open_sensor takes on the board. A stream is what a virtual board has, and is found by itself; a
recorded file does not come from a board."""


@dataclass(frozen=True)
class SensorChoice:
    """A sensor and how it is set up. options: keywords of its driver; bus: one of its buses, "" for the usual one;
    pins: by the names of train.boards.Wiring, in place of the board's usual ones."""

    name: str
    options: Mapping[str, object] = field(default_factory=dict)
    bus: str = ""
    pins: Mapping[str, int | str] = field(default_factory=dict)


def sensor_named(name: str) -> Sensor:
    """The kind of sensor of that name. Raises InputError, which lists those that there are."""
    if name not in SENSORS:
        raise InputError(f"no sensor is called {name}; choose {', '.join(SENSORS)} (docs/sensors.md tells them apart)")
    return SENSORS[name]


def sensor_for_part(part: str) -> Sensor | None:
    """The kind of sensor that a model was trained with, by the name of the part; None where it is none of SENSORS."""
    return next((sensor for sensor in SENSORS.values() if sensor.part and sensor.part == part), None)


def check_options(choice: SensorChoice) -> None:
    """Raise InputError for an option that the driver does not have, or a value of another type."""
    known = sensor_named(choice.name).options
    for name, value in choice.options.items():
        if name not in known:
            raise InputError(f"a sensor {choice.name} has no {name}; it has {', '.join(known)}")
        if not isinstance(value, known[name]) or (isinstance(value, bool) and bool not in known[name]):
            types = " or ".join(_TYPES[kind] for kind in known[name])
            raise InputError(f"{name} of a sensor {choice.name} is {value!r}; it has to be {types}")


def bus_settings(board: Board, choice: SensorChoice) -> dict[str, object]:
    """The bus of a sensor as settings.json says it (device/offbeat/start.py). Raises InputError."""
    sensor = sensor_named(choice.name)
    kind = choice.bus or sensor.buses[0]
    if kind not in sensor.buses:
        raise InputError(f"a sensor {choice.name} is not on {kind}; choose {' or '.join(sensor.buses)}")
    wiring = board.wiring
    if wiring is None:
        raise InputError(f"offbeat knows no wiring of a {board.name}; `offbeat boards` lists the boards that it does")
    names = {"i2c": ("sda", "scl"), "spi": ("sck", "mosi", "miso", "select"), "analogue": ("analogue",)}.get(kind, ())
    for name in choice.pins:
        if name not in names:
            raise InputError(f"a pin {name} has no place on {kind}; choose {', '.join(names) or 'another bus'}")
        if not is_pin(choice.pins[name]):
            raise InputError(f"pin {name} is {choice.pins[name]!r}; it has to be a number, or a name such as B8")
        if not wiring.chosen and name in ("sda", "scl", "sck", "mosi", "miso"):
            raise InputError(f"a {board.name} has {name} at {getattr(wiring, name).label}; take it out of pins")
    pins = {name: choice.pins.get(name, getattr(wiring, name).name) for name in names}
    if kind == "analogue":
        return {"kind": kind, "pins": [pins["analogue"]]}
    number = {"i2c": wiring.i2c, "spi": wiring.spi}.get(kind)
    return {"kind": kind} if number is None else {"kind": kind, "id": number, **pins, "chosen": wiring.chosen}


def is_pin(value: object) -> bool:
    """Whether MicroPython may have a pin of that number or name."""
    if isinstance(value, str):
        return bool(re.fullmatch(r"[A-Z]{0,2}[0-9]{1,3}", value))
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1000
