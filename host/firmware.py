"""Builds the bare-metal C firmware around a model, for boards that QEMU emulates. See ``docs/firmware.md``."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from offbeat.device import VERSION, link
from offbeat.device.fit import misfit, reason_names
from offbeat.device.modelfile import Model, ModelError, parse
from offbeat.train.errors import InputError
from offbeat.train.export import c
from offbeat.train.modelfile import write_atomically
from offbeat.train.resources import folder

from .virtual_process import Program
from .virtual_sensor import Source

__all__ = ["BOARDS", "FirmwareBoard", "build_firmware", "emulator", "find_compiler", "find_emulator", "firmware_board"]

_FLAGS: Final = ("-std=c99", "-O2", "-ffreestanding", "-ffunction-sections", "-DOFFBEAT_GOLDEN", "-Wl,--gc-sections")
_BUILD_SECONDS: Final = 300
_LINES: Final = 12  # of what a compiler says


@dataclass(frozen=True)
class FirmwareBoard:
    """A board that QEMU emulates. name: QEMU's of the machine; core: as arm-none-eabi-gcc calls it; sources: suffix of
    the file board_NAME.c; script: of the linker."""

    name: str
    core: str
    sources: str
    script: str


BOARDS: Final[dict[str, FirmwareBoard]] = {
    board.name: board
    for board in (
        FirmwareBoard("microbit", "cortex-m0", "microbit", "microbit.ld"),
        FirmwareBoard("mps2-an385", "cortex-m3", "mps2", "mps2.ld"),
        FirmwareBoard("mps2-an386", "cortex-m4", "mps2", "mps2.ld"),
        FirmwareBoard("mps2-an500", "cortex-m7", "mps2", "mps2.ld"),
    )
}


def firmware_board(name: str) -> FirmwareBoard:
    """The board of that name. Raises InputError, which lists those that there are."""
    if name not in BOARDS:
        raise InputError(f"--firmware {name} is no board that firmware is built for; choose {', '.join(BOARDS)}")
    return BOARDS[name]


def find_emulator() -> Path | None:
    """QEMU's system emulator for Arm, or None without one."""
    found = shutil.which("qemu-system-arm")
    return Path(found) if found else None


def find_compiler() -> str:
    """``gcc`` where arm-none-eabi-gcc is installed, else ``zig`` where the package ziglang is, else nothing.

    $OFFBEAT_FIRMWARE_COMPILER, gcc or zig, asks for one of them.
    """
    asked = os.environ.get("OFFBEAT_FIRMWARE_COMPILER", "")
    has = {"gcc": shutil.which("arm-none-eabi-gcc") is not None, "zig": importlib.util.find_spec("ziglang") is not None}
    return next((name for name, found in has.items() if found and asked in ("", name)), "")


def emulator(board: FirmwareBoard, image: Path) -> Program:
    """QEMU with this board and firmware, its line on standard input and output. Raises InputError without QEMU."""
    found = find_emulator()
    if found is None:
        raise InputError(
            "--firmware needs QEMU's emulator for Arm, which is not installed: apt install qemu-system-arm, or "
            "brew install qemu"
        )
    words = [
        "-machine", board.name, "-display", "none", "-monitor", "none", "-parallel", "none", "-net", "none",
        "-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line",
        "-semihosting-config", "enable=on,target=native", "-kernel", str(image),
    ]  # fmt: skip
    return Program((str(found), *words), "QEMU")


def build_firmware(board: FirmwareBoard, model: bytes, source: Source, unique: str, directory: Path) -> Path:
    """Write the firmware's sources with this model into a directory, compile them, and return the image, an ELF file.

    source: the sensor, of which the firmware says names, units, scales and rate; unique: id of the board. Raises
    InputError where the model is not whole, there is no compiler, or the image does not fit the board.
    """
    try:
        parsed = parse(model)
    except ModelError as error:
        raise InputError(f"the model for the firmware is damaged ({error}); train or export it again") from None
    compiler = find_compiler()
    if not compiler:
        raise InputError(
            "--firmware needs a compiler for Arm: pip install ziglang, or apt install gcc-arm-none-eabi"
            + (f"; OFFBEAT_FIRMWARE_COMPILER asks for {asked}" if (asked := _asked()) else "")
        )
    directory.mkdir(parents=True, exist_ok=True)
    _write_sources(board, model, parsed, source, unique, directory)
    _compile(compiler, board, directory)
    return directory / "firmware.elf"


def _asked() -> str:
    return os.environ.get("OFFBEAT_FIRMWARE_COMPILER", "")


def _write_sources(
    board: FirmwareBoard, model: bytes, parsed: Model, source: Source, unique: str, directory: Path
) -> None:
    for path in c.write(model, directory):
        if path.name == "example.c":
            path.unlink()
    ours = folder("firmware")
    for path in sorted([*ours.glob("*.c"), *ours.glob("*.h"), *ours.glob("*.ld")]):
        if not path.name.startswith("board_") or path.name == f"board_{board.sources}.c":
            shutil.copyfile(path, directory / path.name)
    templates = c.environment()
    values = _values(board, parsed, source, unique)  # every text is quoted as the line protocol wants it
    for name in ("firmware_config.h", "firmware_config.c"):
        write_atomically(directory / name, templates.get_template(name).render(values))


def _values(board: FirmwareBoard, model: Model, source: Source, unique: str) -> dict[str, Any]:
    rate = round(source.rate * 1000)
    scales = [repr(float(scale)) for scale in source.scales]
    about = _About(source.channels, tuple(scales), source.sensor, rate)
    channels = [
        {"name": link.quote(name), "unit": link.quote(unit), "scale": link.quote(scale)}
        for name, unit, scale in zip(source.channels, source.units, scales, strict=True)
    ]
    return {
        "version": VERSION,
        "board": link.quote(board.name),
        "unique": link.quote(unique),
        "sensor": link.quote(source.sensor),
        "rate": f"{rate // 1000}.{rate % 1000:03d}",
        "millihertz": rate,
        "channels": channels,
        "reasons": [link.quote(name) for name in reason_names(model)],
        "why_idle": link.quote(misfit(model, about)),
    }


@dataclass(frozen=True)
class _About:
    """What a board's own check of a model looks at."""

    channels: tuple[str, ...]
    scales: tuple[str, ...]
    sensor: str
    rate_millihertz: int


def _compile(compiler: str, board: FirmwareBoard, directory: Path) -> None:
    sources = sorted(path.name for path in directory.glob("*.c"))
    if compiler == "gcc":
        command = ["arm-none-eabi-gcc", f"-mcpu={board.core}", "-mthumb", "-nostdlib", *_FLAGS, *sources, "-lgcc"]
    else:
        target = ["-target", "thumb-freestanding-eabi", f"-mcpu={board.core.replace('-', '_')}", "-nostdlib"]
        command = [sys.executable, "-m", "ziglang", "cc", *target, *_FLAGS, *sources, "-lcompiler_rt"]
    command += [f"-T{board.script}", "-Wl,-e,reset_handler", "-o", "firmware.new"]
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"{command[0]} does not run ({error}); reinstall it, or choose another compiler") from None
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-_LINES:])
        if "overflow" in said or "will not fit" in said:
            raise InputError(
                f"the firmware does not fit a {board.name}; train a smaller model (--flash, --ram), or choose another "
                f"board. The linker says:\n{said}"
            )
        raise InputError(f"{compiler} cannot build the firmware; it says:\n{said}")
    (directory / "firmware.new").replace(directory / "firmware.elf")
