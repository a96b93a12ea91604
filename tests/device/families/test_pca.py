"""The board's principal components against the NumPy statement, the kernels as machine code, and what is refused."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from offbeat.device.families import pca, pca_bytecode
from offbeat.train.families.pca import PCA
from tests.parity.board import PACKAGE
from tests.parity.families.pca import make

_GUARD = 12345


def vectors(rng: np.random.Generator, family: PCA) -> NDArray[np.int32]:
    """Standard scores as normal windows have them, anywhere, and where a component's sum is largest."""
    count = family.loadings.shape[1]
    normal = rng.normal(0, 128, (4, count))
    anywhere = rng.integers(-8191, 8192, (3, count))
    signs = np.sign(family.loadings[:2])
    return np.clip(np.concatenate([normal, anywhere, 8191 * signs, -8191 * signs]), -8191, 8191).astype(np.int32)


def scored(family: PCA, vector: NDArray[np.int32]) -> tuple[int, list[int]]:
    """Score and contributions by the board's code, which must not write past its room."""
    count = len(vector)
    scorer = pca.Scorer(memoryview(family.parameters()), count)
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
    assert pca.check(memoryview(family.parameters()), count) == ""
    given = vectors(rng, family)
    expected, parts = family.score(given), family.contributions(given)
    for i, vector in enumerate(given):
        assert scored(family, vector) == (expected[i], parts[i].tolist())


def test_t_squared_counts_where_it_equals_q() -> None:
    """One component along the first of two features: T^2 is the first one's square, Q the second one's."""
    one = np.ones(1, dtype=np.int32)
    loadings = np.array([[1 << 14, 0]], dtype=np.int32)
    scale = (10, 20000)
    family = PCA(loadings, 14, one << 14, 14 * one, (30000, 20000), "max", 1.0, 1.0, (*scale, *scale))
    for vector, counting in (((3000, 3000), 0), ((3000, -3100), 1), ((-3100, 3000), 0)):
        score, parts = scored(family, np.array(vector, dtype=np.int32))
        assert parts[counting] == score > 0 and parts[1 - counting] == 0


def test_the_sum_stays_a_score() -> None:
    one = np.ones(1, dtype=np.int32)
    loadings = np.array([[1 << 14, 0]], dtype=np.int32)
    scale = (0, 32767)
    family = PCA(loadings, 14, one << 14, 14 * one, (30000, 20000), "sum", 1.0, 1.0, (*scale, *scale))
    assert scored(family, np.array([8000, 8000], dtype=np.int32))[0] == 32766


def sound() -> bytearray:
    """The section of two components of three features: 10 words, 2 for each component, then 3 for each."""
    loadings = np.full((2, 3), 5000, dtype=np.int32)
    two = np.full(2, 12, dtype=np.int32)
    scales = (4, 20000, 5, 30000)
    return bytearray(PCA(loadings, 14, 1000 * two, two, (20000, 15000), "max", 1.0, 1.0, scales).parameters())


def word(at: int, value: int) -> Callable[[bytearray], None]:
    return lambda data: struct.pack_into("<H", data, at, value & 0xFFFF)


def column(data: bytearray) -> None:
    struct.pack_into("<h", data, 28, 30000)


def long_row() -> bytearray:
    """A section of five features, one component of which has loadings that no feature's sum forbids."""
    loadings = np.array([[32767, -32767, 32767, -32767, 0]], dtype=np.int32)
    one = np.ones(1, dtype=np.int32)
    return bytearray(PCA(loadings, 14, one, one, (100, 100), "max", 1.0, 1.0, (1, 1, 1, 1)).parameters())


HOSTILE = {
    "cut short": (lambda data: data.__delitem__(slice(19, None)), "are cut short"),
    "no component": (word(0, 0), "number of principal components"),
    "more components than features": (word(0, 4), "number of principal components"),
    "other features": (word(2, 4), "number of principal components"),
    "other combination": (word(4, 2), "how they combine"),
    "one component more": (word(0, 3), "wrong length"),
    "one word less": (lambda data: data.__delitem__(slice(-2, None)), "wrong length"),
    "short shift of the loadings": (word(6, 9), "scale of the principal components"),
    "long shift of the loadings": (word(6, 15), "scale of the principal components"),
    "reduce": (word(12, 31), "scale of the principal components"),
    "gain": (word(14, 32768), "scale of the principal components"),
    "reduce of the residual": (word(16, 31), "scale of the principal components"),
    "gain of the residual": (word(18, 65535), "scale of the principal components"),
    "limit of the principal scores": (word(8, 23171), "a limit of the principal components"),
    "limit above a word": (word(8, 32768), "a limit of the principal components"),
    "limit of the residuals": (word(10, 18919), "a limit of the principal components"),
    "limit of the residuals above a word": (word(10, 40000), "a limit of the principal components"),
    "multiplier": (word(20, 32768), "scale of a principal component"),
    "no shift": (word(22, 0), "scale of a principal component"),
    "long shift": (word(26, 17), "scale of a principal component"),
    "column": (column, "loadings of a feature"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sections_are_refused(name: str) -> None:
    spoil, reason = HOSTILE[name]
    data = sound()
    assert pca.check(memoryview(data), 3) == ""
    spoil(data)
    assert reason in pca.check(memoryview(bytes(data)), 3)


def test_a_row_that_could_overflow_is_refused() -> None:
    data = long_row()
    assert pca.check(memoryview(data), 5) == "the loadings of a principal component could overflow"
    struct.pack_into("<h", data, 24, 0)
    assert pca.check(memoryview(data), 5) == ""


@pytest.fixture(scope="module", params=["armv6m", "armv7m", "rv32imc"])
def machine_code(request: pytest.FixtureRequest) -> object:
    from tests.parity.thumb import ThumbModule

    return ThumbModule(PACKAGE / "families" / "pca_viper.py", architecture=request.param)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 10))
def test_kernels_agree_as_machine_code(machine_code, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    family = make(rng, count)
    words = np.frombuffer(family.parameters(), "<i2").copy()
    vector = vectors(rng, family)[int(rng.integers(8))]
    room = np.concatenate([vector, np.zeros(count + len(family.loadings) + 1)]).astype(np.int16)
    parameters, buffer = machine_code.buffer(words), machine_code.buffer(room)
    given, expected = array("h", words.tolist()), array("h", room.tolist())
    for name in ("principal_distance", "residual_distance"):
        distance = getattr(pca_bytecode, name)(given, len(family.loadings), expected)
        assert machine_code.call(name, parameters, len(family.loadings), buffer) == distance, name
        assert buffer.array().tolist() == expected.tolist(), name
    for j in range(count):
        part = pca_bytecode.principal_back(given, expected, j)
        assert machine_code.call("principal_back", parameters, buffer, j) == part
