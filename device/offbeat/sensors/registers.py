"""Registers of a chip, on I2C or on SPI, with no allocation; and the way out for an I2C bus that a chip holds."""


class I2cRegisters:
    """Registers of the chip at `address`. i2c: machine.I2C or machine.SoftI2C."""

    def __init__(self, i2c, address):
        self.place = "I2C address 0x%02x" % address
        self._i2c = i2c
        self._address = address
        self._byte = bytearray(1)

    def read_into(self, register, buffer):
        """Fill `buffer`, from `register` on. Raises OSError where the bus fails."""
        self._i2c.readfrom_mem_into(self._address, register, buffer)

    def write(self, register, value):
        """Write one byte. Raises OSError where the bus fails."""
        self._byte[0] = value
        self._i2c.writeto_mem(self._address, register, self._byte)


class SpiRegisters:
    """Registers of the chip that the pin `select` selects, low active; the first byte of a transfer says what it is.

    read, multiple: bits of that byte that ask for reading and for more than one byte. SPI has no acknowledgement,
    so a chip that is gone reads as 0x00 or 0xFF.
    """

    def __init__(self, spi, select, read=0x80, multiple=0x40):
        self.place = "the SPI bus"
        self._spi = spi
        self._select = select
        self._read = read
        self._multiple = multiple
        self._command = bytearray(1)
        self._pair = bytearray(2)
        select(1)

    def read_into(self, register, buffer):
        """Fill `buffer`, from `register` on."""
        self._command[0] = register | self._read | (self._multiple if len(buffer) > 1 else 0)
        self._select(0)
        try:
            self._spi.write(self._command)
            self._spi.readinto(buffer)
        finally:
            self._select(1)

    def write(self, register, value):
        """Write one byte."""
        self._pair[0] = register
        self._pair[1] = value
        self._select(0)
        try:
            self._spi.write(self._pair)
        finally:
            self._select(1)


def clear_bus(scl, sda, wait):
    """Free an I2C bus whose data line a chip holds low, because the board restarted in the middle of a transfer.

    Up to nine clocks and a STOP: NXP UM10204 rev. 7, section 3.1.16. To be called before machine.I2C is made, with
    two machine.Pin that are Pin.OPEN_DRAIN and pulled up, and wait(microseconds), time.sleep_us. Returns True when
    the data line is free.
    """
    sda(1)
    for _ in range(9):
        if sda():
            break
        scl(0)
        wait(5)
        scl(1)
        wait(5)
    scl(0)
    wait(5)
    sda(0)
    wait(5)
    scl(1)
    wait(5)
    sda(1)
    wait(5)
    return bool(sda())
