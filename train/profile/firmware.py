"""Compiles the C export of a model for a core, as a firmware would, and reads sizes and symbols off the ELF file."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from offbeat.train.errors import InputError, OffbeatError
from offbeat.train.export import c
from offbeat.train.resources import folder

from .cache import cache_folder, digest
from .mcus import Mcu

__all__ = [
    "OPTIMIZATIONS",
    "Firmware",
    "Function",
    "build_firmware",
    "build_program",
    "compiler",
    "inputs_of",
    "read_firmware",
    "require_toolchain",
    "runtime_sizes",
    "toolchain_missing",
]

OPTIMIZATIONS = ("O2", "Os")
"""Optimization of the compiler, for speed or for size."""

_PACKAGES: Final = {"ziglang": "ziglang", "unicorn": "unicorn", "elftools": "pyelftools"}
# What firmware is usually built with; frame pointers and tables for unwinding serve a debugger only.
_FLAGS: Final = (
    "-std=c99", "-ffunction-sections", "-fdata-sections", "-fomit-frame-pointer", "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables", "-fno-stack-protector", "-fno-sanitize=undefined",
)  # fmt: skip
_ENTRIES: Final = ("driver_init", "driver_features", "driver_score", "driver_decide", "driver_contribution")
_SECTIONS: Final = (".text", ".rodata", ".data", ".bss", ".buffers", ".samples", ".helpers")


@dataclass(frozen=True)
class Function:
    """A function in the image. start: address; size: bytes; helper: of the compiler's own library."""

    name: str
    start: int
    size: int
    helper: bool


@dataclass(frozen=True)
class Firmware:
    """A model compiled for a core.

    segments: (address, bytes) of what memory holds after a reset; symbols: addresses by name; functions: offbeat's and
    the compiler's library's, by address; sections: bytes by name: .text, .rodata, .data and .bss are offbeat's,
    .buffers what a firmware gives it (state, work, vector, features), .samples the ring of a window and a hop,
    .helpers the compiler's own library; code: (start, end) of the addresses whose instructions are counted.
    """

    mcu: Mcu
    optimize: str
    segments: tuple[tuple[int, bytes], ...]
    symbols: dict[str, int]
    functions: tuple[Function, ...]
    sections: dict[str, int]
    code: tuple[int, int]


def toolchain_missing() -> list[str]:
    """Packages of the extra ``profile`` that are not installed; none where a model can be measured."""
    return [package for module, package in _PACKAGES.items() if find_spec(module) is None]


def require_toolchain() -> None:
    """Raises InputError, which names the extra, where compiler or emulator is missing."""
    missing = toolchain_missing()
    if missing:
        raise InputError(
            f"measuring a model needs {' and '.join(missing)}, not installed here; pip install 'offbeat[profile]'"
        )


@cache
def compiler() -> str:
    """Compiler by name and version; the numbers are those of this one. Raises InputError where there is none."""
    try:
        return f"zig cc {version('ziglang')}"
    except PackageNotFoundError:
        require_toolchain()
        raise


def inputs_of(model: bytes, single_file: bool = False) -> dict[str, str]:
    """The files that are compiled for a model, by name: what the export to C writes, and the driver around it.

    single_file: as one pair model.c and model.h with only the code that the model needs.
    """
    exported = c.files(model, single_file=single_file).items()
    files = {name: str(text) for name, text in exported if name.endswith((".c", ".h")) and name != "example.c"}
    templates = folder("train") / "templates"
    files["driver.c"] = (templates / "profile_driver.c").read_text(encoding="utf-8")
    files["layout.ld"] = (templates / "profile.ld").read_text(encoding="utf-8")
    return files


def _zig(arguments: Sequence[str], where: Path) -> str:
    """Run zig cc; returns what it complained about, "" where it did not fail."""
    environment = {
        **os.environ,
        "ZIG_GLOBAL_CACHE_DIR": str(cache_folder() / "zig"),
        "ZIG_LOCAL_CACHE_DIR": str(where / "zig"),
    }
    command = [sys.executable, "-m", "ziglang", "cc", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=where)
    return (done.stderr or f"exit code {done.returncode}") if done.returncode else ""


def _failed(mcu: Mcu, complaint: str) -> OffbeatError:
    lines = [line for line in complaint.splitlines() if "error" in line] or complaint.splitlines() or ["no reason"]
    return OffbeatError(f"{compiler()} cannot compile the code for {mcu.name}: {lines[0].strip()[:300]}")


def _flags(mcu: Mcu, optimize: str) -> list[str]:
    symbols = "-g1" if optimize == "Os" else "-g0"  # zig strips what is built for size, but not from a debugger
    return ["-target", mcu.target, *mcu.flags, f"-{optimize}", *_FLAGS, symbols]


def _object(name: str, files: dict[str, str], mcu: Mcu, optimize: str, where: Path) -> Path:
    """An object file of the runtime, compiled once for each content, core and compiler."""
    headers = sorted(header for header in files if header.endswith(".h") and header != "model.h")
    flags = _flags(mcu, optimize)
    key = digest([compiler(), *flags, name, files[name], *(part for h in headers for part in (h, files[h]))])
    place = cache_folder() / "objects" / f"{key}.o"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        made = where / f"{name.removesuffix('.c')}.o"
        complaint = _zig([*flags, "-c", str(where / name), "-o", str(made)], where)
        if complaint:
            raise _failed(mcu, complaint)
        handle, temporary = tempfile.mkstemp(dir=place.parent)
        os.close(handle)
        Path(temporary).write_bytes(made.read_bytes())
        Path(temporary).replace(place)
    return place


def build_firmware(model: bytes, mcu: Mcu, optimize: str = "O2") -> Firmware:
    """Export a model file's bytes to C in a temporary folder, compile and link it for a core, and read the result.

    optimize: one of OPTIMIZATIONS. The runtime's object files are kept in the user's cache. The first time that a
    core needs the compiler's own library (division on a Cortex-M0), building that takes half a minute.
    Raises InputError where the extra ``profile`` is not installed, OffbeatError where the compiler fails.
    """
    require_toolchain()
    files = inputs_of(model)
    with tempfile.TemporaryDirectory(prefix="offbeat-profile-") as temporary:
        where = Path(temporary)
        for name, text in files.items():
            (where / name).write_text(text, encoding="utf-8")
        runtime = sorted(name for name in files if name.startswith("offbeat") and name.endswith(".c"))
        with ThreadPoolExecutor(max_workers=2) as pool:
            objects = list(pool.map(lambda name: _object(name, files, mcu, optimize, where), runtime))
        built = _linked([where / "model.c", where / "driver.c", *objects], mcu, optimize, _ENTRIES, where)
    if built.sections[".data"]:
        raise OffbeatError("the runtime has variables with initial values: all state has to be the caller's")
    return built


def build_program(
    files: Mapping[str, str], mcu: Mcu, entries: Sequence[str], optimize: str = "O2", options: Sequence[str] = ()
) -> Firmware:
    """Compile and link any C program for a core as build_firmware() does a model, to be measured like one.

    files: text by name, among them driver.c, whose code is not counted; entries: its functions, each of an int32 that
    returns an int32; options: further ones of the compiler, for instance where headers are. Raises InputError where the
    extra ``profile`` is not installed, OffbeatError where the compiler fails.
    """
    require_toolchain()
    with tempfile.TemporaryDirectory(prefix="offbeat-program-") as temporary:
        where = Path(temporary)
        for name, text in files.items():
            (where / name).write_text(text, encoding="utf-8")
        sources = [where / name for name in files if name.endswith((".c", ".cpp"))]
        return _linked(sources, mcu, optimize, entries, where, options)


def _linked(
    sources: Sequence[Path], mcu: Mcu, optimize: str, entries: Sequence[str], where: Path, options: Sequence[str] = ()
) -> Firmware:
    layout = where / "layout.ld"
    layout.write_text((folder("train") / "templates" / "profile.ld").read_text(encoding="utf-8"), encoding="utf-8")
    kept = [f"-Wl,-u,{name}" for name in entries]
    link = [*_flags(mcu, optimize), *options, "-T", str(layout), "-Wl,--gc-sections", *kept]
    command = [*link, *map(str, sources), "-o", str(where / "firmware.elf")]
    complaint = _zig([*command, "-nostdlib"], where)
    if "undefined symbol" in complaint:  # division, say, which the compiler's own library has
        complaint = _zig(command, where)
    if complaint:
        raise _failed(mcu, complaint)
    return read_firmware(where / "firmware.elf", mcu, optimize)


def runtime_sizes(model: bytes, mcu: Mcu, optimize: str = "O2") -> dict[str, int]:
    """Bytes of code and constants of each of the runtime's files that a model needs, before unused functions go."""
    from elftools.elf.elffile import ELFFile

    require_toolchain()
    files, found = inputs_of(model), {}
    with tempfile.TemporaryDirectory(prefix="offbeat-profile-") as temporary:
        for name, text in files.items():
            (Path(temporary) / name).write_text(text, encoding="utf-8")
        for name in (name for name in files if name.startswith("offbeat") and name.endswith(".c")):
            with _object(name, files, mcu, optimize, Path(temporary)).open("rb") as file:
                sections = ELFFile(file).iter_sections()
                found[name] = sum(s["sh_size"] for s in sections if s.name.startswith((".text", ".rodata")))
    return found


def read_firmware(path: Path, mcu: Mcu, optimize: str = "O2") -> Firmware:
    """Sizes, symbols and memory of an ELF file that was linked by the template profile.ld."""
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as file:
        elf = ELFFile(file)
        segments = tuple(
            (segment["p_paddr"], segment.data()) for segment in elf.iter_segments("PT_LOAD") if segment["p_filesz"]
        )
        there = {section.name: section for section in elf.iter_sections()}
        sections = {name: there[name]["sh_size"] if name in there else 0 for name in _SECTIONS}
        bounds = {name: (s["sh_addr"], s["sh_addr"] + s["sh_size"]) for name, s in there.items() if s["sh_addr"]}
        symbols, functions = _symbols(there[".symtab"], bounds)
    ordered = tuple(functions[start] for start in sorted(functions))
    low = min(bounds[name][0] for name in (".helpers", ".text") if name in bounds)
    return Firmware(mcu, optimize, segments, symbols, ordered, sections, (low, bounds[".text"][1]))


def _symbols(table: Any, bounds: dict[str, tuple[int, int]]) -> tuple[dict[str, int], dict[int, Function]]:
    """Addresses by name, and offbeat's and the compiler's functions by address; a static one with its file's name."""
    symbols: dict[str, int] = {}
    functions: dict[int, Function] = {}
    file = ""
    for symbol in table.iter_symbols():
        kind, start = symbol["st_info"]["type"], symbol["st_value"] & ~1
        symbols[symbol.name] = symbol["st_value"]
        if kind == "STT_FILE":
            file = Path(symbol.name).stem.removeprefix("offbeat_")
        section = next((name for name in (".text", ".helpers") if _within(start, bounds.get(name))), "")
        if kind != "STT_FUNC" or not symbol["st_size"] or not section:
            continue
        own = symbol["st_info"]["bind"] == "STB_LOCAL"
        helper = section == ".helpers"
        name = symbol.name.rsplit(".")[-1] if helper else f"{file}: {symbol.name}" if own else symbol.name
        if start not in functions or not own:
            functions[start] = Function(name, start, symbol["st_size"], helper)
    return symbols, functions


def _within(address: int, bounds: tuple[int, int] | None) -> bool:
    return bounds is not None and bounds[0] <= address < bounds[1]
