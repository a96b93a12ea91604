"""`offbeat profile`: what it prints, as a table and as JSON, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from offbeat.host.virtual import VirtualBoard
from offbeat.train.resources import folder
from tests.host.helpers import whole_model
from tests.host.small import needs_micropython, source
from tests.host.test_cli import refused, run
from tests.train.profile.models import needs_toolchain

FAN = folder("models") / "fan"


@needs_toolchain
def test_json_has_what_was_promised_and_a_plot_is_saved(tmp_path: Path) -> None:
    found = run("profile", FAN, "--mcu", "cortex-m3,rv32imc", "--clock", 48, "--plot", tmp_path / "p.png", "--json")
    assert found.returncode == 0, found.stderr
    assert len(found.stdout.splitlines()) == 1
    report = json.loads(found.stdout)
    assert [each["mcu"] for each in report["mcus"]] == ["cortex-m3", "rv32imc"]
    for each in report["mcus"]:
        assert all(isinstance(each[key], int) and each[key] > 0 for key in ("flash", "ram", "stack"))
        count = each["instructions"]
        assert count.keys() == {"features", "model", "total"}
        assert count["total"] == count["features"] + count["model"]
        assert sum(each["functions"].values()) == count["total"]
        assert each["clock"] == 48e6 and "joules_estimated" not in each
    assert {board["board"] for board in report["boards"] if board["fits"]} >= {"bluepill", "esp32-c3"}
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


@needs_toolchain
def test_tables_say_what_was_measured_and_what_is_assumed() -> None:
    found = run("profile", FAN / "model.beat", "--mcu", "cortex-m4", "--optimize", "Os", "--current", 5, "--voltage", 3)
    assert found.returncode == 0, found.stderr
    for text in ("cortex-m4", "zig cc", "-Os, run by Unicorn", "equal NumPy's", "Arm DDI 0439B", "without wait states",
                 "offbeat_scan", "microbit-v2", "fits", " uJ", "say --mcu cortex-m0"):  # fmt: skip
        assert text in found.stdout, text
    assert found.stderr == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--mcu", "z80"), "--mcu z80 is none that offbeat can measure; choose among cortex-m0,"),
        (("--optimize", "O9"), "--optimize O9 is unknown; choose O2 or Os"),
        (("--clock", "0"), "is no clock of a microcontroller"),
        (("--current", "5"), "energy needs both --current (mA) and --voltage (V)"),
        (("--current", "-5", "--voltage", "3"), "is no microcontroller; check the units"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], says: str) -> None:
    refused("profile", FAN, *words, says=says)


def test_no_model(tmp_path: Path) -> None:
    refused("profile", tmp_path, says="there is no such model file")


def test_a_missing_extra_is_one_sentence() -> None:
    code = (
        "import sys, importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'unicorn' else find(name, *rest)\n"
        "from offbeat.host.cli import main; main()"
    )
    import subprocess

    found = subprocess.run(
        [sys.executable, "-c", code, "profile", str(FAN)], capture_output=True, text=True, timeout=120, check=False
    )
    assert found.returncode == 2 and "Traceback" not in found.stderr
    assert "measuring a model needs unicorn, not installed here; pip install 'offbeat[profile]'" in found.stderr


@needs_toolchain
@needs_micropython
def test_a_board_is_timed_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "model.beat").write_bytes(whole_model("kmeans"))
    with VirtualBoard(source(), model=tmp_path) as virtual:
        found = run("profile", tmp_path, "--mcu", "cortex-m3", "--port", virtual.port, "--json")
        assert found.returncode == 0, found.stderr
        values = json.loads(found.stdout)["board"]
        assert values["microseconds"]["total"]["median"] > 0 and values["heap"]["taken_by_a_window"] == 0
        found = run("profile", tmp_path, "--mcu", "cortex-m3", "--port", virtual.port)
        assert "bytes of the heap" in found.stdout and "MicroPython on the board at" in found.stdout
