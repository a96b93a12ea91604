"""Exports: what is written where, what is left alone, and what is refused."""

from __future__ import annotations

import ast
import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from offbeat.device.families import FAMILIES
from offbeat.device.modelfile import load, parse
from offbeat.train.errors import InputError
from offbeat.train.export import TARGETS, c, export
from offbeat.train.export.target import LISTING
from offbeat.train.resources import folder
from tests.parity.models import Case, make_case, with_golden

CASE = with_golden(make_case("kmeans", 32, 2, 4))
ANY_FAMILY = [target for target in TARGETS if target not in ("tflite", "microbit")]  # which take some only
HOSTILE = ("*\\", '"; int x; "', "??/", "a*/b", "/*", "überschrift", "tab\there")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    file = tmp_path / "model" / "model.beat"
    file.parent.mkdir()
    file.write_bytes(CASE.data)
    return file


def files_in(directory: Path) -> set[str]:
    """Names of the files below a directory, but for the list of them."""
    found = {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}
    return found - {LISTING}


@pytest.mark.parametrize("target", ANY_FAMILY)
def test_every_file_is_reported_and_there(target: str, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "made" / "on" / "the way"
    written = export(model, target, out)
    assert {path.relative_to(out).as_posix() for path in written} == files_in(out)
    assert all(path.stat().st_size for path in written if path.name != "__init__.py")
    assert "README.md" in files_in(out)


@pytest.mark.parametrize("target", ANY_FAMILY)
def test_model_directory_and_model_file_give_the_same(target: str, model: Path, tmp_path: Path) -> None:
    for source, out in ((model, tmp_path / "a"), (model.parent, tmp_path / "b")):
        export(source, target, out)
    assert files_in(tmp_path / "a") == files_in(tmp_path / "b")
    for name in files_in(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_c_holds_the_runtime_as_it_ships(model: Path, tmp_path: Path) -> None:
    export(model, "c", tmp_path / "c")
    others = {f"offbeat_{name}.c" for name in FAMILIES.values()} - {"offbeat_kmeans.c"}
    runtime = {p.name: p.read_bytes() for p in folder("runtime").glob("*.[ch]") if p.name not in others}
    assert {"offbeat.h", "offbeat.c"} <= set(runtime)
    for name, content in runtime.items():
        assert (tmp_path / "c" / name).read_bytes() == content
    assert files_in(tmp_path / "c") == {*runtime, "model.h", "model.c", "example.c", "README.md"}
    for name in ("model.h", "model.c", "example.c", "README.md"):
        text = (tmp_path / "c" / name).read_text("ascii")
        assert "{{" not in text and "{%" not in text, name
    assert CASE.model.identity in (tmp_path / "c" / "model.c").read_text()


def test_arrays_are_what_the_export_writes(model: Path, tmp_path: Path) -> None:
    export(model, "c", tmp_path / "c")
    header, source = c.arrays(CASE.model)
    assert (tmp_path / "c" / "model.h").read_text() == header
    assert (tmp_path / "c" / "model.c").read_text() == source
    assert f"#define OFFBEAT_MODEL_WINDOW {CASE.model.window}\n" in header
    assert f"#define OFFBEAT_MODEL_GOLDEN {len(CASE.parts.golden)}\n" in header


def test_names_are_plain_text_in_c() -> None:
    assert len(HOSTILE) == 7
    parts = replace(make_case("gaussian", 32, 1, 1).parts, channels=("x",))
    for name in HOSTILE:
        case = Case(replace(parts, channels=(name,), meta={"name": name, "sensor": name}))
        for text in c.arrays(parse(case.data)):
            assert text.isascii() and "\t" not in text
            assert text.count("/*") == text.count("*/") and "??" not in text and "\\" not in text
            assert 'int x; "' not in text  # the quote that would end the string is gone


def test_micropython_holds_package_main_and_model(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "board"
    export(model, "micropython", out)
    assert (out / "model.beat").read_bytes() == CASE.data
    assert load(str(out / "model.beat")).identity == CASE.model.identity
    package = folder("device")
    expected = {f"offbeat/{path.relative_to(package).as_posix()}" for path in package.rglob("*.py")}
    assert files_in(out) == {*expected, "main.py", "model.beat", "README.md"}
    assert {"offbeat/app.py", "offbeat/families/gaussian.py", "offbeat/sensors/lis3dh.py"} <= expected
    for name in files_in(out):
        if name.endswith(".py"):
            ast.parse((out / name).read_text("utf-8"), name)
    assert "mpremote cp -r" in (out / "README.md").read_text()


@pytest.mark.parametrize("target", ANY_FAMILY)
def test_other_files_are_left_alone(target: str, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.c").write_text("mine")
    (out / "README.md").write_text("old")
    first = export(model, target, out)
    again = export(model, target, out)
    assert first == again
    assert (out / "mine.c").read_text() == "mine"
    assert (out / "README.md").read_text() != "old"
    assert not [name for name in files_in(out) if Path(name).name.startswith(".")], "nothing half-written"


def test_code_of_an_earlier_export_goes_and_what_was_changed_stays(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(model, "c", out)
    (out / "example.c").write_text("mine now")
    export(model, "c", out, single_file=True, prefix="fan")
    assert files_in(out) == {"fan.c", "fan.h", "example.c", "README.md"}
    export(model, "micropython", out)
    (out / "main.py").write_text("mine too")
    export(model, "micropython", out, frozen=True)
    assert files_in(out) == {"offbeat_model.py", "main.py", "model.beat", "README.md"}


def test_a_listing_from_elsewhere_removes_nothing_outside(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "mine.c").write_text("mine")
    digest = sha256(b"mine").hexdigest()
    (out / LISTING).write_text(f"{digest} ../mine.c\n{digest} {tmp_path / 'mine.c'}\n\n{digest}\n")
    export(model, "c", out)
    assert (tmp_path / "mine.c").read_text() == "mine" and model.is_file()


def test_a_name_that_a_directory_has_is_refused_before_anything_is_written(model: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "README.md").mkdir(parents=True)
    with pytest.raises(InputError, match=r"README\.md cannot be written"):
        export(model, "c", tmp_path / "out")
    assert not files_in(tmp_path / "out")


@pytest.mark.parametrize("target", ANY_FAMILY)
def test_a_model_directory_can_be_the_target(target: str, model: Path) -> None:
    export(model.parent, target, model.parent)
    assert model.read_bytes() == CASE.data


def test_options_of_another_target_are_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--single-file belongs to --to c, not to --to arduino; leave it out"):
        export(model, "arduino", tmp_path / "out", single_file=True)
    with pytest.raises(InputError, match="--recording belongs to --to tflite, not to --to c"):
        export(model, "c", tmp_path / "out", recording=[model])
    with pytest.raises(InputError, match="--speed is unknown"):
        export(model, "c", tmp_path / "out", speed=1)
    export(model, "c", tmp_path / "out", single_file=False, prefix=None, recording=[])


def test_unknown_target_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--to rust is unknown; choose c or "):
        export(model, "rust", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("target", ANY_FAMILY)
def test_a_file_as_directory_is_refused(target: str, model: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(InputError, match="is a file; name a directory"):
        export(model, target, file)
    with pytest.raises(InputError, match="cannot be written"):
        export(model, target, file / "below")
    assert file.read_text() == "mine"


def test_a_directory_in_the_place_of_a_file_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "model.c").mkdir(parents=True)
    with pytest.raises(InputError, match=r"model\.c cannot be written"):
        export(model, "c", tmp_path / "out")
    assert not [name for name in os.listdir(tmp_path / "out") if name.startswith(".")]


@pytest.mark.parametrize("target", ANY_FAMILY)
def test_a_damaged_or_missing_model_is_refused_before_anything_is_written(
    target: str, model: Path, tmp_path: Path
) -> None:
    damaged = bytearray(CASE.data)
    damaged[100] ^= 1
    model.write_bytes(damaged)
    with pytest.raises(InputError, match="damaged"):
        export(model, target, tmp_path / "out")
    with pytest.raises(InputError, match="no such model file"):
        export(tmp_path / "nowhere", target, tmp_path / "out")
    assert not (tmp_path / "out").exists()
