"""kernels_bytecode.py is what `make generate` makes of kernels_viper.py, and nothing else."""

from __future__ import annotations

import ast
import importlib.util

from tests.parity.board import PACKAGE


def test_the_bytecode_twin_is_the_generated_one() -> None:
    spec = importlib.util.spec_from_file_location("twin", PACKAGE.parent / "twin.py")
    assert spec is not None and spec.loader is not None
    twin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(twin)
    viper = (PACKAGE / "kernels_viper.py").read_text(encoding="utf-8")
    assert (PACKAGE / "kernels_bytecode.py").read_text(encoding="utf-8") == twin.bytecode_twin(viper)


def test_both_have_the_same_functions_and_the_twin_needs_no_viper() -> None:
    def functions(name: str) -> dict[str, list[str]]:
        tree = ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
        found = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        return {node.name: [argument.arg for argument in node.args.args] for node in found}

    assert functions("kernels_bytecode.py") == functions("kernels_viper.py")
    twin = (PACKAGE / "kernels_bytecode.py").read_text(encoding="utf-8")
    assert "import" not in twin.partition('"""\n\n')[2] and "@" not in twin
