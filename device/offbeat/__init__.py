"""offbeat on the board: sampling, features, score, decision and one log line a window.

The same files run under MicroPython on a board, under its Unix binary as a virtual board, and, for what both
sides of the line share (modelfile, link, checksum, families), under CPython as `offbeat.device`.
"""

VERSION = "0.1.0"
