"""ADXL345 accelerometer on I2C or SPI. Registers: Analog Devices ADXL345 rev. E, table 19; FIFO: its section FIFO,
and application note AN-1025 rev. 0."""

from . import const
from .chip import BURST, Chip, one_of
from .registers import I2cRegisters, SpiRegisters

_DEVID = const(0x00)
_BW_RATE = const(0x2C)
_POWER_CTL = const(0x2D)
_INT_SOURCE = const(0x30)
_DATA_FORMAT = const(0x31)
_DATAX0 = const(0x32)
_FIFO_CTL = const(0x38)
_FIFO_STATUS = const(0x39)

_IDENTITY = const(0xE5)
_MEASURE = const(0x08)
_FULL_RESOLUTION = const(0x08)
_BYPASS = const(0x00)
_STREAM = const(0x80)
_OVERRUN = const(0x01)
_ENTRIES = const(0x3F)
_DEPTH = const(32)
_INPUT_OUTPUT_ERROR = const(5)

_RATES = {25: 8, 50: 9, 100: 10, 200: 11, 400: 12, 800: 13, 1600: 14, 3200: 15}  # Hz: rate code, table 7
_RANGES = {2: 0, 4: 1, 8: 2, 16: 3}  # g: range bits, table 21
_FASTEST_ON_I2C = const(800)  # at 400 kHz: section I2C, and table 7


class Adxl345(Chip):
    """A source of frames x, y, z; full resolution, 3.9 mg a count; a FIFO of 32 frames.

    bus: machine.I2C, or machine.SPI (polarity=1, phase=1, up to 5 MHz) where select, the Pin at CS, is given.
    rate: 25, 50, 100, 200, 400, 800, on SPI also 1600 or 3200 Hz; address: 0x53, or 0x1D with SDO high; range_g: 2,
    4, 8 or 16. Raises OSError where no ADXL345 answers, ValueError for another rate or range.
    """

    sensor = "ADXL345"
    scales = ("0.0039",) * 3

    def __init__(self, bus, rate=400, address=0x53, select=None, range_g=2):
        code = one_of(_RATES, rate, self.sensor, "rate in Hz")
        bits = one_of(_RANGES, range_g, self.sensor, "range in g")
        if select is None and rate > _FASTEST_ON_I2C:
            raise ValueError("on I2C the ADXL345 samples at up to 800 Hz; %d Hz need SPI" % rate)
        self.limits = ((-256 * range_g, 256 * range_g - 1),) * 3
        setup = (
            (_BW_RATE, code),
            (_DATA_FORMAT, _FULL_RESOLUTION | bits),
            (_FIFO_CTL, _STREAM),
            (_POWER_CTL, _MEASURE),
        )
        registers = I2cRegisters(bus, address) if select is None else SpiRegisters(bus, select)
        Chip.__init__(self, registers, rate * 1000, (_DEVID, _IDENTITY), setup)
        words = memoryview(self._words)
        self._slots = tuple(words[3 * n : 3 * n + 3] for n in range(BURST))

    def _burst(self):
        self._registers.read_into(_FIFO_STATUS, self._byte)
        held = self._byte[0] & _ENTRIES
        if held > _DEPTH + 1:  # nothing drives the line: 32 in the FIFO and one in the output registers at most
            raise OSError(_INPUT_OUTPUT_ERROR)
        if held >= _DEPTH:
            self._registers.read_into(_INT_SOURCE, self._byte)
            if self._byte[0] & _OVERRUN:
                self._overrun(_DEPTH)
        frames = min(held, BURST)
        # One transfer a frame: the FIFO moves on when the six registers have been read, and after them stands
        # FIFO_CTL, not the next frame. The 5 us that it takes go by with the next transfer's address.
        for n in range(frames):
            self._fetch(_DATAX0, self._slots[n], held, held - n - 1)
        return frames

    def _restart(self):
        self._registers.write(_FIFO_CTL, _BYPASS)
        self._registers.write(_FIFO_CTL, _STREAM)
