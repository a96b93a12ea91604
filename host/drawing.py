"""The wiring of a sensor to a board, in ASCII."""

from __future__ import annotations

from offbeat.train.boards import Board, Pin, Wiring
from offbeat.train.errors import InputError

from .sensors import SensorChoice, bus_settings, sensor_named

__all__ = ["is_wired", "wiring_drawing"]

_GAP = 8
_NAMES = {
    "sda": "SDA", "scl": "SCL", "sck": "SCK", "mosi": "MOSI", "miso": "MISO", "select": "CS", "analogue": "ADC",
}  # fmt: skip


def is_wired(choice: SensorChoice) -> bool:
    """Whether the sensor is something apart from the board."""
    return (choice.bus or sensor_named(choice.name).buses[0]) != "none"


def wiring_drawing(board: Board, choice: SensorChoice) -> str:
    """A drawing of several lines. Raises InputError where the sensor or the board is not wired at all."""
    sensor, wiring = sensor_named(choice.name), board.wiring
    bus = bus_settings(board, choice)
    if wiring is None or not is_wired(choice):
        raise InputError(f"a sensor {choice.name} needs no wire")
    pins = [name for name in _NAMES if name in bus] if bus["kind"] != "analogue" else ["analogue"]
    rows = [(wiring.supply, sensor.terminals["supply"]), (wiring.ground, sensor.terminals["ground"])]
    rows += [(_label(wiring, choice, name), sensor.terminals[name]) for name in pins]
    left = max(len(board.name), *(len(row[0]) for row in rows))
    title = sensor.part or "sensor"
    right = max(len(title), *(len(row[1]) for row in rows))
    edge = f"  +{'-' * (left + 2)}+{' ' * _GAP}+{'-' * (right + 2)}+"
    lines = [edge, f"  | {board.name:^{left}} |{' ' * _GAP}| {title:^{right}} |", edge]
    lines += [f"  | {ours:>{left}} |{'-' * _GAP}| {theirs:<{right}} |" for ours, theirs in rows]
    return "\n".join([*lines, edge])


def _label(wiring: Wiring, choice: SensorChoice, name: str) -> str:
    usual: Pin = getattr(wiring, name)
    pin = choice.pins.get(name, usual.name)
    return f"{usual.label if pin == usual.name else pin}  {_NAMES[name]}"
