"""Sampling goes on while the host floods the serial line with garbage, in the real MicroPython.

Time is the sensor's: so many frames are a second. The line's own time is that of the bytes which it took, at 115200
baud ten bits a byte; the board must take frames at least as fast, or a sensor's memory would run over.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from offbeat.host.board import Board
from offbeat.host.lines import Line, LineReader
from offbeat.host.virtual import ArraySource, VirtualBoard
from offbeat.train.modelfile import read_model
from offbeat.train.pipeline import Pipeline
from offbeat.train.resources import folder
from offbeat.train.simulate import SimulatedStream
from tests.host.small import needs_micropython

RATE = 400
BYTES_A_SECOND = 11520
CONTROL_C = 3  # interrupts MicroPython, on a board as here
MINUTE = 60 * RATE


class Endless(ArraySource):
    """A minute of a machine, again and again, `left` frames in all."""

    left = 0

    def read(self, count: int) -> NDArray[np.int16]:
        part = super().read(min(count, self.left)) if self.left else np.zeros((0, 4), dtype=np.int16)
        self.left -= len(part)
        return part


class Flood:
    """Writes garbage to a port as fast as the line takes it, and reads what comes back; sent: bytes."""

    def __init__(self, port: str) -> None:
        self.sent = 0
        self.scores: dict[int, int] = {}
        self.other: list[Line] = []
        self._reader = LineReader()
        self._handle = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        noise = np.random.default_rng(0).integers(0, 256, 1 << 16).astype(np.uint8)
        noise[noise == CONTROL_C] = 10
        noise[::700] = 126  # our own mark too
        self._garbage = noise.tobytes()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._write, self._read)]
        for thread in self._threads:
            thread.start()

    def _write(self) -> None:
        at = 0
        while not self._stop.is_set():
            with contextlib.suppress(BlockingIOError):
                wrote = os.write(self._handle, self._garbage[at : at + 4096])
                self.sent += wrote
                at = (at + wrote) % len(self._garbage)
                continue
            time.sleep(0.001)

    def _read(self) -> None:
        while not self._stop.is_set():
            try:
                data = os.read(self._handle, 65536)
            except BlockingIOError:
                time.sleep(0.001)
                continue
            for line in self._reader.feed(data):
                if line.kind == "SCORE":
                    self.scores[line.integer("n")] = line.integer("s")
                elif line.kind:
                    self.other.append(line)

    def end(self) -> None:
        """Stop, and close the port."""
        self._stop.set()
        for thread in self._threads:
            thread.join(10)
        os.close(self._handle)


@needs_micropython
@pytest.mark.parametrize(
    "seconds", [pytest.param(120, id="two minutes"), pytest.param(3600, id="an hour", marks=pytest.mark.slow)]
)
def test_no_sample_is_lost_while_the_line_is_flooded(seconds: int, tmp_path: Path) -> None:
    pipeline = Pipeline(read_model(folder("models") / "fan"))
    stream = SimulatedStream(seed=2)
    minute = stream.read(MINUTE)
    source = Endless(
        minute, RATE, stream.channels, units=stream.units, scales=stream.scales, limits=stream.limits,
        sensor=stream.sensor, loop=True,
    )  # fmt: skip
    source.left = frames = seconds * RATE
    windows = (frames - pipeline.window) // pipeline.hop + 1
    with VirtualBoard(source, folder("models") / "fan", speed=0) as board:
        flood = Flood(board.port)
        try:
            deadline = time.monotonic() + 600
            while max(flood.scores, default=-1) < windows - 2:  # the last lines may be lost, as on any line
                assert time.monotonic() < deadline, f"{len(flood.scores)} windows of {windows}"
                time.sleep(0.05)
            sent = flood.sent
        finally:
            flood.end()
        with Board.open(board.port, timeout=30) as connected:
            health = connected.command("HEALTH")
    assert [health.integer(key) for key in ("windows", "unjudged", "lost", "overruns")] == [windows, 0, 0, 0]
    assert health.integer("bad") > 10 and sent > 100 * seconds
    assert sent / BYTES_A_SECOND < seconds, "the board took garbage for longer than it took samples"
    assert "NOVERDICT" not in {line.kind for line in flood.other}
    wanted = pipeline.run(np.concatenate([minute, minute[: pipeline.window]])).scores
    whole = [n for n in flood.scores if pipeline.hop * n + pipeline.window <= MINUTE]
    assert len(whole) > 50
    assert [flood.scores[n] for n in whole] == wanted[whole].tolist(), "every score that was heard is NumPy's"
