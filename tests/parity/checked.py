"""Second copies of the board's package and of the trainer's in which every operation checks its result.

    from tests.parity import checked
    features = checked.train("features")      # a copy of offbeat.train.features
    detector = checked.device("detector")     # a copy of offbeat.device.detector, under CPython

Their sources are rewritten as they are imported: each operator, and each sum of an array, becomes a call that
raises OutOfRangeError where an integer leaves +-(2**30 - 1), MicroPython's small integers on a 32-bit board.
NumPy's int32 results are computed once more in 64 bits, so that wrapping cannot hide. int64 arrays pass: they
are those sums that a board keeps as two words. `largest` remembers how far each module went.
"""

from __future__ import annotations

import ast
import importlib
import operator
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from offbeat.train.arithmetic import SMALL_INTEGER_MAX

__all__ = ["OutOfRangeError", "device", "largest", "train"]

_ROOT = Path(__file__).parents[2]
_PACKAGES = {"checked_device": _ROOT / "device" / "offbeat", "checked_train": _ROOT / "train"}
_COPIES = {"offbeat.device": "checked_device", "offbeat.train": "checked_train"}
_CHECKED = {  # what runs for each window; loading a model and parsing a line may use the heap
    "checked_device": (
        "kernels_bytecode",
        "window_bytecode",
        "spectrum_bytecode",
        "features",
        "detector",
        "families",
        "lines",
        "sampling",
        "sensors",
    ),
    "checked_train": (
        "arithmetic",
        "features",
        "spectrum",
        "pipeline",
        "families.gaussian",
        "families.kmeans",
        "families.mixture",
        "families.pca",
        "families.forest",
        "families.prototypes",
        "families.autoencoder",
        "families.autoregressive",
        "families.ensemble",
    ),
}
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add, "Sub": operator.sub, "Mult": operator.mul, "FloorDiv": operator.floordiv,
    "Div": operator.truediv, "Mod": operator.mod, "Pow": operator.pow, "LShift": operator.lshift,
    "RShift": operator.rshift, "BitAnd": operator.and_, "BitOr": operator.or_, "BitXor": operator.xor,
    "MatMult": operator.matmul,
}  # fmt: skip

largest: dict[str, int] = {}
"""The largest absolute value that an operation of each module has given, by the module's name."""


class OutOfRangeError(AssertionError):
    """An intermediate value that is no small integer of a 32-bit MicroPython."""


def _note(value: int, where: str) -> None:
    if value > SMALL_INTEGER_MAX:
        raise OutOfRangeError(f"{where} gives +-{value}, which 31 bits do not hold")
    module = where.partition(":")[0]
    if value > largest.get(module, 0):
        largest[module] = value


def _is_narrow(value: object) -> bool:
    return isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "i" and value.dtype.itemsize <= 4


def _wide(value: Any) -> Any:
    return value.astype(np.int64) if isinstance(value, np.ndarray | np.generic) else value


def _binary(name: str, left: Any, right: Any, where: str) -> Any:
    result = _OPERATORS[name](left, right)
    if type(result) is int:
        _note(abs(result), where)
    elif _is_narrow(result) and result.size:
        wide = _OPERATORS[name](_wide(left), _wide(right))
        if not np.array_equal(wide, result):
            raise OutOfRangeError(f"{where} wraps at {result.dtype}")
        if name == "MatMult":  # whatever the order of its sums
            wide = np.abs(_wide(left)) @ np.abs(_wide(right))
        _note(int(np.abs(wide).max()), where)
    return result


def _negated(value: Any, where: str) -> Any:
    return _binary("Sub", 0, value, where) if isinstance(value, int | np.ndarray) else -value


def _sum(array: Any, where: str, *arguments: Any, **options: Any) -> Any:
    result = array.sum(*arguments, **options)
    if _is_narrow(result) and result.size:  # the sum of absolute values bounds every partial sum
        axis = options.get("axis")
        _note(int(np.abs(_wide(array)).sum(axis=axis).max()), where)
    return result


def _seen(value: Any, where: str) -> Any:
    """The result of a call."""
    if _is_narrow(value) and value.size:
        _note(int(np.abs(_wide(value)).max()), where)
    return value


class _Rewriter(ast.NodeTransformer):
    """Puts the checks in, and sends imports of the packages to their copies."""

    def __init__(self, module: str) -> None:
        self._module = module

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """What a module computes as it is imported is no part of a window's work."""
        inside = (ast.FunctionDef, ast.ClassDef, ast.ImportFrom)
        node.body = [self.visit(part) if isinstance(part, inside) else part for part in node.body]
        return node

    def _call(self, node: ast.AST, function: str, *arguments: ast.expr) -> ast.Call:
        where = ast.Constant(f"{self._module}:{getattr(node, 'lineno', 0)}")
        return ast.Call(ast.Name(function, ast.Load()), [*arguments, where], [])

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        return self._call(node, "_checked_binary", ast.Constant(type(node.op).__name__), node.left, node.right)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        self.generic_visit(node)
        before = ast.parse(ast.unparse(node.target), mode="eval").body
        name = ast.Constant(type(node.op).__name__)
        return ast.Assign([node.target], self._call(node, "_checked_binary", name, before, node.value))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.USub):
            return self._call(node, "_checked_negated", node.operand)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "sum":
            call = self._call(node, "_checked_sum", node.func.value)
            call.args += node.args
            call.keywords = node.keywords
            return call
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("empty", "empty_like"):
            return node  # holds whatever was in memory
        return self._call(node, "_checked_seen", node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt:
        for original, copy in _COPIES.items():
            if node.level == 0 and node.module and f"{node.module}.".startswith(f"{original}."):
                node.module = copy + node.module[len(original) :]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        node.body = [self.visit(statement) for statement in node.body]  # neither decorators nor annotations
        return node


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:
        tree = ast.parse(data, str(path))
        package, _, module = self.name.partition(".")
        if any(f"{module}.".startswith(f"{name}.") for name in _CHECKED[package]):
            tree = ast.fix_missing_locations(_Rewriter(self.name).visit(tree))
        return compile(tree, str(path), "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        checks = {"binary": _binary, "negated": _negated, "sum": _sum, "seen": _seen}
        module.__dict__.update({f"_checked_{name}": check for name, check in checks.items()})
        super().exec_module(module)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, module = fullname.partition(".")
        if package not in _PACKAGES:
            return None
        directory = _PACKAGES[package].joinpath(*module.split(".")) if module else _PACKAGES[package]
        if directory.is_dir():
            file, inside = directory / "__init__.py", [str(directory)]
        else:
            file, inside = directory.with_suffix(".py"), None
        if not file.exists():
            return None
        loader = _Loader(fullname, str(file))
        return spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=inside)


sys.meta_path.insert(0, _Finder())


def device(name: str) -> Any:
    """The checked copy of offbeat.device.NAME."""
    return importlib.import_module(f"checked_device.{name}")


def train(name: str) -> Any:
    """The checked copy of offbeat.train.NAME."""
    return importlib.import_module(f"checked_train.{name}")
