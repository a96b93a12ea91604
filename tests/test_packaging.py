"""The wheel carries every package and every file that the tools copy."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def package_folders() -> dict[str, Path]:
    """Packages as pyproject.toml maps them: name -> folder."""
    mapped = PROJECT["tool"]["setuptools"]["package-dir"]
    folders = {}
    for name in PROJECT["tool"]["setuptools"]["packages"]:
        parent = max((base for base in mapped if name == base or name.startswith(f"{base}.")), key=len)
        folders[name] = ROOT / mapped[parent] / Path(*name[len(parent) + 1 :].split("."))
    return folders


def test_every_package_is_listed() -> None:
    listed = set(package_folders().values())
    there = {path.parent for top in ("train", "host", "device", "models") for path in (ROOT / top).rglob("__init__.py")}
    assert there == listed


def test_every_dependency_says_what_it_is_for() -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    start = lines.index("dependencies = [")
    for line in lines[start + 1 : lines.index("]", start)]:
        assert "#" in line, line


@pytest.mark.slow
def test_wheel_has_code_templates_runtime_and_board_files(tmp_path: Path) -> None:
    # From a copy: building leaves folders behind, and a `build` of another day would end up in the wheel.
    ignored = shutil.ignore_patterns(".*", "build", "demo", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, tmp_path / "source", ignore=ignored)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path)]
    command.append(str(tmp_path / "source"))
    subprocess.run(command, check=True, capture_output=True)
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    for package, folder in package_folders().items():
        for file in folder.iterdir():
            if file.suffix in (".py", ".c", ".h"):
                assert f"{package.replace('.', '/')}/{file.name}" in names
    assert "offbeat/boards/generic/main.py" in names
    assert "offbeat/boards/virtual/main.py" in names
    assert "offbeat/train/templates/report.html" in names
