"""Constant tables: the logarithm's 33 points and the CRC of the sixteen nibbles, as int16 words."""

from array import array

from .checksum import NIBBLES

LOG2 = array("h", (
    0, 727, 1433, 2118, 2784, 3432, 4062, 4676, 5274, 5858, 6428,
    6984, 7527, 8059, 8578, 9086, 9584, 10071, 10549, 11017, 11476, 11926,
    12368, 12802, 13228, 13646, 14057, 14461, 14858, 15249, 15634, 16012, 16384,
))  # fmt: skip


def _word(value):
    return value - 65536 if value & 0x8000 else value


CRC = array("h", [_word(n & 0xFFFF) for n in NIBBLES] + [_word(n >> 16) for n in NIBBLES])
