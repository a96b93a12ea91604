"""Every check of this folder, under CPython and under the real MicroPython binary."""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.device.sensors.bus import Clock
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


MODULES = sorted({module for module, _ in checks()})


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
def test_under_cpython(
    module: str, name: str, real_clock: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    getattr(importlib.import_module(f"tests.device.sensors.{module}"), name)()


@pytest.mark.parametrize("module", MODULES)
def test_under_micropython(module: str, tmp_path: Path) -> None:
    environment = {**os.environ, "MICROPYPATH": f"{_ROOT}:{PACKAGE.parent}"}
    command = [micropython(), "-X", "heapsize=2M", str(_FOLDER / "runner.py"), f"tests.device.sensors.{module}"]
    found = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-2000:] + found.stderr[-2000:]
    results = dict(json.loads(line) for line in found.stdout.splitlines())
    assert set(results) == {name for its_module, name in checks() if its_module == module}
    failed = {name: said for name, said in results.items() if said}
    assert not failed, "\n".join(f"{name}\n{said}" for name, said in failed.items())


def test_a_board_loads_only_the_driver_that_is_asked_for() -> None:
    program = """
import sys
from offbeat.sensors import open_sensor
open_sensor("simulator")
print(sorted(name for name in sys.modules if name.startswith("offbeat")))
"""
    environment = {**os.environ, "MICROPYPATH": str(PACKAGE.parent)}
    found = subprocess.run([micropython(), "-c", program], env=environment, capture_output=True, text=True, check=True)
    names = ["offbeat", "offbeat.quality", "offbeat.sensors", "offbeat.sensors.clock", "offbeat.sensors.simulator"]
    assert ast.literal_eval(found.stdout) == names


class _Tmp117:
    """The I2C bus of the documentation's example."""

    def __init__(self) -> None:
        self.raw = b""

    def readfrom_mem_into(self, address: int, register: int, buffer: bytearray) -> None:
        assert (address, register, len(buffer)) == (0x48, 0, 2)
        if not self.raw:
            raise OSError(5)
        buffer[:] = self.raw


def test_the_documentations_driver_works(real_clock: None) -> None:
    text = (_ROOT / "docs" / "sensors.md").read_text(encoding="utf-8")
    (block,) = [part for part in text.split("```python\n")[1:] if "class Tmp117" in part]
    code = block.split("```")[0].replace("from offbeat.", "from offbeat.device.")
    names: dict[str, Any] = {}
    exec(code, names)
    time, i2c, frame = Clock(), _Tmp117(), array("h", [0])
    source = names["Tmp117"](i2c)
    found = []
    for raw in (b"\x0c\x80", b"\xff\x80", b"", b"\x80\x00"):
        i2c.raw = raw
        time.advance(1_000_000)
        if source.read_into(frame):
            found.append(frame[0])
    assert found == [25 * 128, -128, -32768]
    assert source.errors == 1 and source.flags == 2
