"""One row of the results."""

from __future__ import annotations

from dataclasses import dataclass

from offbeat.train.profile.instructions import Kinds

__all__ = ["OURS", "OURS_PAIR", "OURS_PLAIN", "Row"]

OURS = "offbeat"
OURS_PLAIN = "offbeat, plain C"
OURS_PAIR = "offbeat, one pair of files"


@dataclass(frozen=True)
class Row:
    """A contender at a piece of work on a core.

    instructions: of the test window that took the most; flash: bytes of code, constants and the compiler's library that
    they call, None where it is not told apart; ram: bytes of variables, buffers and deepest stack, without the samples;
    kinds: the instructions by kind, where they were told apart; failure: why there are no numbers.
    """

    work: str
    contender: str
    core: str
    instructions: int = 0
    flash: int | None = None
    ram: int | None = None
    compiler: str = ""
    failure: str = ""
    note: str = ""
    kinds: Kinds | None = None
