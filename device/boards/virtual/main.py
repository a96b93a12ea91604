"""main.py of a virtual board: the sensor is a pipe that the host feeds; about.json says what comes through."""

import json

from offbeat.app import run
from offbeat.sensors.stream import Stream

with open("about.json") as file:
    about = json.load(file)

print("MicroPython virtual board, offbeat starts; Ctrl-C for the REPL")
run(Stream("sensor.pipe", about), board="virtual", unique=about["unique"])
