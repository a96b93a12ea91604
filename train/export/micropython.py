"""Export for MicroPython: the files that are copied onto a board as they stand."""

from __future__ import annotations

from pathlib import Path

from offbeat.train.modelfile import write_atomically
from offbeat.train.resources import folder

__all__ = ["package_files", "write_package"]

_README = """# A detector for a MicroPython board

Copy everything here onto the board, then restart it:

    mpremote cp -r offbeat main.py model.beat :
    mpremote reset

`main.py` reads a LIS3DH on I2C; set its two pins to those of your wiring, or put another source in its place
(`offbeat/sensors/`). From then on, on the host:

    offbeat validate MODEL_DIR --port PORT
    offbeat monitor --port PORT
"""


def package_files() -> dict[str, Path]:
    """The board's package: place on the board, and the file that goes there."""
    root = folder("device")
    return {f"offbeat/{path.relative_to(root).as_posix()}": path for path in sorted(root.rglob("*.py"))}


def write_package(model: bytes, directory: Path) -> list[Path]:
    """Write the package, main.py and model.beat; returns the files."""
    written = []
    files = {name: path.read_bytes() for name, path in package_files().items()}
    files["main.py"] = (folder("boards") / "generic" / "main.py").read_bytes()
    files["model.beat"] = model
    files["README.md"] = _README.encode()
    for name, content in files.items():
        place = directory / name
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, content)
        written.append(place)
    return written
