"""Who a board says it is: its CHANNEL lines and the HELLO after them, as one record."""

from __future__ import annotations

import math
from dataclasses import dataclass

from offbeat.device.quality import LIMITS

from .errors import BoardError
from .lines import Line

__all__ = ["PROTOCOL", "Announcement", "Hello"]

PROTOCOL = 1
_MOST_CHANNELS = 32
_RATES = 0.001, 0xFFFFFFFF / 1000
"""Hz, the lowest and highest that a model file can say."""


@dataclass(frozen=True)
class Hello:
    """What a board says of itself.

    version: of the protocol; firmware: version of offbeat on the board; board: kind of board; unique: its unique
    id; model: identity, or "none"; sensor: name; rate: in Hz; channels: names; units: one a channel; scales: unit
    per count, one a channel, 1.0 where the sensor's driver does not know; limits: lowest and highest count of each
    channel, those of int16 where the board does not say; window, hop: samples, 0 without a model;
    line: bytes of the longest line that it takes; viper: kernels are machine code; mode: score, record or idle.
    """

    version: int
    firmware: str
    board: str
    unique: str
    model: str
    sensor: str
    rate: float
    channels: tuple[str, ...]
    units: tuple[str, ...]
    scales: tuple[float, ...]
    limits: tuple[tuple[int, int], ...]
    window: int
    hop: int
    line: int
    viper: bool
    mode: str


class Announcement:
    """Puts a HELLO together from the lines as they come."""

    def __init__(self) -> None:
        self._channels: dict[int, Line] = {}

    def take(self, line: Line) -> Hello | None:
        """Look at a CHANNEL or HELLO line; returns what is said once it is whole, None while channels are missing.

        Raises BoardError where a field is no number, or the protocol is another one.
        """
        if line.kind == "CHANNEL":
            self._channels[line.integer("i") % _MOST_CHANNELS] = line
            return None
        version = line.integer("v")
        if version != PROTOCOL:
            raise BoardError(
                f"the board speaks protocol {version}, this offbeat speaks {PROTOCOL}; "
                "bring the older of the two to the version of the other"
            )
        count = line.integer("channels")
        channels = [self._channels.get(i) for i in range(min(count, _MOST_CHANNELS + 1))]
        self._channels = {}
        if not 1 <= count <= _MOST_CHANNELS:
            raise BoardError(f"the board says it has {count} channels; offbeat knows 1 to {_MOST_CHANNELS}")
        described = [channel for channel in channels if channel is not None]
        return _hello(line, described) if len(described) == count else None


def _hello(line: Line, channels: list[Line]) -> Hello:
    fields = line.fields
    return Hello(
        version=line.integer("v"),
        firmware=fields.get("fw", ""),
        board=fields.get("board", ""),
        unique=fields.get("id", ""),
        model=fields.get("model", "none"),
        sensor=fields.get("sensor", ""),
        rate=_rate(line),
        channels=tuple(channel.fields.get("name") or f"channel{i}" for i, channel in enumerate(channels)),
        units=tuple(channel.fields.get("unit", "") for channel in channels),
        scales=tuple(_positive(channel, "scale", 1.0) for channel in channels),
        limits=tuple(_limits(channel) for channel in channels),
        window=line.integer("window") if "window" in fields else 0,
        hop=line.integer("hop") if "hop" in fields else 0,
        line=line.integer("line"),
        viper=fields.get("viper") == "1",
        mode=fields.get("mode", ""),
    )


def _limits(channel: Line) -> tuple[int, int]:
    if "low" not in channel.fields and "high" not in channel.fields:
        return LIMITS
    low, high = channel.integer("low"), channel.integer("high")
    if not LIMITS[0] <= low < high <= LIMITS[1]:
        raise BoardError(f"the board's line {channel.text!r} has no range of counts; mend its sensor's driver")
    return low, high


def _rate(line: Line) -> float:
    rate = _positive(line, "rate")
    if not _RATES[0] <= rate <= _RATES[1]:
        raise BoardError(
            f"the board's line {line.text!r} has a sampling rate that is not between {_RATES[0]} and {_RATES[1]:.0f} "
            "Hz; mend its sensor's driver"
        )
    return rate


def _positive(line: Line, key: str, otherwise: float | None = None) -> float:
    text = line.fields.get(key, "")
    if not text and otherwise is not None:
        return otherwise
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise BoardError(f"the board's line {line.text!r} has no positive number {key}=; mend its sensor's driver")
    return value
