"""What a board knows of its models from one start to the next, in two copies: a power cut leaves one of them.

See docs/updates.md. A copy has a sequence number and a CRC-32; the higher valid one counts, the other is written next.
"""

import os
import struct

from .checksum import crc32

FIRST, SECOND, FACTORY = 0, 1, 2
"""Places of a model: the two slots, and the model file that the board was deployed with."""
NOWHERE = 255

NO_PHASE, TEST, PROBATION = 0, 1, 2
"""Of the candidate: it runs in the shadow of the confirmed model, or it is the active one and not confirmed yet."""

ENDS = (
    "none", "confirmed", "reset", "host", "silence", "alarms", "heap", "timing", "lost", "error", "flash", "memory",
    "superseded",
)  # fmt: skip
"""How the last candidate ended; all but the first two reverted it."""

_MAGIC = b"OBLG"
_FORMAT = 1
_LAYOUT = "<4sBxHIIBBBBB3x8s8s8s8s16s32s"
_SIZE = struct.calcsize(_LAYOUT) + 4
_NONE = bytes(8)
_HIGHEST = 0xFFFFFFFF


class Ledger:
    """The ledger in a directory.

    confirmed: place of the model that counts; candidate: slot of the one that is on trial, or NOWHERE; phase: of it;
    end: how the last one ended, of ENDS; version: the highest that was ever confirmed; running, before, tried, factory:
    identities (8 bytes) of the confirmed model, of the one in the other slot that was confirmed before it, of the last
    candidate, and of the factory model; algorithm, device_class, key: what signatures must be like, key 32 bytes.
    """

    def __init__(self, directory):
        self.directory = directory
        self.sequence = 0
        self.confirmed = FACTORY
        self.candidate = NOWHERE
        self.phase = NO_PHASE
        self.end = 0
        self.version = 0
        self.running = self.before = self.tried = self.factory = _NONE
        self.algorithm = 0
        self.device_class = b""
        self.key = bytes(32)
        self.failed = 0

    def read(self):
        """Take what the higher valid copy says; nothing changes where there is none."""
        for number in (0, 1):
            try:
                with open(self._path(number), "rb") as file:
                    self._take(file.read(_SIZE + 1))
            except OSError:
                pass

    def write(self, **changes):
        """Change some of it: on flash first, then here. Raises OSError where that fails; nothing has changed then."""
        before = {}
        for name, value in changes.items():
            before[name] = getattr(self, name)
            setattr(self, name, value)
        sequence = self.sequence + 1
        try:
            self._put(sequence & 1, self._packed(sequence))
        except (OSError, MemoryError):
            self.failed = min(self.failed + 1, 0x3FFFFFFF)
            for name, value in before.items():
                setattr(self, name, value)
            raise
        self.sequence = sequence

    def _packed(self, sequence):
        raw = struct.pack(
            _LAYOUT, _MAGIC, _FORMAT, 0, sequence, self.version, self.confirmed, self.candidate, self.phase, self.end,
            self.algorithm, self.running, self.before, self.tried, self.factory, self.device_class, self.key,
        )  # fmt: skip
        return raw + struct.pack("<I", crc32(raw) & 0xFFFFFFFF)

    def _take(self, raw):
        if len(raw) != _SIZE or crc32(raw[:-4]) & 0xFFFFFFFF != struct.unpack_from("<I", raw, _SIZE - 4)[0]:
            return
        magic, form, _, sequence, *rest = struct.unpack_from(_LAYOUT, raw, 0)
        if magic != _MAGIC or form != _FORMAT or sequence <= self.sequence:
            return
        self.sequence = sequence
        (
            self.version, self.confirmed, self.candidate, self.phase, self.end, self.algorithm, self.running,
            self.before, self.tried, self.factory, name, self.key,
        ) = rest  # fmt: skip
        while name and not name[-1]:
            name = name[:-1]
        self.device_class = name

    def _put(self, number, raw):
        """In its place where there is one: on FAT nothing but the file's own bytes changes then."""
        path = self._path(number)
        try:
            file = open(path, "r+b")
        except OSError:
            file = open(path, "wb")
        with file:
            if file.write(raw) != len(raw):
                raise OSError(28)  # ENOSPC, in every port
        sync()
        with open(path, "rb") as file:
            if file.read() != raw:
                raise OSError(5)  # EIO

    def _path(self, number):
        return "%s/state%d" % (self.directory, number)


def sync():
    """For ports that hold back what is written to their flash."""
    if hasattr(os, "sync"):
        os.sync()
