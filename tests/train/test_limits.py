"""Amounts of memory and lengths of time, as a person writes them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offbeat.train.errors import InputError
from offbeat.train.limits import parse_duration, parse_size, size_in_words, time_in_words


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("16K", 16384), ("16k", 16384), (" 16 KB ", 16384), ("4KiB", 4096), ("1M", 1048576), ("1.5M", 1572864),
        ("4096", 4096), ("512B", 512), (".5K", 512), ("1", 1),
    ],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "K", "16Q", "0", "0K", "-4K", "4K4", "1e3", "0.5", "inf", "nan", "2000M", "16 K 2"]
)
def test_no_size(text: str) -> None:
    with pytest.raises(InputError, match=r"is not an amount of memory; write .* for instance 16K"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5ms", 0.005), ("5 ms", 0.005), ("200us", 0.0002), ("200µs", 0.0002), ("200μs", 0.0002), ("1.5s", 1.5),
        ("2min", 120.0), ("1h", 3600.0), ("0.25S", 0.25),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert math.isclose(parse_duration(text), seconds)


@pytest.mark.parametrize("text", ["", "5", "5m", "ms", "0ms", "-1s", "5 fortnights", "1e400s", "inf s", "5ms5"])
def test_no_duration(text: str) -> None:
    with pytest.raises(InputError, match=r"is not a length of time; write .* for instance 5ms"):
        parse_duration(text)


@given(st.text(max_size=12))
def test_any_text_is_a_number_or_a_sentence(text: str) -> None:
    for parse in (parse_size, parse_duration):
        try:
            assert 0 < parse(text) < math.inf
        except InputError as error:
            assert repr(text) in str(error)


@pytest.mark.parametrize(
    ("size", "words"),
    [(640, "640 bytes"), (1024, "1 KB"), (5222, "5.1 KB"), (16384, "16 KB"), (131072, "128 KB"), (3 << 20, "3 MB")],
)
def test_sizes_in_words(size: int, words: str) -> None:
    assert size_in_words(size) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 ms"), (2e-4, "0.2 ms"), (2.08e-5, "20.8 us"), (0.0015, "1.5 ms"), (0.32, "0.32 s"), (59.97, "60 s"),
        (150, "2.5 minutes"), (86400, "24 hours"), (7 * 86400, "7 days"),
    ],
)  # fmt: skip
def test_times_in_words(seconds: float, words: str) -> None:
    assert time_in_words(seconds) == words
