"""What can go wrong with a board, beyond bad input."""

from __future__ import annotations

from offbeat.train.errors import InputError, OffbeatError

__all__ = ["BoardError", "Refused", "Unplugged"]


class BoardError(InputError):
    """A board that is silent, answers nonsense, or runs something else."""


class Refused(BoardError):  # noqa: N818  reads as what happened
    """A command that the board answered with NAK; `why` is the board's one word for it."""

    def __init__(self, sentence: str, why: str) -> None:
        super().__init__(sentence)
        self.why = why


class Unplugged(OffbeatError):  # noqa: N818  reads as what happened
    """The port vanished while it was in use; `Board.reconnect` waits for its return."""
