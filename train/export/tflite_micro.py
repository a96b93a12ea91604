"""Runs in a process of its own, which TensorFlow Lite Micro may abort: one flat buffer over some inputs.

    python -m offbeat.train.export.tflite_micro DIRECTORY

DIRECTORY/in.npz has flat, uint8, and windows, float32 [W, F]; out.npz gets outputs, float32 [W, F], and arena, bytes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["main", "quantized", "restored"]

Floats = NDArray[np.float32]
_STEP = 16  # bytes, TFLM's alignment
_MOST = 1 << 18


def quantized(values: Floats, details: dict[str, Any]) -> NDArray[Any]:
    """Values as a tensor takes them. details: its dtype, and quantization, scale and zero point."""
    if details["dtype"] is not np.int8:
        return values
    scale, zero = details["quantization"]
    return np.clip(np.round(values / scale) + zero, -128, 127).astype(np.int8)


def restored(values: NDArray[Any], details: dict[str, Any]) -> Floats:
    """The inverse of ``quantized``."""
    if details["dtype"] is not np.int8:
        return values
    scale, zero = details["quantization"]
    return ((values.astype(np.float32) - zero) * scale).astype(np.float32)


def _interpreter(flat: bytes, arena: int) -> Any:
    from tflite_micro.python.tflite_micro import runtime

    return runtime.Interpreter.from_bytes(flat, arena_size=arena)


def _smallest_arena(flat: bytes) -> int:
    """Bytes of the smallest arena in which TFLM allocates the model, to 16."""
    low, high = 0, _MOST // _STEP
    while high - low > 1:
        middle = (low + high) // 2
        if _fits(flat, middle * _STEP):
            high = middle
        else:
            low = middle
    return high * _STEP


def _fits(flat: bytes, arena: int) -> bool:
    """Whether TFLM allocates the model there; tried in a fork, as it may abort where it cannot."""
    child = os.fork()
    if child == 0:
        try:
            _interpreter(flat, arena)
        except RuntimeError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _details(details: dict[str, Any]) -> dict[str, Any]:
    parameters = details["quantization_parameters"]
    scale = float(parameters["scales"][0]) if len(parameters["scales"]) else 0.0
    zero = int(parameters["zero_points"][0]) if len(parameters["zero_points"]) else 0
    return {"dtype": np.dtype(details["dtype"]).type, "quantization": (scale, zero)}


def main(directory: Path) -> None:
    """Run; see the module's own text."""
    with np.load(directory / "in.npz", allow_pickle=False) as given:
        flat, windows = given["flat"].tobytes(), given["windows"]
    interpreter = _interpreter(flat, _MOST)
    into, out = _details(interpreter.get_input_details(0)), _details(interpreter.get_output_details(0))
    found = []
    for row in quantized(windows, into):
        interpreter.set_input(row[None], 0)
        interpreter.invoke()
        found.append(interpreter.get_output(0)[0].copy())
    np.savez(directory / "out.npz", outputs=restored(np.array(found), out), arena=_smallest_arena(flat))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
