"""Compiles a contender's C for a core, with zig cc and with Arm's GCC where there is one."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from offbeat.train.errors import OffbeatError
from offbeat.train.profile import MCUS, Firmware, Mcu, build_program
from offbeat.train.profile.firmware import read_firmware
from offbeat.train.resources import folder

__all__ = ["CORES", "PLAIN_M4", "WITH_FLOATS", "compile_with", "compilers", "gcc_version"]

CORES = ("cortex-m0", "cortex-m3", "cortex-m4")
"""Cores of the levels; the Cortex-M4 is one with a floating-point unit, of which offbeat makes no use."""

WITH_FLOATS: dict[str, Mcu] = {
    **{name: MCUS[name] for name in CORES},
    "cortex-m4": replace(MCUS["cortex-m4"], target="thumb-freestanding-eabihf", flags=("-mcpu=cortex_m4+vfp4d16sp",)),
}
"""The cores as one compiles for them who computes in floats: the M4's unit is used and passes arguments."""

PLAIN_M4 = replace(MCUS["cortex-m4"], name="cortex-m4 without DSP", flags=("-mcpu=cortex_m4-dsp",))

_GCC = "arm-none-eabi-gcc"
_GCC_FLAGS = {
    "cortex-m0": ("-mcpu=cortex-m0",),
    "cortex-m3": ("-mcpu=cortex-m3",),
    "cortex-m4": ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
}
_SECTIONS = ("-O2", "-ffunction-sections", "-fdata-sections", "-fno-exceptions", "-fno-unwind-tables", "-w")


def gcc_version() -> str | None:
    """Arm's GCC by name and version; None where there is none."""
    if shutil.which(_GCC) is None:
        return None
    done = subprocess.run([_GCC, "-dumpfullversion"], capture_output=True, text=True, check=True)
    return f"{_GCC} {done.stdout.strip()}"


def compilers() -> list[str]:
    """Compilers that a peer's code is built with; of both results the better one counts."""
    return ["zig cc", *([_GCC] if gcc_version() else [])]


def compile_with(
    compiler: str, files: Mapping[str, str], core: str, entries: Sequence[str], include: Sequence[Path] = ()
) -> Firmware:
    """Build a program whose driver is not counted. files: text by name, all C or all C++; include: folders of headers."""
    plus = any(name.endswith(".cpp") for name in files)
    standard = "-std=gnu++11" if plus else "-std=gnu99"
    folders = ["-I.", *(f"-I{path}" for path in include)]
    if compiler == _GCC:
        return _with_gcc(files, core, entries, [standard, *folders])
    libc = _headers()
    options = [
        standard,
        "-fhosted",
        "-fno-exceptions",
        "-w",
        *folders,
        *(word for h in libc for word in ("-isystem", h)),
    ]
    return build_program(files, WITH_FLOATS[core], entries, options=options)


def _headers() -> list[str]:
    """The C library's headers that come with zig, which a bare core's target has none of; no code of it is linked."""
    spec = find_spec("ziglang")
    assert spec is not None and spec.origin is not None
    at = Path(spec.origin).parent / "lib" / "libc" / "include"
    return [str(at / name) for name in ("arm-linux-musl", "generic-musl")]


def _run(command: Sequence[str], where: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=where)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line or "undefined" in line]
        raise OffbeatError(f"{_GCC} cannot compile the code: {(lines or ['no reason'])[0][:200]}")


def _with_gcc(files: Mapping[str, str], core: str, entries: Sequence[str], options: Sequence[str]) -> Firmware:
    with tempfile.TemporaryDirectory(prefix="offbeat-gcc-") as temporary:
        where = Path(temporary)
        for name, text in files.items():
            (where / name).write_text(text, encoding="utf-8")
        flags = ["-mthumb", *_GCC_FLAGS[core], *_SECTIONS, *options]
        sources = [name for name in files if name.endswith((".c", ".cpp"))]
        for name in sources:
            _run([_GCC, *flags, "-c", name, "-o", f"{Path(name).stem}.o"], where)
        layout = (folder("train") / "templates" / "profile.ld").read_text(encoding="utf-8")
        library = "*lib*.a:*(.text*) *lib*.a:*(.rodata*)"  # libgcc's and newlib's, as compiler_rt's are
        (where / "layout.ld").write_text(layout.replace("*compiler_rt*(.text*) *compiler_rt*(.rodata*)", library))
        objects = [f"{Path(name).stem}.o" for name in sources]
        kept = [f"-Wl,-u,{name}" for name in entries]
        link = ["-nostartfiles", "-T", "layout.ld", "-Wl,--gc-sections", *kept, *objects, "-lm", "-o", "firmware.elf"]
        _run([_GCC, *flags, *link], where)
        return read_firmware(where / "firmware.elf", WITH_FLOATS[core])
