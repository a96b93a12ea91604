"""What a board does besides talking: a pin follows the alarm, and a watchdog is fed while windows are judged."""

import time


class AlarmPin:
    """Sets a pin while there is an alarm.

    pin: machine.Pin, set up as an output, or whatever has value(level); level: of the pin in an alarm, 0 or 1.
    """

    def __init__(self, pin, level=1):
        self._pin = pin
        self._level = 1 if level else 0
        self.set(False)

    def set(self, alarm):
        """Say whether there is an alarm."""
        self._pin.value(self._level if alarm else 1 - self._level)


class Watchdog:
    """Feeds a watchdog as long as windows are judged, so that a board whose sampling has stopped starts again.

    timer: machine.WDT, or whatever has feed(); patience: ms without a window that was judged, after which it is fed no
    more.
    """

    def __init__(self, timer, patience):
        self._timer = timer
        self._patience = patience
        self._judged = time.ticks_ms()

    def judged(self):
        """A window has been judged: scored, or found clipped or stuck, for that shows that the sampling works."""
        self._judged = time.ticks_ms()

    def step(self, idle):
        """Call it each turn of the main loop. idle: no windows are due, as in recording mode."""
        if idle:
            self._judged = time.ticks_ms()
        if time.ticks_diff(time.ticks_ms(), self._judged) < self._patience:
            self._timer.feed()


def open_pin(pin):
    """A number as a machine.Pin that is an output; anything else as it is."""
    if not isinstance(pin, int):
        return pin
    from machine import Pin

    return Pin(pin, Pin.OUT)  # type: ignore[call-arg, attr-defined]


def open_watchdog(watchdog):
    """A number, in ms, as a machine.WDT; anything else as it is."""
    if not isinstance(watchdog, int):
        return watchdog
    from machine import WDT  # type: ignore[attr-defined]

    return WDT(timeout=watchdog)


def patience_for(model):
    """ms without a judged window until a board is taken to be stuck: eight hops, 30 s at least, an hour at most."""
    if model is None:
        return 30000
    hop = 1000000 * min(model.hop, 1000) // max(model.rate_millihertz, 1)
    return min(max(8 * hop, 30000), 3600000)
