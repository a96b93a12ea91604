"""The LIS3DH driver against a register-level model of the chip, written from its datasheet."""

from array import array

import pytest

from offbeat.device.sensors.lis3dh import Lis3dh


class Chip:
    """A LIS3DH on an I2C bus: registers, auto-increment, STATUS_REG that a read of the data clears."""

    def __init__(self, address: int = 0x18, identity: int = 0x33) -> None:
        self.address = address
        self.registers = bytearray(0x40)
        self.registers[0x0F] = identity
        self.registers[0x20] = 0x07
        self.broken = False

    def sample(self, x: int, y: int, z: int) -> None:
        """Put a sample of 12-bit counts into the output registers, as high-resolution mode aligns it."""
        for i, value in enumerate((x, y, z)):
            word = (value << 4) & 0xFFFF
            self.registers[0x28 + 2 * i : 0x2A + 2 * i] = bytes((word & 0xFF, word >> 8))
        self.registers[0x27] |= 0x08

    def _check(self, address: int) -> None:
        if address != self.address or self.broken:
            raise OSError(19)

    def readfrom_mem_into(self, address: int, register: int, buffer: bytearray) -> None:
        self._check(address)
        start = register & 0x7F
        step = 1 if register & 0x80 else 0
        for i in range(len(buffer)):
            buffer[i] = self.registers[start + i * step]
        if start == 0x28 and len(buffer) == 6:
            self.registers[0x27] &= ~0x08

    def writeto_mem(self, address: int, register: int, data: bytes) -> None:
        self._check(address)
        for i, byte in enumerate(data):
            self.registers[register + i] = byte


def test_sets_rate_axes_and_resolution() -> None:
    chip = Chip()
    driver = Lis3dh(chip, rate=400)
    assert chip.registers[0x20] == 0x77  # 400 Hz, normal power, three axes
    assert chip.registers[0x23] == 0x88  # block data update, high resolution, +-2 g
    assert driver.rate_millihertz == 400_000


@pytest.mark.parametrize("sample", [(0, 0, 0), (1, -1, 1000), (2047, -2048, -1)])
def test_reads_each_sample_once(sample: tuple[int, int, int]) -> None:
    chip = Chip()
    driver = Lis3dh(chip)
    frame = array("h", [0, 0, 0])
    assert not driver.read_into(frame)
    chip.sample(*sample)
    assert driver.read_into(frame)
    assert tuple(frame) == sample
    assert not driver.read_into(frame)


def test_wrong_chip_and_absent_chip_are_refused() -> None:
    with pytest.raises(OSError, match="no LIS3DH"):
        Lis3dh(Chip(identity=0x44))
    with pytest.raises(OSError):
        Lis3dh(Chip(address=0x19))
    with pytest.raises(ValueError, match="Hz"):
        Lis3dh(Chip(), rate=333)


def test_bus_errors_are_counted_and_give_no_sample() -> None:
    chip = Chip()
    driver = Lis3dh(chip)
    chip.sample(1, 2, 3)
    chip.broken = True
    frame = array("h", [9, 9, 9])
    assert not driver.read_into(frame)
    assert driver.errors == 1
    assert tuple(frame) == (9, 9, 9)
