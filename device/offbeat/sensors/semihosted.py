"""Frames of an emulated micro:bit: a ring in the host's file sensor.ring, as of device/firmware/sensor_semihost.c.

Semihosting: Arm IHI 0115, "Semihosting for AArch32 and AArch64", operations 0x01, 0x05, 0x06, 0x0A.
"""

from array import array

from . import Source

_SLOTS = 1024
_HEADER = 8
_OPEN, _WRITE, _READ, _SEEK, _FOR_UPDATE = 0x01, 0x05, 0x06, 0x0A, 3
_PATH = array("h", b"sensor.ring\0")  # an array, for a pointer to bytes is not what assembler code gets


class Ring(Source):
    """A source of the frames that the host puts into its ring. about: see Source; semihost(operation, words): does an
    operation on the host; address(buffer): where a buffer lies."""

    def __init__(self, about, semihost, address):
        self._describe(about)
        self._semihost = semihost
        self._address = address
        self._words = array("i", [0] * 3)
        self._count = array("i", [0])
        self._file = 0
        self._taken = 0

    def start(self):
        """Open the file; frames of before are gone."""
        words = self._words
        words[0] = self._address(_PATH)
        words[1] = _FOR_UPDATE
        words[2] = 2 * len(_PATH) - 1
        self._file = self._semihost(_OPEN, words)
        self._taken = self._written()
        self._say_taken()

    def _transfer(self, operation, at, data, size):
        words = self._words
        words[0] = self._file
        words[1] = at
        self._semihost(_SEEK, words)
        words[1] = self._address(data)
        words[2] = size
        self._semihost(operation, words)

    def _written(self):
        self._transfer(_READ, 0, self._count, 4)
        return self._count[0]

    def _say_taken(self):
        self._count[0] = self._taken
        self._transfer(_WRITE, 4, self._count, 4)

    def read_into(self, frame):
        """The next frame, when there is one."""
        if self._written() == self._taken:
            return False
        size = 2 * len(frame)
        self._transfer(_READ, _HEADER + (self._taken & (_SLOTS - 1)) * size, frame, size)
        self._taken += 1
        self._say_taken()
        return True
