"""The integer features in NumPy: the specification that the board's package and the C runtime repeat.

Formulas, ranges and rounding: ``docs/pipeline.md``. All functions are vectorised over windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .arithmetic import Int32, bit_length, log2_q10, rounded_shift
from .spectrum import band_power, power_spectrum

__all__ = ["FLOOR", "KINDS", "MAX_WINDOW", "MIN_WINDOW", "Feature", "extract", "needs_spectrum"]

FLOOR = -20480
"""Value of a logarithmic feature when the channel is constant: 20 octaves below one count."""

MIN_WINDOW, MAX_WINDOW = 8, 1024
_BLOCK_SAMPLES = 1 << 20  # counts worked on at once: bounds memory, and stays inside the caches


@dataclass(frozen=True)
class Feature:
    """One feature of a window.

    kind: a name of KINDS; channel: index; first, bins: the bins of the spectrum that a band sums; of a correlation,
    first is the other channel, of a change the number of samples on either side.
    """

    kind: str
    channel: int
    first: int = 0
    bins: int = 0

    def name(self, channels: Sequence[str]) -> str:
        """Name that a person reads, for instance ``x.rms`` or ``x.band9-16`` (bins 9 to 16)."""
        of = ""
        if self.kind == "band":
            of = f"{self.first}-{self.first + self.bins - 1}"
        elif self.kind == "change":
            of = str(self.first)
        elif self.kind == "correlation":
            of = f"({channels[self.first]})"
        return f"{channels[self.channel]}.{self.kind}{of}"


@dataclass
class _Channel:
    """What the features of one channel share, for W windows of N samples."""

    samples: Int32  # [W, N] counts
    mean: Int32  # [W] in 1/16 count
    centred: Int32  # [W, N] in 1/16 count
    exponent: Int32  # [W] normalised = centred * 2**exponent
    normalised: Int32  # [W, N], within +-2**13
    squares: Int32  # [W, N] normalised**2 / 2**7, half a step of the fourth power more
    energy: Int32  # [W] sum of normalised**2 / 2**7
    silent: NDArray[np.bool_]  # [W] the channel is constant
    power: Int32 | None = None  # [W, N/2] bins 0 .. N/2 - 1, bin 0 unused

    @property
    def window(self) -> int:
        return self.samples.shape[1]


def _fourth_shift(window: int) -> int:
    """What squares lose before they are squared once more, so that a window's sum stays below 2**30."""
    return ((window - 1).bit_length() + 10) >> 1


def _channel(counts: NDArray[np.int16]) -> _Channel:
    samples = counts.astype(np.int32)
    window = samples.shape[1]
    total = samples.sum(axis=1, dtype=np.int32) + 32768 * window
    quotient, rest = total // window, total % window
    mean = (quotient - 32768) * 16 + (16 * rest + window // 2) // window
    centred = 16 * samples - mean[:, None]
    largest = np.abs(centred).max(axis=1)
    exponent = 13 - bit_length(largest)
    left = centred << np.maximum(exponent, 0)[:, None]
    right = rounded_shift(centred, np.maximum(-exponent, 1)[:, None])
    normalised = np.where(exponent[:, None] >= 0, left, right).astype(np.int32)
    half = 1 << (_fourth_shift(window) - 1)
    squares = (normalised * normalised + 128 * half + 64) >> 7
    energy = squares.sum(axis=1, dtype=np.int32) - half * window
    return _Channel(samples, mean, centred, exponent, normalised, squares, energy, largest == 0)


def _mean(channel: _Channel, feature: Feature) -> Int32:
    return channel.mean


def _rms(channel: _Channel, feature: Feature) -> Int32:
    value = (log2_q10(channel.energy) - log2_q10(channel.window) - 2048 * channel.exponent - 1024) >> 1
    return np.where(channel.silent, FLOOR, value)


def _peak_to_peak(channel: _Channel, feature: Feature) -> Int32:
    height = channel.centred.max(axis=1) - channel.centred.min(axis=1)
    return np.where(channel.silent, FLOOR, log2_q10(height) - 4096)


def _crest(channel: _Channel, feature: Feature) -> Int32:
    peak = log2_q10(np.abs(channel.normalised).max(axis=1))
    value = peak - ((log2_q10(channel.energy) + 7168 - log2_q10(channel.window)) >> 1)
    return np.where(channel.silent, 0, value)


def _kurtosis(channel: _Channel, feature: Feature) -> Int32:
    shift = _fourth_shift(channel.window)
    squares = channel.squares >> shift
    fourth = (squares * squares).sum(axis=1, dtype=np.int32)
    value = log2_q10(fourth) + log2_q10(channel.window) + 2048 * shift - 2 * log2_q10(channel.energy)
    return np.where(channel.silent, 0, value)


def _mean_abs_difference(channel: _Channel, feature: Feature) -> Int32:
    total = np.abs(np.diff(channel.samples, axis=1)).sum(axis=1, dtype=np.int32)
    return np.where(total == 0, FLOOR, log2_q10(total) - log2_q10(channel.window - 1))


def _crossings(channel: _Channel, feature: Feature) -> Int32:
    return np.diff(channel.centred < 0, axis=1).sum(axis=1, dtype=np.int32)


def _change(channel: _Channel, feature: Feature) -> Int32:
    """Mean of the last ``first`` samples less that of as many before, 1/16 count, rounded half away from zero."""
    count = feature.first
    last, before = channel.samples[:, -count:], channel.samples[:, -2 * count : -count]
    difference = last.sum(axis=1, dtype=np.int32) - before.sum(axis=1, dtype=np.int32)
    return np.sign(difference) * ((16 * np.abs(difference) + count // 2) // count)


def _band(channel: _Channel, feature: Feature) -> Int32:
    assert channel.power is not None  # noqa: S101  set by extract() when any feature is a band
    power = band_power(channel.power, feature.first, feature.bins)
    return np.where(channel.silent, FLOOR, log2_q10(power) - 2048 * channel.exponent - 13312)


def _correlation(channel: _Channel, other: _Channel) -> Int32:
    """Pearson's correlation of two channels in a window, 4096 = 1; 0 where one of them is constant."""
    product = ((channel.normalised * other.normalised + 64) >> 7).sum(axis=1, dtype=np.int32)
    root, doublings = _root(channel.energy)
    other_root, other_doublings = _root(other.energy)
    up = doublings + other_doublings
    size = (np.abs(product) << np.maximum(up, 0)) >> np.maximum(-up, 0)
    value = np.minimum(size // np.maximum((root * other_root) >> 12, 1), 4096)
    return np.where(channel.silent | other.silent, 0, np.sign(product) * value).astype(np.int32)


def _root(energy: Int32) -> tuple[Int32, Int32]:
    """Square root of energies, doubled or halved so often that it has 14 bits: (root, doublings), int32 [W]."""
    doublings = (28 - bit_length(energy)) >> 1
    scaled = (energy << np.maximum(2 * doublings, 0)) >> np.maximum(-2 * doublings, 0)
    # A float64 holds integers below 2**53 exactly and its square root is rounded correctly (IEEE 754), so the floor
    # is that of the true root: below 2**28 no root lies within half a step of the next integer but that integer's own.
    return np.sqrt(scaled.astype(np.float64)).astype(np.int32), doublings


_FORMULAS = {
    "mean": _mean,
    "rms": _rms,
    "peak_to_peak": _peak_to_peak,
    "crest": _crest,
    "kurtosis": _kurtosis,
    "mean_abs_difference": _mean_abs_difference,
    "crossings": _crossings,
    "band": _band,
    "change": _change,
}

KINDS: tuple[str, ...] = (*list(_FORMULAS)[:8], "correlation", "change")
"""Names of the feature kinds; the index is the number in the model file."""


def needs_spectrum(features: Sequence[Feature]) -> bool:
    """Whether any of these features is a band of the spectrum (then the window is a power of two)."""
    return any(feature.kind == "band" for feature in features)


def _extract_block(windows: NDArray[np.int16], features: Sequence[Feature], table: NDArray[np.int16]) -> Int32:
    result = np.empty((len(windows), len(features)), dtype=np.int32)
    used = {feature.channel for feature in features} | {f.first for f in features if f.kind == "correlation"}
    channels = {number: _channel(windows[:, :, number]) for number in used}
    for number in sorted({feature.channel for feature in features}):
        own = [(i, feature) for i, feature in enumerate(features) if feature.channel == number]
        channel = channels[number]
        if needs_spectrum([feature for _, feature in own]):
            channel.power = power_spectrum(channel.normalised, table)
        for i, feature in own:
            if feature.kind == "correlation":
                result[:, i] = _correlation(channel, channels[feature.first])
            else:
                result[:, i] = _FORMULAS[feature.kind](channel, feature)
        channel.power = None
    return result


def extract(windows: NDArray[np.int16], features: Sequence[Feature], table: NDArray[np.int16]) -> Int32:
    """Compute features of windows.

    windows: int16 [W, N, C] counts, 8 <= N <= 1024; may be a strided view, it is read in blocks.
    features: F features; table: the quarter sine wave for N (``sine_table(N)``), unused without bands.
    Returns int32 [W, F].
    """
    windows = np.asarray(windows, dtype=np.int16)
    step = max(1, _BLOCK_SAMPLES // max(1, windows.shape[1]))
    blocks = [_extract_block(windows[i : i + step], features, table) for i in range(0, len(windows), step)]
    return np.concatenate(blocks) if blocks else np.empty((0, len(features)), dtype=np.int32)
