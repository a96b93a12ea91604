"""Rotating machines seen by a 3-axis accelerometer and a thermometer, physically argued: ``docs/simulator.md``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offbeat.train.errors import InputError
from offbeat.train.recording import Recording
from offbeat.train.recording_csv import write_csv_rows

from .faults import FAULTS, Fault, applicable, parse_fault
from .machines import MACHINES, Bearing, Machine
from .sensors import SENSORS
from .stream import SimulatedStream

__all__ = [
    "FAULTS",
    "MACHINES",
    "SENSORS",
    "Bearing",
    "Fault",
    "Machine",
    "SimulatedStream",
    "applicable",
    "parse_fault",
    "simulate",
    "write_csv",
]

_ROWS = 40000
_MOST_FRAMES = 10**9


def simulate(
    machine: str = "fan",
    seconds: float = 60.0,
    rate: float = 400.0,
    faults: Sequence[Fault] = (),
    seed: int = 0,
    sensor: str = "LIS3DH",
) -> Recording:
    """A simulated recording in memory, with labels. Raises InputError as SimulatedStream does."""
    stream = SimulatedStream(machine, rate, faults, seed, sensor)
    count = _frames(seconds, rate)
    return Recording(
        Path(machine),
        stream.read(count),
        stream.labels(0, count),
        stream.channels,
        stream.rate,
        stream.scales,
        stream.units,
        sensor,
        limits=stream.limits,
    )


def _frames(seconds: float, rate: float) -> int:
    if not 1 <= seconds * rate < _MOST_FRAMES:
        raise InputError(f"--seconds {seconds:g} is out of range; ask for 1 to {_MOST_FRAMES} samples")
    return round(seconds * rate)


def write_csv(
    stream: SimulatedStream,
    path: str | Path,
    seconds: float,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write the next seconds of a stream as a labelled CSV recording, whole or not at all, in bounded memory."""
    total = _frames(seconds, stream.rate)
    about = Recording(
        Path(path),
        np.zeros((0, 4), np.int16),
        np.zeros(0, "U1"),
        stream.channels,
        stream.rate,
        stream.scales,
        stream.units,
        stream.sensor,
        limits=stream.limits,
    )

    def rows() -> Iterator[tuple[int, NDArray[np.int16], NDArray[np.str_]]]:
        first = stream.position
        for start in range(0, total, _ROWS):
            count = min(_ROWS, total - start)
            labels = stream.labels(first + start, count)
            yield start, stream.read(count), labels
            progress(start + count, total)

    write_csv_rows(Path(path), about, rows())
