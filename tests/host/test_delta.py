"""What is sent of a model when the board has another one: all parts together are the new file, in order, for less."""

from __future__ import annotations

import random
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offbeat.host.update.delta import Part, Wire, delta, whole

BLOCK = 64
WIRE = Wire(144)


def digests(old: bytes) -> list[int]:
    return [zlib.crc32(old[at : at + BLOCK]) for at in range(0, len(old) - BLOCK + 1, BLOCK)]


def put_together(parts: list[Part], old: bytes) -> bytes:
    """As the board does it: in order, without a gap, and within what a line may ask for."""
    made = b""
    for part in parts:
        assert part.offset == len(made)
        if part.origin >= 0:
            assert 0 < len(part.data) <= 1024 and part.origin + len(part.data) <= len(old)
            made += old[part.origin : part.origin + len(part.data)]
        else:
            assert 0 < len(part.data) <= WIRE.piece
            made += part.data
    return made


def sent(parts: list[Part]) -> int:
    return sum(len(part.data) for part in parts if part.origin < 0)


def test_all_of_it_where_the_board_has_nothing() -> None:
    data = random.Random(1).randbytes(1000)
    assert put_together(delta(data, [], BLOCK, WIRE), b"") == data
    assert delta(data, [], BLOCK, WIRE) == whole(data, WIRE)
    assert whole(data, WIRE, 1000) == [] and whole(b"", WIRE) == []


@pytest.mark.parametrize("place", [0, 1, 63, 64, 777, 3000, 3999])
def test_a_change_costs_a_block_or_two(place: int) -> None:
    old = random.Random(2).randbytes(4000)
    new = old[:place] + bytes([old[place] ^ 1]) + old[place + 1 :]
    parts = delta(new, digests(old), BLOCK, WIRE)
    assert put_together(parts, old) == new
    assert sent(parts) <= 2 * BLOCK + 4000 % BLOCK
    assert WIRE.cost(parts) < WIRE.cost(whole(new, WIRE)) / 2


@pytest.mark.parametrize("inserted", [1, 3, 64, 500])
def test_what_has_moved_is_found(inserted: int) -> None:
    generator = random.Random(3)
    old = generator.randbytes(4000)
    new = old[:1000] + generator.randbytes(inserted) + old[1000:]
    parts = delta(new, digests(old), BLOCK, WIRE)
    assert put_together(parts, old) == new
    assert sent(parts) <= inserted + 3 * BLOCK


def test_a_single_block_is_not_worth_a_line_of_its_own() -> None:
    generator = random.Random(4)
    shared = generator.randbytes(BLOCK)
    parts = delta(
        generator.randbytes(BLOCK - 7) + shared + generator.randbytes(9), digests(shared), BLOCK, Wire(144, 200)
    )
    assert [part.origin for part in parts] == [-1]


@given(
    st.binary(max_size=700),
    st.lists(st.tuples(st.integers(0, 700), st.binary(max_size=90)), max_size=4),
    st.integers(0, 9),
)
def test_whatever_changed_it_comes_out_right(old: bytes, changes: list[tuple[int, bytes]], repeated: int) -> None:
    new = old * (1 + repeated % 3)
    for at, data in changes:
        new = new[:at] + data + new[at + len(data) // 2 :]
    assert put_together(delta(new, digests(old), BLOCK, WIRE), old) == new


def test_blocks_that_only_look_the_same_come_out_wrong_and_are_noticed_by_the_digest_of_the_whole() -> None:
    """Two blocks of one CRC-32: that is what the digest, and sending all of it then, is for."""
    block = bytes(BLOCK)
    other = bytearray(random.Random(5).randbytes(BLOCK))
    other[-4:] = _ending(bytes(other[:-4]), zlib.crc32(block))
    assert zlib.crc32(other) == zlib.crc32(block) and bytes(other) != block
    parts = delta(bytes(other) * 2, digests(block * 2), BLOCK, WIRE)
    assert put_together(parts, block * 2) != bytes(other) * 2


def _ending(data: bytes, wanted: int) -> bytes:
    """Four bytes that give `data` a CRC-32, found backwards through its table."""
    table = [0] * 256
    for number in range(256):
        value = number
        for _ in range(8):
            value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
        table[number] = value
    state = wanted ^ 0xFFFFFFFF
    indices = []
    for _ in range(4):
        index = next(i for i in range(256) if table[i] >> 24 == state >> 24)
        indices.append(index)
        state = ((state ^ table[index]) << 8) & 0xFFFFFFFF
    register = zlib.crc32(data) ^ 0xFFFFFFFF
    ending = b""
    for index in reversed(indices):
        ending += struct.pack("B", (register & 0xFF) ^ index)
        register = (register >> 8) ^ table[index]
    return ending
