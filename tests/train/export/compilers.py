"""Compilers that exports are tried with, and how generated C is loaded into this process."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

__all__ = ["CC", "CXX", "CXX_FLAGS", "C_FLAGS", "compile_c", "link_for_cortex_m3", "load", "run_program"]

C_FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror")
CXX_FLAGS = ("-std=c++11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror")


def _found(system: str, zig: str) -> dict[str, list[str]]:
    found = {system: [system]} if shutil.which(system) else {}
    return {**found, **({f"zig {zig}": [sys.executable, "-m", "ziglang", zig]} if find_spec("ziglang") else {})}


CC = _found("gcc", "cc")
CXX = dict([*_found("g++", "c++").items()][:1])  # zig compiles a C++ library of its own first, which takes minutes


def compile_c(sources: list[Path], output: Path, *flags: str, compiler: str | None = None) -> Path:
    """Compile and link C sources with all warnings as errors; fails the test with what the compiler says."""
    command = [*CC[compiler or next(iter(CC))], *C_FLAGS, *flags, *map(str, sources), "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output


def load(library: Path) -> ctypes.CDLL:
    """A shared library."""
    return ctypes.CDLL(str(library))


def run_program(program: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run what was compiled."""
    return subprocess.run([str(program), *words], capture_output=True, text=True, check=False, timeout=60)


def link_for_cortex_m3(sources: list[Path], output: Path, *flags: str) -> int:
    """Bytes of code and constants of a program for a Cortex-M3, what nothing uses left out."""
    target = ["-target", "thumb-freestanding-eabi", "-mcpu=cortex_m3", "-nostdlib", "-Wl,-e,start", "-Wl,--gc-sections"]
    command = [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        *target,
        "-std=c99",
        "-ffunction-sections",
        "-fdata-sections",
        *flags,
    ]
    done = subprocess.run(
        [*command, *map(str, sources), "-o", str(output)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return _loaded_bytes(output.read_bytes())


def _loaded_bytes(image: bytes) -> int:
    """Bytes of an ELF file's sections that go into flash: allocated, with contents."""
    at, size, count = (int.from_bytes(image[i : i + n], "little") for i, n in ((32, 4), (46, 2), (48, 2)))
    total = 0
    for i in range(count):
        header = image[at + i * size : at + (i + 1) * size]
        kind, flags, length = (int.from_bytes(header[j : j + 4], "little") for j in (4, 8, 20))
        total += length if kind == 1 and flags & 2 else 0
    return total
