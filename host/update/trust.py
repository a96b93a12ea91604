"""Tells a board whose signatures count, and which class it is of."""

from __future__ import annotations

from offbeat.device import manifest as layout
from offbeat.host.board import Board
from offbeat.train.errors import InputError

from .board_side import ask
from .keys import Key

__all__ = ["provision"]


def provision(
    port: str, key: Key, device_class: str = "", before: Key | None = None, board_id: str | None = None
) -> dict[str, str]:
    """Give the board on a port a key and a class; returns id of the board and fingerprint of the key.

    before: the key that it trusts so far, which hands over; board_id: the id that the caller knows the board by, for
    HMAC, whose secret is made from it: a board that says another one's is not given that one's secret. Raises
    InputError where the class does not fit, the id is missing or not what the board says, the board has no id to make a
    secret from, or it trusts another key; and as Board.open() does.
    """
    name = device_class.encode()
    if len(name) > layout.CLASS_SIZE or b"\0" in name:
        raise InputError(f"class {device_class!r} is longer than {layout.CLASS_SIZE} bytes; choose a shorter name")
    with Board.open(port) as board:
        unique = board.hello.unique
        if key.algorithm == layout.HMAC and not unique:
            raise InputError(
                f"{port}: the board has no id, from which a secret of its own could be made; use an Ed25519 key"
            )
        if board_id is not None and board_id != unique:
            raise InputError(
                f"{port}: the board says that its id is {unique!r}, not {board_id!r}; nothing was sent; look which "
                "board is plugged in there"
            )
        if key.algorithm == layout.HMAC and board_id is None:
            raise InputError(
                f"{port}: the board says that its id is {unique!r}; its secret is made from that, so check that it is "
                "this board's own, which no other board was given, and name it with --board-id"
            )
        given = key.for_board(unique)
        fields: dict[str, int | str | bytes] = {"algorithm": key.algorithm, "key": given, "class": device_class}
        if before is not None:
            if before.algorithm != layout.ED25519:
                raise InputError(
                    f"{before.path}: only an Ed25519 key can hand over; change the board's files at its prompt"
                )
            fields["sig"] = before.sign(layout.trust_statement(key.algorithm, given, name, unique))
        ask(board, "trust", **fields)
        return {"board": unique, "class": device_class, "fingerprint": key.fingerprint}
