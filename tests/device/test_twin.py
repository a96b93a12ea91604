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


VIPER = '''"""A room."""

import micropython


@micropython.viper
def f(p: ptr16, x: int, samples: ptr16) -> int:
    """Doc."""
    step_bytes = 2 * x
    q = ptr16(int(samples) + x + x)
    left = x >> 1  # unrolled
    while left:  # unrolled
        left -= 1
        x = (p[0] ^ 0x8000) + p[1]

    left = x & 1  # rest
    while left:
        left -= 1
        x = ((p[1] ^ 0x8000) - 0x8000) * q[0] + x
        p = ptr16(step_bytes + int(p))
        ptr32(q)[1] = x
        x = ptr32(q)[0] + x
        x = ptr32(p)[1]
        ptr32(p)[1] = ptr32(q)[0]
        ptr32(q)[0] = x
    return x
'''
BYTECODE = '''

def f(p, x, samples):
    """Doc."""
    p_at = 0
    step = x
    q_at = x
    left = x
    while left:
        left -= 1
        x = p[p_at + 1] * samples[q_at] + x
        p_at = step + p_at
        samples[q_at + 2] = x & 0xFFFF
        samples[q_at + 3] = x >> 16
        x = ((samples[q_at + 1] << 16) + samples[q_at]) + x
        x = p[p_at + 2]
        p[p_at + 2] = samples[q_at]
        samples[q_at] = x
        x = p[p_at + 3]
        p[p_at + 3] = samples[q_at + 1]
        samples[q_at + 1] = x
    return x
'''


def test_pointers_become_places_and_unrolled_loops_go(tmp_path: Path) -> None:
    viper = tmp_path / "room_viper.py"
    viper.write_text(VIPER, encoding="utf-8")
    assert _twin().bytecode_twin(viper).split('"""\n', 1)[1] == BYTECODE


def test_what_bytecode_cannot_do_is_refused(tmp_path: Path) -> None:
    viper = tmp_path / "room_viper.py"
    viper.write_text(VIPER.replace("    return x", "    return ptr16(x)[0]"), encoding="utf-8")
    with pytest.raises(AssertionError, match="has what bytecode cannot do"):
        _twin().bytecode_twin(viper)
