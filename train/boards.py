"""Boards by name: what their datasheets say, how a sensor is wired to them, and the limits a model has to keep to."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import InputError
from .limits import size_in_words, time_in_words

__all__ = [
    "BOARDS",
    "DEFAULT_CORE",
    "Board",
    "Limits",
    "Pin",
    "Wiring",
    "board_named",
    "limits_of",
    "recognised",
    "wired_boards",
]

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
class Pin:
    """A pin. name: what MicroPython's Pin takes, a number or "B8"; label: what is printed on the board, or where."""

    name: int | str
    label: str


@dataclass(frozen=True)
class Wiring:
    """A board that `offbeat deploy` goes to. machine: an expression that matches what MicroPython calls it.

    supply, ground: labels of 3.3 V and 0 V; i2c, spi: numbers of the buses; sck, mosi, miso, select: pins of the SPI
    bus, select that of its chip; analogue: an input; chosen: machine.I2C and SPI are told the pins, otherwise they
    belong to the number of the bus.
    """

    machine: str
    supply: str
    ground: str
    i2c: int
    sda: Pin
    scl: Pin
    spi: int
    sck: Pin
    mosi: Pin
    miso: Pin
    select: Pin
    analogue: Pin
    chosen: bool = True


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

    @property
    def wiring(self) -> Wiring | None:
        """Where sensors go; None for a board that takes exports only, which `offbeat deploy` does not know."""
        return _WIRINGS.get(self.name)


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


_WIRINGS: dict[str, Wiring] = {
    # A Pico's datasheet, section 2.1; the pins of a Pico 2 are the same.
    "pico": Wiring(
        r"Raspberry Pi Pico( W)? with RP2040", "3V3, pin 36", "GND, pin 38",
        0, Pin(4, "GP4, pin 6"), Pin(5, "GP5, pin 7"), 0, Pin(18, "GP18, pin 24"), Pin(19, "GP19, pin 25"),
        Pin(16, "GP16, pin 21"), Pin(17, "GP17, pin 22"), Pin(26, "GP26, pin 31"),
    ),
    "pico2": Wiring(
        r"Raspberry Pi Pico ?2( W)? with RP2350.*", "3V3, pin 36", "GND, pin 38",
        0, Pin(4, "GP4, pin 6"), Pin(5, "GP5, pin 7"), 0, Pin(18, "GP18, pin 24"), Pin(19, "GP19, pin 25"),
        Pin(16, "GP16, pin 21"), Pin(17, "GP17, pin 22"), Pin(26, "GP26, pin 31"),
    ),
    # ESP32-DevKitC; 34 is an input of ADC1, which works beside Wi-Fi (ESP32 datasheet, IO_MUX).
    "esp32": Wiring(
        r"(Generic )?ESP32 module.* with ESP32", "3V3", "GND",
        0, Pin(21, "GPIO21"), Pin(22, "GPIO22"), 2, Pin(18, "GPIO18"), Pin(23, "GPIO23"),
        Pin(19, "GPIO19"), Pin(5, "GPIO5"), Pin(34, "GPIO34"),
    ),
    # None of these straps the chip at its start, as GPIO2, 8 and 9 do (datasheet, Strapping Pins).
    "esp32-c3": Wiring(
        r"(Generic )?ESP32C3 module.* with ESP32-?C3", "3V3", "GND",
        0, Pin(4, "GPIO4"), Pin(5, "GPIO5"), 1, Pin(6, "GPIO6"), Pin(7, "GPIO7"),
        Pin(10, "GPIO10"), Pin(3, "GPIO3"), Pin(1, "GPIO1"),
    ),
    # I2C: MicroPython's own defaults, mpconfigboard.h of ESP32_GENERIC_S3. GPIO0, 3, 45 and 46 strap.
    "esp32-s3": Wiring(
        r"(Generic )?ESP32S3 module.* with ESP32-?S3", "3V3", "GND",
        0, Pin(8, "GPIO8"), Pin(9, "GPIO9"), 1, Pin(12, "GPIO12"), Pin(11, "GPIO11"),
        Pin(13, "GPIO13"), Pin(10, "GPIO10"), Pin(1, "GPIO1"),
    ),
    # A bus of an STM32 has the pins that the firmware was built with: mpconfigboard.h of MicroPython's boards
    # NUCLEO_H743ZI and WEACT_F411_BLACKPILL.
    "nucleo-h743zi": Wiring(
        r"NUCLEO_H743ZI2? with STM32H743.*", "3V3", "GND",
        1, Pin("B9", "PB9, D14"), Pin("B8", "PB8, D15"), 3, Pin("B3", "PB3, D23"), Pin("B5", "PB5, D22"),
        Pin("B4", "PB4, D25"), Pin("A4", "PA4, D24"), Pin("A3", "PA3, A0"), chosen=False,
    ),
    "blackpill": Wiring(
        r".*BLACK_?PILL.* with STM32F411.*", "3V3", "GND",
        1, Pin("B7", "B7"), Pin("B6", "B6"), 2, Pin("B13", "B13"), Pin("B15", "B15"),
        Pin("B14", "B14"), Pin("B12", "B12"), Pin("A1", "A1"), chosen=False,
    ),
}  # fmt: skip


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
        raise InputError(f"there is no board {name!r} that offbeat knows; choose {', '.join(BOARDS)}")
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


def wired_boards() -> tuple[str, ...]:
    """Names of the boards whose wiring is known: those that `offbeat deploy` goes to."""
    return tuple(name for name, board in BOARDS.items() if board.wiring is not None)


def recognised(machine: str) -> Board | None:
    """The board that MicroPython calls by this name (``sys.implementation._machine``), None for a stranger."""
    for name, wiring in _WIRINGS.items():
        if re.fullmatch(wiring.machine, machine):
            return BOARDS[name]
    return None
