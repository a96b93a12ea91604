"""The board's mixture against the NumPy statement, its kernels as machine code, and what it refuses."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from offbeat.device.families import mixture, mixture_bytecode
from offbeat.train.families.mixture import Mixture
from tests.parity.board import PACKAGE
from tests.parity.families.mixture import make

_GUARD = 12345
_FARTHEST = 2**30 - 1
_BLOCKS = 12  # bytes


def vectors(rng: np.random.Generator, family: Mixture) -> NDArray[np.int32]:
    """Standard scores near the components, anywhere, and where a row's sum is largest."""
    components, count = family.means.shape
    near = family.means + rng.integers(-40, 41, (components, count))
    anywhere = rng.integers(-8191, 8192, (3, count))
    signs = np.sign(family.weights.reshape(-1, count))[-2:]
    return np.clip(np.concatenate([near, anywhere, 8191 * signs, -8191 * signs]), -8191, 8191).astype(np.int32)


def scored(family: Mixture, vector: NDArray[np.int32]) -> tuple[int, list[int]]:
    """Score and contributions by the board's code, which must not write past its room."""
    count = len(vector)
    scorer = mixture.Scorer(memoryview(family.parameters()), count)
    words = array("h", [*vector.tolist(), *[0] * (scorer.room() - count), _GUARD])
    score = scorer.score(words)
    scorer.explain(words)
    parts = [scorer.contribution(words, j) for j in range(count)]
    assert words[-1] == _GUARD and words[:count].tolist() == vector.tolist()
    return score, parts


@settings(max_examples=60)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 12))
def test_the_board_agrees_with_numpy(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    family = make(rng, count)
    assert mixture.check(memoryview(family.parameters()), count) == ""
    given = vectors(rng, family)
    expected, parts = family.score(given), family.contributions(given)
    for i, vector in enumerate(given):
        assert scored(family, vector) == (expected[i], parts[i].tolist())


def test_the_first_of_equally_near_components_counts() -> None:
    means = np.full((2, 4), 8000, dtype=np.int32)
    means[0, 1] = means[1, 0] = 7000
    shifts, weights = np.full((2, 4), 14, np.int32), np.full((2, 4), 1 << 14, np.int32)
    family = Mixture(means, np.zeros(2, np.int32), shifts, weights, 16000, 10, 20000)
    score, parts = scored(family, np.full(4, 8000, dtype=np.int32))
    assert parts == [0, score, 0, 0] and score > 0


def test_a_component_that_is_farther_is_given_up() -> None:
    family = make(np.random.default_rng(1), 8)
    words, room = array("h", family.parameters()), array("h", [8191] * 8 + [0] * 17)
    assert mixture_bytecode.component_distance(words, 6, room, _FARTHEST) > 0
    assert any(room[16:24])
    room = array("h", [8191] * 8 + [0] * 17)
    assert mixture_bytecode.component_distance(words, 6, room, 0) == int(family.offsets[0])
    assert not any(room[16:24]), "no row was multiplied"


def sound() -> bytearray:
    """The section of a full mixture of two components and three features; a component's block is 13 words."""
    weights = np.tril(np.full((2, 3, 3), 1000, dtype=np.int32))
    means, shifts = np.zeros((2, 3), np.int32), np.full((2, 3), 10, np.int32)
    return bytearray(Mixture(means, np.array([0, 5], np.int32), shifts, weights, 1000, 4, 30000).parameters())


def word(at: int, value: int) -> Callable[[bytearray], None]:
    return lambda data: struct.pack_into("<H", data, at, value & 0xFFFF)


def row(data: bytearray) -> None:
    struct.pack_into("<hhh", data, _BLOCKS + 4 + 6 + 4 + 6, 32767, -32768, 1000)


HOSTILE = {
    "cut short": (lambda data: data.__delitem__(slice(11, None)), "the mixture is cut short"),
    "no component": (word(0, 0), "number of components"),
    "256 components": (word(0, 256), "number of components"),
    "other features": (word(2, 4), "number of components"),
    "other covariance": (word(4, 2), "its covariance"),
    "one component more": (word(0, 3), "wrong length"),
    "one word less": (lambda data: data.__delitem__(slice(-2, None)), "wrong length"),
    "limit": (word(6, 32768), "scale is out of range"),
    "reduce": (word(8, 31), "scale is out of range"),
    "gain": (word(10, 32768), "scale is out of range"),
    "offset above its limit": (word(_BLOCKS + 2, 0x1001), "offset of the mixture"),
    "negative offset": (word(_BLOCKS + 2, 0xFFFF), "offset of the mixture"),
    "limit too high for the features": (word(6, 32767), "offset of the mixture or its limit"),
    "mean": (word(_BLOCKS + 6, 8192), "a mean of the mixture"),
    "negative mean": (word(_BLOCKS + 6, -8192), "a mean of the mixture"),
    "shift": (word(_BLOCKS + 10, 0x0A05), "a shift of the mixture"),
    "long shift": (word(_BLOCKS + 10, 0x190A), "a shift of the mixture"),
    "row": (row, "row of the mixture's weights"),
    "second component": (word(_BLOCKS + 26 + 4, 9000), "a mean of the mixture"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sections_are_refused(name: str) -> None:
    spoil, reason = HOSTILE[name]
    data = sound()
    assert mixture.check(memoryview(data), 3) == ""
    spoil(data)
    assert reason in mixture.check(memoryview(bytes(data)), 3)


@pytest.fixture(scope="module", params=["armv6m", "armv7m", "rv32imc"])
def machine_code(request: pytest.FixtureRequest) -> object:
    from tests.parity.thumb import ThumbModule

    return ThumbModule(PACKAGE / "families" / "mixture_viper.py", architecture=request.param)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 10))
def test_kernels_agree_as_machine_code(machine_code, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    family = make(rng, count)
    words = np.frombuffer(family.parameters(), "<i2").copy()
    block = (len(words) - 6) // len(family.means)
    vector = vectors(rng, family)[int(rng.integers(5))]
    at = 6 + block * int(rng.integers(len(family.means)))
    room = np.concatenate([vector, np.zeros(2 * count + 1)]).astype(np.int16)
    best = int(rng.choice([_FARTHEST, rng.integers(2**30)]))
    parameters, buffer, expected = machine_code.buffer(words), machine_code.buffer(room), array("h", room.tolist())
    distance = mixture_bytecode.component_distance(array("h", words.tolist()), at, expected, best)
    assert machine_code.call("component_distance", parameters, at, buffer, best) == distance
    assert buffer.array().tolist() == expected.tolist()
    if family.settings["covariance"] == "full":
        mixture_bytecode.component_back(array("h", words.tolist()), expected, at)
        machine_code.call("component_back", parameters, buffer, at)
        assert buffer.array().tolist() == expected.tolist()
