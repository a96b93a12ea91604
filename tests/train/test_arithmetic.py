"""Rounding, saturation, logarithm, sine table and score scale against exact and float arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from offbeat.device import tables
from offbeat.train import arithmetic
from offbeat.train.arithmetic import (
    LOG2_TABLE,
    SMALL_INTEGER_MAX,
    bit_length,
    clamp,
    cosine,
    log2_q10,
    rounded_shift,
    scaled,
    sine,
    sine_table,
)
from offbeat.train.families.base import reduce_and_gain

SMALL = st.integers(-(2**29), 2**29)
POWERS_OF_TWO = (16, 32, 64, 128, 256, 512, 1024)
MOST_LOG_ERROR = 0.73  # docs/pipeline.md


@settings(deadline=None)
@given(values=st.lists(SMALL, min_size=1, max_size=50), shift=st.integers(1, 24))
def test_rounded_shift_rounds_half_up(values: list[int], shift: int) -> None:
    found = rounded_shift(np.array(values, dtype=np.int32), shift)
    assert found.dtype == np.int32
    assert found.tolist() == [(Fraction(v, 2**shift) + Fraction(1, 2)).__floor__() for v in values]


def test_rounded_shift_takes_a_shift_for_each_column() -> None:
    values = np.array([[5, -5, 6], [4, -6, -7]], dtype=np.int32)
    assert rounded_shift(values, np.array([1, 1, 2])).tolist() == [[3, -2, 2], [2, -3, -2]]


@settings(deadline=None)
@given(value=st.integers(-(2**30), 2**30), limit=st.integers(0, 2**15))
def test_clamp_saturates_both_ways(value: int, limit: int) -> None:
    assert clamp(np.array([value], dtype=np.int32), limit)[0] == max(-limit, min(limit, value))


@settings(deadline=None)
@given(value=st.integers(0, 2**53 - 1))
@example(value=2**53 - 1)
def test_bit_length_is_pythons(value: int) -> None:
    assert bit_length(np.array([value]))[0] == value.bit_length()


@pytest.mark.parametrize("bits", range(53))
def test_bit_length_at_powers_of_two(bits: int) -> None:
    around = [v for v in (2**bits - 1, 2**bits, 2**bits + 1) if v < 2**53]
    assert bit_length(np.array(around)).tolist() == [v.bit_length() for v in around]


def test_logarithm_of_every_small_integer_is_within_its_bound() -> None:
    values = np.arange(1, 2**18)
    error = log2_q10(values) - 1024 * np.log2(values)
    assert np.abs(error).max() <= MOST_LOG_ERROR
    assert (np.diff(log2_q10(values)) >= 0).all(), "it never falls"


@settings(deadline=None, max_examples=300)
@given(value=st.integers(1, 2**46), shift=st.integers(0, 45))
def test_logarithm_of_any_integer_is_within_its_bound(value: int, shift: int) -> None:
    value = max(value >> shift, 1)
    assert abs(float(log2_q10(value)) - 1024 * np.log2(value)) <= MOST_LOG_ERROR


@pytest.mark.parametrize("bits", range(47))
def test_logarithm_is_exact_at_powers_of_two(bits: int) -> None:
    assert log2_q10(2**bits) == 1024 * bits


def test_logarithm_of_nothing_is_nothing() -> None:
    assert log2_q10(0) == 0
    assert log2_q10(np.array([[0, 1], [2, 0]])).tolist() == [[0, 0], [1024, 0]]


def test_the_board_has_the_same_logarithm_table() -> None:
    assert list(tables.LOG2) == LOG2_TABLE.tolist()


@pytest.mark.parametrize("window", POWERS_OF_TWO)
def test_sine_table_and_the_half_turn_that_it_stands_for(window: int) -> None:
    table = sine_table(window)
    assert table.dtype == np.int16 and len(table) == window // 4 + 1
    steps = np.arange(window // 2 + 1)
    angle = 2 * np.pi * steps / window
    for found, exact in ((sine(table, steps), np.sin(angle)), (cosine(table, steps), np.cos(angle))):
        assert np.abs(found - 16384 * exact).max() <= 0.501
        assert np.abs(found).max() == 16384


def test_scale_of_the_score_is_what_pipeline_md_says() -> None:
    distances = np.array([0, 1, 2**14, 2**29, 2**30 - 1], dtype=np.int32)
    for reduce, gain in ((0, 32767), (5, 1), (15, 20000), (30, 32767)):
        expected = [(min(int(d) >> reduce, 32767) * gain + 16384) >> 15 for d in distances]
        assert scaled(distances, reduce, gain).tolist() == expected
    assert scaled(distances, 0, 32767).max() <= SMALL_INTEGER_MAX


@settings(deadline=None, max_examples=300)
@given(threshold=st.integers(256, 2**30 - 1))
@example(threshold=256)
@example(threshold=1023)
@example(threshold=1024)
@example(threshold=2**30 - 1)
def test_the_threshold_scores_256_and_twice_as_much_512(threshold: int) -> None:
    reduce, gain = reduce_and_gain(threshold)
    assert 0 <= reduce <= 30 and 0 < gain <= 32767
    at = scaled(np.array([threshold, threshold // 2, min(2 * threshold, 2**30 - 1)], dtype=np.int32), reduce, gain)
    assert abs(int(at[0]) - 256) <= 1
    assert abs(int(at[1]) - 128) <= 1
    assert abs(int(at[2]) - 256 * min(2, (2**30 - 1) / threshold)) <= 2
    most = int(scaled(np.array([2**30 - 1], dtype=np.int32), reduce, gain)[0])
    assert most >= min(32 * 256, 255 * (2**30 - 1) // threshold), "it saturates at 32 times the threshold at least"


@pytest.mark.parametrize("threshold", [0, 1, -5, 255])
def test_a_threshold_below_the_least_is_the_least(threshold: int) -> None:
    assert reduce_and_gain(threshold) == reduce_and_gain(256)


def test_everything_public_is_there() -> None:
    assert all(hasattr(arithmetic, name) for name in arithmetic.__all__)
