"""The Arduino library: the specification's rules, and its examples compiled as C++ and run against a small shim."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from offbeat.train.export import export
from offbeat.train.export.arduino import library_name
from offbeat.train.export.target import LISTING
from tests.parity.models import Case, make_case, with_golden

from .compilers import CC, CXX, CXX_FLAGS, compile_c

SHIM = Path(__file__).parent / "arduino"
CATEGORIES = {
    "Display", "Communication", "Signal Input/Output", "Sensors", "Device Control", "Timing", "Data Storage",
    "Data Processing", "Other",
}  # fmt: skip
CASE = with_golden(make_case("gaussian", 32, 3, 6, rate=400.0))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(CASE, tmp_path_factory.mktemp("arduino"))


def exported(case: Case, directory: Path) -> Path:
    (directory / "model.beat").write_bytes(case.data)
    export(directory / "model.beat", "arduino", directory / "out")
    return directory / "out"


def properties(library: Path) -> dict[str, str]:
    lines = (library / "library.properties").read_text().splitlines()
    assert all("=" in line for line in lines)
    return dict(line.split("=", 1) for line in lines)


def test_library_properties_follow_the_specification(library: Path) -> None:
    """Arduino library specification, library.properties and folder structure of format 1.5."""
    found = properties(library)
    required = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"}
    assert required <= set(found) and all(found.values())
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.\-]{0,62}", found["name"]) and not found["name"].endswith(" ")
    assert not found["name"].lower().startswith("arduino")
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["version"])
    assert found["category"] in CATEGORIES
    assert found["url"].startswith("https://")
    assert "avr" not in found["architectures"].split(",")
    assert not re.search(r"[\[\]]", found["sentence"]) and found["sentence"].endswith(".")
    for header in found["includes"].split(","):
        assert (library / "src" / header).is_file()


def test_files_are_where_the_ide_looks(library: Path) -> None:
    names = {path.relative_to(library).as_posix() for path in library.rglob("*") if path.is_file()} - {LISTING}
    assert names == {
        "library.properties", "keywords.txt", "README.md",
        "src/Offbeat.h", "src/offbeat_model.h", "src/offbeat_model.c",
        "examples/Score/Score.ino", "examples/SelfTest/SelfTest.ino", "examples/SelfTest/golden.h",
    }  # fmt: skip
    for sketch in library.glob("examples/*/*.ino"):
        assert sketch.stem == sketch.parent.name
    assert all(re.fullmatch(r"[A-Za-z0-9_.\-]+", part) for name in names for part in name.split("/"))


def test_keywords_are_separated_by_one_tab_and_exist(library: Path) -> None:
    text = "".join(path.read_text() for path in (library / "src").iterdir())
    rows = [line for line in (library / "keywords.txt").read_text().splitlines() if line and not line.startswith("#")]
    for row in rows:
        word, kind = row.split("\t")
        assert kind in ("KEYWORD1", "KEYWORD2", "LITERAL1") and re.search(rf"\b{word}\b", text), row


@pytest.mark.parametrize("name", ["*/ #error", "übermotor " * 20, "-", "a\tb", ""])
def test_any_model_name_gives_a_library_name(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.\-]{0,62}", library_name(name))


def sketch(library: Path, name: str, directory: Path, compiler: str) -> Path:
    """A sketch, compiled as the IDE does: Arduino.h before it, the library's C as C."""
    objects = compile_c([library / "src" / "offbeat_model.c"], directory / "model.o", "-c")
    command = [*CXX[compiler], *CXX_FLAGS, f"-I{SHIM}", f"-I{library / 'src'}", "-include", "Arduino.h", "-x", "c++"]
    sources = [str(library / "examples" / name / f"{name}.ino"), str(SHIM / "main.cpp"), "-x", "none", str(objects)]
    done = subprocess.run(
        [*command, *sources, "-o", str(directory / name)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return directory / name


@pytest.mark.skipif(not (CC and CXX), reason="no C++ compiler: install g++, or pip install ziglang")
@pytest.mark.parametrize("compiler", CXX)
def test_the_self_test_passes_and_can_fail(compiler: str, library: Path, tmp_path: Path) -> None:
    ran = subprocess.run([sketch(library, "SelfTest", tmp_path, compiler), "1"], capture_output=True, text=True)
    assert ran.stdout == "OK: every golden window as the trainer found it\n"
    golden = library / "examples" / "SelfTest" / "golden.h"
    text = golden.read_text()
    try:
        golden.write_text(
            re.sub(r"(goldenFeatures.*?\{\n\{\n\s+)(-?\d+)", r"\g<1>123456", text, count=1, flags=re.DOTALL)
        )
        ran = subprocess.run([sketch(library, "SelfTest", tmp_path, compiler), "1"], capture_output=True, text=True)
        assert ran.stdout == "FAILED: other numbers than the trainer's\n"
    finally:
        golden.write_text(text)


@pytest.mark.skipif(not (CC and CXX), reason="no C++ compiler: install g++, or pip install ziglang")
def test_the_example_scores_what_the_accelerometer_says(library: Path, tmp_path: Path) -> None:
    """The shim's LIS3DH gives 12 bits of each axis, as a real one; scores and alarms are those of NumPy."""
    rng = np.random.default_rng(1)
    counts = rng.integers(-2048, 2048, (400, 3)).astype(np.int16)
    program = sketch(library, "Score", tmp_path, next(iter(CXX)))
    given = " ".join(map(str, counts.ravel().tolist()))
    ran = subprocess.run([program, "400"], input=given, capture_output=True, text=True)
    assert CASE.parts.channels == ("x", "y", "z")
    verdicts = CASE.pipeline.run(counts)
    expected = [f"score {s}{' ALARM' if a else ''}" for s, a in zip(verdicts.scores, verdicts.alarm, strict=True)]
    assert ran.stdout.splitlines() == expected and len(expected) > 3


@pytest.mark.skipif(not (CC and CXX), reason="no C++ compiler: install g++, or pip install ziglang")
def test_counts_are_those_of_the_training_and_other_rates_are_left_to_the_user(tmp_path: Path) -> None:
    meta = {"scales": "0.002,0.04,0.001", "units": "g,m/s2,degC"}
    for name in ("half", "fast"):
        (tmp_path / name).mkdir()
    half = exported(Case(replace(CASE.parts, meta=meta)), tmp_path / "half")
    text = (half / "examples" / "Score" / "Score.ino").read_text()
    assert "countsOf(xyz[0], 2000);" in text and "countsOf(xyz[1], 4079);" in text and "countsOf(xyz[2]" not in text
    fast = exported(with_golden(make_case("gaussian", 32, 3, 6)), tmp_path / "fast")
    assert "LIS3DH =" not in (fast / "examples" / "Score" / "Score.ino").read_text()
    ran = subprocess.run([sketch(fast, "Score", tmp_path, next(iter(CXX))), "40"], capture_output=True, text=True)
    assert ran.returncode == 0 and ran.stdout.startswith("score ")


@pytest.mark.skipif(not CXX, reason="no C++ compiler: install g++, or pip install ziglang")
def test_an_avr_is_refused_with_a_sentence(library: Path, tmp_path: Path) -> None:
    command = [*CXX[next(iter(CXX))], "-D__AVR__", f"-I{library / 'src'}", "-fsyntax-only", "-x", "c++"]
    ran = subprocess.run([*command, str(library / "src" / "Offbeat.h")], capture_output=True, text=True)
    assert ran.returncode != 0 and "offbeat needs a core of 32 bits" in ran.stderr


def test_names_of_any_text_and_no_golden_windows(tmp_path: Path) -> None:
    parts = replace(make_case("kmeans", 32, 2, 6).parts, channels=("*/ x", '"y'), meta={"name": "a\\b */ ??/\x07"})
    made = exported(Case(parts), tmp_path)
    assert not (made / "examples" / "SelfTest").exists()
    text = (made / "examples" / "Score" / "Score.ino").read_text()
    assert text.isascii() and "\\" not in text and "*/" not in text
    assert properties(made)["name"].startswith("Offbeat a b")
