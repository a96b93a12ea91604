"""Watches a board: scores, alarms with their reasons, its health; goes on after the plug was pulled."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

from offbeat.train.errors import InputError

from .board import Board, Line, Unplugged
from .events import (
    Alarm,
    Connected,
    Counts,
    Disconnected,
    Event,
    Health,
    Log,
    Mode,
    NoVerdict,
    Score,
    Silence,
    event_of,
)

__all__ = [
    "Alarm",
    "Connected",
    "Counts",
    "Disconnected",
    "Event",
    "Health",
    "Log",
    "Mode",
    "Monitor",
    "NoVerdict",
    "Score",
    "Silence",
]

_SILENCE: Final = 25.0  # s; a board says how it does every 10
_TURN: Final = 1.0  # s


class Monitor:
    """A board that is watched: iterate over it for events. A context manager; close() does the same.

    log: file to which each event is appended as one JSON object a line, with the time in UTC; seconds: how long to
    watch, None without an end; until_alarm: end with the first alarm; give_up_after: seconds that the port may be
    away, None for ever.

    An alarm whose ALARM line was lost, or that began before anybody watched, is told by the SCORE lines: its Alarm
    comes with the second window of the new state, and has no reasons.
    Raises InputError where the board cannot be reached or the log cannot be written, or another board comes back.
    """

    def __init__(
        self,
        port: str,
        log: str | Path | None = None,
        seconds: float | None = None,
        until_alarm: bool = False,
        give_up_after: float | None = None,
    ) -> None:
        self.port = port
        self._until_alarm = until_alarm
        self._give_up_after = give_up_after
        self._log_path = None if log is None else Path(log)
        self._log: TextIO | None = None
        if seconds is not None and not seconds > 0:
            raise InputError(f"--seconds {seconds:g} is not a length of time; give a positive number, or leave it out")
        self._board = Board.open(port)
        try:
            self._log = None if self._log_path is None else _open_log(self._log_path)
        except BaseException:
            self._board.close()
            raise
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._heard = time.monotonic()
        self._silent = False
        self._in_alarm = False
        self._contradicted = False  # the last SCORE said otherwise
        self._windows = 0
        self._unjudged = 0
        self._alarms = 0
        self._sum = 0
        self._highest = 0
        self._disconnections = 0
        self._stream = self._watch()

    def close(self) -> None:
        """Close the port and the log; a second call does nothing, and no events come any more."""
        self._stream.close()
        self._board.close()
        self._close_log()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def summary(self) -> dict[str, int | float]:
        """Counts so far: windows, mean_score and max_score over them (0 without any), unjudged (windows without verdict
        that were told), alarms, lost and damaged lines, restarts of the board, disconnections, and bytes_in, bytes_out
        on the wire."""
        board = self._board
        return {
            "windows": self._windows,
            "mean_score": round(self._sum / max(self._windows, 1), 3),
            "max_score": self._highest,
            "unjudged": self._unjudged,
            "alarms": self._alarms,
            "lost": board.lost,
            "damaged": board.damaged,
            "restarts": board.restarts,
            "disconnections": self._disconnections,
            "bytes_in": board.bytes_in,
            "bytes_out": board.bytes_out,
        }

    def __iter__(self) -> Iterator[Event]:
        """Events as they come, until the time is over, or the first alarm if that ends it.

        A second loop goes on where the first was left.
        """
        return self._stream

    def _watch(self) -> Generator[Event, None, None]:
        for event in self._events():
            self._write_log(event)
            yield event
            if self._until_alarm and isinstance(event, Alarm) and event.on:
                return

    def _events(self) -> Iterator[Event]:
        yield self._connected(again=False)
        while (left := self._left()) > 0:
            try:
                line = self._board.read_line(min(left, _TURN))
            except Unplugged:
                self._disconnections += 1
                yield Disconnected(self.port)
                if not self._wait_for_return():
                    return
                yield self._connected(again=True)
                continue
            if line is not None:
                yield from self._understand(line)
            elif not self._silent and time.monotonic() - self._heard >= _SILENCE:
                self._silent = True
                yield Silence(round(time.monotonic() - self._heard))

    def _left(self) -> float:
        """Seconds to go."""
        return float("inf") if self._deadline is None else self._deadline - time.monotonic()

    def _connected(self, again: bool) -> Connected:
        self._heard = time.monotonic()
        self._silent = False
        hello = self._board.hello
        return Connected(self.port, hello.board, hello.unique, hello.model, hello.sensor, hello.mode, again)

    def _wait_for_return(self) -> bool:
        """Wait for the board; False where the time is over. Raises InputError where it stays away too long."""
        began = time.monotonic()
        while (left := self._left()) > 0:
            away = time.monotonic() - began
            if self._give_up_after is not None and away >= self._give_up_after:
                raise InputError(f"{self.port}: not back {away:.0f} s after it was unplugged; plug the board in again")
            if Path(self.port).exists():
                try:
                    self._board.reconnect(min(left, 10.0, (self._give_up_after or away + 10.0) - away))
                    return True
                except Unplugged:
                    continue
            time.sleep(min(left, 0.1))
        return False

    def _understand(self, line: Line) -> Iterator[Event]:
        self._heard = time.monotonic()
        self._silent = False
        if line.kind == "HELLO":
            # A restart: the board has forgotten an alarm, and says nothing of its end.
            yield self._connected(again=True)
            return
        event = event_of(line)
        if event is None:
            return
        if isinstance(event, Score):
            self._windows += 1
            self._sum += event.score
            self._highest = max(self._highest, event.score)
        elif isinstance(event, NoVerdict):
            self._unjudged += 1
        elif isinstance(event, Alarm):
            self._note_alarm(event.on)
        yield event
        if isinstance(event, Score):
            yield from self._missed_alarm(event)

    def _note_alarm(self, on: bool) -> None:
        self._alarms += on and not self._in_alarm
        self._in_alarm = on
        self._contradicted = False

    def _missed_alarm(self, score: Score) -> Iterator[Alarm]:
        """An Alarm where two windows in a row say another state than we know: ALARM follows its SCORE at once."""
        if score.alarm == self._in_alarm:
            self._contradicted = False
        elif not self._contradicted:
            self._contradicted = True
        else:
            self._note_alarm(score.alarm)
            yield Alarm(score.alarm, score.window, score.score)

    def _write_log(self, event: Event) -> None:
        if self._log is None:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        try:
            self._log.write(json.dumps({"time": now, **event.as_dict()}) + "\n")
            self._log.flush()
        except OSError as error:
            raise InputError(
                f"{self._log_path}: cannot be written ({error.strerror or error}); free some room, or log elsewhere"
            ) from None

    def _close_log(self) -> None:
        log, self._log = self._log, None
        if log is not None:
            try:
                log.close()
            except OSError:
                return  # what could not be written has been said already


def _open_log(path: Path) -> TextIO:
    """Open a log for appending; a line that a crash cut short gets its end."""
    try:
        with path.open("ab+") as file:
            if file.tell():
                file.seek(0)
                if not b'{"time": '.startswith(file.read(9)):  # a crash may have cut the first line short
                    raise InputError(f"{path} is no log of `offbeat monitor`; name another with --log")
                file.seek(-1, 2)
                if file.read() != b"\n":
                    file.write(b"\n")
        return path.open("a", encoding="ascii")
    except OSError as error:
        why = error.strerror or error
        raise InputError(f"{path}: the log cannot be opened ({why}); name another with --log") from None
