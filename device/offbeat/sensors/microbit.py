"""The BBC micro:bit's accelerometer through the board's own driver, in 1/1000 g.

On the v1 it is an MMA8653FC (NXP MMA8653FC data sheet, rev. 2), which the board's runtime sets to 50 samples a second
and +-2 g; MicroPython cannot ask for another rate. get_x(), get_y() and get_z() take no heap, unlike get_values().
"""

from . import Source, clock

_PERIOD = 20  # ms


class Accelerometer(Source):
    """A source of frames x, y, z at 50 Hz by the board's clock. accelerometer: that of the module microbit."""

    scales = ("0.001",) * 3
    limits = ((-2048, 2047),) * 3
    sensor = "MMA8653"

    def __init__(self, accelerometer):
        Source.__init__(self, 50000)
        self._accelerometer = accelerometer
        self._next = 0

    def start(self):
        """The first frame is due now."""
        self._next = clock.ticks_ms()  # type: ignore[assignment]

    def read_into(self, frame):
        """The next frame, when one is due."""
        late = clock.ticks_diff(clock.ticks_ms(), self._next)
        if late < 0:
            return False
        missed = late // _PERIOD
        if missed:
            self.lost = (self.lost + missed) & 0x3FFFFFFF
        self._next = clock.ticks_add(self._next, _PERIOD * (missed + 1))  # type: ignore[type-var]
        frame[0] = self._accelerometer.get_x()
        frame[1] = self._accelerometer.get_y()
        frame[2] = self._accelerometer.get_z()
        return True
