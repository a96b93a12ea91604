"""`offbeat check`: exit codes, what it prints, and that it never shows what a stranger wrote as it stands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from offbeat.train.simulate import SimulatedStream, write_csv
from tests.host.test_cli import refused, run


@pytest.fixture(scope="module")
def fan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("check") / "fan.csv"
    write_csv(SimulatedStream(seed=1), path, seconds=90)
    return path


def test_a_job_with_care(fan: Path) -> None:
    found = run("check", fan, "--flash", "16K", "--ram", "4K", "--latency", "5ms")
    assert found.returncode == 0, found.stderr
    assert "A job for the edge, with care: normal data." in found.stdout
    assert "temperature" in found.stdout and "To mend it: record 3 days for 1/day" in found.stdout
    assert found.stderr == ""


def test_not_here(fan: Path) -> None:
    found = run("check", fan, "--ram", "1K", "--json")
    assert found.returncode == 1, found.stderr
    report = json.loads(found.stdout)
    assert len(found.stdout.splitlines()) == 1
    assert report["verdict"] == "no" and report["conclusion"].startswith("not here, because even the smallest")
    assert {finding["name"] for finding in report["findings"]} >= {"jitter", "gaps", "clipping", "memory", "time"}
    assert [channel["name"] for channel in report["channels"]] == ["x", "y", "z", "temperature"]


def test_a_gap_is_a_finding_and_no_error(fan: Path, tmp_path: Path) -> None:
    lines = fan.read_text().splitlines(keepends=True)
    path = tmp_path / "gap.csv"
    path.write_text("".join(lines[:9000] + lines[10000:]))
    found = run("check", path)
    assert found.returncode == 0 and "care  gaps: 1 gap, together 2.5 s" in found.stdout


def test_names_of_strangers_are_shown_not_obeyed(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(0, 90, 9000).round().astype(int)
    for header, behind, code in (("[red]a,\x1b[31mb", "", 0), ("[red]a,\x1b[31mb,label", ",[bold]\x1b]0;mine\x07", 1)):
        path = tmp_path / "hostile.csv"
        path.write_text(f"{header}\n" + "".join(f"{value},7{behind}\n" for value in values))
        found = run("check", path, "--rate", 100)
        assert found.returncode == code, found.stderr
        assert "\x1b" not in found.stdout and "\x07" not in found.stdout
        shown = "[bold]\\x1b]0;mine\\x07 100%" if code else "\\x1b[31mb is constant (7 counts)"
        assert shown in found.stdout
        assert code or "[red]a" in found.stdout


def test_bad_input(fan: Path, tmp_path: Path) -> None:
    refused("check", fan, "--flash", "lots", says="'lots' is not an amount of memory")
    refused("check", fan, "--latency", "5", says="'5' is not a length of time")
    refused("check", fan, "--mhz", "0", says="--mhz 0 is no clock")
    refused("check", fan, "--hop", "129", says="--hop 129 is out of range")
    refused("check", tmp_path / "none.csv", says="no such recording")
