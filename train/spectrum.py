"""Power spectrum of real windows by an integer FFT with int16 storage.

Radix-4 decimation in time (Cooley and Tukey, 1965; radix 4: Bergland, 1968) on half as many complex points, then
the split of a real signal's spectrum. The exact steps: ``docs/pipeline.md``, "Spectrum".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from offbeat.device.feature_sets import band_edges

from .arithmetic import Int32, cosine, sine

__all__ = ["band_edges", "band_power", "power_spectrum"]


def _bit_reversed(points: int) -> NDArray[np.intp]:
    order = np.zeros(points, dtype=np.intp)
    bits = points.bit_length() - 1
    for bit in range(bits):
        order |= ((np.arange(points) >> bit) & 1) << (bits - 1 - bit)
    return order


def _weighted(normalised: Int32, table: NDArray[np.int16]) -> Int32:
    hann = 16384 - cosine(table, np.arange(normalised.shape[1]))
    return (normalised * hann) >> 15


def _is_power_of_four(points: int) -> bool:
    return points.bit_length() % 2 == 1


def _radix_4(re: Int32, im: Int32) -> None:
    """In place, on [W, groups, 4, half]: four transforms of half points, already turned, become one."""
    ar, br, cr, dr = (re[:, :, i].copy() for i in range(4))
    ai, bi, ci, di = (im[:, :, i].copy() for i in range(4))
    re[:, :, 0], re[:, :, 2] = (ar + br) + (cr + dr), (ar + br) - (cr + dr)
    im[:, :, 0], im[:, :, 2] = (ai + bi) + (ci + di), (ai + bi) - (ci + di)
    re[:, :, 1], re[:, :, 3] = (ar - br) + (ci - di), (ar - br) - (ci - di)
    im[:, :, 1], im[:, :, 3] = (ai - bi) - (cr - dr), (ai - bi) + (cr - dr)


def _turn_and_quarter(re: Int32, im: Int32, table: NDArray[np.int16], step: int) -> None:
    """In place, on [W, groups, 4, half]: each point times its twiddle, a quarter of that; step: of the table."""
    steps = np.arange(re.shape[3]) * step
    for i, factor in enumerate((0, 2, 1, 3)):
        c, s = cosine(table, factor * steps), sine(table, factor * steps)
        x, y = re[:, :, i].copy(), im[:, :, i].copy()
        re[:, :, i] = (c * x + s * y) >> 16
        im[:, :, i] = (c * y - s * x) >> 16


def _transform(real: Int32, imaginary: Int32, table: NDArray[np.int16]) -> None:
    """In place, on [W, M] in bit-reversed order: the transform times 4/M."""
    windows, points = real.shape
    if _is_power_of_four(points):
        half = 4
        _radix_4(real.reshape(windows, -1, 4, 1), imaginary.reshape(windows, -1, 4, 1))
    else:
        half = 2
        for part in (real, imaginary):
            first, second = part[:, 0::2].copy(), part[:, 1::2].copy()
            part[:, 0::2], part[:, 1::2] = 2 * (first + second), 2 * (first - second)
    while half < points:
        re, im = real.reshape(windows, -1, 4, half), imaginary.reshape(windows, -1, 4, half)
        _turn_and_quarter(re, im, table, points // (2 * half))
        _radix_4(re, im)
        # Four parts rounded down are 3/2 below their sum, and 1/2 above it where two of them are subtracted; a quarter
        # of the first one is 3/8 below, which takes most of that 1/2 away and leaves 2 to be made up for here.
        re[:, :, 0] += 2
        im[:, :, 0] += 2
        half *= 4


def power_spectrum(normalised: Int32, table: NDArray[np.int16]) -> Int32:
    """Power of the bins of Hann-weighted windows.

    normalised: int32 [W, N] within +-2**13, N a power of two from 16 on; table: ``sine_table(N)``.
    Returns int32 [W, N/2]: P of bins 0 .. N/2 - 1 as ``docs/pipeline.md`` defines it; bin 0 is left at 0.
    """
    window = normalised.shape[1]
    points = window // 2
    weighted = _weighted(normalised, table)
    order = _bit_reversed(points)
    real = np.ascontiguousarray(weighted[:, 0::2][:, order])
    imaginary = np.ascontiguousarray(weighted[:, 1::2][:, order])
    _transform(real, imaginary, table)

    k = np.arange(1, points // 2 + 1)
    mirror = points - k
    ar, ai = real[:, k] + real[:, mirror], imaginary[:, k] - imaginary[:, mirror]
    br, bi = real[:, k] - real[:, mirror], imaginary[:, k] + imaginary[:, mirror]
    c, s = cosine(table, k), sine(table, k)
    re = (c * bi - s * br + ar * 16384 + 16384) >> 15
    im = (ai * 16384 - (c * br + s * bi) + 16384) >> 15
    power = np.zeros((len(normalised), points), dtype=np.int32)
    power[:, mirror] = (ar - re) ** 2 + (ai - im) ** 2
    power[:, k] = re**2 + im**2
    return power


def band_power(power: Int32, first: int, bins: int) -> Int32:
    """Sum of the power of ``bins`` bins from ``first`` on; below 2**30 for any signal. Returns int32 [W]."""
    return power[:, first : first + bins].sum(axis=1, dtype=np.int32)
