"""LIS3DH accelerometer on I2C: +-2 g, high resolution, 1 mg a count. Registers: ST DocID17530 rev 2."""

try:
    from micropython import const
except ImportError:

    def const(value):  # type: ignore[misc]
        return value


_WHO_AM_I = const(0x0F)
_CTRL_REG1 = const(0x20)
_CTRL_REG4 = const(0x23)
_STATUS_REG = const(0x27)
_OUT_X_L = const(0x28 | 0x80)  # bit 7: the address counts up over the six bytes
_IDENTITY = const(0x33)
_BLOCK_UPDATE_HIGH_RESOLUTION = const(0x88)
_NEW_XYZ = const(0x08)

_OUTPUT_DATA_RATES = {10: 2, 25: 3, 50: 4, 100: 5, 200: 6, 400: 7}


class Lis3dh:
    """A source of frames x, y, z. i2c: machine.I2C; rate: 10, 25, 50, 100, 200 or 400 Hz.

    Raises OSError where no LIS3DH answers, ValueError for another rate.
    """

    channels = ("x", "y", "z")
    units = ("g", "g", "g")
    scales = ("0.001", "0.001", "0.001")
    sensor = "LIS3DH"

    def __init__(self, i2c, rate=400, address=0x18):
        if rate not in _OUTPUT_DATA_RATES:
            raise ValueError("the LIS3DH samples at 10, 25, 50, 100, 200 or 400 Hz")
        self.rate_millihertz = rate * 1000
        self.errors = 0
        self._i2c = i2c
        self._address = address
        self._status = bytearray(1)
        self._bytes = bytearray(6)
        i2c.readfrom_mem_into(address, _WHO_AM_I, self._status)
        if self._status[0] != _IDENTITY:
            raise OSError("the chip at I2C address 0x%02x is no LIS3DH" % address)
        i2c.writeto_mem(address, _CTRL_REG4, bytes((_BLOCK_UPDATE_HIGH_RESOLUTION,)))
        i2c.writeto_mem(address, _CTRL_REG1, bytes((_OUTPUT_DATA_RATES[rate] << 4 | 0x07,)))

    def read_into(self, frame):
        """The next sample, when the chip has one; a bus error is counted and gives none."""
        try:
            self._i2c.readfrom_mem_into(self._address, _STATUS_REG, self._status)
            if not self._status[0] & _NEW_XYZ:
                return False
            self._i2c.readfrom_mem_into(self._address, _OUT_X_L, self._bytes)
        except OSError:
            self.errors += 1
            return False
        raw = self._bytes
        for i in range(3):
            # 12 bits, left-justified in 16: the sign is in the high byte.
            value = (raw[2 * i + 1] << 4) | (raw[2 * i] >> 4)
            frame[i] = value - 4096 if value & 0x800 else value
        return True
