"""A virtual board that learns by itself, and what the host makes of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from offbeat.device import link
from offbeat.device.modelfile import parse
from offbeat.host import learn as learn_module
from offbeat.host.board import Board
from offbeat.host.errors import BoardError
from offbeat.host.fetch import fetch
from offbeat.host.learn import learn, stop_learning
from offbeat.host.validate import validate
from offbeat.host.virtual import ArraySource, VirtualBoard
from offbeat.train.errors import InputError
from offbeat.train.evaluate import evaluate
from offbeat.train.export import export
from offbeat.train.learned import describe
from offbeat.train.modelfile import read_model
from offbeat.train.pipeline import Pipeline
from offbeat.train.recording import Recording, open_recording, write_recording
from tests.host.helpers import lose_lines, run_first
from tests.host.small import CHANNELS, RATE, SCALES, hum, needs_micropython, small_model, source
from tests.host.test_board import ScriptedDevice
from tests.host.test_cli import refused, run

MINUTE = 1.0


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "models" / "hum"


def recording(path: Path, size: float, label: str, seed: int) -> Path:
    counts = hum(30.0, size, seed)
    about = (CHANNELS, RATE, SCALES, ("g", "g"))
    write_recording(path, Recording(path, counts, np.full(len(counts), label), *about))
    return path


@needs_micropython
def test_a_learned_model_is_like_any_other(tmp_path: Path, out: Path) -> None:
    stages: list[str] = []
    with VirtualBoard(source(hum(200.0)), speed=0) as virtual:
        report = learn(virtual.port, out, MINUTE, progress=lambda stage, share: stages.append(stage))
        assert fetch(virtual.port, tmp_path / "again").identity == report.identity
        assert validate(out, virtual.port, windows=20).ok
        with Board.open(virtual.port) as board:
            assert (board.hello.model, board.hello.mode) == (report.identity, "score")
    assert list(dict.fromkeys(stages))[-1] == "model" and "learning" in stages
    files = {path.name for path in out.iterdir()}
    assert files == {"model.beat", "model.h", "model.c", "golden.json", "card.md", "summary.json", "micropython"}
    assert (tmp_path / "again" / "model.beat").read_bytes() == (out / "model.beat").read_bytes()
    pipeline = Pipeline(read_model(out))
    assert pipeline.model.name == "hum" and pipeline.channels == CHANNELS
    normal, loud = recording(tmp_path / "n.csv", 500.0, "normal", 9), recording(tmp_path / "l.csv", 900.0, "loud", 10)
    found = evaluate(pipeline, [open_recording(path) for path in (normal, loud)])
    assert found.auroc is not None and found.auroc > 0.999
    assert found.false_alarms == 0 and found.detections[0].delay is not None
    for target in ("c", "micropython"):
        assert export(out, target, tmp_path / target)
    assert "30 seconds of normal running after 30 seconds of learning support at best" in report.statement
    assert report.statement in (out / "card.md").read_text()
    assert json.loads((out / "summary.json").read_text())["learned"]["supported"] is False


@needs_micropython
def test_a_budget_that_the_time_supports(out: Path) -> None:
    with VirtualBoard(source(hum(200.0)), speed=0) as virtual:
        report = learn(virtual.port, out, MINUTE, "480/hour", name="pump", features="vibration", window=64, hop=32)
    assert report.statement.startswith("At most 480/hour at 95 % confidence: 30 seconds of normal running after")
    model = read_model(out)
    assert (model.name, model.window, model.hop) == ("pump", 64, 32)


@needs_micropython
def test_channels_that_never_move(out: Path) -> None:
    counts = hum(60.0)
    counts[:, 1] = 7
    with VirtualBoard(source(counts), speed=0) as virtual:
        report = learn(virtual.port, out, MINUTE)
        assert [text for text in report.warnings if "channel y never moved" in text]
    counts[:, 0] = 7
    with (
        VirtualBoard(source(counts), speed=0) as virtual,
        pytest.raises(BoardError, match=r"no channel of the sensor moved.*wiring"),
    ):
        learn(virtual.port, out / "other", MINUTE)
    assert not (out / "other").exists()


@needs_micropython
def test_a_machine_that_is_off_is_doubted(out: Path) -> None:
    with VirtualBoard(source(hum(60.0, size=0.8)), speed=0) as virtual:
        report = learn(virtual.port, out, MINUTE)
    assert any("was the machine running?" in text for text in report.warnings)


@needs_micropython
def test_learning_is_stopped_by_another_and_by_ctrl_c(tmp_path: Path, out: Path) -> None:
    model = tmp_path / "model.beat"
    model.write_bytes(small_model())
    before = parse(model.read_bytes()).identity

    def interrupt(stage: str, share: float) -> None:
        raise KeyboardInterrupt

    with VirtualBoard(source(), model=model) as virtual:
        with pytest.raises(KeyboardInterrupt):
            learn(virtual.port, out, progress=interrupt)
        with Board.open(virtual.port) as board:
            assert (board.hello.mode, board.hello.model) == ("score", before)
            board.command("LEARN", seconds=60, every=86400, budget="1/day")
        assert stop_learning(virtual.port) is True
        assert stop_learning(virtual.port) is False
    assert not out.exists()


@needs_micropython
def test_a_reset_while_learning_is_noticed_and_the_old_model_stays(tmp_path: Path, out: Path) -> None:
    model = tmp_path / "model.beat"
    model.write_bytes(small_model())
    with VirtualBoard(source(), model=model) as virtual:
        seen: list[float] = []

        def reset(stage: str, share: float) -> None:
            if not seen:
                virtual.reset()
            seen.append(share)

        with pytest.raises(BoardError, match="started again while it learned"):
            learn(virtual.port, out, MINUTE, progress=reset)
        assert (virtual.flash / "model.beat").read_bytes() == model.read_bytes()
    assert not out.exists()


@needs_micropython
def test_the_cable_may_be_pulled_where_the_board_has_power(out: Path) -> None:
    with VirtualBoard(source(hum(200.0)), speed=8.0, bus_powered=False) as virtual:
        seen: list[float] = []

        def pull(stage: str, share: float) -> None:
            if not seen:
                virtual.unplug()
                virtual.plug()
            seen.append(share)

        assert learn(virtual.port, out, MINUTE, progress=pull).identity
    assert (out / "model.beat").exists()


@needs_micropython
def test_a_lost_last_word_costs_nothing(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learn_module, "_SILENCE", 0.3)
    with VirtualBoard(source(hum(200.0)), speed=0) as virtual:
        run_first(virtual, lose_lines(LEARN="True"))
        assert learn(virtual.port, out, MINUTE).identity


# --- what cannot be ---


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"minutes": 0}, "is not a length of time"),
        ({"minutes": float("nan")}, "is not a length of time"),
        ({"minutes": 1e9}, "is not a length of time"),
        ({"budget": "never"}, "is not a false-alarm budget"),
    ],
)
def test_nonsense_is_refused_before_the_board_is_asked(options: dict, says: str, out: Path) -> None:
    with pytest.raises(InputError, match=says):
        learn("/dev/null", out, **options)


def test_a_file_in_the_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for call in (learn, fetch):
        with pytest.raises(InputError, match="is a file; name a directory"):
            call("/dev/null", tmp_path / "file")


def scripted(answer: Callable[[str, int, dict[str, str]], bytes]) -> ScriptedDevice:
    def reply(raw: bytes) -> bytes:
        kind, re, fields = link.parse(raw)
        return device.hello(re) if kind == "HELLO" else answer(kind, re, fields)

    device = ScriptedDevice(reply)
    return device


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"minutes": 0.01}, r"are too short.*give --minutes 10"),
        ({"features": "smell"}, "is no set of features; choose motion"),
        ({"window": 4}, "--window must be 8 to 1024"),
        ({"window": 32, "hop": 33}, "--hop 1 to the window"),
        ({}, "cannot learn: C firmware does not"),
    ],
)
def test_what_the_board_would_refuse_is_said_in_words(options: dict, says: str, out: Path) -> None:
    device = scripted(lambda kind, re, fields: device.line("NAK", ("re", re), ("why", "unknown")))
    with device, pytest.raises(InputError, match=says):
        learn(device.port, out, **options)


@pytest.mark.parametrize(
    ("why", "says"),
    [
        ("still", "no channel of the sensor moved"),
        ("few", "7 were not, most because of errors on the sensor's bus"),
        ("began", "let the machine run from the beginning"),
        ("silent", "sent no sample"),
        ("memory", "too little memory"),
        ("flash", "does not fit the board's flash"),
        ("stopped", "was stopped"),
        ("%1B[31m", r"learning failed: '\\\\x1b\[31m'"),
    ],
)
def test_a_failure_is_said_in_words(why: str, says: str, out: Path) -> None:
    def answer(kind: str, re: int, fields: dict[str, str]) -> bytes:
        failed = [("stage", "failed"), ("n", 3), ("of", 9), ("skipped", 7), ("mostly", "bus"), ("why", why)]
        return device.line("ACK", ("re", re)) + device.line("LEARN", *failed)

    device = scripted(answer)
    with device, pytest.raises(BoardError, match=says):
        learn(device.port, out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("size", "part", "says"),
    [
        (100, b"", "changed while it was fetched"),
        (0, b"x", "changed while it was fetched"),
        (1 << 30, b"x", "changed while it was fetched"),
        (2, b"xyz", "changed while it was fetched"),
        (3, b"xyz", "cannot be used: the model file is truncated"),
    ],
)
def test_a_board_that_sends_no_model_is_refused(size: int, part: bytes, says: str, out: Path) -> None:
    def answer(kind: str, re: int, fields: dict[str, str]) -> bytes:
        given = [("d", base64.b64encode(part).decode())] if part else []
        return device.line("ACK", ("re", re), ("size", size), *given)

    device = scripted(answer)
    with device, pytest.raises(BoardError, match=says):
        fetch(device.port, out)
    assert not out.exists()


@pytest.mark.parametrize(("why", "says"), [("model", "has no model file"), ("unknown", "C firmware does not")])
def test_a_board_without_a_model_is_told_so(why: str, says: str, out: Path) -> None:
    device = scripted(lambda kind, re, fields: device.line("NAK", ("re", re), ("why", why)))
    with device, pytest.raises(BoardError, match=says):
        fetch(device.port, out)


def test_the_command_line_says_what_is_missing() -> None:
    refused("learn", "--port", "/dev/ttyNOSUCH", says="name a directory for the model with -o")


@needs_micropython
def test_the_command_line_learns_and_fetches(tmp_path: Path, out: Path) -> None:
    with VirtualBoard(ArraySource(hum(200.0), RATE, CHANNELS, sensor="noise", loop=True), speed=0) as virtual:
        found = run("learn", "--port", virtual.port, "--minutes", "1", "-o", out, "--json")
        assert found.returncode == 0, found.stderr
        told = json.loads(found.stdout)
        assert told["identity"] == read_model(out).identity and told["learned"]["asked"] == "1/day"
        found = run("learn", "--port", virtual.port, "--stop")
        assert found.returncode == 0 and "was not learning" in found.stdout
        found = run("fetch", "--port", virtual.port, "-o", tmp_path / "again")
        assert found.returncode == 0 and told["identity"] in found.stdout and "support at best" in found.stdout
    assert describe(Pipeline(read_model(tmp_path / "again"))) == describe(Pipeline(read_model(out)))
