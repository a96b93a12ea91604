"""Power spectrum of real windows by an integer FFT, int16 storage and a halving in every stage.

Radix-2 decimation in time (Cooley and Tukey, 1965) on half as many complex points, then the split of a real
signal's spectrum. The exact steps: ``docs/pipeline.md``, "Spectrum".
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .arithmetic import Int32, cosine, sine

__all__ = ["band_edges", "band_power", "power_spectrum"]


def _bit_reversed(points: int) -> NDArray[np.intp]:
    order = np.zeros(points, dtype=np.intp)
    bits = points.bit_length() - 1
    for bit in range(bits):
        order |= ((np.arange(points) >> bit) & 1) << (bits - 1 - bit)
    return order


def _hann(table: NDArray[np.int16], window: int) -> Int32:
    rising = (32768 - cosine(table, np.arange(window // 2 + 1))) >> 1
    return np.concatenate([rising, rising[-2:0:-1]])


def _transform(real: Int32, imaginary: Int32, table: NDArray[np.int16]) -> None:
    """In place, on [W, M] in bit-reversed order: the transform divided by M."""
    points = real.shape[1]
    half = 1
    while half < points:
        steps = np.arange(half) * (points // half)
        c, s = cosine(table, steps), sine(table, steps)
        c[0], s[0] = 32768, 0
        c[steps == len(table) - 1], s[steps == len(table) - 1] = 0, 32768
        re = real.reshape(len(real), -1, 2, half)
        im = imaginary.reshape(len(imaginary), -1, 2, half)
        ar, ai, br, bi = re[:, :, 0], im[:, :, 0], re[:, :, 1], im[:, :, 1]
        pr, pi = c * br + s * bi, c * bi - s * br
        sr, si = ar * 32768 + 32768, ai * 32768 + 32768
        re[:, :, 0], re[:, :, 1] = (sr + pr) >> 16, (sr - pr) >> 16
        im[:, :, 0], im[:, :, 1] = (si + pi) >> 16, (si - pi) >> 16
        half *= 2


def power_spectrum(normalised: Int32, table: NDArray[np.int16]) -> Int32:
    """Power of the bins of Hann-weighted windows.

    normalised: int32 [W, N] within +-2**13, N a power of two from 16 on; table: ``sine_table(N)``.
    Returns int32 [W, N/2]: P of bins 0 .. N/2 - 1 as ``docs/pipeline.md`` defines it; bin 0 is left at 0.
    """
    window = normalised.shape[1]
    points = window // 2
    weighted = (normalised * _hann(table, window) + 16384) >> 15
    order = _bit_reversed(points)
    real = np.ascontiguousarray(weighted[:, 0::2][:, order])
    imaginary = np.ascontiguousarray(weighted[:, 1::2][:, order])
    _transform(real, imaginary, table)

    k = np.arange(1, points // 2 + 1)
    mirror = points - k
    ar, ai = real[:, k] + real[:, mirror], imaginary[:, k] - imaginary[:, mirror]
    br, bi = real[:, k] - real[:, mirror], imaginary[:, k] + imaginary[:, mirror]
    c, s = cosine(table, k), sine(table, k)
    tr = (c * bi - s * br + 16384) >> 15
    ti = (c * br + s * bi + 16384) >> 15
    power = np.zeros((len(normalised), points), dtype=np.int32)
    power[:, mirror] = (ar - tr) ** 2 + (ai + ti) ** 2
    power[:, k] = (ar + tr) ** 2 + (ai - ti) ** 2
    return power


def band_power(power: Int32, first: int, bins: int) -> Int32:
    """Sum of the power of ``bins`` bins from ``first`` on; below 2**28 for any signal. Returns int32 [W]."""
    return power[:, first : first + bins].sum(axis=1, dtype=np.int32)


def band_edges(window: int, bands: int) -> list[tuple[int, int]]:
    """Split bins 1 .. window/2 - 1 into equal bands; returns (first, bins) of each, low to high."""
    usable = window // 2 - 1
    edges = [1 + usable * band // bands for band in range(bands + 1)]
    return [(low, high - low) for low, high in pairwise(edges) if high > low]
