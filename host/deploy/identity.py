"""Which board stands behind a prompt, and whether offbeat runs there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from offbeat.host.errors import BoardError
from offbeat.host.lines import printable
from offbeat.train.boards import BOARDS, board_named, recognised, wired_boards
from offbeat.train.errors import InputError
from offbeat.train.export.mpy import ARCHITECTURES

from .prompt import Prompt

__all__ = ["VIRTUAL", "Identity", "choose_board", "identify"]

VIRTUAL: Final = "virtual"
"""Name of the boards of `offbeat virtual`, which are in no table: their wiring is a pipe."""

_OLDEST: Final = (1, 20)


@dataclass(frozen=True)
class Identity:
    """What a board says of itself. machine: its name in MicroPython; version: of MicroPython; platform: sys.platform;
    mpy: sys.implementation._mpy, 0 where it takes no .mpy; heap: free bytes; block: bytes that the file system gives
    out at once; free: bytes of it that are free; virtual: it is one of `offbeat virtual`."""

    machine: str
    version: tuple[int, ...]
    platform: str
    mpy: int
    heap: int
    block: int
    free: int
    virtual: bool

    @property
    def architecture(self) -> str:
        """What mpy-cross calls the architecture of its machine code; bytecode where it takes none.

        MicroPython, docs/reference/mpyfiles.rst, "Versioning and compatibility of .mpy files".
        """
        number = self.mpy >> 10 & 15
        return ARCHITECTURES[number] if number < len(ARCHITECTURES) else ARCHITECTURES[0]


def identify(prompt: Prompt) -> Identity:
    """Ask the board. Raises BoardError where it is not MicroPython of a version that offbeat runs on."""
    told = prompt.value("about()")
    try:
        name, version = str(told["implementation"]), tuple(_natural(part) for part in told["version"])
        found = Identity(
            printable(str(told["machine"]))[:100], version, str(told["platform"]), _natural(told["mpy"]),
            _natural(told["heap"]), max(1, _natural(told["block"])), _natural(told["free"]), bool(told["virtual"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        raise BoardError(f"{prompt.port}: the board does not say who it is; flash MicroPython 1.20 or later") from None
    if name != "micropython":
        raise BoardError(f"{prompt.port}: {printable(name)} is on the board; offbeat needs MicroPython 1.20 or later")
    if version < _OLDEST:
        raise BoardError(
            f"{prompt.port}: MicroPython {'.'.join(map(str, version))} is on the board; offbeat needs 1.20 or later, "
            "flash a newer one"
        )
    return found


def _natural(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError
    return value


def choose_board(identity: Identity, named: str | None, port: str) -> str:
    """The name of a board: what was asked for, where the board does not say otherwise. Raises InputError.

    A virtual board stands for any other.
    """
    if identity.virtual or identity.platform == "linux":
        return VIRTUAL
    if named is not None and board_named(named).wiring is None:
        raise InputError(
            f"--board {named}: offbeat deploys to {', '.join(wired_boards())}; for a {named}, export C: "
            "`offbeat export MODEL_DIR --to c`"
        )
    found = recognised(identity.machine)
    if found is None and named is None:
        raise InputError(
            f"{port}: MicroPython calls this board {identity.machine!r}, whose pins offbeat does not know; name one "
            f"that is wired the same with --board: {', '.join(wired_boards())}; other pins with --pin"
        )
    if found is not None and named is not None and BOARDS[named].wiring != found.wiring:
        raise InputError(
            f"the board at {port} is a {found.name} ({identity.machine}), not a {named}, as --board or offbeat.toml "
            "says; mend that, or choose another port"
        )
    return named or (found.name if found else "")
