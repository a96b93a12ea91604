"""A BBC micro:bit v1 in QEMU that runs MicroPython's own firmware, with the exported module in its flash."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from offbeat.train.errors import InputError
from offbeat.train.export.microbit import find_firmware, flash_image, virtual_module
from offbeat.train.modelfile import write_atomically

from .firmware import find_emulator
from .virtual_process import Program

__all__ = ["BOARD", "emulated_microbit", "why_missing"]

BOARD: Final = "microbit"
_BOOT_SECONDS: Final = 90.0  # it compiles the module first


def why_missing() -> str:
    """What of an emulated micro:bit is not installed, as a sentence with what brings it; empty when nothing is."""
    if find_emulator() is None:
        return "a virtual micro:bit needs QEMU's emulator for Arm: apt install qemu-system-arm, or brew install qemu"
    if find_firmware() is None:
        return (
            "a virtual micro:bit needs MicroPython's firmware for it: apt install firmware-microbit-micropython, or "
            "name its hex file in OFFBEAT_MICROBIT_FIRMWARE"
        )
    return ""


def emulated_microbit(model: bytes, about: Mapping[str, object], image: Path) -> Program:
    """Write the flash image for a model, and return how to run it.

    about: what its sensor is, see sensors.Source. Raises InputError without QEMU or the firmware, and where the model
    does not fit the sensor or the board.
    """
    emulator, firmware = find_emulator(), find_firmware()
    if emulator is None or firmware is None:
        raise InputError(why_missing())
    write_atomically(image, flash_image(virtual_module(model, about), firmware))
    words = [
        "-machine", "microbit", "-display", "none", "-monitor", "none", "-parallel", "none", "-net", "none",
        "-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line",
        "-semihosting-config", "enable=on,target=native", "-device", f"loader,file={image}",
    ]  # fmt: skip
    return Program((str(emulator), *words), "QEMU", first_words=b"~HEALTH", boot_seconds=_BOOT_SECONDS)
