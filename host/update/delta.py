"""What has to be sent of a model when the board has another one: new bytes, and where the others stand there."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Part", "Wire", "delta", "whole"]

_MOST_COPIED: Final = 1024  # bytes, as the board takes them


@dataclass(frozen=True)
class Part:
    """A piece of the new file. offset: where it begins there; data: its bytes; origin: where the board's running
    model has the same bytes, -1 where they are to be sent."""

    offset: int
    data: bytes
    origin: int = -1


@dataclass(frozen=True)
class Wire:
    """What lines cost. piece: bytes of a model in one line; overhead: characters of a line beside them, its answer
    too."""

    piece: int
    overhead: int = 120

    def cost(self, parts: Sequence[Part]) -> int:
        """Characters on the wire, both ways, for all parts."""
        return sum(self.overhead + (0 if part.origin >= 0 else (len(part.data) + 2) // 3 * 4) for part in parts)


def whole(data: bytes, wire: Wire, start: int = 0) -> list[Part]:
    """Everything from ``start`` on, as lines take it."""
    return [Part(at, data[at : at + wire.piece]) for at in range(start, len(data), wire.piece)]


def delta(data: bytes, blocks: Sequence[int], size: int, wire: Wire) -> list[Part]:
    """Parts of ``data`` that make use of a file of which ``blocks`` are the CRC-32 of each ``size`` bytes.

    After rsync (Tridgell, Efficient Algorithms for Sorting and Synchronization, 1999, chapter 3): a block may stand
    anywhere in the new file. Blocks are only compared by CRC-32; the digest of the whole tells where that was wrong.
    """
    known: dict[int, int] = {}
    for number, crc in enumerate(blocks):
        known.setdefault(crc, number)
    parts: list[Part] = []
    at = sent = 0
    while at + size <= len(data):
        number = known.get(zlib.crc32(data[at : at + size]), -1)
        if number < 0:
            at += 1
            continue
        run = _run(data, at, blocks, number, size)
        if run * size > wire.overhead // 2:  # else it costs less to send it
            parts += whole(data[:at], wire, sent)
            for place in range(at, at + run * size, _MOST_COPIED):
                count = min(_MOST_COPIED, at + run * size - place)
                parts.append(Part(place, data[place : place + count], number * size + place - at))
            sent = at + run * size
        at += run * size
    return parts + whole(data, wire, sent)


def _run(data: bytes, at: int, blocks: Sequence[int], number: int, size: int) -> int:
    """How many blocks in a row are the same, from this place and this number on."""
    run = 0
    while (
        number + run < len(blocks)
        and at + (run + 1) * size <= len(data)
        and zlib.crc32(data[at + run * size : at + (run + 1) * size]) == blocks[number + run]
    ):
        run += 1
    return run
