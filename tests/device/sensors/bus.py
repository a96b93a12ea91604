"""A clock that only moves when told to, and I2C and SPI buses of which each byte takes its time. Runs under both
Pythons, so it has no types and no pytest.

A chip has select(register, multiple) at the start of a transfer, read_byte(), write_byte(value), stop(), and
advance(us) which lets its own time pass; on I2C also its address.
"""

import gc
import struct

from tests.device.sensors.subject import clock

_PERIOD = 1 << 30
_TIMEOUT_US = 50000
ENODEV, EIO, ETIMEDOUT = 19, 5, 110

MEASURES = hasattr(gc, "mem_alloc")
allocated = gc.mem_alloc if MEASURES else lambda: 0


class Timer:
    """machine.Timer: call fire() for a tick. hard: whether this port knows that option."""

    PERIODIC = 1

    def __init__(self, hard=True):
        self.knows_hard = hard
        self.options = None
        self.running = False

    def init(self, **options):
        if "hard" in options and not self.knows_hard:
            raise TypeError("extra keyword arguments given")
        self.options = options
        self.running = True

    def deinit(self):
        self.running = False

    def fire(self):
        self.options["callback"](self)


class Clock:
    """Takes the place of the drivers' clock, with ticks that come round at 2**30 as on a 32-bit board."""

    def __init__(self, start=0):
        self.now = start
        self.chips = []
        clock.ticks_us = lambda: self.now % _PERIOD
        clock.ticks_ms = lambda: self.now // 1000 % _PERIOD
        clock.ticks_add = lambda ticks, delta: (ticks + delta) % _PERIOD
        clock.ticks_diff = lambda later, earlier: (later - earlier + _PERIOD // 2) % _PERIOD - _PERIOD // 2

    def advance(self, us):
        """Let time pass, for everything that is attached."""
        self.now += us
        for chip in self.chips:
            chip.advance(us)


class Bus:
    """What both kinds have: time, faults, and the bytes of heap that the models themselves took.

    nack_in: bytes until the chip stops answering, once; -1: never. stuck: every transfer times out.
    """

    def __init__(self, time, byte_us):
        self.time = time
        self.byte_us = byte_us
        self.nack_in = -1
        self.stuck = False
        self.measured = False  # asking for it takes a walk through the heap
        self.own = 0
        self.transfers = 0

    def _allocated(self):
        return allocated() if self.measured else 0

    def _byte(self):
        self.time.advance(self.byte_us)
        if self.nack_in == 0:
            self.nack_in = -1
            raise OSError(EIO)
        if self.nack_in > 0:
            self.nack_in -= 1

    def _fill(self, chip, buffer):
        for i in range(len(bytes(buffer))):
            self._byte()
            struct.pack_into("B", buffer, i, chip.read_byte())


class FakeI2C(Bus):
    """machine.I2C at 400 kHz: nine clocks a byte."""

    def __init__(self, time, *chips):
        Bus.__init__(self, time, 23)
        self.chips = {chip.address: chip for chip in chips}
        time.chips += chips

    def _start(self, address, register):
        self.transfers += 1
        if self.stuck:
            self.time.advance(_TIMEOUT_US)
            raise OSError(ETIMEDOUT)
        self._byte()
        if address not in self.chips:
            raise OSError(ENODEV)
        self._byte()
        chip = self.chips[address]
        chip.select(register, True)
        return chip

    def readfrom_mem_into(self, address, register, buffer):
        """One transfer, written address and repeated start included."""
        before = self._allocated()
        try:
            chip = self._start(address, register)
            self._byte()
            try:
                self._fill(chip, buffer)
            finally:
                chip.stop()
        finally:
            self.own += self._allocated() - before

    def writeto_mem(self, address, register, data):
        """One transfer."""
        before = self._allocated()
        try:
            chip = self._start(address, register)
            for value in bytes(data):
                self._byte()
                chip.write_byte(value)
            chip.stop()
        finally:
            self.own += self._allocated() - before


class FakeSPI(Bus):
    """machine.SPI in mode 3 at 5 MHz, with the pin of one chip; without one, the line floats high."""

    def __init__(self, time, chip=None):
        Bus.__init__(self, time, 2)
        self.chip = chip
        self._selected = False
        self._reading = False
        self._fresh = False
        if chip is not None:
            time.chips.append(chip)

    def select(self, level):
        """The chip's CS pin, low active."""
        before = self._allocated()
        if level == 1 and self._selected and self.chip is not None:
            self.chip.stop()
        self._selected = level == 0
        self._fresh = True
        self.time.advance(5)  # a call of MicroPython takes at least that
        self.own += self._allocated() - before

    def write(self, data):
        """The first byte after selecting is the command: read bit 7, multiple bit 6."""
        before = self._allocated()
        assert self._selected
        for value in bytes(data):
            self._byte()
            if self.chip is None:
                continue
            if self._fresh:
                self.chip.select(value & 0x3F, bool(value & 0x40))
                self._reading = bool(value & 0x80)
                self._fresh = False
            else:
                assert not self._reading
                self.chip.write_byte(value)
        self.own += self._allocated() - before

    def readinto(self, buffer):
        """What the chip drives."""
        before = self._allocated()
        assert self._selected
        if self.chip is None:
            for i in range(len(bytes(buffer))):
                struct.pack_into("B", buffer, i, 0xFF)
        else:
            assert self._reading
            self._fill(self.chip, buffer)
        self.own += self._allocated() - before


class Registers:
    """What the models have in common: a file of registers, and samples by the chip's own clock.

    signal(n): the n-th sample since power-on, three signed counts. period_us(): of the output data rate, 0 while the
    chip does not measure. speed: of the chip's clock, in thousandths of nominal.
    """

    def __init__(self, size, defaults):
        self.registers = bytearray(size)
        self.defaults = defaults
        self.written = []
        self.made = 0
        self.speed = 1000
        self._elapsed = 0
        self._at = 0
        self._multiple = True
        self.reset()

    def reset(self):
        """Power-on: registers as the datasheet says."""
        for i in range(len(self.registers)):
            self.registers[i] = 0
        for register, value in self.defaults.items():
            self.registers[register] = value
        self._elapsed = 0

    def signal(self, n):
        """A ramp from which a test can tell the index, with both signs."""
        return (4 * (n % 500), -4 * (n % 500), 1000)

    def advance(self, us):
        """Make the samples that become due."""
        self._elapsed += us * self.speed
        period = self.period_us()
        while period and self._elapsed >= period * 1000:
            self._elapsed -= period * 1000
            self.store(self.signal(self.made))
            self.made += 1
        if not period:
            self._elapsed = 0

    def select(self, register, multiple):
        self._at = register
        self._multiple = multiple

    def read_byte(self):
        value = self.read(self._at)
        self._next()
        return value

    def write_byte(self, value):
        self.written.append((self._at, value))
        self.write(self._at, value)
        self._next()

    def stop(self):
        """End of a transfer."""

    def _next(self):
        if self._multiple:
            self._at = (self._at + 1) % len(self.registers)

    def read(self, register):
        return self.registers[register]

    def write(self, register, value):
        self.registers[register] = value


def index_of(x):
    """The inverse of Registers.signal for a frame's x."""
    return x // 4
