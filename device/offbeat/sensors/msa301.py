"""MSA301 accelerometer on I2C. Registers: MEMSensing MSA301 v1.0."""

from array import array

from . import clock, const, millihertz
from .chip import Chip, first_frames, one_of
from .registers import I2cRegisters

_PART_ID = const(0x01)
_ACC_X_LSB = const(0x02)
_RESOLUTION_RANGE = const(0x0F)
_OUTPUT_DATA_RATE = const(0x10)
_POWER_MODE_BANDWIDTH = const(0x11)

_IDENTITY = const(0x13)
_NORMAL_MODE = const(0x00)
_LONGEST = const(0x1FFFFFFF)  # us: what a difference of ticks can say

_RATES = {15.625: 4, 31.25: 5, 62.5: 6, 125: 7, 250: 8, 500: 9, 1000: 10}  # Hz: ODR; as bandwidth, half of it
# g: FS, g per count: 1/4096, 1/2048, 1/1024, 1/512
_RANGES = {2: (0, "0.000244140625"), 4: (1, "0.00048828125"), 8: (2, "0.0009765625"), 16: (3, "0.001953125")}


class Msa301(Chip):
    """A source of frames x, y, z; 14-bit counts; no FIFO, so each sample must be fetched within its period.

    Its flag for new data clears itself after a fixed time, so it cannot be polled: a sample is new when it differs
    from the one before, or when its time has passed by half a period. Frames that came and went between two calls
    are counted by the clock.
    i2c: machine.I2C; rate: 15.625, 31.25, 62.5, 125, 250, 500 or 1000 Hz; range_g: 2, 4, 8 or 16.
    Raises OSError where no MSA301 answers, ValueError for another rate or range.
    """

    sensor = "MSA301"
    limits = ((-8192, 8191),) * 3

    def __init__(self, i2c, rate=500, address=0x26, range_g=2):
        code = one_of(_RATES, rate, self.sensor, "rate in Hz")
        full_scale, scale = one_of(_RANGES, range_g, self.sensor, "range in g")
        self.scales = (scale,) * 3
        rate_millihertz = millihertz(rate)
        self._period = 1000000000 // rate_millihertz
        self._last = clock.ticks_us()
        self._before = array("h", (0, 0, 0))
        setup = (
            (_RESOLUTION_RANGE, full_scale),
            (_OUTPUT_DATA_RATE, code),
            (_POWER_MODE_BANDWIDTH, _NORMAL_MODE | code << 1),
        )
        Chip.__init__(self, I2cRegisters(i2c, address), rate_millihertz, (_PART_ID, _IDENTITY), setup)
        self._view = first_frames(self._words)[1]

    def _burst(self):
        now = clock.ticks_us()
        since = clock.ticks_diff(now, self._last)
        if since < 0:
            since = _LONGEST
        if 4 * since < 3 * self._period:
            return 0
        self._fetch(_ACC_X_LSB, self._view, 1, 0)
        repeated = self._is_repeated()
        if repeated and 2 * since < 3 * self._period:
            return 0
        if repeated or self._is_zero():
            # A chip that lost its configuration sleeps, and gives zeros, which gravity and noise never are.
            self._examine()
            if self._is_zero():
                self._last = now
                return 0
        if repeated:
            now = clock.ticks_add(self._last, since - since % self._period)
        else:
            # It may have changed between two axes of this very read; now it holds for most of a period.
            self._fetch(_ACC_X_LSB, self._view, 1, 0)
            self._is_repeated()
        if since >= 2 * self._period:
            self._lose(since // self._period - 1)
        self._last = now
        return 1

    def _is_zero(self):
        return not (self._words[0] or self._words[1] or self._words[2])

    def _is_repeated(self):
        words, before = self._words, self._before
        repeated = words[0] == before[0] and words[1] == before[1] and words[2] == before[2]
        for i in range(3):
            before[i] = words[i]
        return repeated

    def _unpack(self, frame, at):
        # Left-justified in a little-endian word.
        words = self._words
        frame[0] = words[at] >> 2
        frame[1] = words[at + 1] >> 2
        frame[2] = words[at + 2] >> 2
