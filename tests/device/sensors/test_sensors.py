"""Every check of this folder, under CPython and under the real MicroPython binary."""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.parity.board import PACKAGE, micropython

_FOLDER = Path(__file__).parent
_ROOT = _FOLDER.parents[2]


def checks() -> list[tuple[str, str]]:
    """Module and name of every check."""
    return [
        (path.stem, node.name)
        for path in sorted(_FOLDER.glob("check_*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("check_")
    ]


@cache
def results(module: str) -> dict[str, str]:
    """What MicroPython says of each check of a module."""
    environment = {**os.environ, "MICROPYPATH": f"{_ROOT}:{PACKAGE.parent}"}
    command = [micropython(), "-X", "heapsize=4M", str(_FOLDER / "runner.py"), f"tests.device.sensors.{module}"]
    try:
        found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    except subprocess.TimeoutExpired as error:
        return {"": f"MicroPython took too long; after {error.stdout!r}"}
    if found.returncode:
        return {"": found.stdout[-2000:] + found.stderr[-2000:]}
    return dict(json.loads(line) for line in found.stdout.splitlines())


@pytest.fixture
def real_clock() -> Iterator[None]:
    """The drivers' own clock back after a check that put its own in place."""
    from tests.device.sensors.subject import clock

    names = ("ticks_us", "ticks_ms", "ticks_add", "ticks_diff")
    kept = {name: getattr(clock, name) for name in names}
    yield
    for name, function in kept.items():
        setattr(clock, name, function)


@pytest.mark.parametrize(("module", "name"), checks())
def test_under_cpython(module: str, name: str, real_clock: None) -> None:
    getattr(importlib.import_module(f"tests.device.sensors.{module}"), name)()


@pytest.mark.parametrize(("module", "name"), checks())
def test_under_micropython(module: str, name: str) -> None:
    found = results(module)
    assert "" not in found, found[""]
    assert found[name] == ""
