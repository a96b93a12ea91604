"""BME280 temperature, pressure and humidity on I2C. Registers and formulas: Bosch BST-BME280-DS002 rev. 1.6."""

import struct

from . import clock, const, millihertz
from .chip import Chip
from .registers import I2cRegisters

_CALIBRATION = const(0x88)
_CALIBRATION_H1 = const(0xA1)
_ID = const(0xD0)
_CALIBRATION_H2 = const(0xE1)
_CTRL_HUM = const(0xF2)
_STATUS = const(0xF3)
_CTRL_MEAS = const(0xF4)
_CONFIG = const(0xF5)
_PRESS_MSB = const(0xF7)

_IDENTITY = const(0x60)
_HUMIDITY_ONCE = const(0x01)
_NO_FILTER = const(0x00)
_FORCED_ALL_ONCE = const(0x25)  # temperature and pressure oversampled x1, mode forced
_BUSY = const(0x09)  # measuring, or copying the calibration
_SKIPPED = const(0x80000)  # what stands for a quantity that was not measured, table 20 and on; 16 bits: 0x8000


class Bme280(Chip):
    """A source of frames temperature, pressure, humidity: 0.01 degC, 4 Pa and 0.01 %RH a count.

    i2c: machine.I2C; rate: up to 50 Hz, also below 1; address: 0x76, or 0x77 with SDO high. Each sample is asked for
    when it is due and fetched when it is there, about 8 ms later; the chip sleeps in between.
    Raises OSError where no BME280 answers, ValueError for a rate out of range.
    """

    channels = ("temperature", "pressure", "humidity")
    units = ("degC", "hPa", "%RH")
    scales = ("0.01", "0.04", "0.01")
    limits = ((-4000, 8500), (7500, 27500), (0, 10000))
    sensor = "BME280"

    def __init__(self, i2c, rate=1, address=0x76):
        rate_millihertz = millihertz(rate)
        if rate_millihertz > 50000:
            raise ValueError("the BME280 samples at up to 50 Hz: a measurement takes 9.3 ms at most")
        self._pace = clock.Pace(rate_millihertz)
        self._measuring = False
        self._raw = bytearray(8)
        self._calibration = Calibration()
        setup = ((_CTRL_HUM, _HUMIDITY_ONCE), (_CONFIG, _NO_FILTER))
        Chip.__init__(self, I2cRegisters(i2c, address), rate_millihertz, (_ID, _IDENTITY), setup)

    def _burst(self):
        if not self._measuring:
            if not self._due(self._pace):
                return 0
            # A chip that was reset measures, but no humidity: so look before each measurement.
            self._examine()
            self._registers.write(_CTRL_MEAS, _FORCED_ALL_ONCE)
            self._measuring = True
            return 0
        self._registers.read_into(_STATUS, self._byte)
        if self._byte[0] & _BUSY:
            return 0
        self._measuring = False
        self._fetch(_PRESS_MSB, self._raw, 1, 0)
        raw = self._raw
        pressure = raw[0] << 12 | raw[1] << 4 | raw[2] >> 4
        temperature = raw[3] << 12 | raw[4] << 4 | raw[5] >> 4
        humidity = raw[6] << 8 | raw[7]
        if pressure == _SKIPPED or temperature == _SKIPPED or humidity == _SKIPPED >> 4:
            self._lose(1)  # the chip was reset while it measured
            return 0
        calibration, words = self._calibration, self._words
        fine = calibration.fine_temperature(temperature)
        words[0] = clipped((fine * 5 + 128) >> 8)
        words[1] = clipped((calibration.pressure(pressure, fine) + 2) >> 2)
        words[2] = clipped((calibration.humidity(humidity, fine) * 100 + 512) >> 10)
        return 1

    def _restart(self):
        self._measuring = False

    def _configure(self):
        main, h1, rest = bytearray(24), bytearray(1), bytearray(7)
        self._registers.read_into(_CALIBRATION, main)
        self._registers.read_into(_CALIBRATION_H1, h1)
        self._registers.read_into(_CALIBRATION_H2, rest)
        self._calibration.parse(main, h1[0], rest)
        Chip._configure(self)


def clipped(value):
    """The value as an int16."""
    return max(-32768, min(32767, value))


class Calibration:
    """A chip's trimming parameters (table 16), and the integer formulas of sections 4.2.3 and 8.2.

    Pressure is the 32-bit formula, 1 Pa in 1 sigma from the 64-bit one. Products of more than 30 bits are taken
    apart, with the same result: with the parameters of a real chip nothing leaves MicroPython's small integers.
    """

    def __init__(self):
        self.parse(bytes(24), 0, bytes(7))

    def parse(self, main, h1, rest):
        """main: registers 0x88 to 0x9F; h1: 0xA1; rest: 0xE1 to 0xE7."""
        (self.t1, self.t2, self.t3, self.p1, self.p2, self.p3, self.p4, self.p5, self.p6, self.p7, self.p8,
         self.p9) = struct.unpack("<HhhHhhhhhhhh", main)  # fmt: skip
        self.h1 = h1
        self.h2, self.h3, h4, middle, h5, self.h6 = struct.unpack("<hBbBbb", rest)
        self.h4 = h4 << 4 | middle & 15
        self.h5 = h5 << 4 | middle >> 4

    def fine_temperature(self, raw):
        """t_fine, 1/5120 degC, from a 20-bit reading."""
        coarse = (((raw >> 3) - (self.t1 << 1)) * self.t2) >> 11
        half = (raw >> 4) - self.t1
        return coarse + (((half * half >> 12) * self.t3) >> 14)

    def pressure(self, raw, fine):
        """Pa from a 20-bit reading; 0 where the parameters make no sense."""
        offset = (fine >> 1) - 64000
        quarter = offset >> 2
        high, low = quarter >> 8, quarter & 0xFF
        cross = (2 * high * low << 8) + low * low
        second = ((high * high << 5) + (cross >> 11)) * self.p6
        second = (second + (offset * self.p5 << 1) >> 2) + (self.p4 << 16)
        high_offset, low_offset = offset >> 8, offset & 0xFF
        first = (self.p3 * ((high * high << 3) + (cross >> 13)) >> 3) + (
            self.p2 * high_offset * 128 + (self.p2 * low_offset >> 1)
        )
        first = (first >> 18) + 32768
        divisor = first * (self.p1 >> 8) + (first * (self.p1 & 0xFF) >> 8) >> 7
        if divisor <= 0:
            return 0
        dividend = 1048576 - raw - (second >> 12)
        whole, rest = dividend // divisor, dividend % divisor
        if dividend < 687195:  # times 3125 is less than 2**31
            pressure = whole * 6250 + rest * 6250 // divisor
        else:
            pressure = (whole * 3125 + rest * 3125 // divisor) * 2
        eighth = pressure >> 3
        square = self.p9 * (eighth * eighth >> 13) >> 12
        linear = (pressure >> 2) * self.p8 >> 13
        return pressure + (square + linear + self.p7 >> 4)

    def humidity(self, raw, fine):
        """1/1024 %RH from a 16-bit reading."""
        fine -= 76800
        wet = ((raw << 14) - (self.h4 << 20) - self.h5 * fine + 16384) >> 15
        warm = (((fine * self.h6 >> 10) * ((fine * self.h3 >> 11) + 32768)) >> 10) + 2097152
        value = wet * ((warm * self.h2 + 8192) >> 14)
        value -= (((value >> 15) * (value >> 15) >> 7) * self.h1) >> 4
        return max(0, min(419430400, value)) >> 12
