"""Writes protocol lines into one buffer, so that a line a window costs no heap."""

from array import array

from .kernels import crc32_of_line
from .tables import CRC

_HEX = b"0123456789abcdef"
_ROOM = 250
_WIDEST = 11  # characters of the longest number, -1073741824


def hex_digit(crc, i):
    """Digit i of 8 of a CRC-32 in halves, as crc32_of_line() leaves it."""
    return _HEX[(crc[1 - (i >> 2)] >> (12 - 4 * (i & 3))) & 15]


class LineWriter:
    """Builds one line at a time: begin(), number() and text() fields, end().

    write(buffer, length) takes the finished bytes, as MicroPython's streams do; room: characters of the longest line.
    """

    def __init__(self, write, room=_ROOM):
        self._write = write
        self._room = room - 10
        self._line = bytearray(room + 12)
        self._length = 0
        self.crc = array("h", [0, 0])
        self._digits = bytearray(12)
        self.sequence = 0

    def _bytes(self, data):
        at = self._length
        line = self._line
        for i in range(len(data)):
            if at >= self._room:
                break
            line[at] = data[i]
            at += 1
        self._length = at

    def _decimal(self, value):
        digits = self._digits
        at = 12
        rest = -value if value < 0 else value
        while True:
            at -= 1
            digits[at] = 48 + rest % 10
            rest //= 10
            if rest == 0:
                break
        if value < 0:
            at -= 1
            digits[at] = 45
        line = self._line
        length = self._length
        if length + 12 - at <= self._room:
            while at < 12:
                line[length] = digits[at]
                length += 1
                at += 1
            self._length = length

    def begin(self, kind):
        """Start a line. kind: bytes with mark and blank, for instance b"~SCORE "."""
        self._length = 0
        self._bytes(kind)
        self._decimal(self.sequence)
        self.sequence = (self.sequence + 1) & 0xFFFF

    def number(self, key, value):
        """Add a field, where the line has room. key: bytes, for instance b" s="; value: a small integer."""
        if self._length + len(key) + _WIDEST > self._room:
            return
        self._bytes(key)
        self._decimal(value)

    def text(self, key, value):
        """Add a field with a value of plain or quoted bytes; False where it is left out, as the line has no room."""
        if self._length + len(key) + len(value) > self._room:
            return False
        self._bytes(key)
        self._bytes(value)
        return True

    def append(self, separator, value):
        """Go on with the last field: bytes, then a number."""
        self._bytes(separator)
        self._decimal(value)

    def end(self):
        """Add the CRC and send the line."""
        length = self._length
        crc = self.crc
        crc32_of_line(self._line, length, CRC, crc)
        line = self._line
        line[length] = 32
        line[length + 1] = 42
        for i in range(8):
            line[length + 2 + i] = hex_digit(crc, i)
        line[length + 10] = 13
        line[length + 11] = 10
        self._write(line, length + 12)
