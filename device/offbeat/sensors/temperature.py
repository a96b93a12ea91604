"""The board's own temperature, from whatever this port of MicroPython offers."""

import sys

from . import BUS, COUNTER, Source, clock, const, millihertz

_READINGS = const(16)  # the RP2040's converter moves by 0.47 degC a step; its noise makes an average finer
_LARGEST = const(22000)  # of read_u16: 1.1 V, colder than any board; keeps the product below 2**30


class BoardTemperature(Source):
    """A source of one channel, the temperature of the microcontroller itself, 0.01 degC a count.

    rate: Hz, also below 1. read: a function that gives 1/100 degC; None: what the port has.
    Raises OSError where it has nothing.
    """

    channels = ("temperature",)
    units = ("degC",)
    scales = ("0.01",)
    limits = ((-4000, 12500),)
    sensor = "board"

    def __init__(self, rate=1, read=None):
        Source.__init__(self, millihertz(rate))
        self._read = read or thermometer()
        self._pace = clock.Pace(self.rate_millihertz)

    def read_into(self, frame):
        """The next frame, when one is due."""
        if not self._due(self._pace):
            return False
        self.jitter_us = max(self.jitter_us, self._pace.late_us)
        try:
            frame[0] = self._read()
        except OSError:
            self.errors = (self.errors + 1) & COUNTER
            self.flags |= BUS
            return False
        return True


class Rp2Thermometer:
    """1/100 degC of an RP2040 or RP2350: 27 - (V - 0.706) / 0.001721 (RP2040 datasheet, section 4.9.5), V of 3.3.

    adc: has read_u16, 65535 at 3.3 V.
    """

    def __init__(self, adc):
        self._adc = adc

    def __call__(self):
        """Read it, averaged."""
        total = 0
        for _ in range(_READINGS):
            total += min(self._adc.read_u16(), _LARGEST)
        # 3.3 / 65535 / 0.001721 * 100 = 2.92594 = 47939 / 2**14; 2700 + 70.6 / 0.001721 = 43723
        return 43723 - ((total // _READINGS * 47939 + 8192) >> 14)


def thermometer():
    """A function that gives the board's temperature in 1/100 degC. Raises OSError where the port has none."""
    if sys.platform == "rp2":
        from machine import ADC  # type: ignore[attr-defined]

        return Rp2Thermometer(ADC(getattr(ADC, "CORE_TEMP", 4)))
    try:
        import esp32  # type: ignore[import-not-found]
    except ImportError:
        esp32 = None  # type: ignore[assignment]
    if hasattr(esp32, "mcu_temperature"):  # ESP32-S2, S3, C3, C6: whole degC
        return lambda: 100 * esp32.mcu_temperature()
    if hasattr(esp32, "raw_temperature"):  # the first ESP32: whole degrees Fahrenheit
        return lambda: (esp32.raw_temperature() - 32) * 500 // 9
    raise OSError("MicroPython on %s offers no temperature of the board" % sys.platform)
