"""run() and serve() with all that a main.py may say, in the real MicroPython."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import numpy as np
import pytest

from offbeat.host.board import Board
from offbeat.host.lines import Line
from offbeat.host.virtual import ArraySource, VirtualBoard
from tests.host.small import CHANNELS, RATE, SCALES, hum, needs_micropython, small_model

OPTIONS = """
import json
from offbeat.sensors.stream import Stream

with open("about.json") as file:
    about = json.load(file)

class Pin:
    def value(self, level):
        print("pin", level)

class Watchdog:
    fed = 0
    def feed(self):
        self.fed += 1
        if self.fed in (1, 100):
            print("fed", self.fed)

options = dict(
    board="virtual", unique=about["unique"], journal=None, scores=5, heartbeat=1, evidence=1, alarm_pin=Pin(),
    alarm_level=0, watchdog=Watchdog(), patience=60, thermometer=lambda: 2150,
)
source = Stream("sensor.pipe", about)
"""
RUN = OPTIONS + "from offbeat.app import run\nrun(source, **options)\n"
SERVE = (
    OPTIONS
    + """
import asyncio
from offbeat.app import serve

async def other():
    while True:
        print("tick")
        await asyncio.sleep(0.05)

async def main():
    await asyncio.gather(serve(source, **options), other())

asyncio.run(main())
"""
)


def heard(port: str) -> list[Line]:
    """What a board says until two alarms have ended, and it has said three times how it does; then it is asked."""
    found: list[Line] = []

    def count(kind: str, **fields: str) -> int:
        return sum(line.kind == kind and fields.items() <= line.fields.items() for line in found)

    with Board.open(port) as board:
        deadline = time.monotonic() + 60
        while count("ALARM", on="0") < 2 or count("HEALTH") < 3:
            assert time.monotonic() < deadline, [line.text for line in found]
            line = board.read_line(0.1)
            if line is not None:
                found.append(line)
        assert board.command("EVIDENCE").fields["kept"], "commands are answered meanwhile"
        assert board.command("HELLO").kind == "HELLO"
    return found


def test_every_argument_of_a_main_is_documented() -> None:
    root = Path(__file__).parents[2]
    (function,) = [
        node for node in ast.parse((root / "device/offbeat/app.py").read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "make_app"
    ]  # fmt: skip
    names = [argument.arg for argument in function.args.args]
    document = (root / "docs/board.md").read_text()
    assert names[0] == "source" and [name for name in names[1:] if f"`{name}`" not in document] == []


@needs_micropython
@pytest.mark.parametrize("main", [pytest.param(RUN, id="loop"), pytest.param(SERVE, id="asyncio")])
def test_what_a_main_may_say(main: str, tmp_path: Path) -> None:
    (tmp_path / "model.beat").write_bytes(small_model())
    loud = (hum(1.0, seed=3).astype(int) * 4).clip(-30000, 30000).astype(np.int16)
    counts = np.concatenate([hum(1.0), loud])
    source = ArraySource(counts, RATE, CHANNELS, units=("g", "g"), scales=SCALES, sensor="noise", loop=True)
    with VirtualBoard(source, tmp_path / "model.beat") as virtual:
        (virtual.flash / "main.py").write_text(main)
        virtual.reset()
        lines = heard(virtual.port)
    plain = [line.text for line in lines if not line.kind]
    health = [line for line in lines if line.kind == "HEALTH"]
    assert {line.integer("temperature") for line in health} == {2150}
    assert {line.integer("unjudged") for line in health} == {0}
    assert "pin 0" in plain and "pin 1" in plain, "an alarm draws the pin low, its end lets it go"
    changes = {line.integer("n") for line in lines if line.kind == "ALARM"}
    numbers = {line.integer("n") for line in lines if line.kind == "SCORE"}
    assert len(numbers) > 10 and {n for n in numbers if n % 5} <= changes and changes <= numbers
    assert ("tick" in plain) == (main is SERVE)
    assert "fed 100" in plain
