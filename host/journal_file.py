"""A local file of journal records: JSON lines or CSV, appended to so that nothing stands in it twice or by half."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from offbeat.train.errors import InputError

from .journal_records import JournalRecord, time_text

__all__ = ["Entry", "JournalFile"]

_COLUMNS: Final = (
    "board", "journal", "ring", "sequence", "boot", "uptime", "time", "kind", "windows", "minimum", "mean", "maximum",
    "alarms", "window", "score", "reasons", "cause", "model", "firmware", "set_to", "unjudged",
)  # fmt: skip
_HEADER: Final = ",".join(_COLUMNS)
_LONGEST: Final = 65536  # bytes of a line of ours, by far
_FORMULA: Final = ("=", "+", "-", "@")


@dataclass(frozen=True)
class Entry:
    """A record and where it is from. board: its unique id; journal: identity of the ring's files, 8 hex digits; ring:
    events or minutes; time: seconds since 1970, None where nobody knows."""

    board: str
    journal: str
    ring: str
    record: JournalRecord
    time: float | None

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON; the time as text in UTC."""
        record = self.record
        return {
            "board": self.board, "journal": self.journal, "ring": self.ring, "sequence": record.sequence,
            "boot": record.boot, "uptime": record.uptime, "time": time_text(self.time), "kind": record.kind,
            **record.values,
        }  # fmt: skip


class JournalFile:
    """The file at ``path``, ours alone until close(): CSV where it ends in .csv, else one JSON object a line.

    A context manager. A last line that an interruption cut short is removed: its record is fetched again.
    Raises InputError where the file is something else, or in use, or cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.records = 0
        self._csv = self.path.suffix.lower() == ".csv"
        self._last: dict[tuple[str, str, str], int] = {}
        self._starts: dict[tuple[str, str, int], float] = {}
        self._new = not self.path.exists()
        try:
            self._handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            self._lock()
            self._read()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        if self._handle >= 0:
            if self._new and not os.fstat(self._handle).st_size:
                self.path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def last(self, board: str, ring: str, journal: str) -> int:
        """Highest number that the file holds of a ring of a board; 0 without any."""
        return self._last.get((board, ring, journal), 0)

    def start(self, board: str, journal: str, boot: int) -> float | None:
        """When a boot began, in seconds since 1970, as records of it in the file tell; None where they do not."""
        return self._starts.get((board, journal, boot))

    def append(self, entries: Iterable[Entry]) -> None:
        """Append records and wait until they are on the disk: all of them or, when that fails, none."""
        new = list(entries)
        text = "".join(self._line(entry) for entry in new)
        if not text:
            return
        size = os.fstat(self._handle).st_size
        if self._csv and not size:
            text = _HEADER + "\n" + text
        try:
            rest = memoryview(text.encode("utf-8"))
            while rest:
                rest = rest[os.write(self._handle, rest) :]
            os.fsync(self._handle)
        except OSError as error:
            os.ftruncate(self._handle, size)
            raise self._unwritable(error) from None
        except BaseException:
            os.ftruncate(self._handle, size)
            raise
        for entry in new:
            self._note(entry.as_dict())

    def _lock(self) -> None:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{self.path}: another `offbeat journal` writes to it; end that one first") from None

    def _read(self) -> None:
        """Learn what the file holds, and leave the place to write at the end of its last whole line."""
        end = 0
        unended = b""
        for number, raw in enumerate(self._lines(), 1):
            if not raw.endswith(b"\n"):
                if not self._begins_a_line(raw, number):
                    raise self._foreign(number)
                unended = raw
                break
            if not (self._csv and number == 1 and raw.decode(errors="replace").strip() == _HEADER):
                self._note(self._parsed(raw, number))
            end += len(raw)
        os.ftruncate(self._handle, end)
        if unended and not self._csv and unended.endswith(b"}"):  # whole, but for its end; of CSV nobody can tell
            self._note(self._parsed(unended, 0))
            os.write(self._handle, unended + b"\n")

    def _lines(self) -> Iterator[bytes]:
        with open(self._handle, "rb", closefd=False) as file:
            while raw := file.readline(_LONGEST):
                yield raw

    def _begins_a_line(self, raw: bytes, number: int) -> bool:
        if not self._csv:
            start = b'{"board": "'
            return raw[: len(start)] == start[: len(raw)] and len(raw) < _LONGEST
        return number > 1 or raw == _HEADER.encode()[: len(raw)]

    def _parsed(self, raw: bytes, number: int) -> dict[str, object]:
        try:
            text = raw.decode()
            if self._csv:
                (cells,) = csv.reader([text], strict=True)
                found: dict[str, object] = dict(zip(_COLUMNS, map(_plain, cells), strict=True))
                if number == 1:
                    raise ValueError
                for key in ("sequence", "boot", "uptime"):
                    found[key] = int(str(found[key]))
            else:
                found = json.loads(text)
            if not all(isinstance(found[key], str) for key in ("board", "ring", "journal")):
                raise TypeError
            if not all(isinstance(found[key], int) for key in ("sequence", "boot", "uptime")):
                raise TypeError
            return found
        except (ValueError, KeyError, TypeError, csv.Error, RecursionError):
            raise self._foreign(number) from None

    def _note(self, found: dict[str, object]) -> None:
        self.records += 1
        board, ring, journal = str(found["board"]), str(found["ring"]), str(found["journal"])
        sequence, boot, uptime = (int(str(found[key])) for key in ("sequence", "boot", "uptime"))
        self._last[board, ring, journal] = max(self.last(board, ring, journal), sequence)
        try:
            when = datetime.fromisoformat(str(found.get("time"))).timestamp()
        except ValueError:
            return
        self._starts[board, journal, boot] = when - uptime

    def _line(self, entry: Entry) -> str:
        found = entry.as_dict()
        if not self._csv:
            return json.dumps(found, allow_nan=False) + "\n"
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerow([_cell(found.get(column)) for column in _COLUMNS])
        return out.getvalue()

    def _foreign(self, number: int) -> InputError:
        kind = "CSV" if self._csv else "JSON lines"
        return InputError(
            f"{self.path}, line {number}: this is no file of `offbeat journal` ({kind}); name another one with -o"
        )

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(
            f"{self.path}: cannot be written ({error.strerror or error}); free some room, or name another with -o"
        )


def _cell(value: object) -> object:
    """A value as it stands in CSV; a board's text is never a formula of a spreadsheet."""
    if isinstance(value, list):
        value = " ".join(f"{reason['feature']}:{reason['contribution']}" for reason in value)
    if value is None:
        return "unknown"
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _plain(cell: str) -> str:
    """The inverse of what _cell() does to a text."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _FORMULA else cell
