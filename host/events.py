"""What a board says while it is watched, as records: scores, alarms with reasons, its health."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from offbeat.device.quality import REASONS
from offbeat.train.pipeline import merged_reasons

from .errors import BoardError
from .lines import Line

__all__ = [
    "NO_VERDICT",
    "Alarm",
    "Connected",
    "Counts",
    "Disconnected",
    "Drift",
    "Event",
    "Health",
    "Learning",
    "Log",
    "Mode",
    "NoVerdict",
    "Score",
    "Silence",
    "Update",
    "event_of",
]


@dataclass(frozen=True)
class Event:
    """Something that happened. kind: its name in logs; the text of a board in it is printable."""

    kind: ClassVar[str] = ""

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {"event": self.kind, **dataclasses.asdict(self)}

    def text(self) -> str:
        """One line for a person."""
        return self.kind + "".join(f" {key}={value}" for key, value in dataclasses.asdict(self).items())


@dataclass(frozen=True)
class Score(Event):
    """A window. window: its number; score: 256 is the threshold; alarm: the board is in alarm; microseconds: from
    counts to verdict."""

    kind: ClassVar[str] = "score"
    window: int
    score: int
    alarm: bool
    microseconds: int


def _named(reasons: tuple[tuple[str, int], ...]) -> list[dict[str, object]]:
    return [{"feature": name, "contribution": contribution} for name, contribution in reasons]


@dataclass(frozen=True)
class NoVerdict(Event):
    """A window that the board does not judge. window: its number; reason: lost, bus, jitter, clipped, stuck or silent,
    or another word of the board; channel: number of the one that is clipped or stuck, None where it is none; alarm: the
    board is in alarm, from before."""

    kind: ClassVar[str] = "no_verdict"
    window: int
    reason: str
    channel: int | None
    alarm: bool

    def text(self) -> str:
        """One line for a person."""
        what = NO_VERDICT.get(self.reason, self.reason)
        where = "" if self.channel is None else f", channel {self.channel}"
        return f"no verdict on window {self.window}: {what}{where}"


NO_VERDICT: Final = {
    "lost": "samples were lost", "bus": "the sensor's bus failed", "jitter": "a sample came late",
    "clipped": "the signal is clipped", "stuck": "the sensor is stuck", "silent": "no sample comes",
}  # fmt: skip
"""Reasons of a board, in words."""


@dataclass(frozen=True)
class Alarm(Event):
    """An alarm starts (on) or ends. window, score: of the window that did it; reasons: up to three features and what
    each adds to the score, largest first; empty at an end, and where the board's own line was not heard."""

    kind: ClassVar[str] = "alarm"
    on: bool
    window: int
    score: int
    reasons: tuple[tuple[str, int], ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {**super().as_dict(), "reasons": _named(self.reasons)}

    def text(self) -> str:
        """One line for a person."""
        because = ", ".join(f"{name} {contribution}" for name, contribution in self.reasons)
        what = "ALARM" if self.on else "alarm ended"
        return f"{what} at window {self.window}, score {self.score}" + (f": {because}" if because else "")


@dataclass(frozen=True)
class Drift(Event):
    """Normal running has moved, and the board's model with it. on: too far from what was commissioned; window: number
    of the next one; score: of the drift, by the commissioned model; reasons: as of an alarm."""

    kind: ClassVar[str] = "drift"
    on: bool
    window: int
    score: int
    reasons: tuple[tuple[str, int], ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {**super().as_dict(), "reasons": _named(self.reasons)}

    def text(self) -> str:
        """One line for a person."""
        because = ", ".join(f"{name} {contribution}" for name, contribution in self.reasons)
        what = "DRIFT ALARM: normal running has moved too far" if self.on else "adapted to slow drift"
        return f"{what}, score of the drift {self.score}" + (f": {because}" if because else "")


@dataclass(frozen=True)
class Learning(Event):
    """A board learns. stage: learn, compute, threshold, done, failed or stopped; windows, of: of the present period."""

    kind: ClassVar[str] = "learning"
    stage: str
    windows: int
    of: int

    def text(self) -> str:
        """One line for a person."""
        return f"learning: {self.stage}, {self.windows} of {self.of} windows"


@dataclass(frozen=True)
class Health(Event):
    """How a board is doing. up: seconds; heap, allocated: bytes free and taken; windows: scored; lost: samples that
    were; bad: damaged lines that it heard; boot: how often it has started; journal_failed, journal_dropped: writes
    that its file system refused, and records given up for that; all three 0 on a board without a journal. unjudged:
    windows without verdict; overruns: times that samples were lost; jitter: most microseconds that a sample was late
    since the last time; temperature: of the board, 1/100 degC, None where it has no thermometer."""

    kind: ClassVar[str] = "health"
    up: int
    heap: int
    allocated: int
    windows: int
    lost: int
    bad: int
    boot: int = 0
    journal_failed: int = 0
    journal_dropped: int = 0
    unjudged: int = 0
    overruns: int = 0
    jitter: int = 0
    temperature: int | None = None

    def text(self) -> str:
        """One line for a person, without what it does not have."""
        known = {key: value for key, value in dataclasses.asdict(self).items() if value is not None}
        return self.kind + "".join(f" {key}={value}" for key, value in known.items())


@dataclass(frozen=True)
class Counts(Event):
    """What stood in the way of verdicts since the board's start. errors, restarts: of its sensor; unjudged: windows, by
    reason."""

    kind: ClassVar[str] = "counts"
    errors: int
    restarts: int
    unjudged: dict[str, int]

    def text(self) -> str:
        """One line for a person."""
        each = ", ".join(f"{count} {reason}" for reason, count in self.unjudged.items() if count)
        without = f"; windows without verdict: {each}" if each else ""
        return f"so far {self.errors} errors and {self.restarts} restarts of the sensor{without}"


@dataclass(frozen=True)
class Mode(Event):
    """What the board does: score, record, learn or idle, and why, in its own word."""

    kind: ClassVar[str] = "mode"
    mode: str
    why: str


@dataclass(frozen=True)
class Update(Event):
    """A model on its way into service has come to another state. model: that decides; why: of a refusal or a revert."""

    kind: ClassVar[str] = "update"
    state: str
    model: str
    why: str

    def text(self) -> str:
        """One line for a person."""
        return f"model update: {self.state}, model {self.model} decides" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True)
class Log(Event):
    """A plain line of the board, or a record that is not understood."""

    kind: ClassVar[str] = "log"
    message: str

    def text(self) -> str:
        """One line for a person."""
        return self.message


@dataclass(frozen=True)
class Connected(Event):
    """A board answers: at the beginning, after unplugging (again), and after a restart. model: identity, or none."""

    kind: ClassVar[str] = "connected"
    port: str
    board: str
    unique: str
    model: str
    sensor: str
    mode: str
    again: bool

    def text(self) -> str:
        """One line for a person."""
        doing = {"score": f"scores with model {self.model}", "record": "is recording", "learn": "is learning"}
        what = doing.get(
            self.mode, "has no model" if self.model == "none" else "does not score: its model does not fit"
        )
        return f"{self.port}: {self.board} {self.unique}{' is back and' if self.again else ''} {what}"


@dataclass(frozen=True)
class Disconnected(Event):
    """The port vanished; the monitor waits for its return."""

    kind: ClassVar[str] = "disconnected"
    port: str

    def text(self) -> str:
        """One line for a person."""
        return f"{self.port}: unplugged, waiting for the port to come back"


@dataclass(frozen=True)
class Silence(Event):
    """Nothing was heard for so many seconds, though a board says something every ten."""

    kind: ClassVar[str] = "silence"
    seconds: int

    def text(self) -> str:
        """One line for a person."""
        return f"nothing heard for {self.seconds} s: is the board stuck? Reset it"


def event_of(line: Line) -> Event | None:
    """The event that a board's line stands for; None for answers to commands and for raw data.

    Whatever is not understood is a Log.
    """
    try:
        return _known(line)
    except BoardError:
        return Log(line.text)


def _known(line: Line) -> Event | None:
    fields = line.fields
    match line.kind:
        case "SCORE":
            return Score(line.integer("n"), line.integer("s"), fields.get("a") == "1", line.integer("us"))
        case "NOVERDICT":
            channel = line.integer("channel") if "channel" in fields else None
            return NoVerdict(line.integer("n"), fields.get("why", ""), channel, fields.get("a") == "1")
        case "COUNTS":
            unjudged = {reason: line.integer(reason) for reason in REASONS if reason in fields}
            return Counts(line.integer("errors"), line.integer("restarts"), unjudged)
        case "ALARM":
            on = fields.get("on") == "1"
            return Alarm(on, line.integer("n"), line.integer("s"), _reasons(fields) if on else ())
        case "HEALTH":
            return _health(line)
        case "DRIFT":
            return Drift(fields.get("on") == "1", line.integer("n"), line.integer("s"), _reasons(fields))
        case "LEARN":
            return Learning(fields.get("stage", ""), line.integer("n"), line.integer("of"))
        case "MODE":
            return Mode(fields.get("mode", ""), fields.get("why", ""))
        case "UPDATE":
            return Update(fields.get("state", ""), fields.get("model", ""), fields.get("why", ""))
        case "ACK" | "NAK" | "RESULT" | "FEATURES" | "RAW" | "SHADOW":
            return None
    return Log(line.text)


def _health(line: Line) -> Health:
    always = map(line.integer, ("up", "heap", "alloc", "windows", "lost", "bad"))
    others = ("boot", "journal_failed", "journal_dropped", "unjudged", "overruns", "jitter", "temperature")
    known: dict[str, Any] = {key: line.integer(key) for key in others if key in line.fields}
    return Health(*always, **known)


def _reasons(fields: dict[str, str]) -> tuple[tuple[str, int], ...]:
    """Features with their contributions; one whose name had no room in the line goes by its number, and those of a
    channel that never moved in training go by its name, added up."""
    names = fields.get("names", "").split(",") if fields.get("names") else []
    reasons = []
    for place, part in enumerate(fields.get("why", "").split(",")):
        index, _, contribution = part.partition(":")
        try:
            value = int(contribution)
        except ValueError:
            continue
        reasons.append((names[place] if place < len(names) else f"feature {index}", value))
    return tuple(merged_reasons(reasons))
