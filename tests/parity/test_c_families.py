"""The families in C: a forest as code, what offbeat_init() refuses, what compilers say."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from offbeat.device.modelfile import parse
from offbeat.train.export import export
from offbeat.train.export.forest_inline import inlined
from offbeat.train.families import FAMILIES
from offbeat.train.pipeline import Pipeline
from offbeat.train.resources import folder
from tests.parity.models import SHAPES, Case, make_case, make_window
from tests.parity.test_c import COMPILERS, FLAGS, _zig, check, compile_library, run_example

CORES = tuple(f"cortex_{core}" for core in ("m0", "m3", "m4", "m7", "m33"))


def windows_for(case: Case) -> np.ndarray:
    shapes = sorted(SHAPES)
    return np.stack([make_window((shape,) * case.model.channels, case.model.window, 5) for shape in shapes])


@pytest.mark.skipif(not COMPILERS, reason="no C compiler: install gcc, or pip install ziglang")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_forest_as_code_scores_like_its_table(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case("forest", 16, 2, seed, most=24)
    pipeline = Pipeline(parse(case.data))

    def with_code(*arguments: object) -> None:
        export(*arguments)  # type: ignore[arg-type]
        path = tmp_path / "c" / "offbeat_forest.c"
        path.write_text(inlined(path.read_text(), pipeline.family))  # type: ignore[arg-type]

    monkeypatch.setattr("tests.parity.test_c.export", with_code)
    library = compile_library(case, tmp_path, next(iter(COMPILERS)), "-O2")
    assert "static int32_t tree_0(" in (tmp_path / "c" / "offbeat_forest.c").read_text()
    for window in windows_for(case):
        check(library, pipeline, window)


PROGRAM = """
#include "model.h"
#include <stdio.h>
static int16_t work[OFFBEAT_MODEL_WORK + 1], vector[OFFBEAT_MODEL_VECTOR + 1];
static offbeat_state state;
static void check(const char *what, int error) { printf("%s: %s\\n", what, offbeat_error_text(error)); }
static int start(const offbeat_model *model)
{ return offbeat_init(&state, model, work, OFFBEAT_MODEL_WORK, vector, OFFBEAT_MODEL_VECTOR); }
#define TRY(what, change) do { offbeat_model m = offbeat_the_model; change; check(what, start(&m)); } while (0)
int main(void)
{
    offbeat_feature features[OFFBEAT_MODEL_FEATURES];
    offbeat_family other = *offbeat_the_model.family;
    int i;
    for (i = 0; i < OFFBEAT_MODEL_FEATURES; i++) features[i] = offbeat_the_model.features[i];
    other.number++;
    TRY("as it is", (void)0);
    check("no model", start(0));
    TRY("another format", m.format++);
    TRY("another window", m.window = 4);
    TRY("a longer window than work", m.window = 1024);
    TRY("no channels", m.channels = 0);
    TRY("no features", m.count = 0);
    features[0].channel = OFFBEAT_MODEL_CHANNELS;
    TRY("a channel more", m.features = features);
    features[0].channel = 0;
    features[0].kind = 99;
    TRY("an unknown feature", m.features = features);
    features[0].kind = OFFBEAT_BAND;
    features[0].first = OFFBEAT_MODEL_WINDOW;
    TRY("a band beyond the window", m.features = features);
    features[0].first = 1;
    TRY("a band without a sine", (m.features = features, m.sine = 0));
    features[0].kind = OFFBEAT_CORRELATION;
    features[0].first = OFFBEAT_MODEL_CHANNELS;
    TRY("a correlation with nothing", m.features = features);
    TRY("a decision of none", m.decision.k = 0);
    TRY("a decision of too many", m.decision.n = 17);
    TRY("no family", m.family = 0);
    TRY("another family", m.family = &other);
    TRY("another number", m.number++);
    TRY("parameters astray", m.parameters++);
    TRY("no parameters", m.parameters = 0);
    TRY("a word less", m.length--);
    TRY("a word more", m.length++);
    TRY("nothing left", m.length = 0);
    TRY("other features", (m.count--, m.room++));
    check("little work", offbeat_init(&state, &offbeat_the_model, work, OFFBEAT_MODEL_WORK - 1, vector,
                                      OFFBEAT_MODEL_VECTOR));
    check("little room", offbeat_init(&state, &offbeat_the_model, work, OFFBEAT_MODEL_WORK, vector,
                                      OFFBEAT_MODEL_VECTOR - 1));
    check("no work", offbeat_init(&state, &offbeat_the_model, 0, OFFBEAT_MODEL_WORK, vector, OFFBEAT_MODEL_VECTOR));
    check("odd work", offbeat_init(&state, &offbeat_the_model, (int16_t *)((char *)work + 1), OFFBEAT_MODEL_WORK,
                                   vector, OFFBEAT_MODEL_VECTOR));
    return 0;
}
"""
BAD, OTHER = "the model is not one that this runtime can score", "the model's family is not the one that its parameters"
LENGTH, SMALL = "the model's parameters are cut short", "a buffer is smaller than the model needs"
ASTRAY = "parameters must lie at a multiple of 4 bytes"
REFUSED = {
    "as it is": "ok",
    "no model": BAD,
    "another format": "the model was exported for another version of the runtime",
    "another window": BAD,
    "a longer window than work": BAD,
    "no channels": BAD,
    "no features": BAD,
    "a channel more": BAD,
    "an unknown feature": BAD,
    "a band beyond the window": BAD,
    "a band without a sine": BAD,
    "a correlation with nothing": BAD,
    "a decision of none": BAD,
    "a decision of too many": BAD,
    "no family": OTHER,
    "another family": OTHER,
    "another number": OTHER,
    "parameters astray": ASTRAY,
    "no parameters": LENGTH,
    "a word less": LENGTH,
    "a word more": LENGTH,
    "nothing left": LENGTH,
    "other features": LENGTH,
    "little work": SMALL,
    "little room": SMALL,
    "no work": SMALL,
    "odd work": ASTRAY,
}


@pytest.mark.skipif(not COMPILERS, reason="no C compiler: install gcc, or pip install ziglang")
@pytest.mark.parametrize("family", FAMILIES)
def test_init_refuses_what_does_not_fit(family: str, tmp_path: Path) -> None:
    case = next(case for case in (make_case(family, 16, 2, seed) for seed in range(99)) if case.count > 2)
    (tmp_path / "model.beat").write_bytes(case.data)
    export(tmp_path / "model.beat", "c", tmp_path)
    (tmp_path / "example.c").write_text(PROGRAM)
    lines = run_example(tmp_path, "-Wno-missing-prototypes").stdout.splitlines()
    found = dict(line.split(": ", 1) for line in lines)
    assert list(found) == list(REFUSED)
    assert {what: text for what, text in found.items() if not text.startswith(REFUSED[what])} == {}


def runtime(directory: Path) -> list[str]:
    """The runtime's own files with every family; returns its sources."""
    for path in folder("runtime").glob("*.[ch]"):
        shutil.copy(path, directory)
    members = [f"#define OFFBEAT_MEMBER_{name.upper()}\n" for name in FAMILIES if name not in ("ensemble",)]
    (directory / "offbeat_members.h").write_text("".join(members))
    return sorted(str(path) for path in directory.glob("*.c"))


@pytest.mark.parametrize("compiler", ["gcc", "clang", "zig cc"])
@pytest.mark.parametrize("optimization", ["-O0", "-O2", "-Os"])
def test_no_family_has_a_warning(compiler: str, optimization: str, tmp_path: Path) -> None:
    if compiler not in COMPILERS:
        pytest.skip(f"{compiler} is not installed")
    subprocess.run(
        [*COMPILERS[compiler], *FLAGS, optimization, "-DOFFBEAT_GOLDEN", "-c", *runtime(tmp_path)],
        check=True,
        cwd=tmp_path,
    )


@pytest.mark.skipif(_zig() is None, reason="needs zig cc to compile for a board: pip install ziglang")
@pytest.mark.parametrize("core", CORES)
def test_no_family_has_a_warning_on_a_core(core: str, tmp_path: Path) -> None:
    target = ["-target", "thumb-freestanding-eabi", f"-mcpu={core}", "-O2"]
    subprocess.run([*(_zig() or []), *target, *FLAGS, "-c", *runtime(tmp_path)], check=True, cwd=tmp_path)


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("optimization", ["-O0", "-O2"])
def test_no_family_has_a_warning_from_gcc_on_a_core(core: str, optimization: str, tmp_path: Path) -> None:
    command = ["arm-none-eabi-gcc", f"-mcpu={core.replace('_', '-')}", "-mthumb", optimization, "-ffreestanding"]
    subprocess.run([*command, *FLAGS, "-c", *runtime(tmp_path)], check=True, cwd=tmp_path)


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize("standard", ["98", "11", "14", "17", "20"])
def test_headers_are_for_cpp_too(standard: str, tmp_path: Path) -> None:
    (tmp_path / "model.beat").write_bytes(make_case("autoencoder", 16, 2, 3).data)
    export(tmp_path / "model.beat", "c", tmp_path)
    (tmp_path / "main.cpp").write_text(
        '#include "model.h"\nint main() { return offbeat_the_model.window == OFFBEAT_MODEL_WINDOW ? 0 : 1; }\n'
    )
    sources = [path for path in sorted(tmp_path.glob("*.c")) if path.name != "example.c"]
    for path in sources:
        subprocess.run(["gcc", "-std=c99", "-c", path.name], check=True, cwd=tmp_path)
    flags = [f"-std=c++{standard}", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    objects = [path.with_suffix(".o").name for path in sources]
    subprocess.run(["g++", *flags, "main.cpp", *objects, "-o", "main"], check=True, cwd=tmp_path)
    assert subprocess.run([str(tmp_path / "main")], check=False).returncode == 0
