"""LIS3DH accelerometer on I2C. Registers and tables: ST DocID17530 rev. 2; FIFO: its section 5.1 and ST AN3308."""

from . import const
from .chip import BURST, Chip, first_frames, one_of
from .registers import I2cRegisters

_WHO_AM_I = const(0x0F)
_CTRL_REG1 = const(0x20)
_CTRL_REG4 = const(0x23)
_CTRL_REG5 = const(0x24)
_STATUS_REG = const(0x27)
_OUT_X_L = const(0x28 | 0x80)  # bit 7: the address counts up, and in the FIFO from 2Dh back to 28h
_FIFO_CTRL_REG = const(0x2E)
_FIFO_SRC_REG = const(0x2F)

_IDENTITY = const(0x33)
_AXES_ON = const(0x07)
_BLOCK_UPDATE_HIGH_RESOLUTION = const(0x88)
_FIFO_ENABLE = const(0x40)
_BYPASS = const(0x00)
_STREAM = const(0x80)
_NEW_XYZ = const(0x08)
_OVERWRITTEN_XYZ = const(0x80)
_FIFO_OVERRUN = const(0x40)
_FIFO_EMPTY = const(0x20)
_FIFO_UNREAD = const(0x1F)
_DEPTH = const(32)

_RATES = {1: 1, 10: 2, 25: 3, 50: 4, 100: 5, 200: 6, 400: 7, 1344: 9}  # Hz: ODR, table 31
_RANGES = {2: (0, "0.001"), 4: (1, "0.002"), 8: (2, "0.004"), 16: (3, "0.012")}  # g: FS, g per count, table 4


class Lis3dh(Chip):
    """A source of frames x, y, z; 12-bit counts, high-resolution mode.

    i2c: machine.I2C; rate: 1, 10, 25, 50, 100, 200, 400 or 1344 Hz; address: 0x18, or 0x19 with SDO high; range_g:
    2, 4, 8 or 16. fifo: the chip keeps 32 frames, so that a pause of the board loses none, but keeps 10 bits of
    each sample: counts are multiples of 4. Without, each sample must be fetched within its period, at 12 bits.
    Raises OSError where no LIS3DH answers, ValueError for another rate or range.
    """

    sensor = "LIS3DH"
    limits = ((-2048, 2047),) * 3

    def __init__(self, i2c, rate=400, address=0x18, range_g=2, fifo=True):
        code = one_of(_RATES, rate, self.sensor, "rate in Hz")
        full_scale, scale = one_of(_RANGES, range_g, self.sensor, "range in g")
        self.scales = (scale,) * 3
        if fifo:
            self.limits = ((-2048, 2044),) * 3
        self._fifo = fifo
        setup = (
            (_CTRL_REG4, _BLOCK_UPDATE_HIGH_RESOLUTION | full_scale << 4),
            (_CTRL_REG5, _FIFO_ENABLE if fifo else 0),
            (_FIFO_CTRL_REG, _STREAM if fifo else _BYPASS),
            (_CTRL_REG1, code << 4 | _AXES_ON),
        )
        Chip.__init__(self, I2cRegisters(i2c, address), rate * 1000, (_WHO_AM_I, _IDENTITY), setup)
        self._views = first_frames(self._words)

    def _burst(self):
        if not self._fifo:
            return self._single()
        self._registers.read_into(_FIFO_SRC_REG, self._byte)
        source = self._byte[0]
        if source & _FIFO_EMPTY:
            return 0
        held = source & _FIFO_UNREAD or 1  # five bits: what is not empty has one at least
        if source & _FIFO_OVERRUN:
            self._overrun(_DEPTH)
            held = _DEPTH
        frames = min(held, BURST)
        self._fetch(_OUT_X_L, self._views[frames], held, held - frames)
        return frames

    def _single(self):
        self._registers.read_into(_STATUS_REG, self._byte)
        status = self._byte[0]
        if not status & _NEW_XYZ:
            return 0
        if status & _OVERWRITTEN_XYZ:
            self._overrun(1)
        self._fetch(_OUT_X_L, self._views[1], 1, 0)
        return 1

    def _unpack(self, frame, at):
        # Left-justified in a little-endian word, which the shift of a signed number brings down with its sign.
        words = self._words
        frame[0] = words[at] >> 4
        frame[1] = words[at + 1] >> 4
        frame[2] = words[at + 2] >> 4

    def _restart(self):
        if self._fifo:
            self._registers.write(_FIFO_CTRL_REG, _BYPASS)
            self._registers.write(_FIFO_CTRL_REG, _STREAM)
