"""main.py for a board with a LIS3DH on I2C: set the two pins to those of your wiring.

On a Raspberry Pi Pico: SDA on GP4, SCL on GP5, 3V3 and GND; offbeat runs from power-up on. Another sensor is another
name for open_sensor, and perhaps a rate: "mpu6050", "adxl345", "msa301", "bme280"; "simulator", without the bus, for
a board without a sensor. docs/sensors.md of offbeat has them all.
"""

import os

from machine import I2C, Pin, unique_id

from offbeat.app import run
from offbeat.sensors import open_sensor

SDA, SCL = 4, 5

run(
    open_sensor("lis3dh", I2C(0, sda=Pin(SDA), scl=Pin(SCL), freq=400000), rate=400),
    board=os.uname().machine,
    unique="".join("%02x" % byte for byte in unique_id()),
)
