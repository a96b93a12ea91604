"""What a deployed board is told about itself: board, sensor, pins, and keywords of its main loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offbeat.device.fit import fits_rate
from offbeat.device.modelfile import Model
from offbeat.host.sensors import SensorChoice, bus_settings, check_options, sensor_for_part
from offbeat.train.boards import board_named
from offbeat.train.errors import InputError

from .identity import VIRTUAL, Identity
from .prompt import Prompt

__all__ = ["board_settings", "settings_of"]


def board_settings(
    prompt: Prompt, identity: Identity, board: str, sensor: SensorChoice | None, model: Model | None,
    run: Mapping[str, object],
) -> dict[str, object]:  # fmt: skip
    """settings.json, whose fields are those of device/offbeat/start.py. Raises InputError, BoardError."""
    if board == VIRTUAL:
        return {"board": board, "run": dict(run), **_virtual(prompt, identity, sensor)}
    return settings_of(board, _at_the_rate_of(model, sensor or _sensor_of(model)), run)


def settings_of(board: str, choice: SensorChoice, run: Mapping[str, object]) -> dict[str, object]:
    """settings.json for a board of train.boards with a sensor. Raises InputError."""
    check_options(choice)
    bus = bus_settings(board_named(board), choice)
    common: dict[str, object] = {"board": board, "unique": "", "run": dict(run)}
    return {**common, "sensor": choice.name, "options": _whole(choice.options), "bus": bus}


def _virtual(prompt: Prompt, identity: Identity, sensor: SensorChoice | None) -> dict[str, object]:
    """A virtual board has a pipe for a sensor, whatever is asked for but the simulator; about.json describes it."""
    if not identity.virtual:
        raise InputError(f"{prompt.port}: MicroPython on a computer has no sensor; start `offbeat virtual` for one")
    about: Any = prompt.value('say(json.loads(text("about.json")))')
    unique = str(about.get("unique", "")) if isinstance(about, dict) else ""
    common: dict[str, object] = {"unique": unique or VIRTUAL, "bus": {"kind": "none"}}
    if sensor is not None and sensor.name == "simulator":
        check_options(sensor)
        return {**common, "sensor": sensor.name, "options": _whole(sensor.options)}
    return {**common, "sensor": "stream", "options": {"path": "sensor.pipe", "about": "about.json"}}


def _sensor_of(model: Model | None) -> SensorChoice:
    if model is None:
        raise InputError("without a model the sensor has to be named with --sensor, for instance lis3dh")
    part = model.meta.get("sensor", "")
    found = sensor_for_part(part)
    if found is None:
        trained = f"was trained with a sensor {part!r}" if part else "does not say which sensor it was trained with"
        raise InputError(f"the model {trained}; name the one on the board with --sensor, for instance lis3dh")
    return SensorChoice(found.name)


def _at_the_rate_of(model: Model | None, choice: SensorChoice) -> SensorChoice:
    """The sensor at the model's rate, where nobody set one. Raises InputError where another one was set."""
    check_options(choice)
    rate = choice.options.get("rate")
    if model is None:
        return choice
    if not isinstance(rate, int | float):
        whole, rest = divmod(model.rate_millihertz, 1000)
        model_rate = model.rate_millihertz / 1000 if rest else whole
        return SensorChoice(choice.name, {**choice.options, "rate": model_rate}, choice.bus, choice.pins)
    if not fits_rate(model.rate_millihertz, round(1000 * rate)):
        raise InputError(
            f"the model was trained at {model.rate_millihertz / 1000:g} Hz, the sensor is set to {rate:g} Hz; "
            "set the sensor's rate to the model's, or train again"
        )
    return choice


def _whole(options: Mapping[str, object]) -> dict[str, object]:
    """The options with 400.0 as 400: drivers look rates up, and count in whole numbers."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in options.items()
    }
