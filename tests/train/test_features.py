"""The integer features against their float formulas, within stated tolerances (units: 1/1024 octave)."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal, stats

from offbeat.train.arithmetic import sine_table
from offbeat.train.features import FLOOR, KINDS, Feature, extract, needs_spectrum
from offbeat.train.spectrum import band_edges, band_power, power_spectrum
from tests.parity.models import SHAPES, make_window

Float = NDArray[np.float64]
PLAIN = tuple(kind for kind in KINDS if kind not in ("band", "correlation", "change"))
NO_TABLE = np.zeros(0, dtype=np.int16)
POWERS_OF_TWO = (16, 32, 64, 128, 256, 512, 1024)

# Largest error for windows of 64 counts peak to peak and more, and of 4 to 64: there, the mean is known to 1/16
# count only. mean is in 1/16 count, crossings are counted, the others are logarithms.
LOUD = {"mean": 0.5, "rms": 1.5, "peak_to_peak": 1.0, "crest": 2, "kurtosis": 11, "mean_abs_difference": 1.5}
QUIET = {"mean": 0.5, "rms": 2.5, "peak_to_peak": 1.0, "crest": 25, "kurtosis": 60, "mean_abs_difference": 1.5}
# Largest error of a band by its power in dB below the window's largest deviation, squared.
BAND = {-20: 10, -30: 30, -40: 80, -50: 350}


def float_features(counts: Float) -> dict[str, Float]:
    """The formulas of docs/pipeline.md in float64, of windows [W, N]."""
    centred = counts - counts.mean(axis=1, keepdims=True)
    rms = np.sqrt((centred**2).mean(axis=1))
    in_sixteenths = 16 * counts - np.floor(16 * counts.mean(axis=1, keepdims=True) + 0.5)
    return {
        "mean": 16 * counts.mean(axis=1),
        "rms": 1024 * np.log2(rms),
        "peak_to_peak": 1024 * np.log2(np.ptp(counts, axis=1)),
        "crest": 1024 * np.log2(np.abs(centred).max(axis=1) / rms),
        "kurtosis": 1024 * np.log2(stats.kurtosis(counts, axis=1, fisher=False)),
        "mean_abs_difference": 1024 * np.log2(np.abs(np.diff(counts, axis=1)).mean(axis=1)),
        "crossings": (np.diff(in_sixteenths < 0, axis=1)).sum(axis=1),
    }


def float_bands(counts: Float) -> Float:
    """Mean square in each bin 0 .. N/2 - 1 of Hann-weighted windows [W, N], counts squared."""
    window = counts.shape[1]
    centred = counts - counts.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred * signal.get_window("hann", window), axis=1)[:, :-1]
    return 2 * np.abs(spectrum) ** 2 / window**2


def windows_of(shape: str, window: int, count: int, least: int = 1, most: int = 2**16) -> NDArray[np.int16]:
    """Windows [W, N] of one shape, of at least and at most so many counts peak to peak."""
    found = np.concatenate([make_window((shape,), window, seed).T for seed in range(count)])
    height = np.ptp(found.astype(np.int32), axis=1)
    return found[(height >= least) & (height < most)]


def shrunk(windows: NDArray[np.int16], height: int) -> NDArray[np.int16]:
    """The same shapes, `height` counts peak to peak."""
    wide = windows.astype(np.float64)
    wide -= wide.min(axis=1, keepdims=True)
    return np.round(wide * height / np.maximum(wide.max(axis=1, keepdims=True), 1)).astype(np.int16)


@pytest.mark.parametrize("window", [8, 9, 64, 100, 1000, 1024])
@pytest.mark.parametrize("shape", sorted(set(SHAPES) - {"constant"}))
def test_features_are_their_float_formulas(shape: str, window: int) -> None:
    windows = windows_of(shape, window, count=100)
    small = [windows_of(shape, window, count=100, least=4, most=64)] + [shrunk(windows, h) for h in (4, 16, 63)]
    for counts, tolerance in ((windows_of(shape, window, 100, least=64), LOUD), (np.concatenate(small), QUIET)):
        found = extract(counts[:, :, None], [Feature(kind, 0) for kind in PLAIN], NO_TABLE)
        exact = float_features(counts.astype(np.float64))
        for j, kind in enumerate(PLAIN):
            error = np.abs(found[:, j] - exact[kind])
            assert error.max(initial=0) <= tolerance.get(kind, 0) + 1e-6, kind


def test_known_values() -> None:
    """A sine has a crest of sqrt(2) and a kurtosis of 1.5; Gaussian noise a kurtosis of 3."""
    sine = np.round(8000 * np.sin(2 * np.pi * np.arange(1024) / 32)).astype(np.int16)
    noise = np.random.default_rng(1).normal(0, 4000, (400, 1024)).clip(-32768, 32767).astype(np.int16)
    features = [Feature("rms", 0), Feature("crest", 0), Feature("kurtosis", 0), Feature("crossings", 0)]
    rms, crest, kurtosis, crossings = extract(sine[None, :, None], features, NO_TABLE)[0]
    assert abs(rms - 1024 * np.log2(8000 / np.sqrt(2))) <= 2
    assert abs(crest - 512) <= 3
    assert abs(kurtosis - 1024 * np.log2(1.5)) <= 4
    assert crossings in (62, 63, 64)
    assert abs(np.median(extract(noise[:, :, None], features, NO_TABLE)[:, 2]) - 1623) <= 30


@pytest.mark.parametrize("value", [0, 1, -1, 32767, -32768, 12345])
@pytest.mark.parametrize("window", [8, 16, 1000, 1024])
def test_a_constant_channel_has_no_signal(window: int, value: int) -> None:
    counts = np.full((3, window, 2), value, dtype=np.int16)
    features = [Feature(kind, 1, 1, 3) for kind in PLAIN + (("band",) if window in POWERS_OF_TWO else ())]
    expected = {"mean": 16 * value, "crest": 0, "kurtosis": 0, "crossings": 0}
    table = sine_table(window) if window in POWERS_OF_TWO else NO_TABLE
    for row in extract(counts, features, table):
        assert row.tolist() == [expected.get(feature.kind, FLOOR) for feature in features]


@pytest.mark.parametrize("window", POWERS_OF_TWO)
@pytest.mark.parametrize("shape", sorted(set(SHAPES) - {"constant", "one count of noise"}))
def test_bands_are_those_of_a_float_spectrum(shape: str, window: int) -> None:
    counts = windows_of(shape, window, count=40, least=64)
    wide = counts.astype(np.float64)
    exact = float_bands(wide)
    largest = np.abs(wide - wide.mean(axis=1, keepdims=True)).max(axis=1)
    rng = np.random.default_rng(window)
    for _ in range(6):
        first = int(rng.integers(1, window // 2))
        bins = int(rng.integers(1, window // 2 - first + 1))
        found = extract(counts[:, :, None], [Feature("band", 0, first, bins)], sine_table(window))[:, 0]
        mean_square = np.maximum(exact[:, first : first + bins].sum(axis=1), 1e-30)
        error = np.abs(found - 1024 * np.log2(mean_square))
        level = 10 * np.log10(mean_square / largest**2)
        for (above, tolerance), below in zip(BAND.items(), [np.inf, *BAND], strict=False):
            assert error[(level > above) & (level <= below)].max(initial=0) <= tolerance, f"above {above} dB"


@pytest.mark.parametrize("window", POWERS_OF_TWO)
def test_a_sine_falls_in_the_band_of_its_frequency(window: int) -> None:
    """At every bin's own frequency: all of it in the bin and its two neighbours, 40 dB less elsewhere."""
    bins = np.arange(1, window // 2)
    phase = np.random.default_rng(0).random(len(bins))[:, None]
    counts = np.round(20000 * np.sin(2 * np.pi * (bins[:, None] * np.arange(window) / window + phase)))
    whole = [Feature("band", 0, 1, window // 2 - 1)]
    table = sine_table(window)
    windows = counts.astype(np.int16)[:, :, None]
    total = extract(windows, whole, table)[:, 0]
    for i, k in enumerate(bins):
        low, high = max(k - 1, 1), min(k + 1, window // 2 - 1)
        (near,) = extract(windows[i : i + 1], [Feature("band", 0, int(low), int(high - low + 1))], table)[0]
        assert abs(near - total[i]) <= 5
        if 2 < k < window // 2 - 2:
            assert abs(near - 1024 * np.log2(20000**2 / 2 * 3 / 8)) <= 10, "Hann leaves 3/8 of the mean square"
        for first, count in ((1, low - 2), (high + 2, window // 2 - high - 2)):
            if count > 0:
                (far,) = extract(windows[i : i + 1], [Feature("band", 0, int(first), int(count))], table)[0]
                assert far < near - 1024 * 40 / (10 * np.log10(2)), k


@pytest.mark.parametrize("window", POWERS_OF_TWO)
def test_parseval(window: int) -> None:
    """All bins together are the power of the weighted window; no window's sum reaches 2**30."""
    rng = np.random.default_rng(window)
    noise = rng.integers(-8192, 8193, (50, window))
    extremes = rng.choice([-8192, 8192], (50, window))
    flat = np.repeat([[8192], [-8192]], window, axis=1)
    normalised = np.concatenate([noise, extremes, flat]).astype(np.int32)
    power = power_spectrum(normalised, sine_table(window))
    assert (power >= 0).all() and (power[:, 0] == 0).all()
    total = power.sum(axis=1, dtype=np.int64)
    assert total.max() < 2**30
    weighted = normalised * signal.get_window("hann", window)
    ends = np.fft.rfft(weighted, axis=1)[:, [0, -1]].real
    exact = 32 * (weighted**2).mean(axis=1) - 32 * (ends**2).sum(axis=1) / window**2  # without bins 0 and N/2
    assert np.abs(total[:-2] / exact[:-2] - 1).max() < 0.01


@pytest.mark.parametrize("window", POWERS_OF_TWO)
@pytest.mark.parametrize("bands", [1, 3, 8, 16])
def test_band_edges_cover_the_spectrum_once(window: int, bands: int) -> None:
    edges = band_edges(window, bands)
    covered = [k for first, bins in edges for k in range(first, first + bins)]
    assert covered == list(range(1, window // 2))
    assert max(bins for _, bins in edges) - min(bins for _, bins in edges) <= 1
    assert len(edges) == min(bands, window // 2 - 1)


def test_band_power_sums_its_bins() -> None:
    power = np.arange(32, dtype=np.int32).reshape(2, 16)
    assert band_power(power, 3, 4).tolist() == [3 + 4 + 5 + 6, 19 + 20 + 21 + 22]


def test_channels_are_apart_and_blocks_make_no_difference() -> None:
    rng = np.random.default_rng(3)
    windows = rng.integers(-3000, 3000, (1200, 1024, 2)).astype(np.int16)  # more than a block holds
    features = [Feature("rms", 0), Feature("band", 0, 3, 9), Feature("rms", 1), Feature("mean", 1)]
    together = extract(windows, features, sine_table(1024))
    assert np.array_equal(together[1100:], extract(windows[1100:], features, sine_table(1024)))
    swapped = [Feature("rms", 1), Feature("band", 1, 3, 9), Feature("rms", 0), Feature("mean", 0)]
    assert np.array_equal(together[:50], extract(windows[:50, :, ::-1], swapped, sine_table(1024)))
    assert extract(windows[:0], features, sine_table(1024)).shape == (0, 4)


def test_names_and_what_needs_a_spectrum() -> None:
    band = Feature("band", 1, 9, 8)
    assert band.name(("x", "y")) == "y.band9-16"
    assert Feature("rms", 0).name(("x", "y")) == "x.rms"
    assert needs_spectrum([Feature("rms", 0), band]) and not needs_spectrum([Feature("rms", 0)])
