"""From bytes of a serial line to records: cut, check, and count what is damaged or missing.

The protocol is ``docs/line-protocol.md``. Whatever a device sends is text of a stranger: nothing here trusts it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from offbeat.device import link

from .errors import BoardError

__all__ = ["LONGEST", "LONGEST_TEXT", "Line", "LineReader", "LossCounter", "printable"]

LONGEST: Final = 1024
"""Bytes of the longest line that is looked at; a longer one is dropped, so that memory stays bounded."""

LONGEST_TEXT: Final = 250
"""Characters that are kept of a plain line."""

_FARTHEST_GAP: Final = 32767
_LIMIT: Final = 2**63  # no board counts further, and arithmetic with floats stays finite


def printable(text: str) -> str:
    """Return a stranger's text with everything but printable characters escaped, for instance ESC as ``\\x1b``.

    So no control code, no line separator and no character that changes the direction of writing reaches a terminal.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(ord(char)) for char in text)


def _escape(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a board.

    kind: such as SCORE, or empty for a plain line (a user's print, a traceback); sequence: 0 … 65535, or -1 for a
    plain line; fields: unquoted and printable; text: the line as a person reads it, a plain one escaped and cut.
    """

    kind: str
    sequence: int
    fields: dict[str, str]
    text: str

    def integer(self, key: str) -> int:
        """A field as a whole number of 64 bits. Raises BoardError where it is missing, or no such number."""
        try:
            value = int(self.fields[key])
            if not -_LIMIT <= value < _LIMIT:
                raise ValueError
        except (KeyError, ValueError):
            raise BoardError(
                f"the board's line {self.text!r} has no whole number {key}=; "
                "copy the board's files from this version of offbeat again"
            ) from None
        return value


class LossCounter:
    """Counts lost lines by the gaps in a board's sequence numbers, and its restarts.

    A board begins at 0 with its CHANNEL lines and a HELLO that answers nothing. What it had sent before the restart
    and was lost cannot be known; what is missing since then is counted.
    """

    def __init__(self) -> None:
        self.lost = 0
        self.restarts = 0
        self._expected: int | None = None

    def start_after(self, sequence: int) -> None:
        """Begin to count: the line after this one is expected next."""
        self._expected = (sequence + 1) & 0xFFFF

    def see(self, kind: str, sequence: int, fields: dict[str, str]) -> bool:
        """Count a whole line; returns True where it shows that the board has started anew."""
        expected, self._expected = self._expected, (sequence + 1) & 0xFFFF
        if expected is None or sequence == expected:
            return False
        gap = (sequence - expected) & 0xFFFF
        if (_opening(kind, sequence, fields) and sequence < expected) or gap > _FARTHEST_GAP:
            self.restarts += 1
            self.lost += sequence
            return True
        self.lost += gap
        return False


def _opening(kind: str, sequence: int, fields: dict[str, str]) -> bool:
    """Whether a line stands where a board's first lines stand: channel i is line i, the HELLO follows them."""
    if kind == "CHANNEL":
        return fields.get("i") == str(sequence)
    return kind == "HELLO" and "re" not in fields and fields.get("channels") == str(sequence)


class LineReader:
    """Cuts a stream of bytes into lines, in bounded memory whatever comes.

    damaged: lines with our mark that are not whole, and lines that are too long; they are not returned.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self._rest = bytearray()
        self._too_long = False

    @property
    def rest(self) -> bytes:
        """What came after the last line end."""
        return bytes(self._rest)

    def forget(self) -> None:
        """Drop half a line: the connection is a new one."""
        self._rest.clear()
        self._too_long = False

    def feed(self, data: bytes) -> list[Line]:
        """Take bytes as they come; returns the lines that they complete."""
        found: list[Line] = []
        *whole, rest = data.split(b"\n")
        for part in whole:
            self._add(part)
            if not self._too_long:
                found += self._lines(bytes(self._rest.rstrip(b"\r")))
            self._rest.clear()
            self._too_long = False
        self._add(rest)
        return found

    def _add(self, part: bytes) -> None:
        if self._too_long:
            return
        if len(self._rest) + len(part) > LONGEST:
            self._too_long = True
            self.damaged += 1
            self._rest.clear()
        else:
            self._rest += part

    def _lines(self, raw: bytes) -> list[Line]:
        """The record in a line and what stands before it: a print without line end, noise, half a record."""
        mark = raw.rfind(b"~")
        record = self._record(raw[mark:]) if mark >= 0 else None
        before = raw[:mark] if record else raw
        found = []
        if before[:1] == b"~":
            self.damaged += 1
        elif before:
            found.append(_plain(before))
        return [*found, record] if record else found

    def _record(self, raw: bytes) -> Line | None:
        try:
            parsed = link.parse(raw)
            if parsed is None:
                return None
            kind, sequence, quoted = parsed
            fields = {key: printable(link.unquote(value)) for key, value in quoted.items()}
        except link.LineError:
            return None
        return Line(kind, sequence, fields, printable(raw.decode(errors="backslashreplace")))


def _plain(raw: bytes) -> Line:
    text = printable(raw[: 4 * LONGEST_TEXT].decode("utf-8", errors="backslashreplace"))
    return Line("", -1, {}, text[:LONGEST_TEXT])
