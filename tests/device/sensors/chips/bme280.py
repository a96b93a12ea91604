"""BME280: Bosch BST-BME280-DS002 rev. 1.6, chapters 3.3, 4.2.2 and 5."""

import struct

from tests.device.sensors.bus import Registers

# The example of Bosch's BMP280 datasheet (BST-BMP280-DS001, section 3.12), and humidity parameters as chips have them.
TEMPERATURE = (27504, 26435, -1000)
PRESSURE = (36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
HUMIDITY = (75, 362, 0, 333, 50, 30)
MEASUREMENT_US = 8000  # section 9.1: 1.25 ms and 2 ms each with 0.5 ms for pressure and humidity, typical 8 ms


class Bme280(Registers):
    """raw: pressure, temperature, humidity as its converter gives them."""

    def __init__(self, address=0x76, identity=0x60):
        self.address = address
        self.raw = (415148, 519888, 25000)
        self.measured = 0
        self._until = 0
        self._humidity = 0
        Registers.__init__(self, 0x100, {0xD0: identity})

    def reset(self):
        Registers.reset(self)
        self._until = 0
        self._humidity = 0
        h1, h2, h3, h4, h5, h6 = HUMIDITY
        self.registers[0x88:0xA0] = struct.pack("<HhhHhhhhhhhh", *(TEMPERATURE + PRESSURE))
        self.registers[0xA1] = h1
        self.registers[0xE1:0xE8] = struct.pack("<hBbBbb", h2, h3, h4 >> 4, (h4 & 15) | (h5 & 15) << 4, h5 >> 4, h6)
        self._show(0x80000, 0x80000, 0x8000)

    def _show(self, pressure, temperature, humidity):
        for at, value in ((0xF7, pressure), (0xFA, temperature)):
            self.registers[at] = value >> 12
            self.registers[at + 1] = value >> 4 & 0xFF
            self.registers[at + 2] = (value & 15) << 4
        self.registers[0xFD] = humidity >> 8
        self.registers[0xFE] = humidity & 0xFF

    def advance(self, us):
        if self._until:
            self._until -= min(us, self._until)
            if not self._until:
                control = self.registers[0xF4]
                pressure, temperature, humidity = self.raw
                self._show(
                    pressure if control >> 2 & 7 else 0x80000,
                    temperature if control >> 5 else 0x80000,
                    humidity if self._humidity & 7 else 0x8000,
                )
                self.registers[0xF4] &= ~3  # back to sleep
                self.measured += 1

    def read(self, register):
        if register == 0xF3:
            return 0x08 if self._until else 0
        return self.registers[register]

    def write(self, register, value):
        if register == 0xE0 and value == 0xB6:
            self.reset()
        elif register in (0xF2, 0xF4, 0xF5):
            self.registers[register] = value
            if register == 0xF4:
                # What ctrl_hum says becomes effective with a write to ctrl_meas (section 5.4.3).
                self._humidity = self.registers[0xF2]
                if value & 3 in (1, 2):
                    self._until = MEASUREMENT_US
