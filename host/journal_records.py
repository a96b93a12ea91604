"""Records of a board's journal, decoded. The format is ``offbeat.device.records``, ``docs/journal.md``."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from offbeat.device import link, records
from offbeat.train.pipeline import merged_reasons

from .errors import BoardError
from .lines import printable

__all__ = ["JournalRecord", "decode", "time_text"]

_REASON = re.compile(r"(.*?):(\d{1,5})(?:,|$)")


@dataclass(frozen=True)
class JournalRecord:
    """A record of a board's journal. sequence: its number in its ring, from 1 on; boot: how often the board had
    started, from 1 on; uptime: seconds since that start; kind: boot, alarm, alarm_end, minute, hour or clock.

    values, by kind: boot: cause (of the reset), model (identity or none), firmware (version); alarm: window, score,
    reasons, a list of feature and contribution; alarm_end: window, score; minute, hour: windows, minimum, mean and
    maximum of their scores, alarms (that started), unjudged (windows without verdict); clock: set_to, seconds since
    1970 that a host said. Text in them is printable.
    """

    sequence: int
    boot: int
    uptime: int
    kind: str
    values: dict[str, object] = field(default_factory=dict)


def time_text(seconds: float | None) -> str | None:
    """Seconds since 1970 as UTC, for instance 2026-11-27T12:00:00Z; None where unknown or beyond the calendar."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(round(seconds), UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return None


def decode(data: bytes, after: int) -> Iterator[JournalRecord]:
    """The records in an answer of a board, whose numbers rise from above ``after``.

    Raises BoardError where something else stands there.
    """
    at = 0
    while at < len(data):
        length = records.whole(data, at, len(data))
        if not length:
            raise BoardError(
                "the board's journal came damaged; copy the board's files from this version of offbeat again"
            )
        _, _, kind, boot, sequence, uptime = struct.unpack_from(records.HEAD, data, at)
        if sequence <= after:
            raise BoardError(f"the board's journal gives record {sequence} after {after}; reset the board, try again")
        payload = data[at + records.HEAD_SIZE : at + length - 4]
        try:
            values = _values(kind, payload)
        except (struct.error, IndexError, link.LineError):
            raise BoardError(
                f"record {sequence} of the board's journal is of another version of offbeat; use that one"
            ) from None
        yield JournalRecord(sequence, boot, uptime, records.KINDS[kind], values)
        after = sequence
        at += length


def _values(kind: int, payload: bytes) -> dict[str, object]:
    if kind in (records.MINUTE, records.HOUR):
        names = ("windows", "minimum", "mean", "maximum", "alarms")
        size = struct.calcsize(records.SUMMARY)
        summary = dict(zip(names, struct.unpack(records.SUMMARY, payload[:size]), strict=True))
        return {**summary, "unjudged": struct.unpack(records.UNJUDGED, payload[size:])[0] if payload[size:] else 0}
    if kind == records.CLOCK:
        return {"set_to": struct.unpack("<I", payload)[0]}
    if kind == records.BOOT:
        model, _, firmware = _text(payload[1:]).partition(" ")
        cause = payload[0]
        return {
            "cause": records.CAUSES[cause] if cause < len(records.CAUSES) else records.CAUSES[0],
            "model": model,
            "firmware": firmware,
        }
    if kind == records.DRIFT:
        return _drift(payload)
    size = struct.calcsize(records.VERDICT)
    window, score = struct.unpack(records.VERDICT, payload[:size])
    values: dict[str, object] = {"window": window, "score": score}
    if kind == records.ALARM:
        values["reasons"] = _reasons(_text(payload[size:]))
    return values


def _drift(payload: bytes) -> dict[str, object]:
    size = struct.calcsize(records.DRIFT_HEAD)
    identity, alarm, first, score = struct.unpack(records.DRIFT_HEAD, payload[:size])
    moved = struct.unpack(f"<{(len(payload) - size) // 2}h", payload[size:])
    return {"model": identity.hex(), "alarm": alarm == 1, "score": score, "first": first, "drift": list(moved)}


def _text(raw: bytes) -> str:
    return printable(raw.decode(errors="backslashreplace"))


def _reasons(text: str) -> list[dict[str, object]]:
    found = [(printable(link.unquote(name)), int(value)) for name, value in _REASON.findall(text)]
    return [{"feature": name, "contribution": value} for name, value in merged_reasons(found)]
