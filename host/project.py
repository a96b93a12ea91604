"""offbeat.toml: the board, the sensor and the machine of a project, which commands in its directory start from."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from offbeat.train.boards import BOARDS
from offbeat.train.budget import parse_budget
from offbeat.train.errors import InputError
from offbeat.train.modelfile import write_atomically

from .sensors import SensorChoice, bus_settings, check_options, is_pin, sensor_named

__all__ = ["FILE", "RUN_KEYWORDS", "Project", "current_project", "project_text", "read_project", "write_project"]

FILE: Final = "offbeat.toml"
_LARGEST: Final = 1 << 20


@dataclass(frozen=True)
class Project:
    """What a file says. board: of train.boards, "" for none; port; sensor; machine: name of the machine; model: its
    model directory; false_alarms: budget; run: keywords of the board's main loop, app.run."""

    path: Path
    board: str = ""
    port: str = ""
    sensor: SensorChoice | None = None
    machine: str = ""
    model: Path | None = None
    false_alarms: str = ""
    run: Mapping[str, object] = field(default_factory=dict)


def current_project() -> Project | None:
    """The project of the current directory, None without one. Raises InputError for a file that cannot be used."""
    path = Path(FILE)
    return read_project(path) if path.exists() else None


def read_project(path: Path) -> Project:
    """Read and check a file. Raises InputError, which names the table and the key."""
    try:
        data = path.read_bytes()
        if len(data) > _LARGEST:
            raise InputError(f"{path}: this is no settings file, it has {len(data)} bytes; name another one")
        tables = tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); write one with `offbeat init`") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: this is not text in UTF-8; write a new one with `offbeat init --force`") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: this is not TOML: {error}") from None
    try:
        return _project(path, tables)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _project(path: Path, tables: Mapping[str, Any]) -> Project:
    for name, table in tables.items():
        if name not in ("board", "sensor", "machine", "run"):
            raise InputError(f"there is a table [{name}]; offbeat knows [board], [sensor], [machine] and [run]")
        if not isinstance(table, dict):
            raise InputError(f"{name} is {table!r}; it has to be a table, [{name}]")
    board, machine = (_texts(tables, name, keys) for name, keys in _TEXTS.items())
    if board["name"] and board["name"] not in BOARDS:
        raise InputError(f"[board] name is {board['name']!r}, which offbeat does not know; choose {', '.join(BOARDS)}")
    if machine["false_alarms"]:
        parse_budget(machine["false_alarms"])
    sensor = _sensor(tables["sensor"]) if "sensor" in tables else None
    if sensor is not None and board["name"] and BOARDS[board["name"]].wiring is not None:
        bus_settings(BOARDS[board["name"]], sensor)
    return Project(
        path, board["name"], board["port"], sensor, machine["name"],
        path.parent / machine["model"] if machine["model"] else None, machine["false_alarms"],
        _run(tables.get("run", {})),
    )  # fmt: skip


_TEXTS: Final = {"board": ("name", "port"), "machine": ("name", "model", "false_alarms")}


def _texts(tables: Mapping[str, Any], name: str, keys: tuple[str, ...]) -> dict[str, str]:
    table = tables.get(name, {})
    for key, value in table.items():
        if key not in keys:
            raise InputError(f"[{name}] has no key {key}; it has {', '.join(keys)}")
        if not isinstance(value, str) or not value.isprintable() or not value:
            raise InputError(f"[{name}] {key} is {value!r}; it has to be text on one line")
    return {key: table.get(key, "") for key in keys}


def _sensor(table: Mapping[str, Any]) -> SensorChoice:
    name, bus, pins = table.get("name"), table.get("bus", ""), table.get("pins", {})
    if not isinstance(name, str):
        raise InputError('[sensor] has no name; write for instance name = "lis3dh"')
    if not isinstance(bus, str) or (bus and bus not in sensor_named(name).buses):
        raise InputError(f"[sensor] bus is {bus!r}; a {name} takes {' or '.join(sensor_named(name).buses)}")
    if not isinstance(pins, dict):
        raise InputError(f"[sensor] pins is {pins!r}; write for instance pins = {{sda = 4, scl = 5}}")
    options = {key: value for key, value in table.items() if key not in ("name", "bus", "pins")}
    choice = SensorChoice(name, options, bus, pins)
    check_options(choice)
    return choice


def _directory(key: str) -> Callable[[object], object]:
    def check(value: object) -> object:
        if value is False:
            return None
        if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", value):
            raise InputError(f"[run] {key} is {value!r}; it has to be the name of a directory on the board, or false")
        return value

    return check


def _whole(key: str, low: int, high: int) -> Callable[[object], object]:
    def check(value: object) -> object:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise InputError(f"[run] {key} is {value!r}; it has to be a whole number from {low} to {high}")
        return value

    return check


def _pin(value: object) -> object:
    if not is_pin(value):
        raise InputError(
            f'[run] a pin (alarm_pin, button) is {value!r}; it has to be the number of a pin, or a name such as "B8"'
        )
    return value


def _thermometer(value: object) -> object:
    if value is not False:
        raise InputError(
            f"[run] thermometer is {value!r}; it can be false, for none; without it the board's own is read"
        )
    return value


def _switch(key: str) -> Callable[[object], object]:
    def check(value: object) -> object:
        if not isinstance(value, bool):
            raise InputError(f"[run] {key} is {value!r}; it has to be true or false")
        return value

    return check


RUN_KEYWORDS: Final[Mapping[str, Callable[[object], object]]] = {
    "journal": _directory("journal"),
    "models": _directory("models"),
    "scores": _whole("scores", 0, 1000000),
    "heartbeat": _whole("heartbeat", 1, 86400),
    "evidence": _whole("evidence", 0, 16),
    "alarm_pin": _pin,
    "button": _pin,
    "alarm_level": _whole("alarm_level", 0, 1),
    "watchdog": _whole("watchdog", 1000, 600000),
    "patience": _whole("patience", 1, 86400),
    "thermometer": _thermometer,
    "learn": _switch("learn"),
}
"""Keys of [run], each a keyword of app.run on the board, with what checks its value and brings it into JSON's form.
A new keyword of app.run takes a line here."""


def _run(table: Mapping[str, Any]) -> dict[str, object]:
    found = {}
    for key, value in table.items():
        if key not in RUN_KEYWORDS:
            raise InputError(f"[run] has no key {key}; it has {', '.join(RUN_KEYWORDS)}")
        found[key] = RUN_KEYWORDS[key](value)
    return found


def project_text(project: Project) -> str:
    """A file for a project, with comments that say what else can stand there."""
    sensor = project.sensor
    lines = [
        "# Settings for offbeat. Commands that run in this directory start from them; options of a command win.",
        "",
        "[board]",
        f"name = {_quoted(project.board)}",
        _line("port", project.port, "/dev/ttyACM0", "`offbeat ports` lists them"),
    ]
    if sensor is not None:
        known = [key for key in sensor_named(sensor.name).options if key not in sensor.options]
        lines += ["", "[sensor]", f"name = {_quoted(sensor.name)}"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in sensor.options.items()]
        lines += [f"bus = {_quoted(sensor.bus)}"] if sensor.bus else []
        if sensor.pins:
            pins = ", ".join(f"{name} = {json.dumps(pin)}" for name, pin in sensor.pins.items())
            lines.append(f"pins = {{{pins}}}")
        lines.append(f"# also: {', '.join([*known, 'pins'])}; docs/sensors.md has the values")
    lines += [
        "",
        "[machine]",
        _line("name", project.machine, "fan", ""),
        f"model = {_quoted(str(project.model or 'model'))}  # where `offbeat train` writes, and others read",
        _line("false_alarms", project.false_alarms, "1/day", "budget"),
        "",
        "[run]",
        "# journal = false  # keeps nothing on the board's flash",
        "# alarm_pin = 15  # follows the alarm",
        "# watchdog = 8000  # ms; docs/board.md has these and the others",
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _line(key: str, value: str, example: str, comment: str) -> str:
    tail = f"  # {comment}" if comment else ""
    return f"{key} = {_quoted(value)}{tail}" if value else f"# {key} = {_quoted(example)}{tail}"


def _quoted(text: str) -> str:
    """A basic string of TOML: JSON's escapes are TOML's, but for DEL, which TOML wants escaped."""
    return json.dumps(text).replace("\x7f", "\\u007f")


def write_project(project: Project, force: bool = False) -> None:
    """Write project.path, whole or not at all. Raises InputError where it is there already, or would not be read."""
    if project.path.exists() and not force:
        raise InputError(f"{project.path} is there already; edit it, or write it anew with --force")
    text = project_text(project)
    _project(project.path, tomllib.loads(text))
    write_atomically(project.path, text.encode())
