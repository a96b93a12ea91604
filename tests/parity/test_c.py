"""The exported C, compiled here, against NumPy: features, score, contributions and decision, bit for bit."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offbeat.device.modelfile import parse
from offbeat.train.decision import alarms
from offbeat.train.export import export
from offbeat.train.families import FAMILIES
from offbeat.train.pipeline import Pipeline
from tests.parity.models import SHAPES, Case, make_case, make_window, with_golden

FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-pedantic")


def _zig() -> list[str] | None:
    try:
        import ziglang  # noqa: F401
    except ImportError:
        return None
    return [sys.executable, "-m", "ziglang", "cc"]


def _compilers() -> dict[str, list[str]]:
    found = {name: [name] for name in ("gcc", "clang") if shutil.which(name)}
    zig = _zig()
    return {**found, **({"zig cc": zig} if zig else {})}


COMPILERS = _compilers()
pytestmark = pytest.mark.skipif(not COMPILERS, reason="no C compiler: install gcc, or pip install ziglang")

WRAPPER = """
#include "model.h"
static int16_t work[OFFBEAT_MODEL_WORK], vector[OFFBEAT_MODEL_VECTOR];
static offbeat_state state;
void reset(void) { offbeat_reset(&state); }
int start(void)
{ return offbeat_init(&state, &offbeat_the_model, work, OFFBEAT_MODEL_WORK, vector, OFFBEAT_MODEL_VECTOR); }
void features(const int16_t *frames, uint16_t first, uint16_t capacity, int32_t *out)
{ offbeat_features(&state, frames, first, capacity, out); }
int32_t score(const int32_t *in) { return offbeat_score(&state, in); }
int32_t contribution(uint8_t j) { return offbeat_contribution(&state, j); }
int decide(int32_t value) { return offbeat_decide(&state, value); }
int window(const int16_t *frames, uint16_t first, uint16_t capacity, int32_t *out)
{ return offbeat_window(&state, frames, first, capacity, out); }
int32_t last_score(void) { return state.score; }
"""


def compile_library(case: Case, directory: Path, compiler: str, *flags: str) -> ctypes.CDLL:
    (directory / "model.beat").write_bytes(case.data)
    export(directory / "model.beat", "c", directory / "c")
    (directory / "wrapper.c").write_text(WRAPPER)
    sources = [str(path) for path in (directory / "c").glob("*.c") if path.name != "example.c"]
    library = directory / "library.so"
    command = [
        *COMPILERS[compiler],
        *FLAGS,
        *flags,
        "-shared",
        "-fPIC",
        f"-I{directory / 'c'}",
        "-Wno-missing-prototypes",
    ]
    subprocess.run([*command, *sources, str(directory / "wrapper.c"), "-o", str(library)], check=True)
    loaded = ctypes.CDLL(str(library))
    assert loaded.start() == 0
    return loaded


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def check(library: ctypes.CDLL, pipeline: Pipeline, window: np.ndarray) -> None:
    """One window [N, C] through both; then the same window as a ring that wraps around."""
    expected = pipeline.extract(window[None])
    found = np.zeros(len(pipeline.features), dtype=np.int32)
    frames = np.ascontiguousarray(window)
    library.features(pointer(frames), 0, len(window), pointer(found))
    np.testing.assert_array_equal(found, expected[0])
    library.reset()
    assert library.score(pointer(found)) == pipeline.score_apart(expected)[0]
    contributions = [library.contribution(j) for j in range(len(found))]
    np.testing.assert_array_equal(contributions, pipeline.contributions(expected)[0])
    first = len(window) // 3 + 1
    ring = np.zeros((len(window) + 5, window.shape[1]), dtype=np.int16)
    ring[(np.arange(len(window)) + first) % len(ring)] = window
    wrapped = np.zeros_like(found)
    library.features(pointer(ring), first, len(ring), pointer(wrapped))
    np.testing.assert_array_equal(wrapped, found)


SIZES = ((8, 1), (128, 3), (16, 2), (30, 3), (64, 4), (200, 2), (1024, 2), (256, 1))
MODELS = [
    (family, window, channels, seed)
    for seed, (family, window, channels) in enumerate(
        (family, window, channels)
        for i, family in enumerate(FAMILIES)
        for window, channels in SIZES[i % 2 :: 2]  # what differs by family and by window is separate code
    )
]


@cache
def compiled(number: int) -> tuple[ctypes.CDLL, Pipeline]:
    """A model, exported and compiled once for the whole run."""
    import tempfile

    family, window, channels, seed = MODELS[number]
    case = make_case(family, window, channels, seed)
    directory = Path(tempfile.mkdtemp(prefix="offbeat-parity-"))
    try:
        library = compile_library(case, directory, next(iter(COMPILERS)), "-O2")
    finally:
        shutil.rmtree(directory)
    return library, Pipeline(parse(case.data))


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(MODELS) - 1), st.integers(0, 2**32 - 1), st.data())
def test_c_equals_numpy(number: int, seed: int, data: st.DataObject) -> None:
    library, pipeline = compiled(number)
    shapes = tuple(data.draw(st.sampled_from(sorted(SHAPES))) for _ in pipeline.channels)
    check(library, pipeline, make_window(shapes, pipeline.window, seed))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(MODELS) - 1), st.lists(st.integers(0, 600), min_size=1, max_size=200))
def test_decisions_equal(number: int, scores: list[int]) -> None:
    library, pipeline = compiled(number)
    assert library.start() == 0
    found = [bool(library.decide(score)) for score in scores]
    assert found == alarms(np.array(scores), pipeline.decision).tolist()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, len(MODELS) - 1), st.integers(0, 2**32 - 1))
def test_one_call_a_window_does_all(number: int, seed: int) -> None:
    library, pipeline = compiled(number)
    assert library.start() == 0
    rng = np.random.default_rng(seed)
    shapes = [rng.choice(sorted(SHAPES), len(pipeline.channels)) for _ in range(12)]
    windows = np.stack([make_window(tuple(row), pipeline.window, seed + i) for i, row in enumerate(shapes)])
    expected = pipeline.extract(windows)
    scores = pipeline.family.score(pipeline.vectors(expected))
    found = np.zeros(len(pipeline.features), dtype=np.int32)
    for i, alarm in enumerate(alarms(scores, pipeline.decision)):
        frames = np.ascontiguousarray(windows[i])
        assert bool(library.window(pointer(frames), 0, len(frames), pointer(found))) == alarm
        assert library.last_score() == scores[i]
        np.testing.assert_array_equal(found, expected[i])


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("optimization", ["-O0", "-O3", "-Os"])
def test_every_compiler_without_a_warning(compiler: str, optimization: str, tmp_path: Path) -> None:
    case = make_case("gaussian", 128, 3, 5)
    library = compile_library(case, tmp_path, compiler, optimization)
    pipeline = Pipeline(parse(case.data))
    for seed, shape in enumerate(sorted(SHAPES)):
        check(library, pipeline, make_window((shape,) * 3, 128, seed))


def run_example(directory: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    compiler = COMPILERS[next(iter(COMPILERS))]
    sources = sorted(str(path) for path in directory.glob("*.c"))
    subprocess.run(
        [*compiler, *FLAGS, *flags, "-DOFFBEAT_GOLDEN", *sources, "-o", str(directory / "example")], check=True
    )
    return subprocess.run([str(directory / "example")], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_example_passes_and_can_fail(family: str, tmp_path: Path) -> None:
    tried = (with_golden(make_case(family, 64, 2, seed)) for seed in range(50))
    case = next(case for case in tried if any(vector.score for vector in case.parts.golden))
    (tmp_path / "model.beat").write_bytes(case.data)
    export(tmp_path / "model.beat", "c", tmp_path)
    good = run_example(tmp_path, "-O2")
    assert good.returncode == 0 and good.stdout == "OK: 3 of 3 golden windows as the trainer found them\n"
    source = (tmp_path / "model.c").read_text()
    head, scores = source.split("offbeat_golden_scores[OFFBEAT_MODEL_GOLDEN] = {", 1)
    first, rest = scores.split(",", 1)
    (tmp_path / "model.c").write_text(f"{head}offbeat_golden_scores[OFFBEAT_MODEL_GOLDEN] = {{{int(first) + 1},{rest}")
    bad = run_example(tmp_path, "-O2")
    assert bad.returncode == 1 and "other numbers" in bad.stdout and "FAILED" in bad.stdout


def test_example_without_golden_windows_does_not_claim_success(tmp_path: Path) -> None:
    (tmp_path / "model.beat").write_bytes(make_case("gaussian", 64, 2, 9).data)
    export(tmp_path / "model.beat", "c", tmp_path)
    ran = run_example(tmp_path)
    assert ran.returncode == 2 and ran.stdout == "nothing compared: the model file has no golden windows\n"


def test_names_of_any_text_stay_text(tmp_path: Path) -> None:
    names = ("*\\", '"; int x; "', "??/", "über*/ \r #error")
    case = make_case("gaussian", 64, 4, 9)
    parts = replace(case.parts, channels=names, meta={"name": "*\\ */ #error ??/", "sensor": "/* \\"})
    (tmp_path / "model.beat").write_bytes(with_golden(Case(parts)).data)
    export(tmp_path / "model.beat", "c", tmp_path)
    assert run_example(tmp_path, "-DOFFBEAT_NAMES").returncode == 0


@pytest.mark.skipif("gcc" not in COMPILERS, reason="the sanitizers are tested with gcc")
@pytest.mark.parametrize("family", FAMILIES)
def test_clean_under_sanitizers(family: str, tmp_path: Path) -> None:
    case = make_case(family, 128, 3, 11)
    windows = [make_window((shape,) * 3, 128, 3) for shape in sorted(SHAPES)]
    case = with_golden(case)
    (tmp_path / "model.beat").write_bytes(case.data)
    export(tmp_path / "model.beat", "c", tmp_path)
    rows = ",\n".join("{" + ",".join(map(str, window.ravel())) + "}" for window in windows)
    (tmp_path / "example.c").write_text(
        '#include "model.h"\n#include <stdio.h>\n'
        f"static const int16_t windows[{len(windows)}][{windows[0].size}] = {{{rows}}};\n"
        "int main(void) {\n"
        "    static int16_t work[OFFBEAT_MODEL_WORK], vector[OFFBEAT_MODEL_VECTOR];\n"
        "    static int32_t features[OFFBEAT_MODEL_FEATURES];\n    static offbeat_state state;\n    int i, j;\n"
        "    (void)offbeat_init(&state, &offbeat_the_model, work, OFFBEAT_MODEL_WORK, vector, OFFBEAT_MODEL_VECTOR);\n"
        f"    for (i = 0; i < {len(windows)}; i++) {{\n"
        "        offbeat_features(&state, windows[i], 0, OFFBEAT_MODEL_WINDOW, features);\n"
        "        (void)offbeat_decide(&state, offbeat_score(&state, features));\n"
        "        for (j = 0; j < OFFBEAT_MODEL_FEATURES; j++)\n"
        '            printf("%ld ", (long)offbeat_contribution(&state, (uint8_t)j));\n'
        "    }\n    return 0;\n}\n"
    )
    ran = run_example(tmp_path, "-O1", "-g", "-fsanitize=undefined,address", "-fno-sanitize-recover=all")
    assert ran.returncode == 0, ran.stderr[-2000:]


def test_init_refuses_small_buffers_and_bad_models(tmp_path: Path) -> None:
    case = make_case("kmeans", 32, 1, 2)
    (tmp_path / "model.beat").write_bytes(case.data)
    export(tmp_path / "model.beat", "c", tmp_path)
    (tmp_path / "example.c").write_text(
        '#include "model.h"\n#include <stdio.h>\nint main(void) {\n'
        "    static int16_t work[OFFBEAT_MODEL_WORK], vector[OFFBEAT_MODEL_VECTOR];\n    static offbeat_state state;\n"
        "    offbeat_model other = offbeat_the_model;\n    other.window = 4;\n"
        '    printf("%d %d %d %s\\n",\n'
        "           offbeat_init(&state, &offbeat_the_model, work, 4, vector, OFFBEAT_MODEL_VECTOR),\n"
        "           offbeat_init(&state, &offbeat_the_model, work, OFFBEAT_MODEL_WORK, vector, 1),\n"
        "           offbeat_init(&state, &other, work, OFFBEAT_MODEL_WORK, vector, OFFBEAT_MODEL_VECTOR),\n"
        "           offbeat_error_text(OFFBEAT_TOO_SMALL));\n    return 0;\n}\n"
    )
    assert run_example(tmp_path).stdout == "2 2 1 a buffer is smaller than the model needs\n"
