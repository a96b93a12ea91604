"""Every kernel as the boards' machine code, on an emulated Cortex-M0, Cortex-M3 and RISC-V, against CPython.

CPython runs the bytecode twins, so what agrees here agrees with the NumPy statement through test_bounds.py.
Results and everything that a kernel leaves in its buffers are compared.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offbeat.device import kernels_bytecode, spectrum_bytecode, tables, window_bytecode
from offbeat.device.families import kmeans_bytecode
from offbeat.train.arithmetic import sine_table
from tests.parity.board import PACKAGE
from tests.parity.models import BAND_WINDOWS, SHAPES, make_case, make_window
from tests.parity.thumb import ARCHITECTURES, ThumbModule

Argument = int | np.ndarray
Arguments = list[Argument]

_CODES = {np.dtype(np.int16): "h", np.dtype(np.int32): "i", np.dtype(np.uint8): "B", np.dtype(np.uint16): "H"}
_TWINS = (kernels_bytecode, window_bytecode, spectrum_bytecode, kmeans_bytecode)
_SHAPE_NAMES = sorted(SHAPES)
_LOG2 = np.array(tables.LOG2, dtype=np.int16)
_CRC = np.array(tables.CRC, dtype=np.int16)


def in_cpython(name: str, arguments: Arguments) -> tuple[int | None, Arguments]:
    """Result of a kernel under CPython, and its arguments afterwards."""
    given = [a if isinstance(a, int) else array(_CODES[a.dtype], a.tolist()) for a in arguments]
    twin = next(module for module in _TWINS if hasattr(module, name))
    result = getattr(twin, name)(*given)
    pairs = zip(given, arguments, strict=True)
    return result, [after if isinstance(before, int) else np.array(after, before.dtype) for after, before in pairs]


def assert_agrees(module: Modules, name: str, arguments: Arguments) -> None:
    expected, expected_after = in_cpython(name, arguments)
    room = module.of(name)
    given = [argument if isinstance(argument, int) else room.buffer(argument) for argument in arguments]
    assert room.call(name, *given) == expected, name
    for i, argument in enumerate(given):
        if not isinstance(argument, int):
            assert np.array_equal(argument.array(), expected_after[i]), f"{name}, argument {i}"


def _measuring(rng: np.random.Generator, kernel: str) -> Arguments:
    """A window of one channel in a ring that begins anywhere, with the state that comes before the kernel."""
    channels = int(rng.integers(1, 5))
    window = int(rng.choice([8, 16, 33, 256, 1024], p=[0.3, 0.3, 0.2, 0.1, 0.1]))
    capacity = window + int(rng.integers(1, window + 1))
    shapes = tuple(str(shape) for shape in rng.choice(_SHAPE_NAMES, channels))
    ring = make_window(shapes, capacity, int(rng.integers(2**31))).ravel()
    state = np.zeros(15, dtype=np.int32)
    state[:5] = rng.integers(capacity), capacity, channels, rng.integers(channels), window
    if kernel == "sum_of":
        return [ring, int(state[0]), state]
    scanned: Arguments = [ring, int(state[0]), np.zeros(window, dtype=np.uint16), state]
    if kernel == "scan":
        return scanned
    total, after = in_cpython("scan", scanned)
    samples, state = after[2:]
    assert isinstance(samples, np.ndarray) and isinstance(state, np.ndarray) and total is not None
    mean = (total // window - 32768) * 16 + (16 * (total % window) + window // 2) // window
    highest, lowest = (int(state[5]) - 32768) * 16 - mean, (int(state[6]) - 32768) * 16 - mean
    exponent = 13 - max(highest, -lowest).bit_length()
    state[8:12] = mean + 524288, max(exponent, 0), max(-exponent, 0), ((window - 1).bit_length() + 10) >> 1
    return [ring, int(state[0]), state] if kernel == "crossings" else [samples, window, state]


_SPECTRUM = ("weigh", "reorder", "transform", "power")


def _spectrum_arguments(name: str, samples: np.ndarray, sine: np.ndarray) -> Arguments:
    window = len(samples)
    return [window // 2, 0, samples] if name == "reorder" else [window, window // 4, samples, sine]


def _samples_in(arguments: Arguments) -> np.ndarray:
    samples = arguments[2]
    assert isinstance(samples, np.ndarray)
    return samples


def _spectral(rng: np.random.Generator, kernel: str) -> Arguments:
    """A normalised window that has gone through the kernels before this one."""
    window = int(rng.choice(BAND_WINDOWS, p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.05, 0.05]))
    counts = make_window((str(rng.choice(_SHAPE_NAMES)),), window, int(rng.integers(2**31)))[:, 0].astype(float)
    centred = counts - counts.mean()
    samples = np.round(centred * 8191 / max(np.abs(centred).max(), 1) + 32768).astype(np.uint16)
    sine = sine_table(window)
    for name in _SPECTRUM:
        arguments = _spectrum_arguments(name, samples, sine)
        if name == kernel:
            return arguments
        samples = _samples_in(in_cpython(name, arguments)[1])
    first = int(rng.integers(1, window // 2))
    return [samples, 0, first, int(rng.integers(1, window // 2 - first + 1))]


def _correlation(rng: np.random.Generator, kernel: str) -> Arguments:
    window = int(rng.integers(8, 1025))
    pair = [rng.choice([rng.integers(-8192, 8193, window), rng.choice([-8192, 8192], window)]) for _ in range(2)]
    return [(pair[0] + 32768).astype(np.uint16), 0, (pair[1] + 32768).astype(np.uint16), window]


def _root(rng: np.random.Generator, kernel: str) -> Arguments:
    square = int(rng.integers(2**14)) ** 2
    return [int(rng.choice([square, max(square - 1, 0), rng.integers(2**28), 2**28 - 1]))]


def _baseline(rng: np.random.Generator, kernel: str) -> Arguments:
    count = int(rng.integers(1, 20))
    slew = (2 ** rng.uniform(0, 15, count) * (rng.random(count) < 0.8)).astype(np.int16)
    level = rng.integers(-(2**21), 2**21, count).astype(np.int32)
    return [_scores(rng, count, 1), slew, level, count]


def _log2(rng: np.random.Generator, kernel: str) -> Arguments:
    return [int(rng.integers(2**30)) >> int(rng.integers(31)), _LOG2]


def _standardize(rng: np.random.Generator, kernel: str) -> Arguments:
    case = make_case("gaussian", 64, 2, int(rng.integers(2**31)))
    near = rng.integers(-(2**20), 2**20, case.count) >> rng.integers(0, 18, case.count)
    vector = np.zeros(3 * case.count, dtype=np.int16)
    parameters = np.frombuffer(case.model.standardize, "<i2").copy()
    return [parameters, case.count, near.astype(np.int32), vector]


def _scores(rng: np.random.Generator, count: int, places: int) -> np.ndarray:
    vector = np.zeros(places * count, dtype=np.int16)
    vector[:count] = rng.choice([rng.integers(-8191, 8192, count), rng.choice([-8191, 8191], count)])
    return vector


def _to_explain(arguments: Arguments) -> Arguments:
    """What whitened_back() is called with after mahalanobis()."""
    weights, count, shifts, vector = in_cpython("mahalanobis", arguments)[1]
    return [weights, shifts, vector, count]


def _gaussian(rng: np.random.Generator, kernel: str) -> Arguments:
    case = make_case("gaussian", 64, 2, int(rng.integers(2**31)))
    shifts = np.frombuffer(case.model.parameters, np.uint8, case.count, 8).copy()
    weights = np.frombuffer(case.model.parameters, "<i2", offset=8 + (case.count + 3) // 4 * 4).copy()
    arguments: Arguments = [weights, case.count, shifts, _scores(rng, case.count, 3)]
    return arguments if kernel == "mahalanobis" else _to_explain(arguments)


def _centroids(rng: np.random.Generator, kernel: str) -> Arguments:
    count, clusters = int(rng.integers(1, 30)), int(rng.integers(1, 5))
    spread = int(rng.choice([100, 8191, 32768]))
    centroids = rng.integers(-spread, spread, clusters * count)
    scales = np.stack([rng.integers(0, 31, clusters), rng.integers(1, 32768, clusters)], axis=1).ravel()
    parameters = np.concatenate([[clusters, count], scales, centroids]).astype(np.int16)
    vector = np.append(_scores(rng, count, 2), np.int16(0))
    at_limits = rng.random(count) < 0.5
    limits = np.clip(centroids[:count] + rng.choice([-2048, -2047, 2047, 2048], count), -8191, 8191)
    vector[:count][at_limits] = limits[at_limits]
    arguments: Arguments = [count, 0, parameters, vector]
    if kernel == "nearest_centroid":
        return arguments
    return [parameters, count, in_cpython("nearest_centroid", arguments)[1][3]]


def _line(rng: np.random.Generator, kernel: str) -> Arguments:
    length = int(rng.integers(0, 262))
    return [rng.integers(0, 256, 262).astype(np.uint8), length, _CRC, np.zeros(2, dtype=np.int16)]


MAKE_ARGUMENTS: dict[str, Callable[[np.random.Generator, str], Arguments]] = {
    "scan": _measuring,
    "sum_of": _measuring,
    "crossings": _measuring,
    "normalise": _measuring,
    "weigh": _spectral,
    "reorder": _spectral,
    "transform": _spectral,
    "power": _spectral,
    "band": _spectral,
    "correlate": _correlation,
    "square_root": _root,
    "without_baseline": _baseline,
    "log2_q10": _log2,
    "standardize": _standardize,
    "mahalanobis": _gaussian,
    "whitened_back": _gaussian,
    "nearest_centroid": _centroids,
    "centroid_differences": _centroids,
    "crc32_of_line": _line,
}


class Modules:
    """All rooms of kernels on one architecture."""

    def __init__(self, architecture: str) -> None:
        rooms = ("kernels", "window", "spectrum", "families/kmeans")
        self.modules = [ThumbModule(PACKAGE / f"{room}_viper.py", architecture) for room in rooms]
        self.functions = [name for module in self.modules for name in module.functions]

    def of(self, name: str) -> ThumbModule:
        return next(module for module in self.modules if name in module.functions)


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def module(request: pytest.FixtureRequest) -> Modules:
    return Modules(request.param)


def test_every_kernel_is_here(module: Modules) -> None:
    assert sorted(module.functions) == sorted(MAKE_ARGUMENTS)


@pytest.mark.parametrize("name", sorted(MAKE_ARGUMENTS))
@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**31))
def test_kernel_agrees(module: Modules, name: str, seed: int) -> None:
    assert_agrees(module, name, MAKE_ARGUMENTS[name](np.random.default_rng(seed), name))


@pytest.mark.parametrize("shape", _SHAPE_NAMES)
def test_the_longest_spectrum_agrees(module: Modules, shape: str) -> None:
    """1024 samples at full scale through weigh, reorder, transform, power and band, each on the one before."""
    counts = make_window((shape,), 1024, seed=5)[:, 0]
    samples, sine = ((counts.astype(np.int32) >> 2) + 32768).astype(np.uint16), sine_table(1024)
    for name in _SPECTRUM:
        arguments = _spectrum_arguments(name, samples, sine)
        assert_agrees(module, name, arguments)
        samples = _samples_in(in_cpython(name, arguments)[1])
    assert_agrees(module, "band", [samples, 0, 1, 511])


@pytest.mark.parametrize("bits", range(30))
def test_logarithm_agrees_at_every_power_of_two(module: Modules, bits: int) -> None:
    for value in {2**bits - 1, 2**bits, 2**bits + 1, 3 << bits >> 1}:
        assert_agrees(module, "log2_q10", [value, _LOG2])


def test_the_largest_gaussian_agrees(module: Modules) -> None:
    """255 features, each row as long as the format allows and every standard score saturated."""
    count = 255
    weights, signs = [], np.where(np.arange(count) % 3 == 0, -1, 1)
    for i in range(count):
        row = np.full(i + 1, 65535 // (i + 1))
        weights.append(np.clip(row, 0, 32767) * signs[: i + 1])
    packed = np.concatenate(weights).astype(np.int16)
    vector = np.concatenate([8191 * signs, np.zeros(2 * count)]).astype(np.int16)
    for shift in (6, 24):
        arguments: Arguments = [packed, count, np.full(count, shift, dtype=np.uint8), vector]
        assert_agrees(module, "mahalanobis", arguments)
        assert_agrees(module, "whitened_back", _to_explain(arguments))
