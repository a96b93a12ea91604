"""Boards by name, with what their datasheets say, and the limits that a model has to keep to."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import InputError
from .limits import size_in_words, time_in_words

__all__ = ["BOARDS", "DEFAULT_CORE", "Board", "Limits", "board_named", "limits_of"]

KB, MB = 1024, 1024 * 1024
_SHARE = 2  # offbeat takes half of a chip at most: the firmware around it wants the rest
_CLOCK = 48e6  # Hz, of a small Cortex-M0+, where nobody said

DEFAULT_CORE = "cortex-m3"
"""The core of train/profile/mcus.py that costs are of where no board was named, or its own core is not emulated."""

# Cores of boards by that name whose machine code train/profile/ can run.
_EMULATED = {
    "QingKe V2A, RV32EC": "rv32ec", "Cortex-M0": "cortex-m0", "Cortex-M0+": "cortex-m0", "Cortex-M3": "cortex-m3",
    "Cortex-M4F": "cortex-m4", "Cortex-M7F": "cortex-m7", "Cortex-M33": "cortex-m33", "RV32IMC": "rv32imc",
}  # fmt: skip


@dataclass(frozen=True)
class Board:
    """A board. core: as its maker names it; flash, ram: bytes on the board; clock: Hz at most; float_unit: single
    precision in hardware (offbeat uses none); source: the document that says so."""

    name: str
    core: str
    flash: int
    ram: int
    clock: float
    float_unit: bool
    source: str

    @property
    def mcu(self) -> str:
        """The core in train/profile/mcus.py that runs this board's machine code, "" where none does."""
        return _EMULATED.get(self.core, "")


BOARDS: dict[str, Board] = {
    board.name: board
    for board in (
        Board("ch32v003", "QingKe V2A, RV32EC", 16 * KB, 2 * KB, 48e6, False, "WCH CH32V003 datasheet"),
        Board("nucleo-l031k6", "Cortex-M0+", 32 * KB, 8 * KB, 32e6, False, "ST DS10668, STM32L031x4/x6"),
        Board("bluepill", "Cortex-M3", 64 * KB, 20 * KB, 72e6, False, "ST DS5319, STM32F103x8/xB"),
        Board("microbit-v1", "Cortex-M0", 256 * KB, 16 * KB, 16e6, False, "Nordic nRF51822 product specification 3.4"),
        Board("arduino-zero", "Cortex-M0+", 256 * KB, 32 * KB, 48e6, False, "Microchip DS40001882, SAM D21"),
        Board("arduino-uno-r4", "Cortex-M4F", 256 * KB, 32 * KB, 48e6, True, "Renesas R01DS0355, RA4M1"),
        Board("blackpill", "Cortex-M4F", 512 * KB, 128 * KB, 100e6, True, "ST DS10314, STM32F411xC/xE"),
        Board("microbit-v2", "Cortex-M4F", 512 * KB, 128 * KB, 64e6, True, "Nordic nRF52833 product specification 1.7"),
        Board("nrf52840-dk", "Cortex-M4F", MB, 256 * KB, 64e6, True, "Nordic nRF52840 product specification 1.11"),
        Board("pico", "Cortex-M0+", 2 * MB, 264 * KB, 133e6, False, "Raspberry Pi RP2040 and Pico datasheets"),
        Board("pico2", "Cortex-M33", 4 * MB, 520 * KB, 150e6, True, "Raspberry Pi RP2350 and Pico 2 datasheets"),
        Board("esp32-c3", "RV32IMC", 4 * MB, 400 * KB, 160e6, False, "Espressif ESP32-C3-MINI-1 datasheet"),
        Board("esp32", "Xtensa LX6", 4 * MB, 520 * KB, 240e6, True, "Espressif ESP32-WROOM-32E datasheet"),
        Board("esp32-s3", "Xtensa LX7", 8 * MB, 512 * KB, 240e6, True, "Espressif ESP32-S3-WROOM-1-N8 datasheet"),
        Board("nucleo-h743zi", "Cortex-M7F", 2 * MB, MB, 480e6, True, "ST DS12110, STM32H743xI"),
    )
}


@dataclass(frozen=True)
class Limits:
    """What a model may take. flash, ram: bytes, None for no limit; latency: seconds from a window's last sample to
    its verdict, None for the time until the next window; clock: Hz; text: as a sentence names them; core: of
    train/profile/mcus.py, on which costs are counted."""

    flash: int | None = None
    ram: int | None = None
    latency: float | None = None
    clock: float = _CLOCK
    text: str = ""
    core: str = DEFAULT_CORE


def board_named(name: str) -> Board:
    """The board of that name. Raises InputError, which lists those that there are."""
    if name not in BOARDS:
        raise InputError(
            f"--board {name} is none that offbeat knows; choose {', '.join(BOARDS)}, or say --flash and --ram"
        )
    return BOARDS[name]


def limits_of(
    board: Board | None, flash: int | None = None, ram: int | None = None, latency: float | None = None
) -> Limits:
    """Half of a board's flash and RAM, or what was said instead; the clock is the board's."""
    parts = [] if board is None else [f"half of a {board.name}"]
    if board is not None:
        flash = board.flash // _SHARE if flash is None else flash
        ram = board.ram // _SHARE if ram is None else ram
    parts += [f"{size_in_words(size)} of {what}" for size, what in ((flash, "flash"), (ram, "RAM")) if size is not None]
    parts += [time_in_words(latency)] if latency is not None else []
    clock = _CLOCK if board is None else board.clock
    core = DEFAULT_CORE if board is None else board.mcu or DEFAULT_CORE
    return Limits(flash, ram, latency, clock, ", ".join(parts), core)
