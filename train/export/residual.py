"""What is left of a program when everything that is known beforehand has been carried out: partial evaluation.

The board's classes are instantiated here, with the model, as they would be on the board. The source of their methods
is then rewritten: an attribute that never changes becomes its value, one that does a global variable, an array one
global array, an object disappears, branches that cannot be taken are left out, and arguments that are the same in
every call become part of the function. Nothing is computed otherwise than in the source, and in the same order.

Jones, Gomard, Sestoft: Partial Evaluation and Automatic Program Generation, 1993, chapters 1 and 4.
"""

from __future__ import annotations

import ast
from array import array
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Final

from .residual_known import External, Function, Names, World, is_number, source_of
from .residual_rewrite import Rewriter
from .residual_unread import without_unread_places

__all__ = ["External", "Residue", "residue"]

_ROUNDS: Final = 12  # until arguments that are always the same are found; two or three are usual


@dataclass(frozen=True)
class Residue:
    """What is left. functions: name as in the source, and definition; data: name and its value, an array, bytes or
    tuple; cells: variables and their first values."""

    functions: list[tuple[str, ast.FunctionDef]]
    data: list[tuple[str, Any]]
    cells: list[tuple[str, int]]


def _same(a: Any, b: Any) -> bool:
    return a is b or (is_number(a) and is_number(b) and a == b and type(a) is type(b))


def _round(
    world: World, roots: Mapping[str, Any], names: Names, facts: Mapping[str, Mapping[str, Collection[int]]],
    hooks: Mapping[str, Any],
) -> dict[tuple[FunctionType, int], Function]:  # fmt: skip
    """Rewrite everything that the roots reach, with the arguments that are known so far."""
    found: dict[tuple[FunctionType, int], Function] = {}
    waiting = [(method.__func__, id(method.__self__)) for method in roots.values()]
    while waiting:
        key = waiting.pop(0)
        if key in found:
            continue
        node = source_of(key[0])
        known = dict(names.bound.get(key, {}))
        if key[1]:
            known["self"] = world.objects[key[1]]
        if (hook := hooks.get(key[0].__qualname__)) is not None:
            known["hook"] = hook
            loop = next(n for n in ast.walk(node) if isinstance(n, ast.For))
            loop.body.insert(0, ast.Expr(ast.Call(ast.Name("hook", ast.Load()), [], [])))
        rewriter = Rewriter(world, key, known, facts.get(key[0].__qualname__, {}), names)
        found[key] = Function(key, rewriter.rewrite(node), rewriter.calls, rewriter.aliases)
        waiting += [called for called, _ in rewriter.calls]
    return found


def _always(functions: Mapping[Any, Function], world: World, roots: Collection[Any]) -> dict[Any, dict[str, Any]]:
    """Arguments that are the same in every call, by function."""
    seen: dict[Any, dict[str, Any]] = {}
    for function in functions.values():
        for key, values in function.calls:
            if key not in seen:
                seen[key] = dict(values)
            else:
                seen[key] = {n: v for n, v in seen[key].items() if n in values and _same(v, values[n])}
    return {
        key: {
            name: value
            for name, value in values.items()
            if is_number(value) or isinstance(value, array | bytearray) or id(value) in world.objects
        }
        for key, values in seen.items()
        if key not in roots
    }


def residue(
    root: object, roots: Mapping[str, Any], *, classes: Collection[type], externals: Mapping[int, External],
    facts: Mapping[str, Mapping[str, Collection[int]]], hooks: Mapping[str, Any],
    records: Collection[Any] = (),
) -> Residue:  # fmt: skip
    """Evaluate a program partially.

    root: the object that holds all others; roots: methods that must be there, by the name that they get; classes: of
    objects that become part of the program, each of which has one instance; externals: by id, what only the board
    has; facts: by function, expressions and the numbers that they may have; hooks: by function, a method that is
    called at the beginning of each turn of its first loop; records: arrays of which every place has a meaning of its
    own, and is read and written by a constant index only.
    """
    world = World(root, externals, classes)
    names = Names(world)
    keys = {(method.__func__, id(method.__self__)): name for name, method in roots.items()}
    functions = _round(world, roots, names, facts, hooks)
    for _ in range(_ROUNDS):
        bound = _always(functions, world, keys)
        if {k: sorted(v) for k, v in bound.items()} == {k: sorted(v) for k, v in names.bound.items()}:
            break
        names = Names(world)
        names.bound = bound
        names.functions.update(keys)
        functions = _round(world, roots, names, facts, hooks)
    without_unread_places(list(functions.values()), {id(record) for record in records})
    made = []
    for key, function in functions.items():
        function.node.name = names.function(key)
        made.append((key[0].__qualname__, function.node))
    used = {n.id for function in functions.values() for n in ast.walk(function.node) if isinstance(n, ast.Name)}
    data = [(name, value) for name, value in names.arrays.values() if name in used]
    cells = [
        (name, vars(world.objects[cell.owner])[cell.attribute]) for cell, name in names.cells.items() if name in used
    ]
    return Residue(made, data, cells)
