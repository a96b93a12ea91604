"""No intermediate value leaves +-(2**30 - 1), in the kernels or in the NumPy statement, whatever the window.

Both run as copies that check each operation (checked.py), driven to their extremes; each test also holds how
near the bound they came, so that a test which stopped reaching the extremes would fail.
"""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray

from offbeat.device import tables
from offbeat.train.arithmetic import SMALL_INTEGER_MAX, sine_table
from offbeat.train.decision import alarms
from offbeat.train.families import Family
from offbeat.train.families.gaussian import Gaussian
from offbeat.train.families.kmeans import KMeans
from offbeat.train.features import KINDS, Feature, extract
from offbeat.train.modelfile import Decision, ModelParts, Standardize
from offbeat.train.pipeline import standardized
from offbeat.train.spectrum import power_spectrum
from tests.parity import checked
from tests.parity.models import BAND_WINDOWS, SHAPES, Case, cases, make_window

Counts = NDArray[np.int16]
_MOST = 255  # features in a model


@pytest.fixture(autouse=True)
def _from_zero() -> None:
    checked.largest.clear()


def square_waves(window: int, high: int, low: int) -> NDArray[np.int32]:
    """A square wave of two phases at the frequency of every bin, int32 [W, N]: the largest power of each bin."""
    bins = np.repeat(np.arange(1, window // 2 + 1), 2)[:, None]
    phase = (bins * np.arange(window) / window + np.tile([0, 0.25], window // 2)[:, None]) % 1
    return np.where(phase < 0.5, high, low).astype(np.int32)


def adversaries(window: int) -> Counts:
    """Windows int16 [W, N] that drive one step or another to its largest value."""
    # 16383 and -16384, centred, come out just below a power of two, and so normalised at 2**13 itself
    waves = [square_waves(window, high, low) for high, low in ((32767, -32768), (16383, -16384), (32767, 0))]
    impulses = np.full((6, window), -32768)
    impulses[[0, 1, 2], [0, window // 2, window - 1]] = 32767
    impulses[3:] = -1 - impulses[:3]
    flat = np.repeat([[0], [32767], [-32768]], window, axis=1)
    ramp = np.linspace(-32768, 32767, window)[None]
    return np.concatenate([*waves, impulses, flat, ramp, ramp[:, ::-1]]).astype(np.int16)


def every_feature(window: int) -> tuple[Feature, ...]:
    plain = [Feature(kind, 0) for kind in KINDS if kind not in ("band", "correlation", "change")]
    plain += [Feature("change", 0, window // 2), Feature("change", 0, 1)]
    if window not in BAND_WINDOWS:
        return tuple(plain)
    whole = Feature("band", 0, 1, window // 2 - 1)
    return (*plain, whole, Feature("band", 0, 1, 1), Feature("band", 0, window // 2 - 1, 1))


def feature_case(window: int) -> Case:
    """Every feature, at home nowhere, so that the standard scores saturate."""
    features = every_feature(window)
    ends = [(-(2**29) + 1, 0), (2**29 - 1, 0), (0, 0), (2**29 - 1, 15), (-2_000_000, 3)]
    scales = tuple(Standardize(ends[i % 5][0], 16383, ends[i % 5][1], 1 + i % 15) for i in range(len(features)))
    family = KMeans(np.zeros((1, len(features)), np.int32), np.ones(1), np.zeros(1, np.int32), np.full(1, 32767))
    return Case(ModelParts(2, ("x",), window, window, 100.0, features, scales, family.parameters()))


def board_features(case: Case, window: Counts) -> list[int]:
    """Features of a window [N] by the checked copy of the board's package."""
    detector = checked.device("detector").Detector(case.model)
    detector.measure(array("h", window.tolist()), 0, len(window))
    return list(detector.features.values)


def assert_reached(module: str, share: float) -> None:
    reached = checked.largest[module] / SMALL_INTEGER_MAX
    assert share <= reached <= 1, f"{module} came to {reached:.3f} of the bound"


@pytest.mark.parametrize("window", [8, 9, 1000, *BAND_WINDOWS])
def test_numpy_features_stay_in_range(window: int) -> None:
    features, table = every_feature(window), sine_table(window) if window in BAND_WINDOWS else np.zeros(0, np.int16)
    windows = adversaries(window)[:, :, None]
    found = checked.train("features").extract(windows, features, table)
    assert np.array_equal(found, extract(windows, features, table))
    assert_reached("checked_train.features", 0.2 if window > 16 else 0.06)
    if window in BAND_WINDOWS:
        assert_reached("checked_train.spectrum", 0.3)


@pytest.mark.parametrize("window", BAND_WINDOWS)
def test_numpy_spectrum_stays_in_range_for_any_normalised_window(window: int) -> None:
    """+-2**13 throughout is more than any window normalises to; its band sum stays below 2**30, as documented."""
    normalised, table = square_waves(window, 8192, -8192), sine_table(window)
    power = checked.train("spectrum").power_spectrum(normalised, table)
    assert np.array_equal(power, power_spectrum(normalised, table))
    assert power.sum(axis=1, dtype=np.int64).max() < 2**30
    assert_reached("checked_train.spectrum", 0.3)


@pytest.mark.parametrize("window", [8, 9, 16, 32, 64])
def test_board_features_stay_in_range_in_every_bin(window: int) -> None:
    case = feature_case(window)
    windows = adversaries(window)
    expected = case.pipeline.extract(windows[:, :, None])
    for i, counts in enumerate(windows):
        assert board_features(case, counts) == expected[i].tolist()
    assert_reached("checked_device.kernels_bytecode", 0.45)
    if window in BAND_WINDOWS:
        assert_reached("checked_device.spectrum_bytecode", 0.7)


@pytest.mark.parametrize("window", [256, 1024])
def test_board_features_stay_in_range_in_long_windows(window: int) -> None:
    case = feature_case(window)
    bins = np.array([1, 2, window // 8, window // 4, window // 2 - 1, window // 2])
    for counts in adversaries(window)[[*(2 * bins - 2), *range(-11, 0)]]:
        assert board_features(case, counts) == case.pipeline.extract(counts[None, :, None])[0].tolist()
    assert_reached("checked_device.kernels_bytecode", 0.45)
    assert_reached("checked_device.spectrum_bytecode", 0.7)


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(drawn=cases(longest=128))
def test_random_models_stay_in_range(drawn: tuple[Case, Counts]) -> None:
    """The whole way of a window through the checked copies, to the contributions."""
    case, window = drawn
    detector = checked.device("detector").Detector(case.model)
    score = detector.measure(array("h", window.ravel().tolist()), 0, len(window))
    detector.scorer.explain(detector.features.vector)
    parts = [detector.scorer.contribution(detector.features.vector, j) for j in range(case.count)]
    features = checked.train("features").extract(window[None], case.pipeline.features, case.pipeline.sine)
    vectors = case.pipeline.vectors(features)
    name = case.pipeline.family.name
    checked_family = getattr(checked.train(f"families.{name}"), type(case.pipeline.family).__name__)
    family = checked_family.from_parameters(case.model.parameters, case.count)
    assert list(detector.features.values) == features[0].tolist()
    assert score == family.score(vectors)[0] == case.pipeline.family.score(vectors)[0]
    assert parts == family.contributions(vectors)[0].tolist()


def standard_scores_on_board(features: list[int], scales: list[Standardize]) -> list[int]:
    words = array("h")
    for scale in scales:
        low, high = np.frombuffer(np.int32(scale.center).tobytes(), "<i2").tolist()
        multiplier = int(np.uint16(scale.multiplier).astype(np.int16))
        words.extend([low, high, multiplier, scale.first_shift + 256 * scale.second_shift])
    vector = array("h", [0] * len(features))
    checked.device("kernels_bytecode").standardize(words, len(features), array("i", features), vector)
    return vector.tolist()


def test_standardizing_stays_in_range() -> None:
    """Features wider than any formula gives, with each limit of the format."""
    values = [0, 1, -1, 2**20, -(2**20), 2**29 - 1, -(2**29) + 1, 2**21 + 12345]
    centers = [0, 1, 2**29 - 1, -(2**29) + 1, 65535, 65536, -65536, 32768]
    scales = [
        Standardize(center, multiplier, first, second)
        for center in centers
        for multiplier in (0, 1, 16383)
        for first in (0, 7, 15)
        for second in (1, 15)
    ]
    for value in values:
        features = np.full((1, len(scales)), value, dtype=np.int32)
        expected = standardized(features, tuple(scales))[0].tolist()
        assert standard_scores_on_board(features[0].tolist(), scales) == expected
    assert_reached("checked_device.kernels_bytecode", 0.99)


def longest_rows(most: int, signs: NDArray[np.int32]) -> NDArray[np.int32]:
    """Weights [F, F] of these signs, up to `most` in a row, of absolute sum 65535 or as near as int16 comes to it."""
    weights = np.zeros((_MOST, _MOST), dtype=np.int32)
    for i in range(_MOST):
        places = np.random.default_rng(i).permutation(i + 1)[:most]
        weights[i, places] = np.clip(65535 // len(places) * signs[places], -32768, 32767)
    return weights


def scored_by_board(number: int, family: Family, vector: NDArray[np.int32]) -> tuple[int, list[int]]:
    """Score and contributions of standard scores int32 [F] by the checked copy of the board's family."""
    scorer = checked.device("families").module(number).Scorer(memoryview(family.parameters()), len(vector))
    words = array("h", [*vector.tolist(), *[0] * (scorer.room() - len(vector))])
    scorer.weights = array("h", bytes(scorer.weights)) if hasattr(scorer, "weights") else None
    score = scorer.score(words)
    scorer.explain(words)
    return score, [scorer.contribution(words, j) for j in range(len(vector))]


@pytest.mark.parametrize("shift", [6, 24])
@pytest.mark.parametrize("most", [2, _MOST])
def test_the_longest_rows_of_255_features_stay_in_range(most: int, shift: int) -> None:
    signs = np.random.default_rng(most).choice(np.array([-1, 1], dtype=np.int32), _MOST)
    weights, shifts = longest_rows(most, signs), np.full(_MOST, shift, dtype=np.int32)
    family = Gaussian(weights, shifts, 0, 32767)
    rows = checked.train("families.gaussian").Gaussian(weights, shifts, 0, 32767)
    vectors = 8191 * np.stack([signs, -signs, np.abs(signs)])
    assert np.array_equal(rows.score(vectors), family.score(vectors))
    assert np.array_equal(rows.contributions(vectors), family.contributions(vectors))
    for vector in vectors:
        score, parts = scored_by_board(1, family, vector)
        assert score == family.score(vector[None])[0]
        assert parts == family.contributions(vector[None])[0].tolist()
    assert_reached("checked_device.families", 0.99)  # the scale
    for module in ("checked_train.families.gaussian", "checked_device.kernels_bytecode"):
        assert_reached(module, 0.99 if shift == 6 else 0.49)  # 255 whitened scores at their limit; or the longest sum


def test_the_farthest_centroids_stay_in_range() -> None:
    centroids = np.stack([np.full(_MOST, -32768), np.full(_MOST, 32767), np.zeros(_MOST)]).astype(np.int32)
    scales = np.array([[0, 32767], [30, 32767], [15, 1]], dtype=np.int32)
    family = KMeans(centroids, np.ones(3), scales[:, 0], scales[:, 1])
    same = checked.train("families.kmeans").KMeans(centroids, np.ones(3), scales[:, 0], scales[:, 1])
    for limit in (-8191, 8191):
        vector = np.full(_MOST, limit, dtype=np.int32)
        score, parts = scored_by_board(2, family, vector)
        assert score == family.score(vector[None])[0] == same.score(vector[None])[0]
        assert parts == family.contributions(vector[None])[0].tolist() == same.contributions(vector[None])[0].tolist()
    assert_reached("checked_device.families.kmeans_bytecode", 0.99)
    assert_reached("checked_train.families.kmeans", 0.99)


def test_the_logarithm_stays_in_range() -> None:
    log2_q10 = checked.device("kernels_bytecode").log2_q10
    for bits in range(30):
        for value in {(1 << bits) - 1, 1 << bits, (1 << bits) + 1, 3 << bits >> 1}:
            expected = int(checked.train("arithmetic").log2_q10(value))
            assert log2_q10(value, tables.LOG2) == expected


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_ring_decision_reasons_and_lines_stay_in_range(shape: str) -> None:
    """A recording through the checked detector, each verdict written as a line."""
    case = feature_case(32)
    module = checked.device("detector")
    detector, ring = module.Detector(case.model), module.Ring(1, 32, 32)
    writer = checked.device("lines").LineWriter(lambda buffer, length: None)
    indices, values = array("h", [0] * 3), array("i", [0] * 3)
    counts = np.concatenate([make_window((shape,), 64, seed) for seed in range(4)])
    scores, states = [], []
    for x in counts[:, 0].tolist():
        if ring.push(array("h", [x])):
            detector.window(ring)
            writer.begin(b"~SCORE ")
            for number in (detector.score, -detector.score, SMALL_INTEGER_MAX, -SMALL_INTEGER_MAX):
                writer.number(b" s=", number)
            for i in range(detector.reasons(3, indices, values)):
                writer.append(b",", values[i])
            writer.end()
            scores.append(detector.score)
            states.append(detector.decision.alarm)
    assert len(scores) == 8
    assert states == alarms(np.array(scores), Decision()).tolist()
