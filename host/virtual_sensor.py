"""The sensor of a virtual board: frames from a source, fed to the board at the source's pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from offbeat.device.quality import LIMITS
from offbeat.train.errors import InputError
from offbeat.train.recording import open_recording

from .virtual_sink import ATOMIC, Sink

__all__ = ["ArraySource", "Feeder", "RecordingSource", "Source", "source_from"]

_BLOCK_SECONDS: Final = 0.015
_HURRY: Final = 0.25  # s behind its time, the feeder gives up catching up
_LONGEST_READ: Final = 5.0  # s that a source may take for a block when the board is closed


class Source(Protocol):
    """What a virtual sensor measures."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names."""

    @property
    def units(self) -> tuple[str, ...]:
        """Unit of each channel."""

    @property
    def scales(self) -> tuple[float, ...]:
        """Unit per count of each channel."""

    @property
    def limits(self) -> tuple[tuple[int, int], ...]:
        """Lowest and highest count of each channel."""

    @property
    def sensor(self) -> str:
        """Name of the sensor; a model is bound to it."""

    @property
    def rate(self) -> float:
        """Frames a second."""

    def read(self, count: int) -> NDArray[np.int16]:
        """The next frames, int16 [n, C] with 1 <= n <= count; an array without rows is the end."""


class ArraySource:
    """Frames from memory. counts: int16 [n, C]; loop: begin again at the end."""

    def __init__(
        self,
        counts: NDArray[np.int16],
        rate: float,
        channels: Sequence[str],
        *,
        units: Sequence[str] = (),
        scales: Sequence[float] = (),
        limits: Sequence[tuple[int, int]] = (),
        sensor: str = "",
        loop: bool = False,
    ) -> None:
        self.channels = tuple(channels)
        self.units = tuple(units) or ("",) * len(self.channels)
        self.scales = tuple(scales) or (1.0,) * len(self.channels)
        self.limits = tuple(limits) or (LIMITS,) * len(self.channels)
        self.sensor = sensor
        self.rate = rate
        self._counts = counts
        self._loop = loop
        self._at = 0

    def read(self, count: int) -> NDArray[np.int16]:
        """The next frames, int16 [n, C]; none at the end."""
        if self._loop and self._at >= len(self._counts):
            self._at = 0
        part = self._counts[self._at : self._at + count]
        self._at += len(part)
        return part


class RecordingSource:
    """A recording that is played, block by block. loop: begin again at the end. Raises InputError."""

    def __init__(self, path: str | Path, loop: bool = False) -> None:
        self._reader = open_recording(path, allow_gaps=True)
        self.channels = tuple(self._reader.channels)
        self.units = tuple(self._reader.units)
        self.scales = tuple(self._reader.scales)
        self.limits = self._reader.limits
        self.sensor = self._reader.sensor
        self.rate = self._reader.rate
        self._loop = loop
        self._blocks = self._parts()
        self._held = np.zeros((0, len(self.channels)), dtype=np.int16)

    def _parts(self) -> Iterator[NDArray[np.int16]]:
        while True:
            any_rows = False
            for block in self._reader.blocks():
                any_rows = any_rows or len(block.counts) > 0
                yield block.counts
            if not (self._loop and any_rows):
                return

    def read(self, count: int) -> NDArray[np.int16]:
        """The next frames, int16 [n, C]; none at the end. Raises InputError where a row is bad."""
        while not len(self._held):
            part = next(self._blocks, None)
            if part is None:
                break
            self._held = part
        part, self._held = self._held[:count], self._held[count:]
        return part


def source_from(
    source: str,
    *,
    machine: str = "fan",
    faults: Sequence[str] = (),
    rate: float = 400.0,
    seed: int = 0,
    loop: bool = False,
    sensor: str = "LIS3DH",
) -> Source:
    """The source that a command line names: ``simulator`` or a recording. Raises InputError."""
    if source != "simulator":
        if faults:
            raise InputError("--fault is for the simulator; leave it out, or use --source simulator")
        return RecordingSource(source, loop=loop)
    from offbeat.train.simulate import SimulatedStream, parse_fault

    return SimulatedStream(
        machine=machine,
        rate=rate,
        seed=seed,
        sensor=sensor,
        faults=tuple(parse_fault(fault) for fault in faults),
    )


class Feeder:
    """A thread that writes a source's frames into a sink while its board is on.

    speed: times real time, 0 as fast as the board reads. Where the board does not read, time stands still: no frame
    is lost on the way. frames: how many were written.
    """

    def __init__(self, source: Source, sink: Sink, speed: float, failed: Callable[[Exception], None]) -> None:
        self.frames = 0
        self.ended = threading.Event()
        self._source = source
        self._sink = sink
        self._speed = speed
        self._failed = failed
        self._on = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="offbeat sensor", daemon=True)

    def start(self) -> None:
        """Start the thread; nothing flows before switch(True)."""
        self._thread.start()

    def switch(self, on: bool) -> None:
        """The board boots, or is off: then the source waits.

        What an earlier life left unread is gone, as in a sensor's own memory.
        """
        if not on:
            self._on.clear()
            return
        self._sink.empty()
        self._on.set()

    def close(self) -> None:
        """End the thread and close the sink."""
        self._stopping.set()
        self._on.set()
        if self._thread.is_alive():
            self._thread.join(_LONGEST_READ)
        if not self._thread.is_alive():  # one that hangs in its source keeps the sink: its number must not be reused
            self._sink.close()

    def _run(self) -> None:
        try:
            self._feed()
        except Exception as error:  # a source is anybody's code; whatever it raises belongs to the owner's thread
            self._failed(error)

    def _feed(self) -> None:
        frame = 2 * len(self._source.channels)
        pace = self._source.rate * self._speed
        most = max(1, ATOMIC // frame)
        block = max(1, min(most, round(pace * _BLOCK_SECONDS))) if pace else most
        due = time.monotonic()
        while not self._stopping.is_set():
            frames = self._source.read(block)
            if not len(frames):
                self.ended.set()
                return
            self._write(np.ascontiguousarray(frames, dtype="<i2").tobytes())
            self.frames += len(frames)
            if not pace:
                continue
            due += len(frames) / pace
            late = time.monotonic() - due
            if late < 0:
                self._stopping.wait(-late)
            elif late > _HURRY:
                due += late

    def _write(self, data: bytes) -> None:
        while not self._stopping.is_set():
            self._on.wait()
            if self._sink.write(data):
                return
            self._sink.wait(0.1)
