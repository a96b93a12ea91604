"""The board's ensemble against the NumPy statement, and what is refused."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from offbeat.device import families
from offbeat.device.families import ensemble
from offbeat.train.families.base import Family
from offbeat.train.families.ensemble import MOST_SCORE, Ensemble, Member
from offbeat.train.families.gaussian import Gaussian
from offbeat.train.families.kmeans import KMeans
from offbeat.train.families.pca import PCA
from tests.parity.families.ensemble import make

_GUARD = 12345


def scored(family: Family, vector: NDArray[np.int32], before: int = 0) -> tuple[int, list[int]]:
    """Score and contributions by the board's code, which must not write past its room."""
    count = len(vector)
    scorer = ensemble.Scorer(memoryview(family.parameters()), count)
    words = array("h", [*vector.tolist(), *[before] * (scorer.room() - count), _GUARD])
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
    assert ensemble.check(memoryview(family.parameters()), count) == ""
    normal, anywhere = rng.normal(0, 128, (4, count)), rng.integers(-8191, 8192, (3, count))
    ends = 8191 * rng.choice([-1, 0, 1], (3, count))
    given = np.clip(np.concatenate([normal, anywhere, ends]), -8191, 8191).astype(np.int32)
    expected, parts = family.score(given), family.contributions(given)
    for i, vector in enumerate(given):
        assert scored(family, vector) == (expected[i], parts[i].tolist())


def lines(*rows: tuple[int, int, int, int]) -> NDArray[np.int32]:
    return np.array(rows, dtype=np.int32)


def by_feature(feature: int) -> Gaussian:
    """A family of two features that sees one of them: score 256 at one standard deviation."""
    weights = np.diag(4096 * (np.arange(2) == feature)).astype(np.int32)
    return Gaussian(weights, np.full(2, 12, dtype=np.int32)).scaled_to(128**2)


def two(first: NDArray[np.int32], second: NDArray[np.int32]) -> Ensemble:
    """One member for either of two features; score 256 at rank 1024."""
    return Ensemble((Member(by_feature(0), first), Member(by_feature(1), second)), 2).scaled_to(1024)


def test_the_first_of_equally_rare_members_counts() -> None:
    family = two(lines((0, 0, 4, 0)), lines((0, 0, 4, 0)))
    for vector, counting in (((200, 200), 0), ((200, -201), 1), ((-201, 200), 0)):
        score, parts = scored(family, np.array(vector, dtype=np.int32))
        assert parts[counting] > 256 and abs(parts[counting] - score) <= 1 and parts[1 - counting] == 0


def test_a_rank_follows_its_lines() -> None:
    family = two(lines((0, 0, 1, 0), (100, 100, 3, 1), (300, 500, 5, 0)), lines((0, 0, 0, 0)))
    member, scorer = family.members[0], ensemble.Scorer(memoryview(family.parameters()), 2)
    for score, rank in ((0, 0), (99, 99), (100, 100), (101, 101), (103, 104), (299, 398), (300, 500), (310, 550)):
        assert scorer.members[0].rank(score) == rank == member.rank(np.array([score], dtype=np.int32))[0]
    assert scorer.members[1].rank(MOST_SCORE) == 0


def test_a_score_of_nothing_has_no_contributions() -> None:
    assert scored(two(lines((0, 0, 4, 0)), lines((0, 0, 4, 0))), np.zeros(2, dtype=np.int32)) == (0, [0, 0])


def test_what_other_members_left_in_the_room_does_not_show() -> None:
    """The sum of T^2 and Q leaves a word of its room alone, which explain() then must find at zero."""
    one = np.ones(1, dtype=np.int32)
    scales = (4, 20000, 4, 20000)
    pca = PCA(lines((1 << 14, 0)).reshape(1, 2), 14, one << 14, 14 * one, (30000, 20000), "sum", 1.0, 1.0, scales)
    members = Member(pca, lines((0, 0, 9, 0))), Member(by_feature(1), lines((0, 0, 1, 0)))
    family, vector = Ensemble(members, 2).scaled_to(1024), np.array([300, -200], dtype=np.int32)
    expected = int(family.score(vector[None])[0]), family.contributions(vector[None])[0].tolist()
    assert scored(family, vector) == scored(family, vector, before=77) == expected


def sound() -> bytearray:
    """A Gaussian with two lines and k-means with one, of two features."""
    centroids, one = np.zeros((1, 2), dtype=np.int32), np.ones(1, dtype=np.int32)
    kmeans = KMeans(centroids, np.ones(1), 4 * one, 20000 * one)
    members = Member(by_feature(0), lines((0, 0, 8, 3), (256, 256, 8, 0))), Member(kmeans, lines((0, 0, 4, 0)))
    return bytearray(Ensemble(members, 2, 3, 20000).parameters())


# Words 4 to 7: number, length, room, lines of the first member; 8 to 15 its lines; from 16 on its section, with a zero
# behind. Then the same of the second one.
_SECOND = 2 * (16 + 10)


def word(at: int, value: int) -> Callable[[bytearray], None]:
    return lambda data: struct.pack_into("<H", data, at, value & 0xFFFF)


HOSTILE = {
    "no header": (lambda data: data.__delitem__(slice(7, None)), "the ensemble is cut short"),
    "other features": (word(2, 3), "number of features or of members"),
    "no member": (word(0, 0), "number of features or of members"),
    "one member": (word(0, 1), "number of features or of members"),
    "four members": (word(0, 4), "number of features or of members"),
    "a third member that is not there": (word(0, 3), "the ensemble is cut short"),
    "reduce": (word(4, 31), "the ensemble's scale"),
    "gain": (word(6, 32768), "the ensemble's scale"),
    "a member that is its own ensemble": (word(8, 9), "family 9, which cannot be one"),
    "a member with a memory": (word(8, 8), "family 8, which cannot be one"),
    "a member of no family": (word(8, 77), "family 77, which this version does not have"),
    "a member of another family": (word(8, 2), "the number of centroids or of their features"),
    "a member that is too long": (word(10, 60000), "cut short, or a member's number of lines"),
    "a member that is too short": (word(10, 8), "the gaussian's parameters have a wrong length"),
    "less room than it needs": (word(12, 3), "the room of a member"),
    "more room than it needs": (word(12, 5), "the room of a member"),
    "no lines": (word(14, 0), "a member's number of lines"),
    "too many lines": (word(14, 17), "a member's number of lines"),
    "a score out of range": (word(24, 32767), "a line of a member's tail ranks"),
    "a rank out of range": (word(26, 32768), "a line of a member's tail ranks"),
    "a multiplier out of range": (word(20, 32768), "a line of a member's tail ranks"),
    "a shift out of range": (word(30, 16), "a line of a member's tail ranks"),
    "a first score that is not 0": (word(16, 1), "do not begin at 0"),
    "a first rank that is not 0": (word(18, 1), "do not begin at 0"),
    "scores out of order": (word(24, 0), "are not in order"),
    "ranks that fall": (word(26, 255), "tail ranks fall"),
    "a line above the start of the next": (word(20, 9), "tail ranks fall"),
    "a shift of a member": (word(2 * (16 + 4), 0), "a shift of the gaussian"),
    "the second member's scale": (word(_SECOND + 2 * (4 + 4 + 2), 31), "the scale of a centroid"),
    "a word more": (lambda data: data.extend(b"\0\0"), "a wrong length"),
    "a word less": (lambda data: data.__delitem__(slice(-2, None)), "the ensemble is cut short"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sections_are_refused(name: str) -> None:
    spoil, reason = HOSTILE[name]
    data = sound()
    assert ensemble.check(memoryview(data), 2) == families.check(9, memoryview(data), 2) == ""
    spoil(data)
    assert reason in ensemble.check(memoryview(bytes(data)), 2)


def test_the_steepest_line_there_can_be_stays_in_range() -> None:
    data = sound()
    struct.pack_into("<4H", data, 24, 1, 32767, 32767, 0)
    assert ensemble.check(memoryview(data), 2) == ""
    largest = ensemble.Scorer(memoryview(data), 2).members[0].rank(MOST_SCORE)
    assert largest == 32767 + (MOST_SCORE - 1) * 32767 < 2**30


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 3))
def test_any_bytes_are_refused_or_sound(data: bytes, count: int) -> None:
    assert isinstance(ensemble.check(memoryview(data), count), str)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(sound()) // 2 - 1), st.integers(0, 65535))
def test_a_section_with_one_word_changed_is_refused_or_scores(at: int, value: int) -> None:
    data = sound()
    struct.pack_into("<H", data, 2 * at, value)
    if ensemble.check(memoryview(data), 2) == "":
        family = Ensemble.from_parameters(bytes(data), 2)
        for vector in ((8191, -8191), (100, 50)):
            given = np.array(vector, dtype=np.int32)
            assert scored(family, given) == (
                family.score(given[None])[0],
                family.contributions(given[None])[0].tolist(),
            )
