"""MPU-6050, its accelerometer, on I2C. Registers: InvenSense RM-MPU-6000A-00 rev. 4.2; scale and FIFO:
PS-MPU-6000A-00 rev. 3.4."""

from . import const
from .chip import BURST, Chip, first_frames, one_of
from .registers import I2cRegisters

_SMPLRT_DIV = const(0x19)
_CONFIG = const(0x1A)
_ACCEL_CONFIG = const(0x1C)
_FIFO_EN = const(0x23)
_INT_ENABLE = const(0x38)
_INT_STATUS = const(0x3A)
_USER_CTRL = const(0x6A)
_PWR_MGMT_1 = const(0x6B)
_FIFO_COUNT_H = const(0x72)
_FIFO_R_W = const(0x74)
_WHO_AM_I = const(0x75)

_IDENTITY = const(0x68)
_CLOCK_OF_X_GYROSCOPE = const(0x01)  # awake; within 1 %, where the oscillator is within 5 %
_ACCELEROMETER = const(0x08)
_OVERFLOW = const(0x10)
_FIFO_RESET = const(0x04)
_FIFO_ENABLE = const(0x40)
_FRAME = const(6)
_FIFO_BYTES = const(1024)
_INPUT_OUTPUT_ERROR = const(5)

# Hz: SMPLRT_DIV, and the DLPF_CFG whose bandwidth is the widest up to half the rate; without filter the divided
# rate is 8 kHz instead of 1 kHz (registers 25 and 26).
_RATES = {
    1000: (7, 0), 500: (1, 1), 250: (3, 2), 200: (4, 2), 125: (7, 3), 100: (9, 3), 50: (19, 4), 25: (39, 5),
    20: (49, 5), 10: (99, 6), 5: (199, 6), 4: (249, 6),
}  # fmt: skip
# g: AFS_SEL, g per count: 1/16384, 1/8192, 1/4096, 1/2048 (register 28)
_RANGES = {
    2: (0, "0.00006103515625"), 4: (1, "0.0001220703125"), 8: (2, "0.000244140625"), 16: (3, "0.00048828125"),
}  # fmt: skip


class Mpu6050(Chip):
    """A source of frames x, y, z; 16-bit counts; a FIFO of 169 frames.

    i2c: machine.I2C; rate: 4, 5, 10, 20, 25, 50, 100, 125, 200, 250, 500 or 1000 Hz, low-pass filtered up to 500 Hz;
    address: 0x68, or 0x69 with AD0 high; range_g: 2, 4, 8 or 16.
    Raises OSError where no MPU-6050 answers, ValueError for another rate or range.
    """

    sensor = "MPU-6050"

    def __init__(self, i2c, rate=500, address=0x68, range_g=2):
        divider, low_pass = one_of(_RATES, rate, self.sensor, "rate in Hz")
        full_scale, scale = one_of(_RANGES, range_g, self.sensor, "range in g")
        self.scales = (scale,) * 3
        self._count = bytearray(2)
        setup = (
            (_PWR_MGMT_1, _CLOCK_OF_X_GYROSCOPE),
            (_SMPLRT_DIV, divider),
            (_CONFIG, low_pass),
            (_ACCEL_CONFIG, full_scale << 3),
            (_INT_ENABLE, _OVERFLOW),
            (_FIFO_EN, _ACCELEROMETER),
            (_USER_CTRL, _FIFO_ENABLE),
        )
        Chip.__init__(self, I2cRegisters(i2c, address), rate * 1000, (_WHO_AM_I, _IDENTITY), setup)
        self._views = first_frames(self._words)

    def _burst(self):
        # High byte first and both in one transfer: reading the high one holds the low one.
        self._registers.read_into(_FIFO_COUNT_H, self._count)
        count = self._count[0] << 8 | self._count[1]
        if count < _FRAME:
            return 0
        if count > _FIFO_BYTES:
            raise OSError(_INPUT_OUTPUT_ERROR)
        if count > _FIFO_BYTES - _FRAME:
            # A frame that does not fit overwrites the oldest bytes, not the oldest frame: from then on nobody
            # knows where a frame begins. Read the flag too, which clears it.
            self._registers.read_into(_INT_STATUS, self._byte)
            self._overrun(0)
            self._restart()
            self._left = 0
            return 0
        held = count // _FRAME
        frames = min(held, BURST)
        self._fetch(_FIFO_R_W, self._views[frames], held, held - frames)
        return frames

    def _unpack(self, frame, at):
        # High byte first: swapped in the little-endian word.
        for i in range(3):
            word = self._words[at + i]
            value = (word & 0xFF) << 8 | (word >> 8) & 0xFF
            frame[i] = value - 65536 if value & 0x8000 else value

    def _restart(self):
        # The reset takes effect while the FIFO is disabled (register 106).
        self._registers.write(_USER_CTRL, _FIFO_RESET)
        self._registers.write(_USER_CTRL, _FIFO_ENABLE)
