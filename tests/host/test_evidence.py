"""`offbeat evidence`: raw frames around alarms, from the real MicroPython, and from boards that tell nonsense."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from offbeat.device import link
from offbeat.device.modelfile import parse
from offbeat.host.board import Board
from offbeat.host.cli import application
from offbeat.host.errors import BoardError
from offbeat.host.evidence import fetch_evidence
from offbeat.host.virtual import ArraySource, VirtualBoard
from offbeat.train.errors import InputError
from offbeat.train.evaluate import evaluate
from offbeat.train.pipeline import Pipeline
from offbeat.train.recording import open_recording, read_recording
from tests.host.helpers import until
from tests.host.small import CHANNELS, HOP, RATE, SCALES, WINDOW, hum, needs_micropython, small_model
from tests.host.test_board import ScriptedDevice

pytestmark = needs_micropython

QUIET, LOUD = 1600, 400
LIMITS = ((-4096, 4095),) * 2


def frames() -> np.ndarray:
    """Quiet, loud, quiet: one alarm."""
    loud = (hum(1.0, seed=3)[:LOUD].astype(int) * 3).clip(-4000, 4000).astype(np.int16)
    return np.concatenate([hum(4.0)[:QUIET], loud, hum(4.0, seed=1)[:QUIET]])


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualBoard]:
    model = tmp_path_factory.mktemp("model") / "model.beat"
    model.write_bytes(small_model())
    source = ArraySource(frames(), RATE, CHANNELS, units=("g", "g"), scales=SCALES, sensor="noise", limits=LIMITS)
    with VirtualBoard(source, model, speed=0) as running:
        with Board.open(running.port) as connected:
            windows = (len(frames()) - WINDOW) // HOP + 1
            assert until(lambda: connected.command("HEALTH").integer("windows") == windows)
        yield running


def test_an_alarm_becomes_a_recording(board: VirtualBoard, tmp_path: Path) -> None:
    out = tmp_path / "new" / "alarms"
    report = fetch_evidence(board.port, out, label="loud")
    (alarm,) = report.alarms
    assert report.raised == 1 and alarm.new and alarm.path is not None and list(out.iterdir()) == [alarm.path]
    recording = read_recording(alarm.path)
    end = WINDOW + HOP * alarm.window
    assert alarm.path.name.startswith("alarm-20") and alarm.path.name.endswith(f"Z-window-{alarm.window}.csv")
    assert (alarm.frames, alarm.after) == (WINDOW + 3 * HOP, HOP)
    assert np.array_equal(recording.counts, frames()[end - WINDOW - 2 * HOP : end + HOP])
    assert (recording.channels, recording.rate, recording.scales) == (CHANNELS, RATE, SCALES)
    assert (recording.limits, recording.sensor, recording.units) == (LIMITS, "noise", ("g", "g"))
    assert recording.labels is not None and set(recording.labels) == {"loud"}
    pipeline = Pipeline(parse(small_model()))
    scores = pipeline.run(recording.counts).scores
    assert scores[2] == alarm.score >= 256, "the window that raised the alarm, as the board scored it"
    assert evaluate(pipeline, [open_recording(alarm.path)]).alarms >= 1


def test_nothing_is_fetched_twice(board: VirtualBoard, tmp_path: Path) -> None:
    (first,) = fetch_evidence(board.port, tmp_path).alarms
    assert first.path is not None
    first.path.write_text("mine")
    (again,) = fetch_evidence(board.port, tmp_path).alarms
    assert not again.new and again.path == first.path and first.path.read_text() == "mine"


def test_the_command_lists_and_fetches(board: VirtualBoard, tmp_path: Path) -> None:
    run = CliRunner().invoke
    listed = run(application(), ["evidence", "--port", board.port])
    assert listed.exit_code == 0 and "fetch them with -o" in listed.stdout
    found = run(application(), ["evidence", "--port", board.port, "-o", str(tmp_path), "--json"])
    document = json.loads(found.stdout)
    assert document["raised"] == 1 and document["alarms"][0]["new"] is True
    assert Path(document["alarms"][0]["path"]).exists()
    again = run(application(), ["evidence", "--port", board.port, "-o", str(tmp_path)])
    assert "already" in again.stdout


def test_a_place_that_is_none(board: VirtualBoard, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match=r"cannot be the directory of recordings \(it is a file\); name another"):
        fetch_evidence(board.port, file)
    with pytest.raises(InputError, match="cannot stand in a CSV file"):
        fetch_evidence(board.port, tmp_path, label="a,b")


def test_a_board_that_keeps_none(tmp_path: Path) -> None:
    source = ArraySource(hum(), RATE, CHANNELS, loop=True)
    with VirtualBoard(source) as bare, pytest.raises(BoardError, match="keeps no raw frames: it has no model"):
        fetch_evidence(bare.port, tmp_path)


@pytest.mark.parametrize("field", ["up", "raised"])
def test_numbers_that_no_board_has(field: str, tmp_path: Path) -> None:
    def answer(raw: bytes) -> bytes:
        kind, re, _ = link.parse(raw)
        if kind == "HELLO":
            return device.hello(re)
        fields = {"re": re, "up": 5, "raised": 1, "kept": 0, field: "9" * 400}
        return device.line("ACK", *fields.items())

    device = ScriptedDevice(answer)
    with device, pytest.raises(BoardError, match=f"has no whole number {field}="):
        fetch_evidence(device.port, tmp_path)
