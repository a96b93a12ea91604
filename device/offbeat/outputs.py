"""What a board does besides talking: a pin follows the alarm, and a watchdog is fed while windows are judged."""

import time

_SHORTEST = 30000  # ms
_LONGEST = 0x3FFF0000  # ms, twelve days: a sum that goes beyond it by a turn is still a small integer


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
    more; 0: what the model needs, see patience_for().
    """

    def __init__(self, timer, patience=0):
        self._timer = timer
        self._follows = not patience
        self._patience = patience or _SHORTEST
        self._waited = 0  # ms; summed up turn by turn, for a slow sensor's patience may outlast what ticks can span
        self._last = time.ticks_ms()

    def follow(self, model):
        """This model, or None, is the active one from now on: its first window has its own time to fill."""
        if self._follows:
            self._patience = patience_for(model)
        self.judged()

    def judged(self):
        """A window has been judged: scored, or found clipped or stuck, for that shows that the sampling works."""
        self._waited = 0
        self._last = time.ticks_ms()

    def step(self, idle):
        """Call it each turn of the main loop. idle: no windows are due, as in recording mode."""
        now = time.ticks_ms()
        self._waited = 0 if idle else min(self._waited + time.ticks_diff(now, self._last), self._patience)
        self._last = now
        if self._waited < self._patience:
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
    """ms without a judged window until a board is taken to be stuck: a window, which fills before the first verdict,
    and eight hops; 30 s at least."""
    if model is None:
        return _SHORTEST
    frames = model.window + 8 * model.hop
    return min(max(1000000 * frames // max(model.rate_millihertz, 1), _SHORTEST), _LONGEST)
