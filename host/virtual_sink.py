"""Where a virtual board's frames go: a pipe that MicroPython reads, or a ring in a file that firmware reads."""

from __future__ import annotations

import contextlib
import os
import select
import struct
import time
from pathlib import Path
from typing import Final, Protocol

__all__ = ["ATOMIC", "PipeSink", "RingSink", "Sink"]

ATOMIC: Final = select.PIPE_BUF
"""Bytes that a pipe takes whole or not at all, so that no frame is ever cut."""

_SLOTS: Final = 1024  # frames, as in device/firmware/sensor_semihost.c
_HEADER: Final = 8
_COUNT: Final = 1 << 32


class Sink(Protocol):
    """Takes frames for a board. Nothing here blocks longer than ``wait`` says."""

    def write(self, data: bytes) -> bool:
        """Take whole frames, all of them or, with False, none: there is no room."""

    def wait(self, seconds: float) -> None:
        """Wait for room, or so long."""

    def empty(self) -> None:
        """Forget what the board has not read."""

    def close(self) -> None:
        """Let go of the file."""


class PipeSink:
    """A named pipe."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path, 0o600)
        # Open for both: the board can then open its end whenever it boots, and never sees an end of file.
        self._handle = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def write(self, data: bytes) -> bool:
        """Take whole frames, all or none."""
        try:
            os.write(self._handle, data)
        except BlockingIOError:
            return False
        return True

    def wait(self, seconds: float) -> None:
        """Wait for room, or so long."""
        poll = select.poll()
        poll.register(self._handle, select.POLLOUT)
        if poll.poll(1000 * seconds):
            time.sleep(0.002)  # there is room, but not for all of it

    def empty(self) -> None:
        """Forget what the board has not read."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._handle, 65536):
                pass

    def close(self) -> None:
        """Let go of the pipe."""
        os.close(self._handle)


class RingSink:
    """A ring of frames in a file, described in device/firmware/sensor_semihost.c. frame: bytes of one."""

    def __init__(self, path: Path, frame: int) -> None:
        self._frame = frame
        self._written = 0
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._handle, _HEADER + _SLOTS * frame)

    def write(self, data: bytes) -> bool:
        """Take whole frames, all or none. The count is written last, so that no frame is read before it is whole."""
        count = len(data) // self._frame
        (taken,) = struct.unpack("<I", os.pread(self._handle, 4, 4))
        if (self._written - taken) % _COUNT + count > _SLOTS:
            return False
        slot = self._written % _SLOTS
        first = data[: (_SLOTS - slot) * self._frame]
        os.pwrite(self._handle, first, _HEADER + slot * self._frame)
        os.pwrite(self._handle, data[len(first) :], _HEADER)
        self._written = (self._written + count) % _COUNT
        os.pwrite(self._handle, struct.pack("<I", self._written), 0)
        return True

    def wait(self, seconds: float) -> None:
        """Wait a little: the board says nowhere that it has read."""
        time.sleep(min(seconds, 0.002))

    def empty(self) -> None:
        """Forget what the board has not read; it begins where the counts are when it boots."""
        os.pwrite(self._handle, struct.pack("<I", self._written), 4)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)
