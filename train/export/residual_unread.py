"""Leaves out what a program computes and nothing reads."""

from __future__ import annotations

import ast
from collections.abc import Collection
from typing import Any

from .residual_known import Function, loads

__all__ = ["without_dead", "without_unread_places"]


def without_unread_places(functions: Collection[Function], records: Collection[int]) -> None:
    """Leave out stores to places of records that nothing reads, and what was computed for them alone.

    records: ids of arrays of which every place is read and written by its constant index only.
    """
    nodes = [function.node for function in functions]
    read = {
        n.slice.value for node in nodes for n in ast.walk(node)
        if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Load) and isinstance(n.slice, ast.Constant)
    }  # fmt: skip
    given: dict[Any, dict[str, set[int]]] = {}
    for function in functions:
        for key, values in function.calls:
            for name, value in values.items():
                given.setdefault(key, {}).setdefault(name, set()).add(id(value))
    for function in functions:
        names = {name for name, ids in given.get(function.key, {}).items() if ids <= set(records)}
        names |= {name for name, value in function.aliases.items() if id(value) in records}
        _Unread(names, read).visit(function.node)
        while _drop_unread_locals(function.node):
            pass


class _Unread(ast.NodeTransformer):
    def __init__(self, names: Collection[str], read: Collection[Any]) -> None:
        self.names, self.read = names, read

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        match node:
            case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=place))]) if (
                name in self.names and place not in self.read
            ):
                return None
        return node


def _is_pure(node: ast.expr) -> bool:
    return not any(isinstance(inner, ast.Call | ast.Subscript | ast.Attribute) for inner in ast.walk(node))


def _drop_unread_locals(function: ast.FunctionDef) -> bool:
    """Take out assignments to locals that only their own assignments read; returns whether there were any."""
    shared = {name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names}
    found: dict[str, list[ast.Assign | ast.AugAssign]] = {}
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AugAssign(target=ast.Name(id=name)):
                if isinstance(node, ast.Assign | ast.AugAssign):
                    found.setdefault(name, []).append(node)
    for name, statements in found.items():
        inside = sum(loads(statement, name) for statement in statements)
        everywhere = loads(function, name)
        places = sum(
            isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) for n in ast.walk(function)
        )
        if name in shared or everywhere != inside or places != len(statements):
            continue
        if all(_is_pure(statement.value) for statement in statements):
            _Out({id(statement) for statement in statements}).visit(function)
            return True
    return False


class _Out(ast.NodeTransformer):
    def __init__(self, statements: Collection[int]) -> None:
        self.statements = statements

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        return None if id(node) in self.statements else node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | None:
        return None if id(node) in self.statements else node


def without_dead(body: list[ast.stmt]) -> list[ast.stmt]:
    """Statements without assignments of a plain name or number to a local that nothing reads."""
    tree = ast.Module(body, [])

    class Dead(ast.NodeTransformer):
        def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name() | ast.Constant()) if (
                    name.islower() and not name.startswith("cell_") and not loads(tree, name)
                ):
                    return None
            return node

    return Dead().visit(tree).body or [ast.Pass()]
