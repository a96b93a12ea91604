"""What is known of a program that is evaluated partially: its objects, their attributes, and what names mean."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from array import array
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import FunctionType, ModuleType
from typing import Any, Final

from .trees import copied

__all__ = [
    "UNKNOWN",
    "Cell",
    "External",
    "Function",
    "Names",
    "Unknown",
    "World",
    "is_data",
    "is_number",
    "loads",
    "parsed",
    "source_of",
    "stored_names",
]


@dataclass(frozen=True)
class External:
    """Something that only the board has. text: the expression that means it there."""

    text: str


@dataclass(frozen=True)
class Cell:
    """An attribute that changes: a global variable. owner: id of the object."""

    owner: int
    attribute: str


class Unknown:
    """A value that is known on the board only."""


UNKNOWN: Final = Unknown()


@dataclass
class Function:
    """A function of the residue. node: its rewritten source; arguments: of each call, by parameter."""

    key: tuple[FunctionType, int]
    node: ast.FunctionDef
    calls: list[tuple[tuple[FunctionType, int], dict[str, Any]]] = field(default_factory=list)
    aliases: dict[str, Any] = field(default_factory=dict)


def is_number(value: Any) -> bool:
    """Whether a value is a number, a truth value or None: what stands in a program as it is."""
    return value is None or isinstance(value, bool | int)


def is_data(value: Any) -> bool:
    """Whether a value is an array, bytes or a tuple: what a program keeps under a name."""
    return isinstance(value, array | bytearray | bytes | memoryview | tuple)


def source_of(function: FunctionType) -> ast.FunctionDef:
    """A copy of a function's source."""
    return copied(parsed(function))


@cache
def parsed(function: FunctionType) -> ast.FunctionDef:
    """A function's source, not to be changed. Raises TypeError where it is no plain function."""
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    if not isinstance(node, ast.FunctionDef):
        raise TypeError(f"{function.__qualname__} is no plain function")
    return node


def stored_names(node: ast.AST) -> Iterator[str]:
    """Names that a function binds, once for each place."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            yield inner.id


class World:
    """What is known of the program. objects: instances that become part of it, by id."""

    def __init__(self, root: object, externals: Mapping[int, External], classes: Collection[type]) -> None:
        self.externals = externals
        self.objects: dict[int, object] = {}
        self._gather(root, tuple(classes))
        self.changing = {name for kind in classes for name in self._assigned(kind)}

    def _gather(self, value: object, classes: tuple[type, ...]) -> None:
        if isinstance(value, classes) and id(value) not in self.objects:
            self.objects[id(value)] = value
            for part in vars(value).values():
                self._gather(part, classes)

    @staticmethod
    def _assigned(kind: type) -> Iterator[str]:
        """Attributes that methods other than __init__ assign, of whatever object."""
        for method in (m for base in kind.__mro__ for m in vars(base).values() if isinstance(m, FunctionType)):
            if method.__name__ not in ("__init__", "_describe"):
                for node in ast.walk(parsed(method)):
                    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                        yield node.attr

    def attribute(self, base: Any, name: str) -> Any:
        """Value of an attribute, a Cell where it changes, or UNKNOWN."""
        if isinstance(base, External):
            return External(f"{base.text}.{name}")
        if isinstance(base, ModuleType):
            value = getattr(base, name, UNKNOWN)
            return self.externals.get(id(value), External(f"{base.__name__}.{name}") if value is UNKNOWN else value)
        if id(base) not in self.objects:
            return UNKNOWN
        if name in vars(base):
            value = vars(base)[name]
            if name in self.changing:
                return Cell(id(base), name)
            return self.externals.get(id(value), value)
        return getattr(base, name, UNKNOWN)

    def name(self, function: FunctionType, name: str) -> Any:
        """What a name that is not local means."""
        if name in function.__globals__:
            value = function.__globals__[name]
            return self.externals.get(id(value), value)
        return External(name) if hasattr(builtins, name) else UNKNOWN


def loads(node: ast.AST, name: str) -> int:
    """How often a name is read."""
    return sum(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load) for n in ast.walk(node))


class Names:
    """Names of the residue's globals, and the arguments that are part of a function."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.bound: dict[tuple[FunctionType, int], dict[str, Any]] = {}
        self.cells: dict[Cell, str] = {}
        self.arrays: dict[int, tuple[str, Any]] = {}
        self.functions: dict[tuple[FunctionType, int], str] = {}

    def cell(self, cell: Cell) -> str:
        if cell not in self.cells:
            self.cells[cell] = f"cell_{type(self.world.objects[cell.owner]).__name__}_{cell.attribute}"
        return self.cells[cell]

    def data(self, value: Any) -> str:
        if id(value) not in self.arrays:
            self.arrays[id(value)] = (f"DATA_{len(self.arrays)}", value)
        return self.arrays[id(value)][0]

    def function(self, key: tuple[FunctionType, int]) -> str:
        if key not in self.functions:
            self.functions[key] = f"F_{key[0].__qualname__.replace('.', '_')}"
        return self.functions[key]
