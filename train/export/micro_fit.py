"""How much heap the module for a micro:bit takes on the board: an estimate, from what was measured on the firmware.

Measured in QEMU on MicroPython 1.0.1 for the micro:bit: free heap after each chunk of two modules (45 functions), and
the largest filler beside which a chunk still compiled. tests/host/test_microbit.py holds the estimate to the
firmware's own count.
"""

from __future__ import annotations

import ast
from typing import Final

from offbeat.train.errors import InputError

from .micro import MicroModule

__all__ = ["FREE", "RESERVE", "check_fit", "heap_needed"]

FREE: Final = 9248
"""Bytes that are free when the module's first chunk has been carried out."""
RESERVE: Final = 1024
"""Bytes that have to be left: what a command of the host takes, and the frames of the calls that carry it out."""

_BLOCK: Final = 16
_FUNCTION: Final = 24.6  # bytes a function, and a node of its syntax tree: least squares
_NODE: Final = 1.75
_ENTRY: Final = 8  # of the dictionary of globals, whose sizes are these
_ENTRIES: Final = (47, 59, 73, 97, 127, 167, 223)
_OTHERS: Final = 10  # globals that are not of the module
_AT_FIRST: Final = 72  # bytes that it has when the first chunk has been carried out
_PARSER: Final = 4.5  # bytes that the parser takes for a character of a chunk, at its peak


def _blocks(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _data(statement: str) -> int:
    """Bytes of what a statement of ``MicroModule.data`` makes."""
    made = 0
    for node in ast.walk(ast.parse(statement)):
        match node:
            case ast.Call(func=ast.Name(id="bytearray" | "bytes"), args=[ast.Constant(value=int() as size)]):
                made += _BLOCK + _blocks(size)
            case ast.Call(func=ast.Name(id="array"), args=[_, ast.Constant(value=bytes() as data)]):
                made += _BLOCK + _blocks(len(data))
    return made


def _code(function: str) -> float:
    light = ast.Load | ast.Store | ast.operator | ast.cmpop
    return _FUNCTION + _NODE * sum(not isinstance(node, light) for node in ast.walk(ast.parse(function)))


def heap_needed(module: MicroModule, in_heap: int = 0) -> int:
    """Bytes of heap that the module takes, at its peak while it is compiled or, if that is more, with the reserve.

    in_heap: bytes of constants that are not read in flash.
    """
    names = len(module.names) + _OTHERS
    entries = next((size for size in _ENTRIES if size >= names), 2 * names)
    used: float = entries * _ENTRY - _AT_FIRST + _BLOCK * len(module.tables) + in_heap
    used += sum(_data(statement) for statement in module.data)
    peak = 0.0
    for function in module.code:
        peak = max(peak, used + _PARSER * len(function))
        used += _code(function)
    return round(max(peak, used + RESERVE))


def check_fit(module: MicroModule, in_heap: int = 0) -> None:
    """Raises InputError where a micro:bit has too little heap for the module. in_heap: see heap_needed()."""
    needed = heap_needed(module, in_heap)
    if needed > FREE:
        raise InputError(
            f"the model does not fit the micro:bit: it needs about {needed} bytes of heap, {FREE} are there; train "
            "with --features motion or time, a shorter --window, or fewer channels"
        )
