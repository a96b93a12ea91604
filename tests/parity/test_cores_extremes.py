"""Features on emulated cores at the ends of every range: the loops in assembler have no other test bit by bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from offbeat.train.families.kmeans import KMeans
from offbeat.train.features import KINDS, Feature
from offbeat.train.modelfile import Standardize
from offbeat.train.profile import MCUS, Emulator, build_firmware, toolchain_missing
from tests.parity.models import BAND_WINDOWS, SHAPES, Case, make_case, make_window
from tests.parity.test_bounds import adversaries

pytestmark = pytest.mark.skipif(
    bool(toolchain_missing()), reason="needs a compiler and an emulator of boards: pip install 'offbeat[profile]'"
)

CORES = ("cortex-m0", "cortex-m3", "cortex-m4")
MOST_WINDOWS = 24  # on one core


def features_of(window: int, channels: int) -> tuple[Feature, ...]:
    """Every kind on each channel, with each bin for itself where they are not too many."""
    found: list[Feature] = []
    for channel in range(channels):
        found += [Feature(kind, channel) for kind in KINDS if kind not in ("band", "correlation", "change")]
        found += [Feature("change", channel, window // 2), Feature("change", channel, 1)]
        if channels > 1:
            found.append(Feature("correlation", channel, (channel + 1) % channels))
        if window in BAND_WINDOWS:
            middle = window // 4
            bins = range(1, window // 2) if window <= 64 else [1, 2, 3, middle - 1, middle, middle + 1, window // 2 - 1]
            found += [Feature("band", channel, first, 1) for first in bins]
            found += [Feature("band", channel, 1, width) for width in range(2, min(window // 2, 9))]
            found.append(Feature("band", channel, 1, window // 2 - 1))
    return tuple(found)


def case_of(window: int, channels: int) -> Case:
    features = features_of(window, channels)
    count = len(features)
    family = KMeans(np.zeros((1, count), np.int32), np.ones(1), np.zeros(1, np.int32), np.full(1, 32767))
    parts = make_case("kmeans", window, channels, seed=1).parts
    scales = (Standardize(0, 1, 0, 1),) * count
    return Case(
        replace(
            parts,
            family=family.number,
            features=features,
            standardize=scales,
            parameters=family.parameters(),
            baseline=(),
        )
    )


def alternations(window: int) -> NDArray[np.int16]:
    """Full scale with a period of 2 and 4, in each phase, and with one count less; int16 [W, N]."""
    at, ends = np.arange(window), ((-32768, 32767), (-32767, 32767), (-32768, 32766), (-8192, 8191), (-8193, 8192))
    found = [
        np.where((at + phase) // half % 2, high, low)
        for low, high in ends
        for half in (1, 2)
        for phase in range(2 * half)
    ]
    return np.array(found, dtype=np.int16)


def tones(window: int) -> NDArray[np.int16]:
    """One frequency each, so that what the other bins hold is the rounding; int16 [W, N]."""
    turns = 2 * np.pi * np.arange(window) / window
    cycles = np.unique(np.linspace(1, window // 2 - 1, 12).astype(int))
    found = [np.cos(turns * k + phase) for k in cycles for phase in (0.0, 1.0)]
    return np.round(8191 * np.array(found)).astype(np.int16)


def windows_for(window: int, channels: int) -> NDArray[np.int16]:
    """int16 [W, N, C]: on each channel another one of the extreme windows."""
    shapes = [make_window((shape,), window, seed)[:, 0] for shape in sorted(SHAPES) for seed in range(2)]
    bound = adversaries(window)
    bound = bound[np.unique(np.linspace(0, len(bound) - 1, MOST_WINDOWS).astype(int))]
    rows = np.concatenate([alternations(window), tones(window), bound, shapes])
    return np.stack([np.roll(rows, channel, axis=0) for channel in range(channels)], axis=2)


def features_found(emulator: Emulator, case: Case, ring: NDArray[np.int16], first: int) -> NDArray[np.int32]:
    emulator.write("driver_frames", ring)
    emulator.call("driver_features", first)
    return emulator.read("driver_values", case.count)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(("window", "channels"), [(8, 3), (9, 2), (11, 2), (30, 1), (31, 2), (200, 1), (1023, 2)])
def test_windows_of_any_length(window: int, channels: int, core: str) -> None:
    check_extremes(window, channels, core)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(("window", "channels"), [(16, 2), (32, 1), (64, 2), (128, 3), (256, 1), (512, 1), (1024, 1)])
def test_windows_with_a_spectrum(window: int, channels: int, core: str) -> None:
    check_extremes(window, channels, core)


def check_extremes(window: int, channels: int, core: str) -> None:
    case, windows = case_of(window, channels), windows_for(window, channels)
    if window * channels > 400:
        windows = windows[::4]
    emulator = Emulator(build_firmware(case.data, MCUS[core]))
    assert emulator.call("driver_init") == 0
    expected = case.pipeline.extract(windows)
    ring = np.zeros((window + case.model.hop, channels), dtype=np.int16)
    for counts, wanted in zip(windows, expected, strict=True):
        ring[:window] = counts
        np.testing.assert_array_equal(features_found(emulator, case, ring, 0), wanted)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(("window", "channels"), [(9, 2), (16, 3), (30, 2), (64, 1)])
def test_rings_that_wrap_around_anywhere(window: int, channels: int, core: str) -> None:
    case = case_of(window, channels)
    emulator = Emulator(build_firmware(case.data, MCUS[core]))
    assert emulator.call("driver_init") == 0
    counts = make_window(("full scale noise", "alternating extremes", "impulses")[:channels], window, seed=5)
    wanted = case.pipeline.extract(counts[None])[0]
    capacity = window + case.model.hop
    for first in range(capacity):
        ring = np.full((capacity, channels), -32768, dtype=np.int16)
        ring[(np.arange(window) + first) % capacity] = counts
        np.testing.assert_array_equal(features_found(emulator, case, ring, first), wanted)
