"""Each NAME_bytecode.py is what `make generate` makes of NAME_viper.py, and nothing else."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests.parity.board import PACKAGE

SOURCES = sorted(PACKAGE.rglob("*_viper.py"))


def _twin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("twin", PACKAGE.parent / "twin.py")
    assert spec is not None and spec.loader is not None
    twin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(twin)
    return twin


@pytest.mark.parametrize("viper", SOURCES, ids=lambda path: path.stem)
def test_the_bytecode_twin_is_the_generated_one(viper: Path) -> None:
    twin = _twin()
    assert viper in twin.sources()
    assert twin.twin_of(viper).read_text(encoding="utf-8") == twin.bytecode_twin(viper)


@pytest.mark.parametrize("viper", SOURCES, ids=lambda path: path.stem)
def test_both_have_the_same_functions_and_the_twin_needs_no_viper(viper: Path) -> None:
    def functions(path: Path) -> dict[str, list[str]]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        return {node.name: [argument.arg for argument in node.args.args] for node in found}

    bytecode = _twin().twin_of(viper)
    assert functions(bytecode) == functions(viper)
    twin = bytecode.read_text(encoding="utf-8")
    assert "import micropython" not in twin and "@" not in twin
