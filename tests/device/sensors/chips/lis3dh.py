"""LIS3DH: ST DocID17530 rev. 2, section 5.1 (FIFO), 6 (buses), 7 and 8 (registers)."""

from tests.device.sensors.bus import Registers

_PERIODS = {1: 1000000, 2: 100000, 3: 40000, 4: 20000, 5: 10000, 6: 5000, 7: 2500, 9: 744}


class Lis3dh(Registers):
    """overrun_when_full: OVRN_FIFO is set by the 32nd unread sample (AN3308), not by the first that is lost."""

    def __init__(self, address=0x18, identity=0x33, overrun_when_full=False):
        self.address = address
        self.fifo = []
        self.overwritten = 0
        self.overrun_when_full = overrun_when_full
        Registers.__init__(self, 0x40, {0x0F: identity, 0x1E: 0x10, 0x20: 0x07})

    def reset(self):
        Registers.reset(self)
        self.fifo = []
        self._overrun = False
        self._half_read = -1
        self._waiting = -1

    def period_us(self):
        return _PERIODS.get(self.registers[0x20] >> 4, 0)

    def _fifo_on(self):
        return self.registers[0x24] & 0x40 and self.registers[0x2E] >> 6 == 2

    def store(self, sample):
        # High resolution: 12 bits, left-justified; the FIFO keeps the 10 highest.
        mask = 0xFFC0 if self._fifo_on() else 0xFFF0
        words = [(value << 4) & mask for value in sample]
        if self._fifo_on():
            if len(self.fifo) == 32:
                self.fifo.pop(0)
                self.overwritten += 1
                self._overrun = True
            self.fifo.append(words)
            if len(self.fifo) == 32 and self.overrun_when_full:
                self._overrun = True
            return
        if self.registers[0x27] & 0x08:
            self.registers[0x27] |= 0x80
        self.registers[0x27] |= 0x08
        if self._half_read >= 0:  # BDU: this word waits until its second byte has been read
            self._waiting = words[self._half_read]
            words[self._half_read] = self._word(self._half_read)
        self._latch(words)

    def _word(self, axis):
        return self.registers[0x28 + 2 * axis] | self.registers[0x29 + 2 * axis] << 8

    def _latch(self, words):
        for i in range(3):
            self.registers[0x28 + 2 * i] = words[i] & 0xFF
            self.registers[0x29 + 2 * i] = words[i] >> 8

    def _block(self, register):
        axis = (register - 0x28) // 2
        if register & 1:
            self._release()
        else:
            self._half_read = axis

    def _release(self):
        axis, self._half_read = self._half_read, -1
        if self._waiting >= 0 and axis >= 0:
            self.registers[0x28 + 2 * axis] = self._waiting & 0xFF
            self.registers[0x29 + 2 * axis] = self._waiting >> 8
        self._waiting = -1

    def select(self, register, multiple):
        # I2C: bit 7 of the sub-address lets it count up (section 6.1.1).
        Registers.select(self, register & 0x7F, bool(register & 0x80))
        self._release()

    def _next(self):
        if self._multiple:
            self._at = 0x28 if self._at == 0x2D and self._fifo_on() else (self._at + 1) % 0x40

    def read(self, register):
        if register == 0x2F:
            empty = 0x20 if not self.fifo else 0
            over = 0x40 if self._overrun else 0
            return over | empty | min(31, len(self.fifo))
        if 0x28 <= register <= 0x2D:
            if register == 0x28 and self._fifo_on() and self.fifo:
                self._latch(self.fifo[0])
            value = self.registers[register]
            if self.registers[0x23] & 0x80:
                self._block(register)
            if register == 0x2D:
                if self._fifo_on() and self.fifo:
                    self.fifo.pop(0)
                    self._overrun = False
                self.registers[0x27] &= ~0x88
            return value
        return self.registers[register]

    def write(self, register, value):
        if register in (0x0F, 0x27, 0x2F) or 0x28 <= register <= 0x2D:
            return  # read only
        self.registers[register] = value
        if register == 0x2E and value >> 6 == 0:
            self.fifo = []
            self._overrun = False
