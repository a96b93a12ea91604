"""Puts a model file together from its sections; docs/model-file.md. One source for the trainer and the board."""

import struct

from .checksum import crc32
from .modelfile import HEADER, MAGIC, TRAILER, VERSION, sha256


def section(kind, payload, flags=0):
    """A section with its head and padding. payload: bytes."""
    return struct.pack("<BBHI", kind, flags, 0, len(payload)) + payload + bytes(-len(payload) % 4)


def assemble(family, channels, window, hop, rate_millihertz, body):
    """The bytes of a model file. body: its sections, one after the other.

    Raises OSError on a port without SHA-256, which no model file can do without.
    """
    if sha256 is None:
        raise OSError("this port of MicroPython has no SHA-256")
    length = HEADER + len(body) + TRAILER
    header = struct.pack("<4sBBBBIHHI", MAGIC, VERSION, family, channels, 0, length, window, hop, rate_millihertz)
    data = header + bytes(12) + body
    data += sha256(data).digest()
    return data + struct.pack("<I", crc32(data) & 0xFFFFFFFF)
