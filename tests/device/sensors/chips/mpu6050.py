"""MPU-6050: InvenSense RM-MPU-6000A-00 rev. 4.2, registers 25, 26, 28, 35, 56, 58, 106, 107, 114 to 117."""

from tests.device.sensors.bus import Registers


class Mpu6050(Registers):
    """Its accelerometer and FIFO."""

    def __init__(self, address=0x68, identity=0x68):
        self.address = address
        self.fifo = []
        self.overflowed = 0
        self._count = 0
        Registers.__init__(self, 0x80, {0x6B: 0x40, 0x75: identity})

    def reset(self):
        Registers.reset(self)
        self.fifo = []

    def period_us(self):
        if self.registers[0x6B] & 0x40:  # asleep
            return 0
        gyroscope_us = 125 if self.registers[0x1A] & 7 in (0, 7) else 1000
        return gyroscope_us * (1 + self.registers[0x19])

    def store(self, sample):
        for i in range(3):
            word = sample[i] & 0xFFFF
            self.registers[0x3B + 2 * i] = word >> 8
            self.registers[0x3C + 2 * i] = word & 0xFF
        self.registers[0x3A] |= 0x01
        if self.registers[0x23] & 0x08 and self.registers[0x6A] & 0x40:
            for register in range(0x3B, 0x41):
                if len(self.fifo) == 1024:
                    self.fifo.pop(0)
                    self.registers[0x3A] |= 0x10
                    self.overflowed += 1
                self.fifo.append(self.registers[register])

    def _next(self):
        if self._at != 0x74:  # FIFO_R_W does not count up
            Registers._next(self)

    def read(self, register):
        if register == 0x74:
            return self.fifo.pop(0) if self.fifo else 0xFF
        if register == 0x72:
            self._count = len(self.fifo)
            return self._count >> 8
        if register == 0x73:
            return self._count & 0xFF
        value = self.registers[register]
        if register == 0x3A:
            self.registers[0x3A] = 0
        return value

    def write(self, register, value):
        if register in (0x3A, 0x72, 0x73, 0x75):
            return
        if register == 0x6B and value & 0x80:
            self.reset()
            return
        if register == 0x6A and value & 0x04:
            if not value & 0x40:  # while FIFO_EN is 0
                self.fifo = []
            value &= ~0x04
        self.registers[register] = value
