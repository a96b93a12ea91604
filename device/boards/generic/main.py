"""main.py for a board with a LIS3DH on I2C: set the two pins to those of your wiring.

On a Raspberry Pi Pico: SDA on GP4, SCL on GP5, 3V3 and GND; offbeat runs from power-up on.
"""

import os

from machine import I2C, Pin, unique_id

from offbeat.app import run
from offbeat.sensors.lis3dh import Lis3dh

SDA, SCL = 4, 5

run(
    Lis3dh(I2C(0, sda=Pin(SDA), scl=Pin(SCL), freq=400000)),
    board=os.uname().machine,
    unique="".join("%02x" % byte for byte in unique_id()),
)
