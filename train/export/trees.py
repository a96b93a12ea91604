"""Copies of syntax trees."""

from __future__ import annotations

import ast
from typing import Any, TypeVar

__all__ = ["copied"]

Tree = TypeVar("Tree", bound=ast.AST)

_SHARED = (ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop)


def copied(node: Tree) -> Tree:
    """A tree of its own, of a node and what is below it.

    Not copy.deepcopy(): Python has one Load() and one Add() for all trees, and what others hang on these
    (python-minifier: the tree that they were seen in last) would be copied at each of their places.
    """
    if isinstance(node, _SHARED):
        return node
    made = type(node)(**{name: _value(value) for name, value in ast.iter_fields(node)})
    return ast.copy_location(made, node)


def _value(value: Any) -> Any:
    if isinstance(value, ast.AST):
        return copied(value)
    return [_value(each) for each in value] if isinstance(value, list) else value
