"""Fetches what a board's journal has kept while nobody listened: nothing twice, nothing lost. ``docs/journal.md``."""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from offbeat.train.errors import InputError

from .board import Board, Line
from .errors import BoardError, Refused, Unplugged
from .journal_file import Entry, JournalFile
from .journal_records import JournalRecord, decode

__all__ = ["RINGS", "Entry", "JournalReport", "fetch_journal", "follow_journal"]

RINGS: Final = ("events", "minutes")
_BATCH: Final = 256  # records between two writes
_MOST: Final = 1_000_000  # records of a ring in one go
_PERIOD: Final = 10.0  # s
_Progress = Callable[[str, float], None]


def _no_progress(stage: str, share: float) -> None:
    return


@dataclass
class JournalReport:
    """What was fetched. entries: the records, those of events first, each ring in order; missing: numbers that should
    have come and did not, by ring: overwritten on the board before anybody fetched them, or damaged on its flash;
    boot: number of the board's present one; uptime: seconds since its start; path: of the file, None without one.
    """

    port: str
    board: str
    path: Path | None
    boot: int = 0
    uptime: int = 0
    entries: list[Entry] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "port": self.port, "board": self.board, "path": None if self.path is None else str(self.path),
            "boot": self.boot, "uptime": self.uptime, "missing": self.missing,
            "records": [entry.as_dict() for entry in self.entries],
        }  # fmt: skip


def fetch_journal(
    port: str,
    out: str | Path | None = None,
    rings: tuple[str, ...] = RINGS,
    progress: _Progress = _no_progress,
    now: Callable[[], float] = time.time,
) -> JournalReport:
    """Fetch the journal of the board on a port.

    out: file to append to, .csv or JSON lines: only what it does not hold yet is fetched, and each batch is on the
    disk before the next is asked for, so that an interruption costs nothing but the way to go; None fetches all that
    the board has, and keeps it nowhere. rings: events, minutes or both. progress: called with a ring's name and the
    share done, 0 to 1. now: the host's clock, seconds since 1970.

    The board is told the time and how far it was fetched. Raises InputError, BoardError where the board keeps no
    journal or tells nonsense, Unplugged where the port vanishes; what had been fetched until then is in the file.
    """
    with _opened(out) as file, Board.open(port) as board:
        fetch = _Fetch(board, file, rings, progress, now)
        try:
            return fetch.run()
        except Unplugged as error:
            kept = f"{len(fetch.report.entries)} records are in {out}" if out else "nothing was kept"
            raise Unplugged(f"{error}; {kept}, the same command goes on from there") from None


def follow_journal(
    port: str,
    out: str | Path,
    rings: tuple[str, ...] = RINGS,
    stop: Callable[[], bool] = lambda: False,
    period: float = _PERIOD,
) -> Iterator[JournalReport]:
    """Fetch again and again, every ``period`` seconds, until stop() returns True; as fetch_journal() otherwise.

    Yields a report of each time that brought records. While the port is away it waits for its return.
    """
    with _opened(out) as file, Board.open(port) as board:
        while True:
            try:
                report = _Fetch(board, file, rings, _no_progress, time.time).run()
                if report.entries:
                    yield report
                _listen(board, period, stop)
            except Unplugged:
                _wait_for_return(board, stop)
            if stop():
                return


def _listen(board: Board, seconds: float, stop: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 and not stop():
        board.read_line(min(left, 0.5))


def _wait_for_return(board: Board, stop: Callable[[], bool]) -> None:
    while not stop():
        try:
            board.reconnect(2.0)
            return
        except Unplugged:
            continue


def _opened(out: str | Path | None) -> AbstractContextManager[JournalFile | None]:
    return nullcontext() if out is None else JournalFile(out)


class _Fetch:
    """One time of fetching, over an open board. report: of what has come so far."""

    def __init__(
        self,
        board: Board,
        file: JournalFile | None,
        rings: tuple[str, ...],
        progress: _Progress,
        now: Callable[[], float],
    ) -> None:
        for ring in rings:
            if ring not in RINGS:
                raise InputError(f"{ring!r} is no ring of the journal; there are {' and '.join(RINGS)}")
        self._board = board
        self._file = file
        self._rings = rings
        self._progress = progress
        self._now = now
        self._unique = board.hello.unique
        self._journals: dict[str, str] = {}
        self._starts: dict[int, float] = {}  # of boots, seconds since 1970
        self.report = JournalReport(board.port, self._unique, None if file is None else file.path)

    def run(self) -> JournalReport:
        """Fetch, keep, tell the board."""
        on_line, self._board.on_line = self._board.on_line, lambda line: None
        try:
            ends = {ring: self._look(ring) for ring in RINGS}
            for ring in self._rings:
                self._fetch_ring(ring, *ends[ring])
            self._ask(time=int(self._now()))
        finally:
            self._board.on_line = on_line
        return self.report

    def _look(self, ring: str) -> tuple[int, int]:
        """Numbers of the ring's oldest record and of the one that comes next; and when this boot began."""
        asked = self._now()
        answer = self._ask(ring=ring)
        self._journals[ring] = answer.fields.get("id", "")
        if not re.fullmatch("[0-9a-f]{8}", self._journals[ring]):
            raise BoardError(f"{self._board.port}: the board's line {answer.text!r} has no id=; mend its files")
        self.report.boot, self.report.uptime = answer.integer("boot"), answer.integer("up")
        self._starts[self.report.boot] = (asked + self._now()) / 2 - self.report.uptime
        return answer.integer("oldest"), answer.integer("next")

    def _fetch_ring(self, ring: str, oldest: int, following: int) -> None:
        journal = self._journals[ring]
        last = 0 if self._file is None else self._file.last(self._unique, ring, journal)
        first = max(last + 1, 1)
        if following - max(oldest, first) > _MOST:
            raise BoardError(f"{self._board.port}: the board says it has records {oldest} to {following}; reset it")
        # Events go into the file at once, for a clock record gives times to those before it; they are few.
        batch: list[JournalRecord] = []
        expected = first if last else max(first, oldest)
        for record in self._records(ring, first, following):
            self._miss(ring, record.sequence - expected)
            expected = record.sequence + 1
            batch.append(record)
            if record.kind == "clock":
                self._starts.setdefault(record.boot, int(str(record.values["set_to"])) - record.uptime)
            if ring != "events" and len(batch) >= _BATCH:
                self._keep(ring, batch)
        self._keep(ring, batch)
        self._ask(ring=ring, taken=expected)
        self._progress(ring, 1.0)

    def _records(self, ring: str, first: int, following: int) -> Iterator[JournalRecord]:
        at = first
        while at < following:
            answer = self._ask(ring=ring, **{"from": at})
            try:
                data = base64.b64decode(answer.fields.get("d", ""), validate=True)
            except binascii.Error:
                raise BoardError(f"{self._board.port}: the board's journal came damaged; reset the board") from None
            for record in decode(data, at - 1):
                at = record.sequence + 1
                yield record
            following_here = answer.integer("next")
            if following_here <= at and not data:
                return  # what is left of the numbers is damaged on the board's flash
            at = max(at, following_here)
            self._progress(ring, min(1.0, (at - first) / max(following - first, 1)))

    def _miss(self, ring: str, count: int) -> None:
        if count > 0:
            self.report.missing[ring] = self.report.missing.get(ring, 0) + count

    def _keep(self, ring: str, batch: list[JournalRecord]) -> None:
        entries = [Entry(self._unique, self._journals[ring], ring, record, self._time(record)) for record in batch]
        if self._file is not None:
            self._file.append(entries)
        self.report.entries += entries
        batch.clear()

    def _time(self, record: JournalRecord) -> float | None:
        start = self._starts.get(record.boot)
        if start is None and self._file is not None:
            known = (self._file.start(self._unique, journal, record.boot) for journal in self._journals.values())
            start = next((found for found in known if found is not None), None)
        return None if start is None else start + record.uptime

    def _ask(self, **fields: int | str) -> Line:
        try:
            return self._board.command("JOURNAL", **fields)
        except Refused as refusal:
            port = self._board.port
            if refusal.why in ("unknown", "journal"):
                raise BoardError(
                    f"{port}: this board keeps no journal; boards with a file system that run MicroPython with this "
                    "version of offbeat do, C firmware does not"
                ) from None
            if refusal.why == "flash":
                raise BoardError(f"{port}: the board cannot read its flash; format its file system") from None
            raise
