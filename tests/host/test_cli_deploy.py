"""init, boards, deploy and undeploy on the command line, and what commands take from offbeat.toml."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from offbeat.host.board import Board
from offbeat.host.virtual import VirtualBoard, source_from
from tests.host.small import needs_micropython
from tests.host.test_cli import refused, run

MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def virtual(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualBoard]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("boards")))
    with VirtualBoard(source_from("simulator"), MODELS / "pump") as board:
        yield board


@needs_micropython
def test_from_init_to_undeploy(virtual: VirtualBoard, tmp_path: Path) -> None:
    """The way through a project directory, in which no command but init is told where the board is."""
    found = run("init", "--board", "pico", "--sensor", "lis3dh", "--machine", "fan", "--port", virtual.port)
    assert found.returncode == 0 and "GP4, pin 6  SDA" in found.stdout, found.stderr
    shutil.copytree(MODELS / "fan", tmp_path / "models" / "fan")
    planned = run("deploy", "--dry-run")
    assert planned.returncode == 0 and "nothing was changed" in planned.stdout, planned.stderr
    assert ["send", "2912", "offbeat_a/model.beat"] in [line.split() for line in planned.stdout.splitlines()]
    deployed = json.loads(run("deploy", "--json").stdout)
    with Board.open(virtual.port) as board:
        assert deployed["done"] and deployed["model"] == board.hello.model
    validated = run("validate", "--windows", 5, "--json")
    assert validated.returncode == 0 and json.loads(validated.stdout)["mismatches"] == 0
    watched = run("monitor", "--seconds", 1)
    assert watched.returncode == 0 and "windows" in watched.stdout
    again = run("deploy")
    assert "the board runs it" in again.stdout and "nothing" not in again.stdout.split("main.py")[0], again.stderr
    removed = run("undeploy")
    assert removed.returncode == 0 and "main.py from before" in removed.stdout, removed.stderr
    assert "nothing of deploy's" in run("undeploy", "--dry-run").stdout


def test_options_win_over_the_file() -> None:
    run("init", "--board", "pico", "--sensor", "lis3dh", "--port", "/dev/nothing1")
    refused("monitor", says="/dev/nothing1: there is no such port")
    refused("monitor", "--port", "/dev/nothing2", says="/dev/nothing2: there is no such port")


def test_a_bad_file_stops_every_command_but_those_that_mend_it(tmp_path: Path) -> None:
    (tmp_path / "offbeat.toml").write_text("[board]\nname = 'pica'\n")
    refused("monitor", says="offbeat.toml: [board] name is 'pica', which offbeat does not know")
    refused("boards", says="offbeat.toml: [board] name is 'pica'")
    assert run("monitor", "--help").returncode == 0
    assert run("doctor", "--json").returncode == 0
    refused("init", "--board", "pico", "--sensor", "lis3dh", says="is there already")
    assert run("init", "--board", "pico", "--sensor", "lis3dh", "--force").returncode == 0


def test_train_writes_where_the_file_says(tmp_path: Path) -> None:
    run("init", "--board", "pico", "--sensor", "lis3dh", "--machine", "fan")
    run("simulate", "normal.csv", "--seconds", 20)
    found = run("train", "normal.csv", "--family", "gaussian", "--features", "motion", "--json")
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "models" / "fan" / "model.beat").exists()
    assert run("export", "--to", "c", "-o", "out", "--json").returncode == 0


def test_boards() -> None:
    shown = run("boards")
    assert shown.returncode == 0 and "ch32v003" in shown.stdout and "133 MHz" in shown.stdout
    (board,) = json.loads(run("boards", "esp32", "--json").stdout)
    assert board["ram"] == 520 * 1024 and "GPIO21  SDA" in board["wiring"]
    assert "takes exports: offbeat export --to c" in run("boards", "bluepill").stdout
    assert "needs no wire" in run("boards", "pico", "--sensor", "temperature").stdout
    refused("boards", "pic0", says="there is no board 'pic0' that offbeat knows")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("deploy", "nowhere", "--port", "/dev/nothing"), "nowhere"),
        (("deploy", "--port", "/dev/nothing", "--sensor", "lis4"), "no sensor is called lis4"),
        (("deploy", "--port", "/dev/nothing", "--range", "4"), "--range: of which sensor?"),
        (("deploy", "--port", "/dev/nothing", "--sensor", "lis3dh", "--pin", "sda"), "is not NAME=PIN"),
        (("undeploy", "--port", "/dev/nothing"), "there is no such port"),
        (("init", "--board", "pica", "--sensor", "lis3dh"), "pica"),
        (("init", "--board", "pico", "--sensor", "lis3dh", "--bus", "spi"), "takes i2c"),
        (("init", "--board", "pico", "--sensor", "lis3dh", "--false-alarms", "often"), "often"),
    ],
)
def test_bad_words(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    refused(*words, says=says)
    assert not list(tmp_path.iterdir())
