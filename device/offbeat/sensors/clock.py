"""The board's clock for sensors; CPython has no ticks of its own, so it gets MicroPython's from its monotonic clock.

Modules call clock.ticks_us(), not a name that they imported, so that a test can put another clock in its place.
"""

import time

if hasattr(time, "ticks_us"):
    from time import ticks_add, ticks_diff, ticks_ms, ticks_us
else:
    _PERIOD = 1 << 30

    def ticks_ms():  # type: ignore[misc]
        """Milliseconds, from 0 again after 2**30."""
        return time.monotonic_ns() // 1000000 % _PERIOD  # type: ignore[attr-defined]

    def ticks_us():  # type: ignore[misc]
        """Microseconds, from 0 again after 2**30."""
        return time.monotonic_ns() // 1000 % _PERIOD  # type: ignore[attr-defined]

    def ticks_add(ticks, delta):  # type: ignore[misc]
        """Ticks that many later."""
        return (ticks + delta) % _PERIOD

    def ticks_diff(later, earlier):  # type: ignore[no-redef]
        """Signed difference of two ticks that are less than 2**29 apart."""
        return (later - earlier + _PERIOD // 2) % _PERIOD - _PERIOD // 2


_LONGEST = 600000  # ms; at up to 1.6 kHz the products below stay small integers


def frames_in(milliseconds, rate_millihertz):
    """How many frames a sampling rate yields in this time, rounded down; of ten minutes at most."""
    if milliseconds > _LONGEST:
        milliseconds = _LONGEST
    seconds = milliseconds // 1000
    return seconds * (rate_millihertz // 1000) + milliseconds % 1000 * (rate_millihertz // 1000) // 1000


class Pace:
    """When the next frame is due, for sources without a clock of their own.

    rate_millihertz: at least 4; depth: how many frames may be outstanding before the oldest are given up.
    """

    def __init__(self, rate_millihertz, depth=1):
        if rate_millihertz < 4:
            raise ValueError("the slowest rate is 0.004 Hz, once in 250 s")
        self.period_us = 1000000000 // rate_millihertz
        self.late_us = 0  # of the frame that due() announced last
        self.missed = 0  # frames given up before it
        self._rate = rate_millihertz
        self._rest = 1000000000 % rate_millihertz
        self._carry = 0
        self._depth = depth
        self._next = ticks_add(ticks_us(), self.period_us)

    def due(self):
        """True once for each frame whose time has come."""
        late = ticks_diff(ticks_us(), self._next)
        if late < 0:
            if late >= -2 * self.period_us:
                return False
            # Nobody asked for so long that the ticks came round: how many were missed cannot be told.
            self._next = ticks_us()
            self._carry = 0
            self.missed = self._depth
            late = 0
        else:
            self.missed = 0
        if late >= self._depth * self.period_us:
            self.missed = late // self.period_us - self._depth + 1
            self._next = ticks_add(self._next, self.missed * self.period_us)
            late -= self.missed * self.period_us
        self.late_us = late
        self._next = ticks_add(self._next, self.period_us)
        self._carry += self._rest
        if self._carry >= self._rate:
            self._carry -= self._rate
            self._next = ticks_add(self._next, 1)
        return True
