"""Slow adaptation as the host sees it: switched, fetched, replayed from a journal's file, and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from offbeat.device.adaptation import Adaptation, adapted
from offbeat.device.modelfile import parse
from offbeat.host.adapt import adaptation_of, adapted_model, replay_adaptation, switch_adaptation
from offbeat.host.errors import BoardError
from offbeat.host.events import Drift, Learning, event_of
from offbeat.host.fetch import fetch
from offbeat.host.lines import Line
from offbeat.host.virtual import VirtualBoard
from offbeat.train.errors import InputError
from offbeat.train.modelfile import read_model
from tests.host.small import needs_micropython, small_model, source
from tests.host.test_cli import refused, run
from tests.host.test_learn import scripted

DRIFT = [40, -25]


def row(**values: object) -> str:
    """A line of a journal's file."""
    return json.dumps({"board": "b", "journal": "j", "ring": "events", "kind": "drift", **values}) + "\n"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.beat"
    path.write_bytes(small_model())
    return path


@pytest.fixture
def identity(model: Path) -> str:
    return read_model(model).identity


@needs_micropython
def test_switched_fetched_and_replayed(tmp_path: Path, model: Path, identity: str) -> None:
    with VirtualBoard(source(), model=model) as virtual:
        assert adaptation_of(virtual.port) == {"on": False, "alarm": False, "score": 0}
        found = run("adapt", "--port", virtual.port, "--on")
        assert found.returncode == 0 and "the board adapts" in found.stdout
        state = Adaptation(parse(model.read_bytes()), DRIFT)
        (virtual.flash / "model.beat.drift").write_bytes(state.saved())
        virtual.reset()
        report = fetch(virtual.port, tmp_path / "now", adapted=True)
        assert fetch(virtual.port, tmp_path / "then").identity == identity
        assert switch_adaptation(virtual.port, False)["on"] is False
        assert fetch(virtual.port, tmp_path / "off", adapted=True).identity == identity
    log = tmp_path / "log.jsonl"
    log.write_text(row(model=identity, first=0, drift=[1, 1]) + row(model=identity, first=0, drift=DRIFT))
    again = replay_adaptation(model, log, tmp_path / "replayed")
    assert again.identity == report.identity != identity
    files = [(tmp_path / name / "model.beat").read_bytes() for name in ("now", "replayed")]
    assert files[0] == files[1] == adapted(model.read_bytes(), DRIFT)
    assert read_model(tmp_path / "now").meta["drift"] == "40,-25"


def test_parts_of_a_drift_and_drifts_of_others(tmp_path: Path, model: Path, identity: str) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(
        row(kind="minute")
        + row(model=identity, first=1, drift=[7])
        + row(model="0123456789abcdef", first=0, drift=[1, 2, 3])
        + row(model=identity, first=0, drift=[-3])
    )
    assert adapted_model(model, log) == adapted(model.read_bytes(), [-3, 7])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no record of drift of model"),
        ("notes\n", "line 1: this is no file of `offbeat journal`"),
        ("[" * 100_000, "line 1: this is no file"),
        (row(first=2, drift=[1], model="IDENTITY"), "is of another model"),
        (row(first=-1, drift=[1], model="IDENTITY"), "is of another model"),
        (row(first=0, drift="12", model="IDENTITY"), "is of another model"),
        (row(first=0, drift=[1.5], model="IDENTITY"), "holds no numbers"),
        (row(first=0, drift=[1 << 40], model="IDENTITY"), "holds no numbers"),
    ],
)
def test_a_journal_that_cannot_be_replayed(text: str, says: str, tmp_path: Path, model: Path, identity: str) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(text.replace("IDENTITY", identity))
    with pytest.raises(InputError, match=says):
        replay_adaptation(model, log, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_journal_at_all(tmp_path: Path, model: Path) -> None:
    with pytest.raises(InputError, match="there is no such file; `offbeat journal"):
        adapted_model(model, tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="CSV leaves drift out"):
        adapted_model(model, tmp_path / "log.csv")


@pytest.mark.parametrize(
    ("why", "says"),
    [("unknown", "cannot adapt"), ("model", "has no model"), ("family", "cannot follow"), ("flash", "cannot write")],
)
def test_refusals_are_said_in_words(why: str, says: str) -> None:
    device = scripted(lambda kind, re, fields: device.line("NAK", ("re", re), ("why", why)))
    with device, pytest.raises(BoardError, match=says):
        switch_adaptation(device.port, True)


def test_the_command_line_wants_one_thing_or_the_other(model: Path) -> None:
    refused("adapt", model, says="name the board with --port")


def test_lines_of_drift_and_learning_are_events() -> None:
    fields = {"n": "12", "on": "1", "s": "140", "why": "1:90,0:50", "names": "y.rms,x.rms"}
    drift = event_of(Line("DRIFT", 1, fields, ""))
    assert drift == Drift(True, 12, 140, (("y.rms", 90), ("x.rms", 50)))
    assert drift.text().startswith("DRIFT ALARM") and drift.as_dict()["event"] == "drift"
    learning = event_of(Line("LEARN", 1, {"stage": "learn", "n": "3", "of": "9"}, ""))
    assert learning == Learning("learn", 3, 9) and "3 of 9 windows" in learning.text()
