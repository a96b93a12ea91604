"""The update as the board sees it: one kind of line, UPDATE, whose answers are read and whose refusals become
sentences."""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass
from typing import Final

from offbeat.host.board import Board, Line
from offbeat.host.errors import BoardError, Refused

from .refusals import refusal_in_words

__all__ = ["About", "Declined", "Status", "about", "ask", "block_digests", "piece_of", "status_of"]

_MOST_BLOCKS: Final = 65536
_PIECES: Final = 3 * 48  # bytes; so that a line is short on every board


class Declined(BoardError):  # noqa: N818  reads as what happened
    """The board does not do what an UPDATE line asks for; `why` is its one word for it."""

    def __init__(self, sentence: str, why: str) -> None:
        super().__init__(sentence)
        self.why = why


@dataclass(frozen=True)
class About:
    """What a board takes. format: of model files; features: number of the last feature kind that it knows; family: it
    has the family that was asked for; room: bytes that a model may have; algorithm: of signatures; key: public, empty
    for none; version: the highest that was ever confirmed; device_class; end: of the last model that was tried, and
    tried: its identity."""

    format: int
    features: int
    family: bool
    room: int
    algorithm: int
    key: bytes
    version: int
    device_class: str
    end: str
    tried: str


@dataclass(frozen=True)
class Status:
    """How an update stands. state: idle, receiving, checking, test, tested, probation or proven; done: windows of the
    phase; model: identity of the active model; received: bytes; why: of the last refusal or revert; scores: last
    score, alarms and windows above the threshold of the new and the old model, by name, as far as they run; worst:
    microseconds."""

    state: str
    done: int
    model: str
    version: int
    received: int
    why: str
    scores: dict[str, int]


def ask(board: Board, what: str = "", **fields: int | str | bytes) -> Line:
    """Send an UPDATE line. Raises Declined, and as Board.command()."""
    if what:
        fields = {"do": what, **fields}
    try:
        return board.command("UPDATE", **fields)
    except Refused as error:
        sentence = f"{board.port}: the board does not take this: {refusal_in_words(error.why)}"
        raise Declined(sentence, error.why) from None


def status_of(line: Line) -> Status:
    """How it stands, by an answer. Raises BoardError for nonsense."""
    names = ("new", "alarms", "above", "old", "old_alarms", "old_above", "worst")
    fields = line.fields
    return Status(
        fields.get("state", ""), line.integer("done"), fields.get("model", "none"), line.integer("version"),
        line.integer("at") if "at" in fields else 0, fields.get("why", ""),
        {name: line.integer(name) for name in names if name in fields},
    )  # fmt: skip


def about(board: Board, family: int) -> About:
    """What a board takes, and whether it has a family. Raises as ask() does."""
    line = ask(board, "about", family=family)
    try:
        name = bytes.fromhex(line.fields.get("class", "")).decode()
        key = base64.b64decode(line.fields.get("key", ""), validate=True)
    except (ValueError, binascii.Error):
        raise BoardError(
            f"{board.port}: the board's line {line.text!r} is damaged; deploy this version of offbeat to it"
        ) from None
    return About(
        line.integer("format"), line.integer("features"), line.fields.get("family") == "1", line.integer("room"),
        line.integer("algorithm"), key, line.integer("version"), name, line.fields.get("end", ""),
        line.fields.get("tried", ""),
    )  # fmt: skip


def block_digests(board: Board) -> list[int]:
    """CRC-32 of each block of the model that the board runs; empty where it has none. Raises as ask() does."""
    found: list[int] = []
    while len(found) < _MOST_BLOCKS:
        try:
            line = ask(board, "blocks", **{"from": len(found)})
            raw = base64.b64decode(line.fields.get("d", ""), validate=True)
        except (Declined, binascii.Error):
            return []
        if not raw or len(raw) % 4:
            break
        found += struct.unpack(f"<{len(raw) // 4}I", raw)
    return found


def piece_of(board: Board) -> int:
    """Bytes of a model that fit a line to this board. Raises BoardError where it is none."""
    room = board.hello.line - len("~UPDATE 65535 do=data o=1073741823 d= *00000000")
    piece = min(room // 4 * 3, _PIECES)
    if piece < 3:
        raise BoardError(f"{board.port}: the board takes lines of {board.hello.line} characters, too short for a model")
    return piece
