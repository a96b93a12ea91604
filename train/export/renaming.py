"""Names for a program that is compiled on the board, where each one that the firmware does not know costs RAM."""

from __future__ import annotations

import ast
import builtins
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import count

__all__ = ["MICROBIT_NAMES", "renamed"]

MICROBIT_NAMES = (
    "_", "a", "b", "c", "d", "e", "f", "g", "n", "r", "a2", "a4", "b3", "b4", "b5", "bl", "bx", "c3", "c4", "c5",
    "d3", "d4", "d5", "e4", "e5", "f2", "g4", "g5", "id", "on", "pi", "rx", "tx", "up", "NO", "COW", "MEH", "ODD",
    "ODE", "SAD", "YES", "add", "asr", "bpm", "buf", "clz", "cmp", "cos", "exp", "get", "i2c", "key", "ldr", "log",
    "lsl", "lsr", "mem", "mov", "mrs", "nop", "off", "pin", "pop", "say", "scl", "sda", "sep", "sin", "spi", "sub",
    "tan", "wfi", "DUCK", "EVEN", "FUNK", "NYAN", "XMAS", "acos", "addr", "and_", "args", "asin", "atan", "bits",
    "blit", "ceil", "copy", "crop", "data", "down", "fabs", "fill", "find", "fmod", "freq", "init", "join", "keys",
    "ldrb", "ldrh", "left", "loop", "love", "math", "mem8", "miso", "mode", "modf", "mosi", "movt", "movw", "name",
    "pack", "pin0", "pin1", "pin2", "pin3", "pin4", "pin5", "pin6", "pin7", "pin8", "pin9", "pins", "play", "push",
    "rbit", "read", "scan", "sclk", "sdiv", "seed", "send", "show", "sing", "size", "sort", "sqrt", "step", "stop",
    "strb", "strh", "text", "this", "udiv", "uint", "wait",
)  # fmt: skip
"""Short names that are in the flash of the micro:bit's firmware 1.0.1 already (its table of interned strings)."""


def _shorter(known: Sequence[str], used: Collection[str]) -> Iterator[str]:
    yield from (name for name in known if name not in used and not hasattr(builtins, name))
    yield from (name for name in (f"_{number}" for number in count()) if name not in used)


def _locals(node: ast.FunctionDef) -> set[str]:
    shared = {name for part in ast.walk(node) if isinstance(part, ast.Global) for name in part.names}
    stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return ({argument.arg for argument in node.args.args} | stored) - shared


def renamed(nodes: Sequence[ast.stmt], kept: Collection[str], known: Sequence[str]) -> dict[str, str]:
    """Give functions' locals and the module's globals names from ``known``, the shortest for the most used.

    kept: globals that keep theirs. Changes the nodes; returns the new name of each global.
    """
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    inner = {id(function): _locals(function) for function in functions}
    uses: Counter[str] = Counter()
    for node in nodes:
        own = inner.get(id(node), set())
        uses.update(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id not in own)
        uses.update([node.name] if isinstance(node, ast.FunctionDef) else [])
    defined = {f.name for f in functions} | {
        n.id for node in nodes if not isinstance(node, ast.FunctionDef) for n in ast.walk(node)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }  # fmt: skip
    fixed = {name for name in uses if name not in defined} | set(kept)
    fresh = _shorter(known, fixed)
    names = {name: next(fresh) for name, _ in uses.most_common() if name in defined and name not in kept}
    for node in nodes:
        own = inner.get(id(node), set())
        taken = {names.get(n.id, n.id) for n in ast.walk(node) if isinstance(n, ast.Name) and n.id not in own}
        locals_ = Counter(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in own)
        locals_.update(own)
        fresh = _shorter(known, taken)
        _rename(node, names | {name: next(fresh) for name, _ in locals_.most_common()})
    return names


def _rename(node: ast.stmt, names: dict[str, str]) -> None:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            inner.id = names.get(inner.id, inner.id)
        elif isinstance(inner, ast.Global):
            inner.names = [names.get(name, name) for name in inner.names]
        elif isinstance(inner, ast.FunctionDef):
            inner.name = names.get(inner.name, inner.name)
            for argument in inner.args.args:
                argument.arg = names.get(argument.arg, argument.arg)
