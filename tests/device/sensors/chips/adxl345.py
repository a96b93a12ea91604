"""ADXL345: Analog Devices ADXL345 rev. E, table 19 and section FIFO; AN-1025 rev. 0."""

from tests.device.sensors.bus import Registers


class Adxl345(Registers):
    """Either bus. hasty: reads of a sample that came less than 5 us after the one before."""

    def __init__(self, time, address=0x53, identity=0xE5):
        self.address = address
        self.time = time
        self.fifo = []
        self.overwritten = 0
        self.hasty = 0
        self._moved_at = -5
        Registers.__init__(self, 0x40, {0x00: identity, 0x2C: 0x0A, 0x30: 0x02})

    def reset(self):
        Registers.reset(self)
        self.fifo = []
        self._read = False
        self._output = [0, 0, 0]

    def signal(self, n):
        return (n % 250, -(n % 250), 256)

    def period_us(self):
        if not self.registers[0x2D] & 0x08:  # standby
            return 0
        code = self.registers[0x2C] & 0x0F
        return 10000 >> code - 10 if code >= 10 else 10000 << 10 - code

    def store(self, sample):
        bits = 10 + (self.registers[0x31] & 3 if self.registers[0x31] & 0x08 else 0)
        largest = (1 << (bits - 1)) - 1
        words = [max(-largest - 1, min(largest, value)) & 0xFFFF for value in sample]
        if self.registers[0x38] >> 6 == 2:
            if len(self.fifo) == 32:
                self.fifo.pop(0)
                self.overwritten += 1
                self.registers[0x30] |= 0x01
            self.fifo.append(words)
        else:
            if self.fifo:
                self.registers[0x30] |= 0x01
            self.fifo = [words]

    def select(self, register, multiple):
        Registers.select(self, register, multiple)
        if 0x32 <= register <= 0x37 and self.time.now - self._moved_at < 5:
            self.hasty += 1

    def read(self, register):
        if register == 0x39:
            return len(self.fifo)
        if 0x32 <= register <= 0x37:
            if not self._read:  # the output registers hold still while they are read
                self._read = True
                self._output = self.fifo.pop(0) if self.fifo else self._output
            word = self._output[(register - 0x32) // 2]
            return word >> 8 if register & 1 else word & 0xFF
        return self.registers[register]

    def stop(self):
        # The FIFO moves on at the end of a transfer that read data registers.
        if self._read:
            self._read = False
            self.registers[0x30] &= ~0x01
            self._moved_at = self.time.now

    def write(self, register, value):
        if register in (0x00, 0x30, 0x39) or 0x32 <= register <= 0x37:
            return
        self.registers[register] = value
        if register == 0x38 and value >> 6 == 0:
            self.fifo = []
            self.registers[0x30] &= ~0x01
