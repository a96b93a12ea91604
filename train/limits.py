"""Limits of a board as a person states them: ``16K`` of flash, ``5ms`` to decide."""

from __future__ import annotations

import re
from typing import Final

from .budget import duration
from .errors import InputError

__all__ = ["parse_duration", "parse_size", "size_in_words", "time_in_words"]

# Makers of boards count memory in powers of two, whatever they call it; a quarter of a gigabyte is no microcontroller.
_BYTES: Final = {"": 1, "b": 1, "k": 1024, "kb": 1024, "kib": 1024, "m": 1 << 20, "mb": 1 << 20, "mib": 1 << 20}
_LARGEST: Final = 1 << 30
_SECONDS: Final = {"us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_NUMBER: Final = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-zµμ]*)\s*")


def parse_size(text: str) -> int:
    """Read an amount of memory in bytes: ``16K``, ``1.5M``, ``4 KB``, ``4096``; K is 1024 bytes, M 1024 K.

    Raises InputError for anything else, for less than a byte and for more than a gigabyte.
    """
    match = _NUMBER.fullmatch(text.lower())
    unit = match and _BYTES.get(match[2])
    size = float(match[1]) * unit if match and unit else 0.0
    if not 1 <= size <= _LARGEST:
        raise InputError(
            f"{text!r} is not an amount of memory; write a number above 0 with K or M, or of bytes, for instance 16K"
        )
    return int(size)


def parse_duration(text: str) -> float:
    """Read a length of time in seconds: ``200us``, ``5ms``, ``1.5s``, ``2min``, ``1h``.

    Raises InputError for anything else, and for nothing at all: a bare number could be any of them.
    """
    match = _NUMBER.fullmatch(text.lower())
    seconds = float(match[1]) * _SECONDS.get(match[2], 0.0) if match else 0.0
    if not 0 < seconds < float("inf"):
        raise InputError(
            f"{text!r} is not a length of time; write a number above 0 and one of us, ms, s, min or h, for instance 5ms"
        )
    return seconds


def size_in_words(size: int) -> str:
    """An amount of memory as a person says it: ``640 bytes``, ``5.1 KB``, ``16 KB``."""
    if size < 1024:
        return f"{size} bytes"
    value, unit = (size / 1024, "KB") if size < 1 << 20 else (size / (1 << 20), "MB")
    return f"{value:.0f} {unit}" if value >= 9.95 else f"{value:.1f} {unit}".replace(".0 ", " ")


def time_in_words(seconds: float) -> str:
    """A length of time as a person says it: ``200 us``, ``1.5 ms``, ``0.32 s``, ``2.5 hours``."""
    if seconds >= 120:
        return duration(seconds / 3600)
    value, unit = (seconds, "s") if seconds >= 0.1 else (seconds * 1e3, "ms")
    if 0 < value < 0.1:
        value, unit = seconds * 1e6, "us"
    return f"{value:.3g} {unit}"
