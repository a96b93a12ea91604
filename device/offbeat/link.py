"""The line protocol, encoding and parsing: one source for the board and the host. See docs/line-protocol.md."""

from .checksum import crc32

LONGEST = 250
"""Characters in the longest line that a board sends, without the line end."""

_PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.,:/+-"
_HEX = "0123456789abcdefABCDEF"  # int() would also take signs, blanks and underscores


class LineError(ValueError):
    """A line with our mark that is not a whole record; `reason` is one word: crc, form or long."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


def quote(text):
    """A text value: what is not plain becomes %XX of its UTF-8 bytes; never a blank, never a control code."""
    out = []
    for byte in str(text).encode():
        char = chr(byte)
        out.append(char if char in _PLAIN else "%%%02X" % byte)
    return "".join(out)


def unquote(text):
    """The inverse of quote(); raises LineError on a broken escape or bytes that are not UTF-8."""
    parts = text.split("%")
    out = bytearray(parts[0].encode())
    for part in parts[1:]:
        if len(part) < 2 or part[0] not in _HEX or part[1] not in _HEX:
            raise LineError("form")
        out.append(int(part[:2], 16))
        out.extend(part[2:].encode())
    try:
        return bytes(out).decode()
    except (UnicodeError, ValueError):
        raise LineError("form")


def encode(kind, sequence, fields=()):
    """A line as bytes, with its line end. fields: pairs (key, value); values must be quoted already."""
    body = "%s %d" % (kind, sequence & 0xFFFF)
    for key, value in fields:
        body += " %s=%s" % (key, value)
    raw = body.encode()
    return b"~" + raw + b" *%08x\r\n" % (crc32(raw) & 0xFFFFFFFF)


def parse(line):
    """Parse bytes of one line without its line end: (kind, sequence, fields dict), or None without our mark.

    Raises LineError. All of it is ASCII afterwards; values may still be %-quoted.
    """
    if line[:1] != b"~":
        return None
    if len(line) < 14 or bytes(line[-10:-8]) != b" *":
        raise LineError("form")
    raw = bytes(line[1:-10])
    for byte in raw:
        if not 32 <= byte < 127:
            raise LineError("form")
    if bytes(line[-8:]) != b"%08x" % (crc32(raw) & 0xFFFFFFFF):
        raise LineError("crc")
    words = [word for word in raw.decode().split(" ") if word]
    if len(words) < 2 or not words[1].isdigit():
        raise LineError("form")
    fields = {}
    for word in words[2:]:
        key, mark, value = word.partition("=")
        if not mark or not key:
            raise LineError("form")
        fields[key] = value
    return words[0], int(words[1]) & 0xFFFF, fields
