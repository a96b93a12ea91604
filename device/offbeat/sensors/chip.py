"""What drivers of chips have in common: bursts into a buffer, failing buses, chips that were reset."""

from array import array

from . import BUS, COUNTER, LOST, RESTARTED, Source, clock, const

BURST = 16  # frames that one transfer fetches at most: 96 bytes, 2.2 ms at 400 kHz

_AXES = const(3)
_FIRST_PAUSE = const(2)  # ms; doubled with each failure, since a stuck bus may cost 50 ms a try
_LONGEST_PAUSE = const(1024)
_NO_DEVICE = const(19)


class Chip(Source):
    """A source of three channels with registers. A driver says what _burst does, and where need be
    _unpack and _restart.

    registers: see registers; identity: (register, value) that tells the chip; setup: tuple of (register, value) in
    the order of writing, each to be read back as it was written.
    Raises OSError where another chip answers, or none.
    """

    def __init__(self, registers, rate_millihertz, identity, setup):
        Source.__init__(self, rate_millihertz)
        self._registers = registers
        self._identity = identity
        self._setup = setup
        self._byte = bytearray(1)
        self._words = array("h", bytes(2 * _AXES * BURST))
        self._held = 0  # frames in the buffer
        self._taken = 0  # of those, handed out
        self._left = 0  # frames that the chip still had after the last burst
        self._torn = False  # a burst failed in its middle
        self._doubt = False  # the chip may have lost its configuration
        self._pause = 0
        self._retry_at = 0
        self._heard = self._looked = clock.ticks_ms()
        # A chip without configuration does not fail, it falls silent.
        self._patience = 50 + 8 * 1000000 // rate_millihertz
        self._open()

    def read_into(self, frame):
        """The next frame, when the chip has one; a bus error is counted and gives none."""
        if self._taken == self._held and not self._fill():
            return False
        self._unpack(frame, _AXES * self._taken)
        self._taken += 1
        return True

    def _burst(self):
        """Fetch frames into _words: their number, 0 where the chip has none. May raise OSError."""
        raise NotImplementedError

    def _unpack(self, frame, at):
        """Put the frame at word `at` of the buffer into `frame`; where the words are counts, as they stand."""
        words = self._words
        frame[0] = words[at]
        frame[1] = words[at + 1]
        frame[2] = words[at + 2]

    def _restart(self):
        """Empty the chip's FIFO, and let it fill again. May raise OSError."""

    def _overrun(self, depth):
        """Count a FIFO of this depth that was found overrun."""
        since = clock.ticks_diff(clock.ticks_ms(), self._looked)
        lost = clock.frames_in(since, self.rate_millihertz) + self._left - depth
        self._lose(lost if lost > 1 else 1)

    def _fetch(self, register, view, held, left):
        """Read frames into a view of _words. held: frames that are lost if this fails in its middle; left: frames
        that stay in the chip."""
        self._torn = True
        self._left = held
        self._registers.read_into(register, view)
        self._torn = False
        self._left = left
        self._looked = clock.ticks_ms()

    def _fill(self):
        now = clock.ticks_ms()
        if self._pause and clock.ticks_diff(now, self._retry_at) < 0:
            return False
        try:
            if self._doubt:
                self._examine()
            held = self._burst()
        except OSError:
            self._failed(now)
            return False
        self._pause = 0
        if held:
            self._held = held
            self._taken = 0
            self._heard = now
            return True
        if clock.ticks_diff(now, self._heard) > self._patience:
            self._heard = now
            self._doubt = True
        return False

    def _failed(self, now):
        self.errors = (self.errors + 1) & COUNTER
        self.flags |= BUS
        self._doubt = True
        if self._torn and self._left:
            # Some of these frames are gone, and which ones cannot be told.
            self.lost = (self.lost + self._left) & COUNTER
            self.flags |= LOST
            self._left = 0
        self._pause = min(2 * self._pause, _LONGEST_PAUSE) if self._pause else _FIRST_PAUSE
        self._retry_at = clock.ticks_add(now, self._pause)

    def _examine(self):
        """See whether the chip is still the one that was configured; if not, configure it."""
        self._registers.read_into(self._identity[0], self._byte)
        if self._byte[0] != self._identity[1]:
            raise OSError(_NO_DEVICE)
        for register, value in self._setup:
            self._registers.read_into(register, self._byte)
            if self._byte[0] != value:
                self._configure()
                self.restarts = (self.restarts + 1) & COUNTER
                self.flags |= RESTARTED | LOST
                break
        else:
            if self._torn:
                self._restart()
        self._torn = False
        self._doubt = False

    def _configure(self):
        for register, value in self._setup:
            self._registers.write(register, value)
        self._restart()
        self._left = 0
        self._looked = clock.ticks_ms()

    def _open(self):
        register, value = self._identity
        try:
            self._registers.read_into(register, self._byte)
        except OSError:
            raise OSError("no chip answers at %s, where the %s should be" % (self._registers.place, self.sensor))
        if self._byte[0] != value:
            raise OSError(
                "the chip at %s is no %s: its register 0x%02x reads 0x%02x, not 0x%02x"
                % (self._registers.place, self.sensor, register, self._byte[0], value)
            )
        self._configure()


def first_frames(words):
    """Views of the first 0, 1 … BURST frames of a buffer, made beforehand, since a slice is an object."""
    return tuple(memoryview(words)[: _AXES * n] for n in range(BURST + 1))


def one_of(table, value, part, what):
    """table[value], or a ValueError that says which values there are."""
    if value not in table:
        choice = ", ".join(str(known) for known in sorted(table))
        raise ValueError("the %s has no %s of %s; there are %s" % (part, what, value, choice))
    return table[value]
