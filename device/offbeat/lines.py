"""Writes protocol lines into one buffer, so that a line a window costs no heap."""

from array import array

from .kernels import crc32_of_line
from .tables import CRC

_HEX = b"0123456789abcdef"
_ROOM = 250
_WIDEST = 11  # characters of the longest number, -1073741824


class LineWriter:
    """Builds one line at a time: begin(), number() and text() fields, end().

    write(buffer, length) takes the finished bytes, as MicroPython's streams do.
    """

    def __init__(self, write):
        self._write = write
        self._line = bytearray(_ROOM + 12)
        self._length = 0
        self._crc = array("h", [0, 0])
        self._digits = bytearray(12)
        self.sequence = 0

    def _bytes(self, data):
        at = self._length
        line = self._line
        for i in range(len(data)):
            if at >= _ROOM - 10:
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
        if length + 12 - at <= _ROOM - 10:
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
        if self._length + len(key) + _WIDEST > _ROOM - 10:
            return
        self._bytes(key)
        self._decimal(value)

    def text(self, key, value):
        """Add a field with a value of plain or quoted bytes; False where it is left out, as the line has no room."""
        if self._length + len(key) + len(value) > _ROOM - 10:
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
        crc = self._crc
        crc32_of_line(self._line, length, CRC, crc)
        line = self._line
        line[length] = 32
        line[length + 1] = 42
        high = crc[1]
        low = crc[0]
        for i in range(4):
            line[length + 2 + i] = _HEX[(high >> (12 - 4 * i)) & 15]
            line[length + 6 + i] = _HEX[(low >> (12 - 4 * i)) & 15]
        line[length + 10] = 13
        line[length + 11] = 10
        self._write(line, length + 12)
