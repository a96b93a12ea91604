"""Measures a model on emulated microcontrollers: flash, RAM, stack and instructions, before a board is flashed."""

from __future__ import annotations

from .cycles import ASSUMPTION
from .emulate import CoreFaultError, Emulator, emulator
from .firmware import OPTIMIZATIONS, Firmware, build_firmware, build_program, compiler, toolchain_missing
from .fit import Fit, advice, fits
from .mcus import DEFAULT_MCUS, MCUS, Mcu, mcus_named
from .measure import Measurement, measure, windows_of
from .plot import save_plot
from .run import measure_on

__all__ = [
    "ASSUMPTION",
    "DEFAULT_MCUS",
    "MCUS",
    "OPTIMIZATIONS",
    "CoreFaultError",
    "Emulator",
    "Firmware",
    "Fit",
    "Mcu",
    "Measurement",
    "advice",
    "build_firmware",
    "build_program",
    "compiler",
    "emulator",
    "fits",
    "mcus_named",
    "measure",
    "measure_on",
    "save_plot",
    "toolchain_missing",
    "windows_of",
]
