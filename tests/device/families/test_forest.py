"""The board's forest against the NumPy statement, its kernels as machine code, and what it refuses."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from offbeat.device.families import forest, forest_bytecode
from offbeat.train.arithmetic import SMALL_INTEGER_MAX
from offbeat.train.families.forest import LARGEST_BASE, LARGEST_SUM, Forest
from tests.parity import checked
from tests.parity.board import PACKAGE
from tests.parity.families.forest import make

_GUARD = 12345
_TREE = 14 + 12  # byte at which sound()'s first tree starts


def vectors(rng: np.random.Generator, family: Forest) -> NDArray[np.int32]:
    """Standard scores as normal windows have them, on the thresholds and the bounds, anywhere, and at the ends."""
    count = family.bounds.shape[1]
    thresholds = np.concatenate([tree[1:][tree[:-1] < 0] for tree in family.trees] + [np.zeros(1, np.int32)])
    parts = [
        rng.normal(0, 128, (3, count)),
        rng.choice(thresholds, (3, count)),
        family.bounds + rng.integers(-1, 2, (2, count)),
        rng.integers(-8191, 8192, (3, count)),
        rng.choice([-8191, 8191], (3, count)),
    ]
    return np.clip(np.concatenate(parts), -8191, 8191).astype(np.int32)


def scored(family: Forest, vector: NDArray[np.int32], module: object = forest) -> tuple[int, list[int]]:
    """Score and contributions by the board's code, which must not write past its room."""
    count = len(vector)
    scorer = module.Scorer(memoryview(family.parameters()), count)
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
    assert forest.check(memoryview(family.parameters()), count) == ""
    given = vectors(rng, family)
    expected, parts = family.score(given), family.contributions(given)
    for i, vector in enumerate(given):
        assert scored(family, vector) == (expected[i], parts[i].tolist())


def test_a_score_equal_to_a_threshold_goes_left() -> None:
    tree = np.array([256 - 32768, 100, 7, 9], dtype=np.int32)
    family = Forest((tree,), np.array([[-8191], [8191]], np.int32), 0, 0, 0, 32767)
    assert [scored(family, np.array([z], np.int32))[0] for z in (-8191, 99, 100, 101, 8191)] == [7, 7, 7, 9, 9]


def comb(leaves: int, largest: int) -> NDArray[np.int32]:
    """The longest path: each left child is a leaf, and the last leaf of all is the only one that is not 0."""
    inner = [word for _ in range(leaves - 1) for word in (256 - 32768, -1, 0)]
    return np.array([*inner, largest], dtype=np.int32)


@pytest.mark.parametrize("base", [LARGEST_BASE, -LARGEST_BASE, 0])
def test_the_largest_sums_stay_in_range(base: int) -> None:
    """255 trees, the heaviest excess, the largest base: one step further check() refuses."""
    trees = (comb(12, 32767),) * 255
    bounds = np.full((2, 2), -8191, dtype=np.int32)
    weight = (LARGEST_SUM - 8 * 255 * 32767) // (2 * 16382)
    family = Forest(trees, bounds, base, weight, 0, 32767)
    assert forest.check(memoryview(family.parameters()), 2) == ""
    heavier = Forest(trees, bounds, base, weight + 1, 0, 32767)
    assert "could overflow" in forest.check(memoryview(heavier.parameters()), 2)
    given = np.array([[8191, 8191], [-8191, 8191], [-8191, -8191]], dtype=np.int32)
    same = checked.train("families.forest").Forest.from_parameters(family.parameters(), 2)
    checked.largest.clear()
    assert np.array_equal(same.score(given), family.score(given))
    assert np.array_equal(same.contributions(given), family.contributions(given))
    for i, vector in enumerate(given):
        found = scored(family, vector, checked.device("families.forest"))
        assert found == (family.score(given)[i], family.contributions(given)[i].tolist())
    if base > 0:
        for module in ("checked_train.families.forest", "checked_device.families.forest_bytecode"):
            assert checked.largest[module] > 0.9 * SMALL_INTEGER_MAX


def sound() -> bytearray:
    """The section of three features and two trees: the first of 3 leaves (words at _TREE), the second a leaf."""
    first = np.array([1 + 512 - 32768, 50, 2 + 256 - 32768, -9, 10, 20, 30], dtype=np.int32)
    bounds = np.array([[-300, -400, -500], [300, 400, 500]], np.int32)
    return bytearray(Forest((first, np.array([5], np.int32)), bounds, -3, 2, 4, 30000).parameters())


def word(at: int, value: int) -> Callable[[bytearray], None]:
    return lambda data: struct.pack_into("<H", data, at, value & 0xFFFF)


def long(at: int, value: int) -> Callable[[bytearray], None]:
    return lambda data: struct.pack_into("<i", data, at, value)


HOSTILE = {
    "cut short": (lambda data: data.__delitem__(slice(25, None)), "the forest is cut short"),
    "no tree": (word(0, 0), "number of the forest's trees"),
    "256 trees": (word(0, 256), "number of the forest's trees"),
    "other features": (word(2, 4), "number of the forest's trees or features"),
    "reduce": (word(4, 31), "scale is out of range"),
    "gain": (word(6, 32768), "scale is out of range"),
    "weight": (word(8, 32768), "scale is out of range"),
    "high base": (long(10, 2**28 + 1), "scale is out of range"),
    "low base": (long(10, -(2**28) - 1), "scale is out of range"),
    "low bound": (word(14, -8192), "a bound of the forest"),
    "high bound": (word(20, 8192), "a bound of the forest"),
    "bounds the wrong way round": (word(14, 301), "a bound of the forest"),
    "no leaves": (word(_TREE, 0), "a tree of the forest has a wrong length"),
    "256 leaves": (word(_TREE, 256), "a tree of the forest has a wrong length"),
    "longer than the section": (word(_TREE, 5), "a tree of the forest has a wrong length"),
    "one tree more": (word(0, 3), "a tree of the forest has a wrong length"),
    "one tree less": (word(0, 1), "the forest has a wrong length"),
    "one word more": (lambda data: data.extend(b"\0\0"), "the forest has a wrong length"),
    "odd length": (lambda data: data.extend(b"\0"), "the forest has a wrong length"),
    "feature": (word(_TREE + 2, 3 + 512 + 32768), "a node out of place"),
    "no left child": (word(_TREE + 2, 1 + 32768), "a node out of place"),
    "left child too small": (word(_TREE + 2, 1 + 256 + 32768), "a node out of place"),
    "left child without a right one": (word(_TREE + 2, 1 + 768 + 32768), "a node out of place"),
    "right child far beyond": (word(_TREE + 2, 1 + 256 * 127 + 32768), "a node out of place"),
    "left grandchild beyond its parent": (word(_TREE + 6, 2 + 512 + 32768), "a node out of place"),
    "a leaf too early": (word(_TREE + 2, 5), "a node out of place"),
    "a leaf for an inner node": (word(_TREE + 6, 5), "a node out of place"),
    "no leaf at the end": (word(_TREE + 14, 1 + 256 + 32768), "a node out of place"),
    "second tree": (word(_TREE + 18, -1), "a node out of place"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sections_are_refused(name: str) -> None:
    spoil, reason = HOSTILE[name]
    data = sound()
    assert forest.check(memoryview(data), 3) == ""
    spoil(data)
    assert reason in forest.check(memoryview(bytes(data)), 3)


@settings(max_examples=200)
@given(seed=st.integers(0, 2**31))
def test_what_passes_the_check_can_be_scored(seed: int) -> None:
    """Any word of a sound section replaced: refused, or every walk ends inside and means the same as in NumPy."""
    rng = np.random.default_rng(seed)
    data = bytearray(make(rng, 3).parameters())
    for _ in range(int(rng.integers(1, 4))):
        at, value = 2 * int(rng.integers(len(data) // 2)), int(rng.integers(65536))
        struct.pack_into("<H", data, at, int(rng.choice([value, value & 0x83FF | 0x8000])))
    if forest.check(memoryview(data), 3):
        return
    family = Forest.from_parameters(bytes(data), 3)
    for vector in rng.integers(-8191, 8192, (3, 3)).astype(np.int32):
        parts = family.contributions(vector[None])[0].tolist()
        assert scored(family, vector) == (family.score(vector[None])[0], parts)


@pytest.fixture(scope="module", params=["armv6m", "armv7m", "rv32imc"])
def machine_code(request: pytest.FixtureRequest) -> object:
    from tests.parity.thumb import ThumbModule

    return ThumbModule(PACKAGE / "families" / "forest_viper.py", architecture=request.param)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 10))
def test_kernels_agree_as_machine_code(machine_code, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    family = make(rng, count)
    words = np.frombuffer(family.parameters(), "<i2").copy()
    parameters, given = machine_code.buffer(words), array("h", words.tolist())
    for vector in vectors(rng, family).astype(np.int16)[[0, 3, 8, 11]]:
        distance = forest_bytecode.forest_distance(given, count, array("h", vector.tolist()))
        assert machine_code.call("forest_distance", parameters, count, machine_code.buffer(vector)) == distance
    tree = 7 + 2 * count
    total = forest_bytecode.leaf_sum(given, tree + 1, given[tree])
    assert machine_code.call("leaf_sum", parameters, tree + 1, given[tree]) == total
    for at in rng.integers(0, len(words), 3).tolist():
        assert machine_code.call("word_at", parameters, at) == forest_bytecode.word_at(given, at) == words[at]
