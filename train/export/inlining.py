"""Functions that are called in one place become part of it: on a small board a function costs 80 bytes of heap."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

from .trees import copied

__all__ = ["inlined"]

_SHORT = 64  # characters of a function that may stand in several places
_LONGEST = 380  # nodes of one that has taken others in: the board's parser needs room for it


def _size(node: ast.AST) -> int:
    return len(ast.unparse(ast.fix_missing_locations(node)).replace("    ", " "))


def _nodes(function: ast.FunctionDef) -> int:
    return sum(not isinstance(node, ast.Load | ast.Store | ast.operator | ast.cmpop) for node in ast.walk(function))


def _calls(node: ast.AST, name: str) -> list[ast.Call]:
    return [n for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == name]


def _returns_in_loop(body: Sequence[ast.stmt]) -> bool:
    return any(
        isinstance(inner, ast.Return)
        for statement in body
        for loop in ast.walk(statement)
        if isinstance(loop, ast.For | ast.While | ast.Try)
        for inner in ast.walk(loop)
    )


def _has_return(node: ast.AST) -> bool:
    return any(isinstance(inner, ast.Return) for inner in ast.walk(node))


def _globals(node: ast.FunctionDef) -> set[str]:
    return {name for part in node.body if isinstance(part, ast.Global) for name in part.names}


def _stores(nodes: Sequence[ast.AST]) -> set[str]:
    return {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _uses(node: ast.AST, name: str) -> int:
    return sum(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node))


class _Put(ast.NodeTransformer):
    """Puts expressions in the place of names."""

    def __init__(self, values: dict[str, ast.expr]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in self.values:
            return node
        value = copied(self.values[node.id])
        if isinstance(value, ast.Name):
            value.ctx = node.ctx
        return value


def _is_simple(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant | ast.Name)


# expressions


def _single(function: ast.FunctionDef) -> ast.expr | None:
    """The expression that a function consists of, or None."""
    match function.body:
        case [ast.Return(value=ast.expr() as value)]:
            return value
    return None


class _Expressions(ast.NodeTransformer):
    """Replaces calls of a function that is one expression."""

    def __init__(self, function: ast.FunctionDef, value: ast.expr) -> None:
        self.name, self.value = function.name, value
        self.parameters = [argument.arg for argument in function.args.args]

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not (isinstance(node.func, ast.Name) and node.func.id == self.name):
            return node
        pairs = list(zip(self.parameters, node.args, strict=True))
        if all(_is_simple(argument) or _uses(self.value, name) <= 1 for name, argument in pairs):
            return _Put(dict(pairs)).visit(copied(self.value))
        return node


# statements


def _concluded(body: list[ast.stmt], conclude: ast.Name | None) -> list[ast.stmt]:
    """A function's statements with its returns as assignments of what is returned, or as nothing."""
    result: list[ast.stmt] = []
    for at, node in enumerate(body):
        if isinstance(node, ast.Return):
            if conclude is not None:
                result.append(ast.Assign([ast.Name(conclude.id, ast.Store())], node.value or ast.Constant(None)))
            elif isinstance(node.value, ast.Call):
                result.append(ast.Expr(node.value))
            return result
        if isinstance(node, ast.If) and _has_return(node):
            rest = body[at + 1 :]
            leaves = [bool(part) and isinstance(part[-1], ast.Return) for part in (node.body, node.orelse)]
            inner = node.body if leaves[0] else [*node.body, *rest]
            other = node.orelse if leaves[1] else [*node.orelse, *rest]
            made = _concluded(inner, conclude), _concluded(other, conclude)
            test, first, second = node.test, *made
            if not first:
                test, first, second = ast.UnaryOp(ast.Not(), test), second, []
            return [*result, ast.If(test, first, second)] if first else [*result, ast.Expr(test)]
        result.append(node)
    return result


def _doubles(body: Sequence[ast.stmt]) -> bool:
    """Whether _concluded() would write what follows a branch twice."""
    for at, node in enumerate(body):
        if isinstance(node, ast.If) and _has_return(node):
            leaves = [bool(part) and isinstance(part[-1], ast.Return) for part in (node.body, node.orelse)]
            if (not any(leaves) and body[at + 1 :]) or _doubles(node.body) or _doubles(node.orelse):
                return True
    return False


def _site(statement: ast.stmt, name: str) -> ast.expr | None:
    """The expression of a statement in which the call is the first thing that is evaluated, or None."""
    match statement:
        case ast.Expr(value=value) | ast.Return(value=ast.expr() as value) | ast.If(test=value):
            pass
        case ast.Assign(value=value, targets=[ast.Name()]):
            pass
        case ast.Assign(value=value, targets=[ast.Subscript(value=ast.Name(), slice=ast.Name() | ast.Constant())]):
            pass
        case _:
            return None
    return value if _is_first(value, name) else None


def _is_first(node: ast.expr, name: str) -> bool:
    match node:
        case ast.Call(func=ast.Name(id=function)) if function == name:
            return True
        case ast.Call(func=ast.Name(), args=arguments):
            before = True
            for argument in arguments:
                if before and _is_first(argument, name):
                    return True
                before = before and isinstance(argument, ast.Constant)
        case ast.UnaryOp(operand=operand):
            return _is_first(operand, name)
        case ast.BinOp(left=left):
            return _is_first(left, name)
        case ast.Compare(left=left):
            return _is_first(left, name)
    return False


class _Statements(ast.NodeTransformer):
    """Replaces the one call of a function by its statements. done: whether it did."""

    def __init__(self, function: ast.FunctionDef, number: int, shared: Collection[str]) -> None:
        self.function, self.number, self.done = function, number, False
        self.shared = shared

    def _body(self, call: ast.Call) -> tuple[list[ast.stmt], list[ast.stmt]]:
        """Assignments of arguments, and the function's statements with names of their own."""
        function = copied(self.function)
        body = [node for node in function.body if not isinstance(node, ast.Global)]
        stored, own = _stores(body), _globals(function)
        values: dict[str, ast.expr] = {
            name: ast.Name(f"{name}_{self.number}", ast.Load()) for name in stored - own
        }  # fmt: skip
        before: list[ast.stmt] = []
        for parameter, argument in zip(function.args.args, call.args, strict=True):
            fixed = isinstance(argument, ast.Constant) or (
                isinstance(argument, ast.Name) and argument.id not in own | set(self.shared)
            )
            if fixed and parameter.arg not in stored:
                values[parameter.arg] = argument
            else:
                values[parameter.arg] = ast.Name(f"{parameter.arg}_{self.number}", ast.Load())
                before.append(ast.Assign([ast.Name(f"{parameter.arg}_{self.number}", ast.Store())], argument))
        put = _Put(values)
        return before, [put.visit(node) for node in body]

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                setattr(node, name, [part for statement in block for part in self._replaced(statement)])
        for handler in getattr(node, "handlers", []):
            self.generic_visit(handler)
        return node

    def _replaced(self, statement: ast.stmt) -> list[ast.stmt]:
        value = _site(statement, self.function.name)
        if value is None:
            self.generic_visit(statement)
            return [statement]
        (call,) = _calls(value, self.function.name)
        before, body = self._body(call)
        self.done = True
        match statement:
            case ast.Return(value=ast.Call() as found) if found is call:
                return [*before, *body]
            case ast.Expr(value=ast.Call() as found) if found is call:
                return [*before, *_concluded(body, None)]
        name = ast.Name(f"result_{self.number}", ast.Load())
        result: ast.expr = name
        last = body[-1]
        if isinstance(last, ast.Return) and last.value is not None and not any(map(_has_return, body[:-1])):
            result = last.value
            body.pop()
        else:
            body = _concluded(body, name)
        _swap(statement, call, result)
        return [*before, *body, statement]


def _swap(statement: ast.AST, call: ast.Call, value: ast.expr) -> None:
    for node in ast.walk(statement):
        for name, part in ast.iter_fields(node):
            if part is call:
                setattr(node, name, value)
            elif isinstance(part, list):
                part[:] = [value if item is call else item for item in part]


def _merged_globals(caller: ast.FunctionDef, names: set[str]) -> None:
    body = [node for node in caller.body if not isinstance(node, ast.Global)]
    names |= _globals(caller)
    caller.body = [ast.Global(sorted(names)), *body] if names else body


def inlined(functions: list[ast.FunctionDef], kept: Collection[str]) -> list[ast.FunctionDef]:
    """Functions with those that one place calls taken into it, and those that are short into each place.

    kept: names of functions that must remain. What is computed, and in which order, stays as it is.
    """
    functions = list(functions)
    refused = set(kept)
    number = 0
    changed = True
    while changed:
        changed = False
        callers, mentions = _census(functions)
        for function in functions:
            if function.name in refused:
                continue
            number += 1
            sites = callers[function.name]
            if mentions[function.name] == len(sites) and function not in sites and _taken_in(
                function, sites, number, functions
            ):  # fmt: skip
                functions.remove(function)
                changed = True
                break
            refused.add(function.name)
    return [ast.fix_missing_locations(function) for function in functions]


def _census(
    functions: Sequence[ast.FunctionDef],
) -> tuple[defaultdict[str, list[ast.FunctionDef]], Counter[str]]:
    """The caller of each call, by the name that is called, and how often each name stands anywhere."""
    callers: defaultdict[str, list[ast.FunctionDef]] = defaultdict(list)
    mentions: Counter[str] = Counter()
    for function in functions:
        for node in ast.walk(function):
            if isinstance(node, ast.Name):
                mentions[node.id] += 1
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                callers[node.func.id].append(function)
    return callers, mentions


def _taken_in(
    function: ast.FunctionDef, sites: list[ast.FunctionDef], number: int, functions: Sequence[ast.FunctionDef]
) -> bool:
    """Put a function in the place of its calls; False where it has to remain."""
    value = _single(function)
    if value is not None and (len(sites) == 1 or _size(function) <= _SHORT):
        for caller in {id(caller): caller for caller in sites}.values():
            _Expressions(function, value).visit(caller)
        return not any(_calls(caller, function.name) for caller in sites)  # an argument that is used twice
    if len(sites) != 1 or _returns_in_loop(function.body) or _doubles(function.body):
        return False
    (caller,) = sites
    if _nodes(caller) + _nodes(function) > _LONGEST:
        return False
    put = _Statements(function, number, {name for each in functions for name in _globals(each)})
    put.visit(caller)
    if put.done:
        _merged_globals(caller, _globals(function))
    return put.done
