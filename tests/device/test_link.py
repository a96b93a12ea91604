"""The line protocol: round trips, damage that is always refused, and the same answers under both Pythons."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from offbeat.device import checksum, link
from tests.parity.board import KERNELS, Worker, started

QUICK = settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))

KINDS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=10)
KEYS = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=9)
SEQUENCES = st.integers(0, 65535)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
RECORDS = st.tuples(KINDS, SEQUENCES, st.lists(st.tuples(KEYS, TEXTS), max_size=5, unique_by=lambda pair: pair[0]))
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
Record = tuple[str, int, list[tuple[str, str]]]


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with started("viper") as (running,):
        yield running


@pytest.fixture(scope="module")
def workers() -> Iterator[list[Worker]]:
    with started(*KERNELS) as running:
        yield running


def encoded(record: Record) -> bytes:
    kind, sequence, fields = record
    return link.encode(kind, sequence, [(key, link.quote(value)) for key, value in fields])


def sealed(body: bytes) -> bytes:
    """A line with this body and the CRC that belongs to it."""
    return b"~%s *%08x" % (body, zlib.crc32(body))


def parsed(line: bytes) -> Any:
    """What parse() says, as the worker's parse_lines words it."""
    try:
        found = link.parse(line)
    except link.LineError as error:
        return error.reason
    return None if found is None else list(found)


def assert_same_in_micropython(worker: Worker, lines: list[bytes]) -> None:
    found = [json.loads(answer) for answer in worker.ask_each("parse_lines", lines)]
    for line, answer in zip(lines, found, strict=True):
        assert answer == parsed(line), line


@QUICK
@given(text=TEXTS)
def test_quoting_round_trip(worker: Worker, text: str) -> None:
    quoted = link.quote(text)
    assert set(quoted) <= set(link._PLAIN + "%")
    assert link.unquote(quoted) == text
    assert worker.ask_each("quote", [text.encode()]) == [quoted.encode()]
    assert worker.ask_each("unquote", [quoted.encode()]) == [b"=" + text.encode()]


@pytest.mark.parametrize("text", ["%", "a%", "%4", "%g0", "%0g", "%+1", "% 1", "%-1", "%1 ", "%_1", "%ff", "%c3", "%%"])
def test_a_broken_escape_is_refused(worker: Worker, text: str) -> None:
    with pytest.raises(link.LineError, match="form"):
        link.unquote(text)
    assert worker.ask_each("unquote", [text.encode()]) == [b"form"]


@QUICK
@given(record=RECORDS)
def test_encoding_round_trip(worker: Worker, record: Record) -> None:
    kind, sequence, fields = record
    line = encoded(record)
    assert line.endswith(b"\r\n") and line[:-2].isascii() and line[:-2].decode().isprintable()
    found = link.parse(line[:-2])
    assert found is not None
    assert found[:2] == (kind, sequence)
    assert {key: link.unquote(value) for key, value in found[2].items()} == dict(fields)
    assert list(link.parse(memoryview(line)[:-2])) == list(found)
    assert_same_in_micropython(worker, [line[:-2]])
    as_json = json.dumps([kind, sequence, [[key, link.quote(value)] for key, value in fields]])
    assert worker.ask_each("encode", [as_json.encode()]) == [line]


@QUICK
@given(record=RECORDS, data=st.data())
def test_damage_of_up_to_four_bytes_is_refused(worker: Worker, record: Record, data: st.DataObject) -> None:
    line = bytearray(encoded(record)[:-2])
    places = data.draw(st.lists(st.integers(0, len(line) - 1), min_size=1, max_size=4, unique=True))
    for place in places:
        line[place] ^= data.draw(st.integers(1, 255))
    found = parsed(bytes(line))
    assert found in ("crc", "form") or (found is None and line[0] != ord("~"))
    assert_same_in_micropython(worker, [bytes(line)])


def test_every_damaged_bit_and_every_cut_is_refused(worker: Worker) -> None:
    line = b"~SCORE 1042 n=996 s=103 a=0 us=2412 *a2b3906d"
    line = sealed(line[1:-10])
    assert parsed(line) == ["SCORE", 1042, {"n": "996", "s": "103", "a": "0", "us": "2412"}]
    flipped = []
    for place in range(8 * len(line)):
        damaged = bytearray(line)
        damaged[place // 8] ^= 1 << place % 8
        flipped.append(bytes(damaged))
    cut = [line[:length] for length in range(len(line))]
    for damaged in flipped + cut:
        found = parsed(damaged)
        assert found in ("crc", "form") or (found is None and damaged[:1] != b"~"), damaged
    assert_same_in_micropython(worker, flipped + cut)


@pytest.mark.parametrize("body", [b"A 1", b"SCORE 7 n=1"])
def test_a_crc_is_eight_lower_case_digits(worker: Worker, body: bytes) -> None:
    """int() alone would take signs, blanks, underscores and 0x, and another meaning of a damaged line with them."""
    for filling in range(100_000):
        line = sealed(b"%s f=%d" % (body, filling))
        if line[-8:-6] == b"00" and line[-1:].isalpha():
            break
    assert parsed(line) is not None and isinstance(parsed(line), list)
    wrong = [line[:-8] + digits + line[-6:] for digits in (b"+0", b"-0", b" 0", b"0x", b"0X", b"0_")]
    wrong += [line[:-1] + line[-1:].upper(), line[:-1], line[:-1] + b" "]
    assert [parsed(other) for other in wrong if parsed(other) not in ("crc", "form")] == []
    assert_same_in_micropython(worker, wrong)


@QUICK
@given(body=PRINTABLE)
@example(body="SCORE 1_0")
@example(body="SCORE +1")
@example(body="SCORE -1")
@example(body="SCORE 0x1")
@example(body="SCORE 1.5")
@example(body="SCORE 99999999999999999999")
@example(body="SCORE")
@example(body="SCORE  1   a=1  b= ")
@example(body="SCORE 1 a")
@example(body="SCORE 1 =b")
@example(body="SCORE 1 a==b=")
@example(body="")
def test_whatever_has_a_right_crc_means_the_same_in_both(worker: Worker, body: str) -> None:
    line = sealed(body.encode())
    found = parsed(line)
    assert found == "form" or isinstance(found, list)
    assert_same_in_micropython(worker, [line])


@QUICK
@given(line=st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(sealed), PRINTABLE.map(str.encode)))
def test_garbage_means_the_same_in_both(worker: Worker, line: bytes) -> None:
    found = parsed(line)
    assert found in (None, "crc", "form") or isinstance(found, list)
    assert_same_in_micropython(worker, [line])


def test_a_sequence_number_is_decimal_digits() -> None:
    for number in (b"1_0", b"+1", b"-1", b"0x1", b"1.5", b"x"):
        assert parsed(sealed(b"SCORE " + number)) == "form", number
    assert parsed(sealed(b"SCORE 65537")) == ["SCORE", 1, {}]


NUMBERS = st.one_of(st.integers(-(2**30) + 1, 2**30 - 1), st.sampled_from([0, -1, 9, 10, 2**30 - 1, -(2**30) + 1]))
WRITTEN = st.one_of(
    st.tuples(st.just("number"), KEYS, NUMBERS),
    st.tuples(st.just("text"), KEYS, st.text(st.characters(exclude_categories=["Cs"]), max_size=90)),
)
LINES = st.tuples(SEQUENCES, KINDS, st.lists(WRITTEN, max_size=24, unique_by=lambda field: field[1]))


@QUICK
@given(line=LINES)
def test_the_boards_writer_makes_lines_that_parse(
    workers: list[Worker], line: tuple[int, str, list[tuple[str, str, Any]]]
) -> None:
    """Every field arrives whole or, where the line has no room for it, not at all."""
    sequence, kind, fields = line
    values = {key: str(value) if method == "number" else link.quote(value) for method, key, value in fields}
    asked = json.dumps([sequence, kind, [[m, f" {k}=", values[k] if m == "text" else v] for m, k, v in fields]])
    for worker in workers:
        (written,) = worker.ask_each("write_lines", [asked.encode()])
        assert written.endswith(b"\r\n") and len(written) <= link.LONGEST + 2
        found = link.parse(written[:-2])
        assert found is not None and found[:2] == (kind, sequence), worker.kernels
        assert found[2].items() <= values.items(), worker.kernels
        if sum(len(key) + len(value) + 2 for key, value in values.items()) < 200:
            assert found[2] == values, worker.kernels


def test_a_list_in_one_field_is_appended(worker: Worker) -> None:
    asked = json.dumps([5, "ALARM", [["number", " why=", 3], ["append", ":", 120], ["append", ",", -7]]])
    (written,) = worker.ask_each("write_lines", [asked.encode()])
    assert parsed(written[:-2]) == ["ALARM", 5, {"why": "3:120,-7"}]


@QUICK
@given(data=st.binary(max_size=200), start=st.integers(0, 2**32 - 1))
def test_the_crc_of_ports_without_one_is_zlibs(data: bytes, start: int) -> None:
    assert checksum.crc32_by_table(data) == zlib.crc32(data)
    assert checksum.crc32_by_table(data, start) == zlib.crc32(data, start)
