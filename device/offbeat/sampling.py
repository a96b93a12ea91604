"""Takes frames from a source into the ring, and into recordings."""

from array import array
from binascii import b2a_base64

BYTES_PER_LINE = 90
"""Of raw frames in a line: 120 characters of base64."""


class Sampler:
    """Reads a source's frames. taken: how many (30 bits, then from 0 again); flags: what the source says of the last
    one, see sensors; missing: how many frames are missing before it, as far as the source can tell."""

    def __init__(self, source):
        self.source = source
        self.frame = array("h", [0] * len(source.channels))
        self.taken = 0
        self.flags = 0
        self.missing = 0
        self._lost = source.lost

    def sample(self):
        """True when a new frame stands in `frame`."""
        source = self.source
        if not source.read_into(self.frame):
            return False
        self.taken = (self.taken + 1) & 0x3FFFFFFF
        flags = source.flags
        self.flags = flags
        if flags:
            source.flags = 0
            self.missing = (source.lost - self._lost) & 0x3FFFFFFF
            self._lost = source.lost
        return True


class Recorder:
    """Sends raw frames as lines, a few frames each, for a stated number of frames."""

    def __init__(self, lines, channels, frames):
        self._lines = lines
        self._channels = channels
        self._per_line = max(1, BYTES_PER_LINE // (2 * channels))
        self._pending = array("h", [0] * (self._per_line * channels))
        self._held = 0
        self._first = 0
        self.left = frames

    def skip(self, frames):
        """Leave a gap of so many frames, that were lost; True when nothing is left to record."""
        self.flush()
        self._first += min(frames, self.left)
        self.left -= min(frames, self.left)
        return self.left <= 0

    def take(self, frame):
        """Record one frame; True when it was the last one."""
        at = self._held * self._channels
        for i in range(self._channels):
            self._pending[at + i] = frame[i]
        self._held += 1
        self.left -= 1
        if self._held == self._per_line or self.left <= 0:
            self.flush()
        return self.left <= 0

    def flush(self):
        """Send what is held."""
        if self._held:
            raw = bytes(self._pending)[: 2 * self._held * self._channels]
            self._lines.begin(b"~RAW ")
            self._lines.number(b" i=", self._first)
            self._lines.text(b" d=", b2a_base64(raw).strip())
            self._lines.end()
            self._first += self._held
            self._held = 0
