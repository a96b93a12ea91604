"""The board's autoencoder against the NumPy statement, the kernel as machine code, and what is refused."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from offbeat.device.families import autoencoder, autoencoder_bytecode
from offbeat.train.families.autoencoder import LONGEST_SUM, MOST_MULTIPLIER, Autoencoder, Layer
from tests.parity import checked
from tests.parity.board import PACKAGE
from tests.parity.families.autoencoder import make

_GUARD = 12345


def vectors(rng: np.random.Generator, family: Autoencoder) -> NDArray[np.int32]:
    """Standard scores as normal windows have them, anywhere, and where a unit's sum is largest."""
    weights = family.layers[0].weights
    count = weights.shape[1]
    normal = rng.normal(0, 128, (4, count))
    anywhere = rng.integers(-8191, 8192, (3, count))
    signs = np.sign(weights[:2])
    return np.clip(np.concatenate([normal, anywhere, 1016 * signs, -8191 * signs]), -8191, 8191).astype(np.int32)


def scored(family: Autoencoder, vector: NDArray[np.int32]) -> tuple[int, list[int]]:
    """Score and contributions by the board's code, which must not write past its room."""
    count = len(vector)
    scorer = autoencoder.Scorer(memoryview(family.parameters()), count)
    words = array("h", [*vector.tolist(), *[0] * (scorer.room() - count), _GUARD])
    score = scorer.score(words)
    scorer.explain(words)
    parts = [scorer.contribution(words, j) for j in range(count)]
    assert words[-1] == _GUARD and words[:count].tolist() == vector.tolist()
    return score, parts


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 12))
def test_the_board_agrees_with_numpy(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    family = make(rng, count)
    assert autoencoder.check(memoryview(family.parameters()), count) == ""
    given = vectors(rng, family)
    expected, parts = family.score(given), family.contributions(given)
    for i, vector in enumerate(given):
        assert scored(family, vector) == (expected[i], parts[i].tolist())


def one(value: int) -> NDArray[np.int32]:
    return np.full(1, value, dtype=np.int32)


def test_the_layers_by_hand() -> None:
    """Two features, one unit: 3 x - 2 y, a first shift of 1, bias 5, times 3 over 4; back by -7 and 11."""
    hidden = Layer(np.array([[3, -2]], dtype=np.int32), one(5), one(3), one(1), one(2))
    both = np.array([[-7], [11]], dtype=np.int32)
    last = Layer(both, *np.array([[0, 1], [2, 1], [0, 0], [1, 1]], dtype=np.int32))
    family = Autoencoder((hidden, last), 3000, 0, 32767)
    # inputs (100 + 4) >> 3 = 13 and (-203 + 4) >> 3 = -25; 3 * 13 + 2 * 25 = 89, 44 + 5 = 49, (3 * 49 + 2) >> 2 = 37
    # outputs (2 * -7 * 37 + 1) >> 1 = -259 and (11 * 37 + 1 + 1) >> 1 = 204
    errors = np.array([100 + 259, -203 - 204])
    score, parts = scored(family, np.array([100, -203], dtype=np.int32))
    assert score == min((errors**2).sum(), 32767) * 32767 + 16384 >> 15
    assert parts == [(min(error**2, 32767) * 32767 + 16384) >> 15 for error in errors]


def test_units_fire_between_0_and_127() -> None:
    """Inputs 127 and -127, a unit that gives them as they are, and back times 8: 1016 and 0."""
    hidden = Layer(np.array([[1]], dtype=np.int32), one(0), one(4), one(0), one(2))
    last = Layer(np.array([[1]], dtype=np.int32), one(0), one(16), one(0), one(1))
    family = Autoencoder((hidden, last), 32767, 0, 1)
    assert [family._errors(np.array([[z]], dtype=np.int32))[0, 0] for z in (1016, 8191, -8191)] == [0, 7175, -8191]
    for z in (1016, 8191, -8191):
        assert scored(family, one(z))[0] == family.score(one(z)[None])[0]


@pytest.mark.parametrize("seed", range(3))
def test_255_features_stay_in_range(seed: int) -> None:
    """Every operation checked, with sums as long as the format allows and errors that all saturate."""
    family = make(np.random.default_rng(seed), 255)
    weights = family.layers[0].weights
    scorer = checked.device("families.autoencoder").Scorer(memoryview(family.parameters()), 255)
    for vector in (8191 * np.sign(weights[0]), -8191 * np.sign(weights[-1])):
        words = array("h", [*vector.tolist(), *[0] * (scorer.room() - 255)])
        assert scorer.score(words) == family.score(vector[None])[0]


def sound() -> bytearray:
    """Three features, hidden layers of 2 and 1: scales from 16, 56 and 96 on, weights from 40, 80 and 120 on."""
    two, three = np.full(2, 9, dtype=np.int32), np.full(3, 9, dtype=np.int32)
    layers = (
        Layer(np.full((2, 3), 50, dtype=np.int32), 10 * two, 1000 * two, two, two),
        Layer(np.full((1, 2), -50, dtype=np.int32), one(3), one(2000), one(1), one(9)),
        Layer(np.full((3, 1), 100, dtype=np.int32), -3 * three, 500 * three, three, three),
    )
    return bytearray(Autoencoder(layers, 2000, 4, 20000).parameters())


def word(at: int, value: int) -> Callable[[bytearray], None]:
    return lambda data: struct.pack_into("<H", data, at, value & 0xFFFF)


def byte(at: int, value: int) -> Callable[[bytearray], None]:
    return lambda data: struct.pack_into("<B", data, at, value)


HOSTILE = {
    "cut short": (lambda data: data.__delitem__(slice(9, None)), "is cut short"),
    "cut short in its widths": (lambda data: data.__delitem__(slice(12, None)), "is cut short"),
    "other features": (word(0, 4), "number of features or of layers"),
    "no hidden layer": (word(2, 0), "number of features or of layers"),
    "four hidden layers": (word(2, 4), "number of features or of layers"),
    "limit": (word(4, 18919), "autoencoder's scale"),
    "limit above a word": (word(4, 40000), "autoencoder's scale"),
    "reduce": (word(6, 31), "autoencoder's scale"),
    "gain": (word(8, 32768), "autoencoder's scale"),
    "an empty layer": (word(10, 0), "too wide or empty"),
    "a wide layer": (word(12, 65), "too wide or empty"),
    "a third width": (word(14, 1), "too wide or empty"),
    "three units more": (word(10, 5), "wrong length"),
    "one word less": (lambda data: data.__delitem__(slice(-2, None)), "wrong length"),
    "bias": (word(16, -32767), "weights of a unit of the autoencoder could overflow"),
    "bias of either sign": (word(16, -32768), "weights of a unit of the autoencoder could overflow"),
    "multiplier": (word(18, MOST_MULTIPLIER + 1), "scale of a unit"),
    "first shift": (byte(20, 16), "scale of a unit"),
    "no second shift": (byte(21, 0), "scale of a unit"),
    "second shift": (byte(21, 25), "scale of a unit"),
    "the zero at a row's end": (byte(43, 1), "do not end with zeros"),
    "the zero at the last row's end": (byte(129, 1), "do not end with zeros"),
    "the bias of a unit that fills up": (word(28, 1), "does something"),
    "the shift of a unit that fills up": (byte(33, 0), "does something"),
    "a weight of a unit that fills up": (byte(48, 129), "do not end with zeros"),
    "the last weight of the last one": (byte(-1, 255), "do not end with zeros"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sections_are_refused(name: str) -> None:
    spoil, reason = HOSTILE[name]
    data = sound()
    assert autoencoder.check(memoryview(data), 3) == ""
    spoil(data)
    assert reason in autoencoder.check(memoryview(bytes(data)), 3)


@pytest.mark.parametrize(("bias", "refused"), [(LONGEST_SUM - 1 - 127 * 256, False), (LONGEST_SUM - 127 * 256, True)])
def test_a_row_that_could_overflow_is_refused(bias: int, refused: bool) -> None:
    """Two weights of -128: 127 * 256 and the bias must stay below the longest sum, without a first shift."""
    hidden = Layer(np.full((1, 2), -128, dtype=np.int32), one(bias), one(1), one(0), one(1))
    last = Layer(np.ones((2, 1), dtype=np.int32), *np.array([[0, 0], [1, 1], [0, 0], [1, 1]], dtype=np.int32))
    why = autoencoder.check(memoryview(Autoencoder((hidden, last), 100, 1, 1).parameters()), 2)
    assert bool(why) == refused


@pytest.fixture(scope="module", params=["armv6m", "armv7m", "rv32imc"])
def machine_code(request: pytest.FixtureRequest) -> object:
    from tests.parity.thumb import ThumbModule

    return ThumbModule(PACKAGE / "families" / "autoencoder_viper.py", architecture=request.param)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 10))
def test_the_kernel_agrees_as_machine_code(machine_code, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    family = make(rng, count)
    section = family.parameters()
    vector = vectors(rng, family)[int(rng.integers(8))]
    scorer = autoencoder.Scorer(memoryview(section), count)
    words = np.concatenate([vector, np.zeros(scorer.room() - count)]).astype(np.int16)
    parameters, buffer = machine_code.buffer(np.frombuffer(section, np.uint8).copy()), machine_code.buffer(words)
    expected = array("h", words.tolist())
    distance = autoencoder_bytecode.reconstruction_error(section, scorer.second, expected)
    assert machine_code.call("reconstruction_error", parameters, scorer.second, buffer) == distance
    assert buffer.array().tolist() == expected.tolist()
