"""Fetches the raw frames that a board has kept around its alarms: each alarm a recording that other commands read."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from offbeat.train.errors import InputError
from offbeat.train.recording_csv import write_csv_rows

from .board import Board, Line
from .errors import BoardError, Refused
from .journal_records import time_text
from .record import check_label, recording_about, unwritable

__all__ = ["EvidenceReport", "KeptAlarm", "fetch_evidence"]

_MOST_FRAMES: Final = 1 << 20
_SAME: Final = 3.0  # s: by so much the time of one alarm may differ from one fetch to the next
_TIME: Final = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class KeptAlarm:
    """An alarm of which a board keeps frames. number: since its start, from 1 on; window, score: of the window that
    raised it; uptime: seconds after the start; time: seconds since 1970; frames: that are kept; after: of them, how
    many came after that window; path: of the recording, None without one; new: it was written now."""

    number: int
    window: int
    uptime: int
    time: float
    score: int
    frames: int
    after: int
    path: Path | None = None
    new: bool = False

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "alarm": self.number, "window": self.window, "uptime": self.uptime, "time": time_text(self.time),
            "score": self.score, "frames": self.frames, "after": self.after,
            "path": None if self.path is None else str(self.path), "new": self.new,
        }  # fmt: skip


@dataclass
class EvidenceReport:
    """What a board keeps. raised: alarms since its start; alarms: those whose frames it keeps, in order of time."""

    port: str
    board: str
    raised: int = 0
    alarms: list[KeptAlarm] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "port": self.port, "board": self.board, "raised": self.raised,
            "alarms": [alarm.as_dict() for alarm in self.alarms],
        }  # fmt: skip


def fetch_evidence(
    port: str,
    out: str | Path | None = None,
    label: str | None = None,
    progress: Callable[[str, float], None] = lambda stage, share: None,
    now: Callable[[], float] = time.time,
) -> EvidenceReport:
    """Ask the board on a port for the frames around its alarms.

    out: directory, made if need be, that gets a recording for each alarm, named by its time and window; one that is
    there already is not fetched again. None only lists the alarms. label: of every sample; progress: called with what
    is fetched and the share done; now: the host's clock, seconds since 1970.

    Each file appears when it is whole. Raises InputError where it cannot be written, BoardError where the board keeps
    no evidence or tells nonsense, Unplugged where the port vanishes; files that were whole by then stay.
    """
    check_label(label)
    directory = None if out is None else _directory(Path(out))
    with Board.open(port) as board:
        board.on_line = lambda line: None
        asked = now()
        answer = _ask(board)
        start = (asked + now()) / 2 - answer.integer("up")
        report = EvidenceReport(port, board.hello.unique, answer.integer("raised"))
        for number in _numbers(answer):
            kept = _described(board, number, start)
            if kept is None:
                continue
            if directory is not None:
                kept = _fetched(board, kept, directory, label, progress)
            if kept is not None:
                report.alarms.append(kept)
        return report


def _directory(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "it is a file" if path.exists() else error.strerror or error
        raise InputError(f"{path} cannot be the directory of recordings ({why}); name another one with -o") from None
    return path


def _ask(board: Board, **fields: int) -> Line:
    try:
        return board.command("EVIDENCE", **fields)
    except Refused as refusal:
        if refusal.why == "unknown":
            raise BoardError(
                f"{board.port}: this board keeps no raw frames; boards that run MicroPython with this version of "
                "offbeat do, C firmware does not"
            ) from None
        if refusal.why == "evidence":
            raise BoardError(
                f"{board.port}: this board keeps no raw frames: it has no model that fits its sensor, no memory left "
                "for them, or evidence=0 in its main.py"
            ) from None
        raise


def _numbers(answer: Line) -> list[int]:
    text = answer.fields.get("kept", "")
    try:
        return [int(word) for word in text.split(",") if word]
    except ValueError:
        raise BoardError(f"the board's line {answer.text!r} has no numbers of alarms; mend its files") from None


def _gone(refusal: Refused) -> bool:
    """Whether another alarm has taken the place of this one meanwhile."""
    return refusal.why == "gone"


def _described(board: Board, number: int, start: float) -> KeptAlarm | None:
    try:
        about = _ask(board, i=number)
    except Refused as refusal:
        if _gone(refusal):
            return None
        raise
    window, at, score, frames, after = map(about.integer, ("n", "at", "s", "frames", "after"))
    if not 0 <= after <= frames <= _MOST_FRAMES or not frames:
        raise BoardError(f"{board.port}: the board's line {about.text!r} makes no sense; mend its files")
    return KeptAlarm(number, window, at, start + at, score, frames, after)


def _fetched(
    board: Board, kept: KeptAlarm, directory: Path, label: str | None, progress: Callable[[str, float], None]
) -> KeptAlarm | None:
    """The alarm with its recording; None where the board has given its frames up meanwhile."""
    path = _known(directory, kept)
    if path is not None:
        return KeptAlarm(**{**vars(kept), "path": path})
    path = directory / _name(kept)
    counts = _frames(board, kept, progress)
    if counts is None:
        return None
    labels = None if label is None else np.full(len(counts), label)
    try:
        write_csv_rows(path, recording_about(board.hello, path, label), [(0, counts, labels)])
    except OSError as error:
        raise unwritable(path, error) from None
    return KeptAlarm(**{**vars(kept), "path": path, "new": True})


def _name(kept: KeptAlarm) -> str:
    try:
        when = datetime.fromtimestamp(round(kept.time), UTC)
    except (OverflowError, ValueError, OSError):
        raise BoardError("the board has been up for longer than there is time; reset it") from None
    return f"alarm-{when.strftime(_TIME)}-window-{kept.window}.csv"


def _known(directory: Path, kept: KeptAlarm) -> Path | None:
    """The recording of this alarm that an earlier fetch has written."""
    for path in sorted(directory.glob(f"alarm-*-window-{kept.window}.csv")):
        try:
            when = datetime.strptime(path.name.split("-")[1], _TIME).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
        if abs(when - kept.time) <= _SAME:
            return path
    return None


def _frames(board: Board, kept: KeptAlarm, progress: Callable[[str, float], None]) -> NDArray[np.int16] | None:
    """The frames of an alarm, int16 [n, C]; None where the board no longer has them."""
    channels = len(board.hello.channels)
    stage = f"alarm {kept.number}"
    parts: list[NDArray[np.int16]] = []
    have = 0
    while have < kept.frames:
        progress(stage, have / kept.frames)
        try:
            answer = _ask(board, i=kept.number, o=have)
            raw = base64.b64decode(answer.fields.get("d", ""), validate=True)
            part = np.frombuffer(raw, "<i2").reshape(-1, channels).astype(np.int16)
        except Refused as refusal:
            if _gone(refusal):
                return None
            raise
        except (binascii.Error, ValueError):
            raise BoardError(f"{board.port}: frames of alarm {kept.number} came damaged; reset the board") from None
        if not 0 < len(part) <= kept.frames - have:
            raise BoardError(f"{board.port}: frames of alarm {kept.number} are missing; reset the board, try again")
        parts.append(part)
        have += len(part)
    progress(stage, 1.0)
    return np.concatenate(parts)
