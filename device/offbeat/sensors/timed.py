"""A sensor without memory of its own, read by a timer into a ring: it loses nothing while the board scores."""

from array import array

from . import COUNTER, LOST, Source

_TICKS = 2  # looks a period: a sensor with a clock of its own drifts past a look that comes once
_AT_ONCE = 4  # frames that one look takes at most


class Timed(Source):
    """A source that a timer reads: another source, of those without FIFO, and its frames behind a ring.

    source: for instance a Msa301; timer: a machine.Timer; frames: that wait in the ring at most, more are lost.
    The timer calls back between two lines of the main program, not in an interrupt, since no transfer on a bus can be
    made there: machine.Timer does so unless it is told hard=True.
    """

    def __init__(self, source, timer, frames=64):
        Source.__init__(self, source.rate_millihertz)
        self.channels, self.units, self.scales = source.channels, source.units, source.scales
        self.limits, self.sensor = source.limits, source.sensor
        self._source = source
        count = len(source.channels)
        self._slots = tuple(array("h", bytes(2 * count)) for _ in range(frames + 1))
        self._flags = bytearray(frames + 1)
        self._spilt = array("h", bytes(2 * count))
        self._dropped = 0  # frames for which there was no room
        self._overflows = 0
        self._missing = False
        self._head = 0  # only the timer moves it
        self._tail = 0  # only read_into moves it
        self._look = self._take  # a bound method is an object: made once
        self._timer = timer
        frequency = max(1, (_TICKS * source.rate_millihertz + 999) // 1000)
        timer.init(freq=frequency, mode=timer.PERIODIC, callback=self._look)

    def read_into(self, frame):
        """The next frame from the ring."""
        source = self._source
        self.errors, self.restarts = source.errors, source.restarts
        self.overruns = (source.overruns + self._overflows) & COUNTER
        if source.jitter_us > self.jitter_us:
            self.jitter_us = source.jitter_us
        source.jitter_us = 0
        tail = self._tail
        if tail == self._head:
            self.flags |= source.flags  # of the frame to come, if any comes
            return False
        slot = self._slots[tail]
        for i in range(len(slot)):
            frame[i] = slot[i]
        self.flags |= self._flags[tail]
        self.lost = (source.lost + self._dropped) & COUNTER
        self._tail = tail + 1 if tail + 1 < len(self._slots) else 0
        return True

    def close(self):
        """Stop the timer."""
        self._timer.deinit()

    def _take(self, _):
        """The timer's callback: what the sensor has, into the ring."""
        source = self._source
        for _ in range(_AT_ONCE):
            head = self._head
            following = head + 1 if head + 1 < len(self._slots) else 0
            full = following == self._tail
            if not source.read_into(self._spilt if full else self._slots[head]):
                return
            if full:
                self._dropped = (self._dropped + 1) & COUNTER
                if not self._missing:
                    self._overflows = (self._overflows + 1) & COUNTER
                self._missing = True
                continue
            self._flags[head] = source.flags | (LOST if self._missing else 0)
            source.flags = 0
            self._missing = False
            self._head = following
