"""Measures a model on emulated microcontrollers: flash, RAM, stack and instructions, before a board is flashed."""

from __future__ import annotations

from .emulate import Emulator
from .firmware import Firmware, build_firmware, toolchain_missing
from .mcus import DEFAULT_MCUS, MCUS, Mcu, mcus_named
from .measure import Measurement, measure

__all__ = [
    "DEFAULT_MCUS",
    "MCUS",
    "Emulator",
    "Firmware",
    "Mcu",
    "Measurement",
    "build_firmware",
    "mcus_named",
    "measure",
    "toolchain_missing",
]
