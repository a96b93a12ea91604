"""A recording that is played back: a file of int16 frames, little-endian, channel by channel."""

from array import array

from . import BUS, COUNTER, Source, clock

_BLOCK = 32  # frames read from the file at once
_OUTSTANDING = 256  # frames that a busy board may be behind before some are given up


class Recorded(Source):
    """A source that plays the file at `path` at its rate.

    about: dictionary of channels, units, scales, sensor, rate_millihertz and perhaps limits; loop: from the beginning
    again at the end, else `ended` becomes True there and no frame follows.
    Raises OSError where the file cannot be read, ValueError where it holds no whole number of frames, or none.
    """

    def __init__(self, path, about, loop=True):
        self._describe(about)
        self.ended = False
        self._loop = loop
        self._count = len(self.channels)
        self._file = open(path, "rb")
        size = self._file.seek(0, 2)
        self._file.seek(0)
        if not size or size % (2 * self._count):
            raise ValueError(
                "%s holds %d bytes; frames of %d channels take %d each" % (path, size, self._count, 2 * self._count)
            )
        self._words = array("h", bytes(2 * self._count * _BLOCK))
        self._at = self._held = 0
        self._pace = clock.Pace(self.rate_millihertz, _OUTSTANDING)

    def read_into(self, frame):
        """The next frame, when one is due."""
        if self.ended or not self._due(self._pace):
            return False
        try:
            if self._at == self._held and not self._load():
                return False
        except OSError:
            self.errors = (self.errors + 1) & COUNTER
            self.flags |= BUS
            return False
        for i in range(self._count):
            frame[i] = self._words[self._at + i]
        self._at += self._count
        return True

    def _load(self):
        got = self._file.readinto(self._words)
        if not got and self._loop:
            self._file.seek(0)
            got = self._file.readinto(self._words)
        self._at = 0
        self._held = (got or 0) // 2
        self.ended = not self._held
        return not self.ended
