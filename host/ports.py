"""Serial ports of this computer, what stands behind them, and the virtual boards that run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from serial.tools import list_ports as serial_ports

from .lines import printable
from .running import running_boards

__all__ = ["PortInfo", "list_ports"]

_BOARDS: Final[dict[tuple[int, int | None], str]] = {
    (0x2E8A, 0x0005): "Raspberry Pi Pico, MicroPython",
    (0x2E8A, 0x000C): "Raspberry Pi Debug Probe",
    (0x2E8A, None): "RP2040 or RP2350 board",
    (0x303A, 0x1001): "ESP32-S3, C3, C6 or H2, built-in USB serial",
    (0x303A, 0x4001): "ESP32-S2 or S3, MicroPython",
    (0x303A, None): "ESP32-S2 or S3 board",
    (0x10C4, 0xEA60): "CP210x adapter, often an ESP32 or ESP8266",
    (0x1A86, 0x7523): "CH340 adapter, often an ESP32 or ESP8266",
    (0x1A86, 0x55D4): "CH9102 adapter, often an ESP32",
    (0x0403, 0x6001): "FTDI FT232 adapter",
    (0x0403, 0x6015): "FTDI FT231X adapter",
    (0xF055, None): "STM32 board, MicroPython (pyboard)",
    (0x0483, 0x374B): "STM32 Nucleo or Discovery, ST-Link",
    (0x0D28, 0x0204): "micro:bit, or another DAPLink board",
    (0x239A, None): "Adafruit board (nRF52840, SAMD or RP2040)",
    (0x2341, None): "Arduino board",
    (0x16C0, 0x0483): "Teensy",
}
"""USB vendor and product ids that serial ports of common boards show; None stands for every other product."""


@dataclass(frozen=True)
class PortInfo:
    """A serial port. vid, pid: USB ids, None where it is not USB; board: a guess by these ids, may be empty."""

    device: str
    description: str
    vid: int | None
    pid: int | None
    serial_number: str
    board: str


def list_ports() -> list[PortInfo]:
    """Serial ports sorted by name, boards first; virtual boards that run on this computer come last."""
    found = [
        PortInfo(
            device=port.device,
            description=printable(port.description if port.description not in (None, "n/a") else ""),
            vid=port.vid,
            pid=port.pid,
            serial_number=printable(port.serial_number or ""),
            board=_guess(port.vid, port.pid),
        )
        for port in serial_ports.comports()
    ]
    found.sort(key=lambda info: (not info.board, info.vid is None, info.device))
    virtual = [
        PortInfo(str(port), "virtual board", None, None, "", "offbeat virtual board") for port in running_boards()
    ]
    return found + virtual


def _guess(vendor: int | None, product: int | None) -> str:
    if vendor is None:
        return ""
    return _BOARDS.get((vendor, product)) or _BOARDS.get((vendor, None), "")
