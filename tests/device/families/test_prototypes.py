"""The board's prototypes against the NumPy statement, the kernel as machine code, and what is refused."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from offbeat.device.families import prototypes, prototypes_bytecode
from offbeat.train.arithmetic import SMALL_INTEGER_MAX
from offbeat.train.families.prototypes import LONGEST_WEIGHTS, MOST_KERNEL_GAIN, Kernel, Prototypes
from tests.parity import checked
from tests.parity.board import PACKAGE
from tests.parity.families.prototypes import make

_GUARD = 12345
_KERNELS, _WEIGHTS = 14, 30  # bytes


def vectors(rng: np.random.Generator, family: Prototypes) -> NDArray[np.int32]:
    """Standard scores near prototypes and on them, anywhere, and where differences are largest."""
    count = len(family.steps)
    exact = (family.coordinates * family.steps)[:3]
    near = exact + rng.integers(-40, 41, exact.shape)
    anywhere = rng.integers(-8191, 8192, (2, count))
    extremes = 8191 * rng.choice([-1, 1], (2, count))
    return np.clip(np.concatenate([exact, near, anywhere, extremes]), -8191, 8191).astype(np.int32)


def scored(family: Prototypes, vector: NDArray[np.int32]) -> tuple[int, list[int]]:
    """Score and contributions by the board's code, which must not write past its room."""
    count = len(vector)
    scorer = prototypes.Scorer(memoryview(family.parameters()), count)
    words = array("h", [*vector.tolist(), *[0] * (scorer.room() - count), _GUARD])
    score = scorer.score(words)
    scorer.explain(words)
    parts = [scorer.contribution(words, j) for j in range(count)]
    assert words[-1] == _GUARD and words[:count].tolist() == vector.tolist()
    return score, parts


@settings(max_examples=80)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 12))
def test_the_board_agrees_with_numpy(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    family = make(rng, count)
    assert prototypes.check(memoryview(family.parameters()), count) == ""
    given = vectors(rng, family)
    expected, parts = family.score(given), family.contributions(given)
    for i, vector in enumerate(given):
        assert scored(family, vector) == (expected[i], parts[i].tolist())


def words(*values: int) -> NDArray[np.int32]:
    return np.array(values, dtype=np.int32)


def test_the_nearest_by_hand() -> None:
    """Distances 3² + 4², 10² and 20² of which two add up; shares 9 and 16 of 25."""
    coordinates = np.array([[20, 0], [0, 0], [-5, 0]], dtype=np.int32)
    family = Prototypes(coordinates, words(2, 1), 2, 1000, None, 0, 32767)
    score, parts = scored(family, words(3, 4))
    assert score == 25 + (13**2 + 4**2)
    assert parts == [round(score * 9 / 25), round(score * 16 / 25)]
    assert scored(family, words(0, 0)) == (100, [0, 0]), "on a prototype there is nothing to share out"


def test_the_first_of_equally_near_prototypes_is_the_nearest() -> None:
    coordinates = np.array([[50, 60], [60, 50]], dtype=np.int32)
    family = Prototypes(coordinates, words(1, 1), 1, 1000, None, 0, 32767)
    assert scored(family, words(60, 60)) == (100, [100, 0])


def test_the_kernels_by_hand() -> None:
    """One octave and two, weights of 300 and -100: (300 / 2 - 100 / 4) * 32 below the largest; then what is far."""
    kernel = Kernel(0, 16000, 5000, 300, 10, 16384, words(300, -100))
    octave = round(2048 * 16384 / 16000)
    one = Prototypes(words(0, 0)[:, None], words(1), 1, 32767, kernel, 0, 32767)
    x = int(np.sqrt(octave))
    exponents = [(x * x * 16000 + 8192) >> 14]
    found = one.kernel.distances(words(octave, 2 * octave)[:, None]) if one.kernel else words()
    far = (octave - 300) // 2
    assert abs(int(found[0]) - (5000 - ((150 - 25) * 32768 >> 10) + far)) <= 1
    assert exponents[0] < 2048
    beyond = words(10**6, 10**6)[:, None]
    assert one.kernel is not None and one.kernel.distances(beyond)[0] == 5000 + (10**6 - 300) // 2
    for z in (0, x, 1000, 8191):
        assert scored(one, words(z))[0] == one.score(words(z)[None])[0]


def test_a_prototype_that_is_farther_is_given_up() -> None:
    """With the nearest first, the others cost four features each: nothing of the rest of their rows is read."""
    coordinates = np.full((3, 8), 100, dtype=np.int32)
    coordinates[0] = 0
    section = bytearray(Prototypes(coordinates, words(60, 1, 1, 1, 1, 1, 1, 1), 1, 8000, None, 0, 1).parameters())
    expected, other = array("h", [9] * 8 + [0] * 3), array("h", [9] * 8 + [0] * 3)
    distance = prototypes_bytecode.prototype_sums(bytes(section), 8, expected, prototypes.POWERS)
    section[-4:] = bytes([9, 9, 9, 9])
    assert prototypes_bytecode.prototype_sums(bytes(section), 8, other, prototypes.POWERS) == distance == 8 * 81
    assert expected == other


@pytest.mark.parametrize("seed", range(6))
def test_255_features_stay_in_range(seed: int) -> None:
    """Every operation checked, to the largest distances and sums that the format allows."""
    rng = np.random.default_rng(seed)
    family = make(rng, 255)
    scorer = checked.device("families.prototypes").Scorer(memoryview(family.parameters()), 255)
    again = checked.train("families.prototypes").Prototypes.from_parameters(family.parameters(), 255)
    given = vectors(rng, family)
    assert np.array_equal(again.contributions(given), family.contributions(given))
    for vector in given:
        room = array("h", [*vector.tolist(), *[0] * (scorer.room() - 255)])
        assert scorer.score(room) == family.score(vector[None])[0] == again.score(vector[None])[0]
        scorer.explain(room)
        assert [scorer.contribution(room, j) for j in range(255)] == family.contributions(vector[None])[0].tolist()


def test_the_largest_distance_stays_in_range() -> None:
    """Weights as heavy as allowed, all on one kernel, and a far gain that leaves no room above."""
    checked.largest.clear()
    count, limit = 16, 8191
    longest = count * limit * limit
    for weight in (-LONGEST_WEIGHTS, LONGEST_WEIGHTS):
        shift = 1
        heaviest = LONGEST_WEIGHTS * 32767 >> shift
        kernel = Kernel(0, 0, SMALL_INTEGER_MAX - 2 - heaviest - 1000, 0, shift, 0, words(weight))
        far = Kernel(30, 0, 0, 0, 30, 32767 * (SMALL_INTEGER_MAX - 40000) // SMALL_INTEGER_MAX, words(0))
        for each in (kernel, far):
            family = Prototypes(np.zeros((1, count), np.int32), np.ones(count, np.int32), 1, limit, each, 15, 32767)
            assert prototypes.check(memoryview(family.parameters()), count) == ""
            scorer = checked.device("families.prototypes").Scorer(memoryview(family.parameters()), count)
            for z in (-8191, 0, 8191):
                vector = np.full(count, z, dtype=np.int32)
                room = array("h", [*vector.tolist(), 0, 0, 0])
                assert scorer.score(room) == family.score(vector[None])[0]
                assert family.distances(vector[None])[0] <= SMALL_INTEGER_MAX
                assert family.distances(vector[None])[0] <= longest + SMALL_INTEGER_MAX // 2
    for module in ("checked_device.families.prototypes", "checked_device.families.prototypes_bytecode"):
        assert 0.97 < checked.largest[module] / SMALL_INTEGER_MAX <= 1


def sound() -> bytearray:
    """The section of three prototypes of three features: kernels from 14, weights from 30, steps from 36, then rows."""
    kernel = Kernel(4, 10000, 2**17, 2**14, 8, 5000, words(900, -800, 700))
    rows = np.full((3, 3), -9, dtype=np.int32)
    return bytearray(Prototypes(rows, words(3, 4, 5), 1, 2000, kernel, 4, 20000).parameters())


def plain() -> bytearray:
    """The same in the mode without kernels, steps from 14 on."""
    rows = np.full((3, 3), -9, dtype=np.int32)
    return bytearray(Prototypes(rows, words(3, 4, 5), 3, 2000, None, 4, 20000).parameters())


def word(at: int, value: int) -> Callable[[bytearray], None]:
    return lambda data: struct.pack_into("<H", data, at, value & 0xFFFF)


def long(at: int, value: int) -> Callable[[bytearray], None]:
    return lambda data: struct.pack_into("<i", data, at, value)


def heavy(data: bytearray) -> None:
    struct.pack_into("<3h", data, _WEIGHTS, LONGEST_WEIGHTS // 2, -(LONGEST_WEIGHTS // 2), 1)


def far(data: bytearray) -> None:
    """All but the whole range for what is far, on top of half of it for the kernels."""
    struct.pack_into("<H", data, 8, 18918)
    struct.pack_into("<i", data, _KERNELS + 4, 2**29)
    struct.pack_into("<H", data, _KERNELS + 14, 20000)


HOSTILE = {
    "cut short": (lambda data: data.__delitem__(slice(13, None)), "are cut short"),
    "no prototype": (word(0, 0), "number of prototypes"),
    "256 prototypes": (word(0, 256), "number of prototypes"),
    "other features": (word(2, 4), "number of prototypes or of their features"),
    "other mode": (word(4, 2), "their mode"),
    "no neighbour": (word(6, 0), "number of neighbours"),
    "two neighbours with kernels": (word(6, 2), "number of neighbours"),
    "one prototype more": (word(0, 4), "wrong length"),
    "one word less": (lambda data: data.__delitem__(slice(-2, None)), "wrong length"),
    "without its kernels": (word(4, 0), "wrong length"),
    "cut short in its kernels": (lambda data: data.__delitem__(slice(20, None)), "wrong length"),
    "limit too high for the features": (word(8, 18919), "scale of the prototypes is"),
    "limit above a word": (word(8, 40000), "scale of the prototypes is"),
    "reduce": (word(10, 31), "scale of the prototypes is"),
    "gain": (word(12, 32768), "scale of the prototypes is"),
    "the exponent's reduce": (word(_KERNELS, 31), "scale of the prototypes' kernels"),
    "the exponent's gain": (word(_KERNELS + 2, MOST_KERNEL_GAIN + 1), "scale of the prototypes' kernels"),
    "shift": (word(_KERNELS + 12, 31), "scale of the prototypes' kernels"),
    "far gain": (word(_KERNELS + 14, 32768), "scale of the prototypes' kernels"),
    "negative largest": (long(_KERNELS + 4, -1), "largest distance"),
    "largest": (long(_KERNELS + 4, 2**30), "largest distance"),
    "negative reach": (long(_KERNELS + 8, -1), "or their reach"),
    "reach": (long(_KERNELS + 8, 2**30), "or their reach"),
    "weights": (heavy, "weights of the prototypes could overflow"),
    "one weight": (word(_WEIGHTS, -32768), "weights of the prototypes could overflow"),
    "kernels on top of the largest": (long(_KERNELS + 4, 2**30 - 2), "distance of the prototypes could overflow"),
    "what is far": (far, "distance of the prototypes could overflow"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sections_are_refused(name: str) -> None:
    spoil, reason = HOSTILE[name]
    data = sound()
    assert prototypes.check(memoryview(data), 3) == ""
    spoil(data)
    assert reason in prototypes.check(memoryview(bytes(data)), 3)


PLAIN = {
    "four neighbours": (word(6, 4), "number of neighbours"),
    "more neighbours than prototypes": (word(0, 2), "number of neighbours"),
    "limit too high for three neighbours": (word(8, 10923), "scale of the prototypes is"),
    "with kernels": (word(4, 1), "number of neighbours"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_hostile_plain_sections_are_refused(name: str) -> None:
    spoil, reason = PLAIN[name]
    data = plain()
    assert prototypes.check(memoryview(data), 3) == ""
    spoil(data)
    assert reason in prototypes.check(memoryview(bytes(data)), 3)


@pytest.fixture(scope="module", params=["armv6m", "armv7m", "rv32imc"])
def machine_code(request: pytest.FixtureRequest) -> object:
    from tests.parity.thumb import ThumbModule

    return ThumbModule(PACKAGE / "families" / "prototypes_viper.py", architecture=request.param)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 10))
def test_the_kernel_agrees_as_machine_code(machine_code, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    family = make(rng, count)
    section, vector = family.parameters(), vectors(rng, family)[int(rng.integers(3))]
    room = np.concatenate([vector, np.zeros(3)]).astype(np.int16)
    parameters, buffer = machine_code.buffer(np.frombuffer(section, np.uint8).copy()), machine_code.buffer(room)
    powers = machine_code.buffer(np.array(prototypes.POWERS, dtype=np.int16))
    expected = array("h", room.tolist())
    distance = prototypes_bytecode.prototype_sums(section, count, expected, prototypes.POWERS)
    assert machine_code.call("prototype_sums", parameters, count, buffer, powers) == distance
    assert buffer.array().tolist() == expected.tolist()
