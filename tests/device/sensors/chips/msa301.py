"""MSA301: MEMSensing MSA301 v1.0. The flag for new data clears itself after a fixed time, so nothing here uses it."""

from tests.device.sensors.bus import Registers

_PERIODS = {4: 64000, 5: 32000, 6: 16000, 7: 8000, 8: 4000, 9: 2000}


class Msa301(Registers):
    """One sample, no FIFO."""

    def __init__(self, address=0x26, identity=0x13):
        self.address = address
        Registers.__init__(self, 0x40, {0x01: identity, 0x10: 0x0F, 0x11: 0x9E})

    def signal(self, n):
        return (4 * (n % 500), -4 * (n % 500), 4096)

    def period_us(self):
        if self.registers[0x11] >> 6:  # low power, or suspended
            return 0
        return _PERIODS.get(self.registers[0x10] & 0x0F, 1000)

    def store(self, sample):
        for i in range(3):
            word = (sample[i] << 2) & 0xFFFF
            self.registers[0x02 + 2 * i] = word & 0xFF
            self.registers[0x03 + 2 * i] = word >> 8

    def write(self, register, value):
        if register == 0x00 and value & 0x24:
            self.reset()
        elif register > 0x0C:
            self.registers[register] = value
