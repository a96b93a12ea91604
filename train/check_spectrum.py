"""The spectrum of each channel: main frequencies, what lies at half the sampling rate, and what fits a window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import welch

from .check_report import Finding, Opinion, over_channels
from .features import MAX_WINDOW
from .limits import time_in_words

__all__ = ["EDGE", "Line", "Spectra", "Spectrum", "aliasing", "window_length"]

Floats = NDArray[np.float64]

_LENGTHS = (8192, 1024, 128)  # samples of a segment, finest first
_ENOUGH = 16  # segments, from which on a shorter length has nothing to add
_LEAST = 2  # segments to prefer a longer length for

_FIRST_BIN = 3  # what lies below is drift, spread there by the Hann window
_BESIDE = 2  # bins on either side that a Hann window's line takes
_NEIGHBOURHOOD = 12  # bins on either side that it must stand out from
_STANDS_OUT = 6.0
_MOST_LINES = 3
_LEAST_SHARE = 0.05

EDGE: Final = 0.9  # of half the rate
_RISING = 2.0  # times as strong at the edge as below it
_LEAST_AT_EDGE = 0.1
_LINE_AT_EDGE = 0.2

_PERIODS = 2  # that a window should hold, so that its RMS does not swing with where it began
_TELLING = 0.1  # share of the power from which a line decides about the window
_DOMINATES = 0.5


@dataclass(frozen=True)
class Line:
    """A line of a spectrum. frequency: Hz; share: of the channel's power."""

    frequency: float
    share: float


@dataclass(frozen=True)
class Spectrum:
    """Mean spectrum of one channel.

    rate: Hz; frequencies: float64 [K] Hz; density: float64 [K] counts squared per Hz.
    """

    rate: float
    frequencies: Floats
    density: Floats

    @property
    def silent(self) -> bool:
        """Whether there is no power at all."""
        return not self.density.any()

    def share(self, low: float, high: float) -> float:
        """Share of the power between two frequencies, as shares of half the rate."""
        inside = (self.frequencies >= low * self.rate / 2) & (self.frequencies <= high * self.rate / 2)
        return float(self.density[inside].sum() / self.density.sum())

    def level(self, low: float, high: float) -> float:
        """Mean density between two frequencies, as shares of half the rate."""
        inside = (self.frequencies >= low * self.rate / 2) & (self.frequencies <= high * self.rate / 2)
        return float(self.density[inside].mean())

    @property
    def rms_frequency(self) -> float:
        """Root of the mean squared frequency, weighted by power, Hz."""
        return float(np.sqrt((self.density * self.frequencies**2).sum() / self.density.sum()))

    @property
    def floor(self) -> float:
        """RMS in counts of white noise as strong as the quietest tenth of the spectrum, in 64 bands."""
        bands = [band.mean() for band in np.array_split(self.density[1:], 64)]
        return float(np.sqrt(np.quantile(bands, 0.1) * self.rate / 2))

    @property
    def lines(self) -> tuple[Line, ...]:
        """The strongest lines, three at most, each with 5 % of the power or more, strongest first."""
        density, found = self.density.copy(), []
        density[:_FIRST_BIN] = 0
        for _ in range(_MOST_LINES):
            top = int(density.argmax())
            low, high = max(top - _BESIDE, 0), top + _BESIDE + 1
            share = float(density[low:high].sum() / self.density.sum())
            if share < _LEAST_SHARE:
                break
            if self._stands_out(top):
                weights = self.density[low:high]
                found.append(Line(float(np.average(self.frequencies[low:high], weights=weights)), share))
            density[low:high] = 0
        return tuple(found)

    def _stands_out(self, top: int) -> bool:
        around = self.density[max(top - _NEIGHBOURHOOD, 1) : top + _NEIGHBOURHOOD + 1]
        peak = self.density[top] >= self.density[max(top - 1, 0) : top + 2].max()
        return bool(peak and top >= _FIRST_BIN and self.density[top] > _STANDS_OUT * np.median(around))


class Spectra:
    """Averages periodograms of Hann windows (P. D. Welch, 1967) at three lengths, since nobody knows how long the
    runs without a gap will be. rate: Hz; channels: how many."""

    def __init__(self, rate: float, channels: int) -> None:
        self._rate = rate
        self._sums = {length: np.zeros((length // 2 + 1, channels)) for length in _LENGTHS}
        self._segments = dict.fromkeys(_LENGTHS, 0)

    def add(self, counts: NDArray[np.int16]) -> None:
        """See samples that follow one another, int16 [n, C]."""
        for length in _LENGTHS:
            segments = len(counts) // length
            if segments:
                values = counts[: segments * length].astype(np.float32)
                _, density = welch(values, fs=self._rate, nperseg=length, noverlap=0, axis=0)
                self._sums[length] += segments * density
                self._segments[length] += segments
            if self._segments[length] >= _ENOUGH:
                break

    def of(self, channel: int) -> Spectrum | None:
        """Spectrum of a channel, as fine as the data allow; None where no run holds 128 samples."""
        length = next((n for n in _LENGTHS if self._segments[n] >= _LEAST), None)
        length = length or next((n for n in reversed(_LENGTHS) if self._segments[n]), None)
        if length is None:
            return None
        density = self._sums[length][:, channel] / self._segments[length]
        return Spectrum(self._rate, np.arange(length // 2 + 1) * self._rate / length, density)


def aliasing(names: Sequence[str], spectra: Sequence[Spectrum | None]) -> Finding:
    """Power that piles up at half the rate, as what lies above it does after folding.

    names, spectra: live channels that vibrate. What was folded farther down looks like any other line and cannot be
    told from it.
    """
    opinions = []
    for name, spectrum in zip(names, spectra, strict=True):
        if spectrum is None or spectrum.silent:
            continue
        half = spectrum.rate / 2
        share = spectrum.share(EDGE, 1)
        rising = spectrum.level(EDGE, 1) > _RISING * spectrum.level(0.6, EDGE) and share > _LEAST_AT_EDGE
        line = next((n for n in spectrum.lines if n.frequency > EDGE * half and n.share > _LINE_AT_EDGE), None)
        if line:
            words = f"has {line.share:.0%} of its power at {line.frequency:.4g} Hz, close to half the rate"
        else:
            words = f"still rises towards half the rate: {share:.0%} of its power lie above {EDGE * half:.4g} Hz"
        opinions.append(Opinion(name, "care" if line or rising else "good", words))
    if not opinions:
        why = "too short for a spectrum" if names else "no channel is watched for its vibration"
        return Finding("aliasing", "good", why)
    half = spectra[0].rate / 2 if spectra[0] else 0.0
    advice = (
        "record at two or three times the rate and look again, or switch on the sensor's low-pass filter: what lies "
        "above half the rate is folded down, to where it is not"
    )
    good = f"nothing piles up at half the rate ({half:g} Hz)"
    return over_channels("aliasing", opinions, good, advice)


def window_length(names: Sequence[str], spectra: Sequence[Spectrum | None], window: int, rate: float) -> Finding:
    """Whether a window holds the periods that dominate, twice, or in the longest window once.

    names, spectra: live channels that vibrate; one whose mean is watched may take as long as it likes.
    """
    opinions, longest, decisive = [], 0.0, False
    for name, spectrum in zip(names, spectra, strict=True):
        slowest = _slowest(spectrum)
        if slowest is None:
            opinions.append(Opinion(name, "good", "has no line that decides"))
            continue
        decisive, samples = True, rate / slowest.frequency
        words = f"has {slowest.share:.0%} of its power at {slowest.frequency:.4g} Hz, a period of {samples:.4g} samples"
        if samples * (1 if window == MAX_WINDOW else _PERIODS) <= window:
            opinions.append(Opinion(name, "good", words))
            continue
        beyond = samples > MAX_WINDOW and slowest.share > _DOMINATES
        opinions.append(Opinion(name, "no" if beyond else "care", words))
        longest = max(longest, samples)
    shown = f"a window of {window} samples ({time_in_words(window / rate)})"
    good = f"{shown} holds the main periods" if decisive else f"no line decides how long {shown} should be"
    if longest > MAX_WINDOW:
        advice = (
            f"windows end at {MAX_WINDOW} samples: record at {MAX_WINDOW * rate / longest / _PERIODS:.3g} Hz if "
            "nothing faster matters, filter the slow movement out (many sensors have a high-pass filter), or average "
            "on the host"
        )
    else:
        wanted = min(2 ** math.ceil(math.log2(max(_PERIODS * longest, 1))), MAX_WINDOW)
        advice = (
            f"choose --window {wanted}, which holds the slowest of these periods {wanted / max(longest, 1):.2g} times"
        )
    return over_channels("window", opinions, good, advice)


def _slowest(spectrum: Spectrum | None) -> Line | None:
    """The line of lowest frequency that holds a tenth of the power or more."""
    lines = spectrum.lines if spectrum and not spectrum.silent else ()
    return min((line for line in lines if line.share >= _TELLING), key=lambda line: line.frequency, default=None)
