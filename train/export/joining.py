"""Python modules of one package joined into one: the imports of each other become names."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

__all__ = ["Module", "flattened", "without_tuples"]


@dataclass(frozen=True)
class Module:
    """A module of the package. name: its place below the package, without .py."""

    name: str
    tree: ast.Module


def _target(importer: str, node: ast.ImportFrom) -> str:
    """Place of the module that `from … import` in a module reads: relative to its folder, as in the package."""
    folder = importer.split("/")[:-1]
    base = folder[: len(folder) - (node.level - 1)] if node.level > 1 else folder
    if importer == "families" and node.level == 1:
        base = ["families"]
    return "/".join([*base, *(node.module.split(".") if node.module else [])])


def _defined(node: ast.stmt) -> list[str]:
    """Names that a top-level statement binds."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        found = []
        for target in node.targets:
            found += [n.id for n in ast.walk(target) if isinstance(n, ast.Name)]
        return found
    if isinstance(node, ast.Try):
        return [name for part in (*node.body, *(s for h in node.handlers for s in h.body)) for name in _defined(part)]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [alias.asname or alias.name for alias in node.names]
    return []


class _Branches(ast.NodeTransformer):
    """Takes the branch that is known: of VIPER, of feature kinds that the model lacks, of a firmware's own C."""

    def __init__(self, absent: Collection[str], baseline: bool, viper: bool) -> None:
        self.absent, self.baseline, self.viper = absent, baseline, viper

    def _value(self, test: ast.expr) -> bool | None:
        if isinstance(test, ast.Name) and test.id == "VIPER":
            return self.viper
        text = ast.unparse(test)
        if text.startswith("native.has(") or (text == "len(self.baseline)" and not self.baseline):
            return False
        if isinstance(test, ast.Compare) and isinstance(test.comparators[0], ast.Name):
            name, operator = test.comparators[0].id, test.ops[0]
            if isinstance(operator, ast.Eq) and name in self.absent:
                return False
            if (
                isinstance(operator, ast.GtE)
                and name == "_CORRELATION"
                and {"_CORRELATION", "_CHANGE"} <= set(self.absent)
            ):
                return False
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            return False if any(self._value(part) is False for part in test.values) else None
        return None

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt] | None:
        self.generic_visit(node)
        value = self._value(node.test)
        if value is None:
            return node
        return node.body if value else node.orelse

    def visit_For(self, node: ast.For) -> ast.AST | None:
        self.generic_visit(node)
        return node if node.body else None


class _Names(ast.NodeTransformer):
    """Replaces a module's names by those of the joined module."""

    def __init__(self, names: dict[str, str], modules: dict[str, str], flat: dict[tuple[str, str], str]) -> None:
        self.names, self.modules, self.flat = names, modules, flat

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id in self.modules:
            return ast.copy_location(ast.Name(self.flat[self.modules[node.value.id], node.attr], node.ctx), node)
        self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self.names.get(node.id, node.id)
        return node


def _flat_names(modules: Sequence[Module]) -> dict[tuple[str, str], str]:
    """The joined module's name of each module's names: its own where only one module has it."""
    owned = [
        (module.name, name)
        for module in modules
        for node in module.tree.body
        if not isinstance(node, ast.ImportFrom)
        for name in dict.fromkeys(_defined(node))
    ]
    times = Counter(name for _, name in dict.fromkeys(owned))
    return {
        (place, name): name
        if times[name] == 1 and name not in ("module", "Scorer")
        else f"{place.replace('/', '__')}__{name}"
        for place, name in owned
    }


def _used(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name):
                yield inner.id


def _without_unused_methods(node: ast.stmt, attributes: Collection[str]) -> ast.stmt:
    if isinstance(node, ast.ClassDef):
        node.body = [
            part
            for part in node.body
            if not (isinstance(part, ast.FunctionDef) and part.name.startswith("_") and not part.name.startswith("__"))
            or part.name in attributes
        ]
    return node


def _reached(body: list[ast.stmt], roots: Collection[str]) -> list[ast.stmt]:
    """The statements that the roots need, private methods that nobody calls taken out of classes."""
    before = -1
    while before != len(ast.dump(ast.Module(body, []))):
        before = len(ast.dump(ast.Module(body, [])))
        places: dict[str, list[ast.stmt]] = {}
        for node in body:
            for name in _defined(node):
                places.setdefault(name, []).append(node)
        found: set[str] = set()
        waiting = [name for name in roots if name in places]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += [used for used in _used(places[name]) if used in places and used not in found]
        body = [node for node in body if not _defined(node) or found & set(_defined(node))]
        attributes = {n.attr for node in body for n in ast.walk(node) if isinstance(n, ast.Attribute)}
        body = [_without_unused_methods(node, attributes) for node in body]
    return body


def _parts_of(
    module: Module, flat: dict[tuple[str, str], str], known: Collection[str]
) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """A module's own imports from outside the package, and its statements with the joined names."""
    names = {name: new for (place, name), new in flat.items() if place == module.name}
    aliases: dict[str, str] = {}
    outside: list[ast.stmt] = []
    own: list[ast.stmt] = []
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom) and node.level:
            for alias in node.names:
                place = _target(module.name, node)
                below = f"{place}/{alias.name}" if place else alias.name
                source = place or "families" if "/" in module.name else place
                if below in known and (source, alias.name) not in flat:
                    aliases[alias.asname or alias.name] = below
                else:
                    _take(alias, source, names, flat)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            outside.append(node)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            own.append(node)
    translate = _Names(names, aliases, flat)
    for node in own:
        translate.visit(node)
        for name in ast.walk(node):
            if isinstance(name, ast.FunctionDef | ast.ClassDef) and node is name:
                name.name = names.get(name.name, name.name)
    return outside, own


def _take(alias: ast.alias, source: str, names: dict[str, str], flat: dict[tuple[str, str], str]) -> None:
    """Bind what is imported from another module of the package; what is not there stays open, and is not reached."""
    if alias.name == "*":
        return
    found = flat.get((source, alias.name))
    if found is None and source == "kernels":
        found = next(
            (new for (place, name), new in flat.items() if place.startswith("kernels_") and name == alias.name), None
        )
    if found is not None:
        names[alias.asname or alias.name] = found


_PAIR = re.compile(r"^(\s*[^=()]+, [^=()]+ = )\((.+)\)$")


def without_tuples(text: str) -> str:
    """Source in which `a, b = (c, d)` is `a, b = c, d`: MicroPython makes a tuple, and so takes heap, of the former."""
    lines = []
    for line in text.splitlines():
        match = _PAIR.match(line)
        if match:
            plain = match[1] + match[2]
            with suppress(SyntaxError):  # parentheses that do not belong together
                if ast.dump(ast.parse(plain.strip())) == ast.dump(ast.parse(line.strip())):
                    line = plain
        lines.append(line)
    return "\n".join(lines)


def flattened(
    modules: Sequence[Module],
    tail: ast.Module,
    *,
    roots: Collection[str],
    absent: Collection[str],
    baseline: bool,
    viper: bool,
) -> str:
    """Source of the joined module. tail: statements that come last, in joined names; roots: what must be reachable.

    absent, baseline, viper: which branches are known; see `_Branches`. Comments are lost, docstrings stay.
    """
    branches = _Branches(absent, baseline, viper)
    for module in modules:
        branches.visit(module.tree)
    flat = _flat_names(modules)
    known = {module.name for module in modules}
    outside: list[ast.stmt] = []
    body: list[ast.stmt] = []
    for module in modules:
        imports, own = _parts_of(module, flat, known)
        outside += imports
        body += own
    kept = _reached([*outside, *body, *tail.body], roots)
    lines = dict.fromkeys(ast.unparse(node) for node in kept if isinstance(node, ast.Import | ast.ImportFrom))
    used = set(_used(node for node in kept if not isinstance(node, ast.Import | ast.ImportFrom)))
    needed = [line for line in lines if line.split()[-1] in used]
    rest = [node for node in kept if not isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n".join(
        [*needed, "", "", *(without_tuples(ast.unparse(ast.fix_missing_locations(node))) for node in rest)]
    )
