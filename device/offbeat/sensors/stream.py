"""Frames from a file or a pipe: int16 counts, little-endian, channel by channel.

The virtual board's sensor; whoever feeds the pipe sets the pace.
"""

import select
from array import array

from . import Source


class Stream(Source):
    """A source that reads frames from `path`; `about` has channels, units, scales, sensor, rate_millihertz,
    and perhaps limits."""

    def __init__(self, path, about):
        self._describe(about)
        self._file = open(path, "rb")
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLIN)
        self._size = 2 * len(self.channels)
        self._rest = bytearray(self._size)
        self._have = 0

    def read_into(self, frame):
        """The next frame, when the pipe has one."""
        for event in self._poll.ipoll(0):
            if not event[1] & select.POLLIN:
                return False
            if self._have:
                return self._complete(frame)
            got = self._file.readinto(frame)
            if got == self._size:
                return True
            if got:  # the pipe was full in the middle of a frame: its rest comes later
                self._rest[:got] = bytes(frame)[:got]
                self._have = got
        return False

    def _complete(self, frame):
        part = self._file.read(self._size - self._have)
        if part:
            self._rest[self._have : self._have + len(part)] = part
            self._have += len(part)
        if self._have < self._size:
            return False
        self._have = 0
        whole = array("h", bytes(self._rest))
        for i in range(len(frame)):
            frame[i] = whole[i]
        return True
