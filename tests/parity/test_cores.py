"""Machine code of six cores in the emulator of `offbeat profile`: every family, bit for bit as NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from offbeat.train.families import FAMILIES
from offbeat.train.profile import DEFAULT_MCUS, MCUS, Emulator, build_firmware, measure, toolchain_missing
from tests.parity.models import SHAPES, Case, make_case, make_window

pytestmark = pytest.mark.skipif(
    bool(toolchain_missing()), reason="needs a compiler and an emulator of boards: pip install 'offbeat[profile]'"
)

RAM_LIMIT = 900  # bytes beyond the samples, stack included, for 24 features of 128 samples


def windows_for(case: Case) -> np.ndarray:
    """A window of each shape, the same on all channels, int16 [W, N, C]."""
    channels, window = case.model.channels, case.model.window
    return np.stack([make_window((shape,) * channels, window, seed=7) for shape in sorted(SHAPES)])


@pytest.mark.parametrize("core", DEFAULT_MCUS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_on_every_core(family: str, core: str) -> None:
    """Features, scores, contributions and decisions; measure() raises where one differs."""
    case = make_case(family, 64, 2, seed=39, most=12)
    found = measure(case.data, build_firmware(case.data, MCUS[core]), windows_for(case))
    assert found.windows == len(SHAPES)
    assert found.largest.features > 0 < found.largest.model
    assert 0 < found.stack < 600


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m3", "cortex-m4"])
@pytest.mark.parametrize(("family", "seed"), [("autoencoder", 3), ("gaussian", 3), ("mixture", 40), ("pca", 41)])
def test_loops_that_take_two_at_once_meet_odd_and_even_numbers_of_features(family: str, seed: int, core: str) -> None:
    case = make_case(family, 16, 2, seed, most=24)
    assert measure(case.data, build_firmware(case.data, MCUS[core]), windows_for(case)).windows == len(SHAPES)


@pytest.mark.parametrize("core", DEFAULT_MCUS)
def test_a_window_that_wraps_around_in_its_ring(core: str) -> None:
    case = make_case("gaussian", 128, 3, seed=39, most=24)
    emulator = Emulator(build_firmware(case.data, MCUS[core]))
    assert emulator.call("driver_init") == 0
    window, capacity = windows_for(case)[-1], case.model.window + case.model.hop
    expected = case.pipeline.extract(window[None])[0]
    for first in (0, 1, capacity - 1, case.model.hop + 5):
        ring = np.zeros((capacity, case.model.channels), dtype=np.int16)
        ring[(np.arange(len(window)) + first) % capacity] = window
        emulator.write("driver_frames", ring)
        emulator.call("driver_features", first)
        np.testing.assert_array_equal(emulator.read("driver_values", case.count), expected)


@pytest.mark.parametrize("core", DEFAULT_MCUS)
def test_memory_beyond_the_samples_is_small(core: str) -> None:
    case = make_case("gaussian", 128, 3, seed=39, most=24)
    found = measure(case.data, build_firmware(case.data, MCUS[core]), windows_for(case)[:2])
    correlated = any(feature.kind == "correlation" for feature in case.parts.features)
    extra = 2 * 128 * correlated + 4 * case.count * bool(case.parts.baseline) + 32 * correlated
    assert found.ram + found.stack <= RAM_LIMIT + extra
