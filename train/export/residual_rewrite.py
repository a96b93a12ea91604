"""Rewrites one function of a program with what is known of it."""

from __future__ import annotations

import ast
from array import array
from collections.abc import Collection, Mapping
from types import FunctionType, MethodType
from typing import Any, Final

from .residual_known import (
    UNKNOWN,
    Cell,
    External,
    Names,
    Unknown,
    World,
    is_data,
    is_number,
    loads,
    parsed,
    stored_names,
)  # fmt: skip
from .residual_unread import without_dead

__all__ = ["Rewriter"]

OPERATORS: Final = {
    ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b,
    ast.FloorDiv: lambda a, b: a // b, ast.Mod: lambda a, b: a % b, ast.LShift: lambda a, b: a << b,
    ast.RShift: lambda a, b: a >> b, ast.BitAnd: lambda a, b: a & b, ast.BitOr: lambda a, b: a | b,
    ast.BitXor: lambda a, b: a ^ b, ast.Eq: lambda a, b: a == b, ast.NotEq: lambda a, b: a != b,
    ast.Lt: lambda a, b: a < b, ast.LtE: lambda a, b: a <= b, ast.Gt: lambda a, b: a > b, ast.GtE: lambda a, b: a >= b,
}  # fmt: skip
LONGEST_INLINE: Final = 2  # bytes; longer constants that have a name are kept once


class Rewriter(ast.NodeTransformer):
    """Rewrites one function. known: values of parameters and of locals that stand for one value; facts: expressions,
    as text, and the numbers that they may have."""

    def __init__(
        self, world: World, key: tuple[FunctionType, int], known: dict[str, Any], facts: Mapping[str, Collection[int]],
        names: Names, aliases: bool = True,
    ) -> None:  # fmt: skip
        self.world, self.key, self.function = world, key, key[0]
        self.known = known
        self.facts = {text: frozenset(numbers) for text, numbers in facts.items()}
        self.names = names
        self.aliases: dict[str, Any] = {}
        self.cells: set[str] = set()
        self.calls: list[tuple[tuple[FunctionType, int], dict[str, Any]]] = []
        self.local: set[str] = set()
        self.times: dict[str, int] = {}

    # what is known

    def value(self, node: ast.expr) -> Any:
        """The value of an expression as far as it is known."""
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                if name in self.known:
                    return self.known[name]
                if name in self.aliases:
                    return self.aliases[name]
                return UNKNOWN if name in self.local else self.world.name(self.function, name)
            case ast.Attribute(value=base, attr=name):
                return self.world.attribute(self.value(base), name)
            case ast.Call(func=ast.Name(id="len"), args=[argument]):
                value = self.value(argument)
                return len(value) if is_data(value) else UNKNOWN
            case ast.Call(func=ast.Name(id="min"), args=[left, right]):
                pair = self.value(left), self.value(right)
                return min(pair) if all(isinstance(value, int) for value in pair) else UNKNOWN
            case ast.Call(func=ast.Name(id="hasattr"), args=[thing, ast.Constant(value=str() as name)]):
                value = self.value(thing)
                return hasattr(value, name) if id(value) in self.world.objects else UNKNOWN
            case ast.BinOp(left=left, op=operator, right=right):
                return self._computed(operator, left, right)
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                return self._compared(left, operator, right)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                value = self.value(operand)
                return -value if isinstance(value, int) else UNKNOWN
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                value = self.value(operand)
                return not value if is_number(value) else UNKNOWN
            case ast.BoolOp(op=ast.And(), values=values) if any(self._is_false(part) for part in values):
                return False
            case ast.IfExp(test=test, body=body, orelse=orelse):
                value = self.value(test)
                return self.value(body if value else orelse) if is_number(value) else UNKNOWN
        return UNKNOWN

    def _is_false(self, node: ast.expr) -> bool:
        value = self.value(node)
        return is_number(value) and not value

    def _computed(self, operator: ast.operator | ast.cmpop, left: ast.expr, right: ast.expr) -> Any:
        a, b = self.value(left), self.value(right)
        if isinstance(a, int) and isinstance(b, int) and type(operator) in OPERATORS:
            return OPERATORS[type(operator)](a, b)
        return UNKNOWN

    def _compared(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Any:
        numbers, limit = self.facts.get(ast.unparse(left)), self.value(right)
        if numbers is not None and isinstance(limit, int) and type(operator) in OPERATORS:
            found = {OPERATORS[type(operator)](number, limit) for number in numbers}
            return found.pop() if len(found) == 1 else UNKNOWN
        return self._computed(operator, left, right)

    def _narrowed(self, test: ast.expr, holds: bool) -> dict[str, frozenset[int]]:
        """The facts where a test holds, or does not."""
        match test:
            case ast.Compare(left=left, ops=[operator], comparators=[right]) if ast.unparse(left) in self.facts:
                text, limit = ast.unparse(left), self.value(right)
                if isinstance(limit, int) and type(operator) in OPERATORS:
                    compare = OPERATORS[type(operator)]
                    kept = frozenset(n for n in self.facts[text] if bool(compare(n, limit)) == holds)
                    return {**self.facts, text: kept}
        return self.facts

    # expressions

    def _expression(self, node: ast.expr) -> ast.expr | None:
        """An expression for what is known, or None."""
        value = self.value(node)
        if isinstance(node, ast.Name) and node.id in self.aliases:
            return None
        if is_number(value) or (isinstance(value, str | bytes) and len(value) <= LONGEST_INLINE):
            return ast.Constant(value)
        if isinstance(value, External):
            return ast.parse(value.text, mode="eval").body
        if isinstance(value, Cell):
            name = self.names.cell(value)
            self.cells.add(name)
            return ast.Name(name, ast.Load())
        if is_data(value) and not isinstance(node, ast.Constant):
            return ast.Name(self.names.data(value), ast.Load())
        return None

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            found = self._expression(node)
            if found is not None:
                return found
        return super().visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        value = self.value(node)
        if isinstance(value, Cell):
            name = self.names.cell(value)
            self.cells.add(name)
            return ast.Name(name, node.ctx)
        self.generic_visit(node)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        value = self.value(node.test)
        if is_number(value):
            return self.visit(node.body if value else node.orelse)
        self.generic_visit(node)
        return node

    def _word(self, node: ast.expr) -> ast.Subscript | None:
        """An element of an array of signed words, which bytecode, unlike viper, reads with its sign."""
        match node:
            case ast.Subscript(value=base):
                value = self.value(base)
                return node if isinstance(value, array) and value.typecode == "h" else None
        return None

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Sign extension of what has its sign: ((w & 0xFFFF) ^ 0x8000) is w + 0x8000."""
        match node:
            case ast.BinOp(
                left=ast.BinOp(
                    left=ast.BinOp(left=word, op=ast.BitAnd(), right=ast.Constant(value=0xFFFF)),
                    op=ast.BitXor(), right=ast.Constant(value=0x8000),
                ),
                op=ast.Sub(), right=ast.Constant(value=0x8000),
            ) if self._word(word):  # fmt: skip
                return self.visit(word)
            case ast.BinOp(
                left=ast.BinOp(left=word, op=ast.BitAnd(), right=ast.Constant(value=0xFFFF)),
                op=ast.BitXor(), right=ast.Constant(value=0x8000),
            ) if self._word(word):  # fmt: skip
                return ast.BinOp(self.visit(word), ast.Add(), ast.Constant(0x8000))
        self.generic_visit(node)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        if isinstance(node.op, ast.And):
            left = [part for part in node.values if not (is_number(value := self.value(part)) and value)]
            if len(left) == 1:
                return self.visit(left[0])
            node.values = left or [ast.Constant(True)]
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        target: Any = self.value(node.func)
        if isinstance(target, MethodType):
            function: Any = target.__func__
            key = (function, id(target.__self__))
        elif isinstance(target, FunctionType):
            key = (target, 0)
        else:
            self.generic_visit(node)
            match node:
                case ast.Call(func=ast.Name(id="int"), args=[ast.Subscript(value=ast.Name(id=name)) as element]) if (
                    name in self.aliases or name.startswith("DATA_")
                ):
                    return element  # of an array or bytes: an int already
            return node
        names = [argument.arg for argument in parsed(key[0]).args.args][bool(key[1]) :]
        values = {name: self.value(argument) for name, argument in zip(names, node.args, strict=True)}
        self.calls.append((key, values))
        bound = self.names.bound.get(key, {})
        kept = [self.visit(argument) for name, argument in zip(names, node.args, strict=True) if name not in bound]
        return ast.Call(ast.Name(self.names.function(key), ast.Load()), kept, [])

    # statements

    def block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Statements, without what is never reached."""
        before = self.facts
        result: list[ast.stmt] = []
        for node in body:
            if any(not numbers for numbers in self.facts.values()):
                break  # no value is left for which this is reached
            done = self._statement(node)
            if done and result and _overwrites(done[0], result[-1]):
                result.pop()
            result += done
            if done and isinstance(done[-1], ast.Return | ast.Raise):
                break
            if isinstance(node, ast.If) and node.body and isinstance(node.body[-1], ast.Return) and not node.orelse:
                self.facts = self._narrowed(node.test, holds=False)
        self.facts = before
        return result

    def _statement(self, node: ast.stmt) -> list[ast.stmt]:
        match node:
            case ast.Expr(value=ast.Constant()):
                return []
            case ast.If():
                return self._if(node)
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
                known = [self.value(value) for value in values]
                if not any(isinstance(value, Unknown | Cell) for value in known):
                    pairs = zip(targets, values, strict=True)
                    return [part for t, v in pairs for part in self._statement(ast.Assign([t], v))]
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if self.times.get(name) == 1:
                found = self.value(value)
                if is_number(found) or id(found) in self.world.objects:
                    self.known[name] = found
                    return []
                if is_data(found):
                    node = ast.Assign(node.targets, self.visit(value))
                    self.aliases[name] = found
                    return [node]
            case ast.For() | ast.While():
                return self._loop(node)
            case ast.Try():
                node.body = self.block(node.body)
                for handler in node.handlers:
                    handler.body = self.block(handler.body)
                return [node]
        self.generic_visit(node)
        return [node]

    def _if(self, node: ast.If) -> list[ast.stmt]:
        value = self.value(node.test)
        if is_number(value):
            return self.block(node.body if value else node.orelse)
        before, test = self.facts, node.test
        self.facts = self._narrowed(test, holds=True)
        body = self.block(node.body)
        self.facts = before
        self.facts = self._narrowed(test, holds=False)
        orelse = self.block(node.orelse)
        self.facts = before
        return [ast.If(self.visit(test), body or [ast.Pass()], orelse)]

    def _turns(self, node: ast.For | ast.While) -> tuple[str, range] | None:
        """The variable of a loop and the numbers that it runs through, where they are known."""
        match node:
            case ast.For(iter=ast.Call(func=ast.Name(id="range"), args=arguments), target=ast.Name(id=name)) if (
                self.times[name] == 1
            ):
                values = [self.value(argument) for argument in arguments]
                return (name, range(*values)) if all(isinstance(value, int) for value in values) else None
        return None

    def _loop(self, node: ast.For | ast.While) -> list[ast.stmt]:
        turns = self._turns(node)
        leaves = any(isinstance(inner, ast.Break | ast.Continue) for inner in ast.walk(node))
        if turns is not None and len(turns[1]) <= 1 and not leaves:
            name, numbers = turns
            self.known.update((name, number) for number in numbers)
            return self.block(node.body) if numbers else []
        if isinstance(node, ast.For):
            node.iter = self.visit(node.iter)
        else:
            node.test = self.visit(node.test)
        node.body = self.block(node.body)
        return [node] if node.body else []

    def rewrite(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """The function, rewritten."""
        parameters = [argument.arg for argument in node.args.args]
        for name in stored_names(node):
            self.times[name] = self.times.get(name, 0) + 1
        self.local = {*parameters, *self.times}
        heading: list[ast.stmt] = []
        for name, value in list(self.known.items()):
            if name in self.times or (is_data(value) and loads(node, name) > 1):
                heading.append(ast.Assign([ast.Name(name, ast.Store())], self._literal(value)))
                del self.known[name]
                if name not in self.times:
                    self.aliases[name] = value
        body = [*heading, *self.block(node.body)]
        node.args.args = [a for a in node.args.args if a.arg not in self.names.bound.get(self.key, {})]
        if self.key[1]:
            node.args.args = node.args.args[1:]
        stored = {name for statement in body for name in stored_names(statement)} & self.cells
        node.body = ([ast.Global(sorted(stored))] if stored else []) + without_dead(body)
        return ast.fix_missing_locations(node)

    def _literal(self, value: Any) -> ast.expr:
        return ast.Constant(value) if is_number(value) else ast.Name(self.names.data(value), ast.Load())


def _overwrites(node: ast.stmt, before: ast.stmt) -> bool:
    """Whether a statement assigns a number to the name to which the one before it did."""
    match before, node:
        case (
            ast.Assign(targets=[ast.Name(id=first)], value=ast.Constant()),
            ast.Assign(targets=[ast.Name(id=second)], value=ast.Constant()),
        ):
            return first == second
    return False
