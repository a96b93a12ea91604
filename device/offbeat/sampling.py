"""Takes frames from a source into the ring, and into recordings."""

from array import array
from binascii import b2a_base64

_BYTES_PER_LINE = 90  # 120 characters of base64


class Sampler:
    """Reads a source's frames; `taken` counts them (30 bits, then from 0 again)."""

    def __init__(self, source):
        self.source = source
        self.frame = array("h", [0] * len(source.channels))
        self.taken = 0

    def sample(self):
        """True when a new frame stands in `frame`."""
        if self.source.read_into(self.frame):
            self.taken = (self.taken + 1) & 0x3FFFFFFF
            return True
        return False


class Recorder:
    """Sends raw frames as lines, a few frames each, for a stated number of frames."""

    def __init__(self, lines, channels, frames):
        self._lines = lines
        self._channels = channels
        self._per_line = max(1, _BYTES_PER_LINE // (2 * channels))
        self._pending = array("h", [0] * (self._per_line * channels))
        self._held = 0
        self._first = 0
        self.left = frames

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
