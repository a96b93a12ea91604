"""The integer arithmetic that NumPy, MicroPython and C share: rounding, saturation, logarithm, sine table.

``docs/pipeline.md`` states the rules; this module is their executable form. Every value is an integer and
every intermediate fits a MicroPython small integer (31 bits), but for the sums that say otherwise.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LOG2_TABLE",
    "SMALL_INTEGER_MAX",
    "Int32",
    "Int64",
    "bit_length",
    "clamp",
    "cosine",
    "log2_q10",
    "rounded_shift",
    "scaled",
    "sine",
    "sine_table",
]

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

SMALL_INTEGER_MAX = 2**30 - 1
"""Largest small integer of a 32-bit MicroPython; nothing in the pipeline exceeds it."""

LOG2_TABLE: Int32 = np.array([round(2**14 * math.log2(1 + i / 32)) for i in range(33)], dtype=np.int32)
"""T[i] = round(2^14 log2(1 + i/32)), int32 [33]."""


def rounded_shift(value: Int32, shift: int | Int32) -> Int32:
    """Divide by 2**shift (shift >= 1), rounding half up."""
    steps = np.asarray(shift, dtype=np.asarray(value).dtype)
    return (value + np.left_shift(np.ones_like(steps), steps - 1)) >> steps


def clamp(value: Int32, limit: int) -> Int32:
    """Saturate to ``-limit .. limit``."""
    return np.clip(value, -limit, limit)


def bit_length(value: NDArray[np.integer]) -> Int32:
    """Bits needed for each non-negative integer below 2**53; 0 for 0. Returns int32 of the same shape."""
    # frexp is exact for integers below 2**53: value = m * 2**e with 0.5 <= m < 1, so e is the bit length.
    return np.frexp(np.asarray(value).astype(np.float64))[1].astype(np.int32)


def log2_q10(value: NDArray[np.integer] | int) -> Int32:
    """1024 log2(value) for integers 1 .. 2**46; 0 for 0. Returns int32 of the same shape.

    Linear interpolation between the 33 points of LOG2_TABLE; at most 0.73 from the real logarithm.
    """
    wide = np.asarray(value, dtype=np.int64)
    length = bit_length(wide)
    mantissa = ((wide << np.maximum(16 - length, 0)) >> np.maximum(length - 16, 0)).astype(np.int32)
    index = (mantissa >> 10) & 31
    fraction = mantissa & 1023
    low = LOG2_TABLE[index]
    interpolated = (low * 1024 + (LOG2_TABLE[index + 1] - low) * fraction + 8192) >> 14
    return np.where(wide > 0, (length - 1) * 1024 + interpolated, 0).astype(np.int32)


def sine_table(window: int) -> NDArray[np.int16]:
    """Quarter wave for a window of that many samples (a multiple of 4): int16 [window // 4 + 1], Q14.

    It is stored in the model file, so that no board has to compute a sine. In Q14 one is exact.
    """
    quarter = np.arange(window // 4 + 1)
    return np.round(16384 * np.sin(2 * np.pi * quarter / window)).astype(np.int16)


def cosine(table: NDArray[np.int16], steps: NDArray[np.integer]) -> Int32:
    """Cosine of 2 pi steps / window in Q14 for 0 <= steps <= window, from the quarter-wave table."""
    return sine(table, steps + (len(table) - 1))


def sine(table: NDArray[np.int16], steps: NDArray[np.integer]) -> Int32:
    """Sine of 2 pi steps / window in Q14 for steps >= 0, from the quarter-wave table."""
    half = 2 * (len(table) - 1)
    within = steps % half
    value = table.astype(np.int32)[np.minimum(within, half - within)]
    return np.where(steps // half % 2 == 1, -value, value)


def scaled(distance: Int32, reduce: int, gain: int) -> Int32:
    """Bring a squared distance (Q14, below 2**30) to the score scale, on which 256 is the threshold."""
    return (np.minimum(distance >> reduce, 32767) * gain + 16384) >> 15
