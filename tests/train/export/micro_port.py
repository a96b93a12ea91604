"""Runs the module for a micro:bit in this Python: its serial port is a list of lines, its sensor an array of frames."""

from __future__ import annotations

import base64
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offbeat.device import link, micro
from offbeat.host.sending import bytes_a_line
from offbeat.train.export.micro import MicroModule

__all__ = ["Port", "answers", "run_module", "window_lines"]


class _EndError(Exception):
    """The module has had everything."""


class Port:
    """Gives one line at each look, then ends the run. said: what was written."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.said = b""
        self._rest = b"".join(lines)

    def any(self) -> bool:
        if not self._rest:
            raise _EndError
        return True

    def readline(self, size: int) -> bytes:
        end = self._rest.find(b"\n") + 1 or len(self._rest)
        part, self._rest = self._rest[: min(size, end)], self._rest[min(size, end) :]
        return part

    def write(self, data: bytes, length: int) -> None:
        self.said += bytes(data[:length])


class Accelerometer:
    """Gives frames int16 [n, 3], then ends the run; without any, stands still for ever."""

    def __init__(self, frames: NDArray[np.int16] | None) -> None:
        self._still = frames is None
        self._frames = [[0, 0, 0]] if frames is None else frames.tolist()
        self._at = -1

    def get_x(self) -> int:
        self._at = 0 if self._still else self._at + 1
        if self._at >= len(self._frames):
            raise _EndError
        return int(self._frames[self._at][0])

    def get_y(self) -> int:
        return int(self._frames[self._at][1])

    def get_z(self) -> int:
        return int(self._frames[self._at][2])


def run_module(
    module: MicroModule, lines: Iterable[bytes] = (), frames: NDArray[np.int16] | None = None
) -> list[tuple[str, dict[str, str]]]:
    """What the module says: kinds and fields of its lines.

    Its clock stands still, and a sample is due at each look.
    """
    port = Port(lines)
    memory = SimpleNamespace(collect=lambda: 0, mem_free=lambda: 4000, mem_alloc=lambda: 5000)
    names: dict[str, Any] = {
        "gc": memory, "array": array, "uart": port, "ticks_ms": lambda: 0, "ticks_us": lambda: 0,
        "ticks_add": lambda ticks, more: 0, "ticks_diff": lambda later, earlier: 0,  # a sample is always due
        "accelerometer": Accelerometer(frames),
    }  # fmt: skip
    if frames is not None:
        port.any = lambda: False  # type: ignore[method-assign]
    for chunk in module.chunks()[1:]:
        exec(compile(chunk.replace("del array", ""), "micro", "exec"), names)
    with suppress(_EndError):
        names["run"]()
    return [(kind, fields) for kind, _, fields in map(link.parse, port.said.split(b"\r\n")[:-1])]


def window_lines(window: NDArray[np.int16], number: int) -> list[bytes]:
    """The commands that have a window int16 [N, C] scored."""
    raw = window.astype("<i2").tobytes()
    step = bytes_a_line(micro.LINE, len(raw))
    parts = [
        link.encode("WINDOW", 1, [("o", at), ("d", base64.b64encode(raw[at : at + step]).decode())])
        for at in range(0, len(raw), step)
    ]
    return [*parts, link.encode("RUN", 2, [("n", number), ("reset", 1)])]


def answers(said: Sequence[tuple[str, dict[str, str]]], count: int) -> tuple[list[list[int]], list[int]]:
    """Features (count of them) and score of each window of which the lines tell."""
    features: list[list[int]] = []
    scores = []
    values = [0] * count
    for kind, fields in said:
        if kind == "FEATURES":
            found = np.frombuffer(base64.b64decode(fields["d"], validate=True), "<i4").tolist()
            values[int(fields["o"]) : int(fields["o"]) + len(found)] = found
        elif kind == "RESULT":
            features.append(values)
            values = [0] * count
            scores.append(int(fields["s"]))
    return features, scores
