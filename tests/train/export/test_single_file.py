"""One pair of C files: the same numbers as the trainer's, no warning, nothing unneeded, and never more flash."""

from __future__ import annotations

import ctypes
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from offbeat.train.errors import InputError
from offbeat.train.export import c, csource, export
from offbeat.train.export.target import LISTING
from offbeat.train.families import FAMILIES
from offbeat.train.features import KINDS, Feature
from offbeat.train.modelfile import Standardize
from offbeat.train.profile import MCUS, build_firmware, firmware, measure, toolchain_missing
from tests.parity.models import SHAPES, Case, make_case, make_window, with_golden
from tests.parity.test_c import WRAPPER, check

from .compilers import CC, CXX, compile_c, link_for_cortex_m3, load, run_program

pytestmark = pytest.mark.skipif(not CC, reason="no C compiler: install gcc, or pip install ziglang")


def exported(case: Case, directory: Path, **options: object) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.beat").write_bytes(case.data)
    export(directory / "model.beat", "c", directory / "c", **options)
    return directory / "c"


def library(case: Case, directory: Path, *flags: str, compiler: str | None = None) -> ctypes.CDLL:
    made = exported(case, directory, single_file=True)
    (directory / "wrapper.c").write_text(WRAPPER)
    sources = [made / "model.c", directory / "wrapper.c"]
    compile_c(sources, directory / "a.so", "-shared", "-fPIC", f"-I{made}", *flags, compiler=compiler)
    loaded = load(directory / "a.so")
    assert loaded.start() == 0
    return loaded


def only(case: Case, *kinds: str) -> Case:
    """The same case with one feature of each kind instead of its own."""
    first = {"band": 3, "change": 3, "correlation": 1}
    ordered = sorted(kinds, key=lambda kind: kind == "band")
    features = tuple(Feature(kind, 0, first.get(kind, 0), 4 if kind == "band" else 0) for kind in ordered)
    parts = make_case("kmeans", 64, 2, 1).parts
    count = len(features)
    family = FAMILIES["kmeans"]
    made = family(np.zeros((1, count), np.int32), np.ones(1), np.array([4]), np.array([20_000]))  # type: ignore[call-arg]
    scales = tuple(Standardize(0, 8000, 2, 9) for _ in features)
    return Case(replace(parts, features=features, standardize=scales, parameters=made.parameters(), baseline=()))


@pytest.mark.parametrize(
    ("family", "window"), [*((family, 128) for family in FAMILIES), ("gaussian", 30), ("forest", 30)]
)
def test_every_family_gives_the_trainers_numbers(family: str, window: int, tmp_path: Path) -> None:
    case = make_case(family, window, 3, 3)
    loaded = library(case, tmp_path, "-O1")
    for i, shape in enumerate(sorted(SHAPES)):
        check(loaded, case.pipeline, make_window((shape,) * 3, window, i))


@pytest.mark.parametrize("single_file", [True, False])
def test_trees_as_code_give_the_trainers_numbers(single_file: bool, tmp_path: Path) -> None:
    case = make_case("forest", 64, 2, 3)
    made = exported(case, tmp_path, single_file=single_file, forest="inline")
    (made / "example.c").write_text(WRAPPER)
    compile_c(sorted(made.glob("*.c")), tmp_path / "a.so", "-O1", "-shared", "-fPIC", f"-I{made}")
    loaded = load(tmp_path / "a.so")
    assert loaded.start() == 0
    text = "".join(path.read_text() for path in made.glob("*.c"))
    assert "sum += tree_0(z);" in text
    for i, shape in enumerate(sorted(SHAPES)):
        check(loaded, case.pipeline, make_window((shape,) * 2, 64, i))


@pytest.mark.parametrize(
    ("family", "forest", "words"), [("pca", "inline", "is for a forest"), ("forest", "x", "table or")]
)
def test_trees_as_code_are_refused_where_there_are_none(family: str, forest: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        exported(make_case(family, 64, 2, 3), tmp_path, forest=forest)


@pytest.mark.skipif(bool(toolchain_missing()), reason="needs offbeat's profile: pip install 'offbeat[profile]'")
@pytest.mark.parametrize(
    ("family", "core"),
    [*(("autoencoder", core) for core in ("cortex-m0", "cortex-m3", "cortex-m4")), ("gaussian", "cortex-m4"),
     ("ensemble", "cortex-m0"), ("ensemble", "cortex-m4")],
)  # fmt: skip
def test_emulated_cores_give_the_trainers_numbers(family: str, core: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case(family, 64, 2, seed=39, most=12)
    around = {name: text for name, text in firmware.inputs_of(case.data).items() if name in ("driver.c", "layout.ld")}
    monkeypatch.setattr(firmware, "inputs_of", lambda model: {**c.pair(case.model), **around})
    windows = np.stack([make_window((shape,) * 2, 64, seed=7) for shape in sorted(SHAPES)])
    assert measure(case.data, build_firmware(case.data, MCUS[core]), windows).windows == len(SHAPES)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_feature_alone(kind: str, tmp_path: Path) -> None:
    case = only(make_case("kmeans", 64, 2, 1), kind)
    loaded = library(case, tmp_path, "-O1")
    for i, shape in enumerate(sorted(SHAPES)):
        check(loaded, case.pipeline, make_window((shape,) * 2, 64, i))
    text = (tmp_path / "c" / "model.c").read_text()
    assert ("offbeat_spectrum" in text) == (kind == "band")
    assert ("offbeat_correlation" in text) == (kind in ("correlation",))
    assert ("offbeat_crossings" in text) == (kind == "crossings")
    assert "subtract_baseline" not in text


@pytest.mark.parametrize("compiler", CC)
@pytest.mark.parametrize("optimization", ["-O0", "-O3", "-Os"])
def test_no_compiler_warns(compiler: str, optimization: str, tmp_path: Path) -> None:
    case = with_golden(make_case("ensemble", 64, 3, 5))
    made = exported(case, tmp_path, single_file=True)
    flags = (optimization, "-DOFFBEAT_GOLDEN", "-DOFFBEAT_NAMES")
    program = compile_c([made / "model.c", made / "example.c"], tmp_path / "example", *flags, compiler=compiler)
    assert run_program(program).stdout == "OK: 3 of 3 golden windows as the trainer found them\n"


@pytest.mark.parametrize("family", list(FAMILIES))
def test_what_chooses_a_fast_path_is_not_lost(family: str) -> None:
    asked = re.compile(r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b(.*)", re.MULTILINE)
    given = re.compile(r"^\s*#\s*define\s+(\w+)", re.MULTILINE)
    model = make_case(family, 128, 3, 4).data
    runtime, pair = ("\n".join(map(str, c.files(model, single_file=each).values())) for each in (False, True))
    choosing = {name for line in asked.findall(pair) for name in re.findall(r"\w+", line)}
    assert choosing & set(given.findall(runtime)) <= set(given.findall(pair))


def test_there_are_two_files_to_take_and_nothing_else_is_visible(tmp_path: Path) -> None:
    made = exported(with_golden(make_case("pca", 64, 2, 7)), tmp_path, single_file=True)
    assert {path.name for path in made.iterdir()} == {LISTING, "model.c", "model.h", "example.c", "README.md"}
    source, header = (made / "model.c").read_text(), (made / "model.h").read_text()
    assert re.findall(r'#include "(.*)"', source + header) == ["model.h"]
    assert "offbeat_kmeans" not in source + header and "#ifndef OFFBEAT_WITHOUT" not in source
    functions = [item for item in csource.items_of(csource.split(source)) if item.kind == "function"]
    interface = {name for f in functions if not re.search("^static", f.text, re.MULTILINE) for name in f.names}
    assert interface == {
        "offbeat_init", "offbeat_reset", "offbeat_error_text", "offbeat_features", "offbeat_score",
        "offbeat_contribution", "offbeat_decide", "offbeat_window", "offbeat_self_test",
    }  # fmt: skip


def test_two_models_with_prefixes_fit_into_one_program(tmp_path: Path) -> None:
    cases = {name: with_golden(make_case(name, 64, 2, 7)) for name in ("autoencoder", "forest")}
    sources, checks = [], []
    for name, case in cases.items():
        made = exported(case, tmp_path / name, single_file=True, prefix=name)
        for file in (f"{name}.c", f"{name}.h"):
            text = (made / file).read_text()
            left = set(re.findall(r"\b(?:offbeat|OFFBEAT)_\w+", text))
            kept = {"OFFBEAT_GOLDEN", "OFFBEAT_NAMES", "OFFBEAT_PLAIN", "OFFBEAT_NO_ALIAS_ANALYSIS"}
            assert not [each for each in left - kept if f"{each}.c" not in text and f"{each}.h" not in text]
            (tmp_path / file).write_text(text)
        sources.append(tmp_path / f"{name}.c")
        upper = name.upper()
        checks.append(
            f"static int check_{name}(void) {{\n"
            f"    static int16_t work[{upper}_MODEL_WORK], vector[{upper}_MODEL_VECTOR];\n"
            f"    static int32_t found[{upper}_MODEL_FEATURES]; static {name}_state state;\n"
            f"    (void){name}_init(&state, &{name}_the_model, work, {upper}_MODEL_WORK,\n"
            f"        vector, {upper}_MODEL_VECTOR);\n"
            f"    return {name}_self_test(&state, {name}_golden_windows[0], {name}_golden_features[0],\n"
            f"        {name}_golden_scores[0], found);\n}}\n"
        )
    (tmp_path / "main.c").write_text(
        "".join(f'#include "{name}.h"\n' for name in cases)
        + "".join(checks)
        + f"int main(void) {{ return {' + '.join(f'check_{name}()' for name in cases)}; }}\n"
    )
    program = compile_c([*sources, tmp_path / "main.c"], tmp_path / "program", "-DOFFBEAT_GOLDEN")
    assert run_program(program).returncode == 0


@pytest.mark.parametrize("prefix", ["Fan", "1fan", "fan-2", "", "a" * 40, "offbeat_x", "int x;"])
def test_what_is_no_prefix_is_refused(prefix: str, tmp_path: Path) -> None:
    case = make_case("kmeans", 64, 2, 7)
    if prefix:
        with pytest.raises(InputError, match="is no beginning of a C name"):
            exported(case, tmp_path, single_file=True, prefix=prefix)
    with pytest.raises(InputError, match="--prefix renames what --single-file makes"):
        exported(case, tmp_path, prefix=prefix or "fan")
    assert not (tmp_path / "c").exists()


FIRMWARE = """
#include "model.h"
static int16_t work[OFFBEAT_MODEL_WORK], vector[OFFBEAT_MODEL_VECTOR];
static int32_t features[OFFBEAT_MODEL_FEATURES];
static offbeat_state state;
int16_t frames[OFFBEAT_MODEL_WINDOW * OFFBEAT_MODEL_CHANNELS];
int start(void);
int start(void)
{
    (void)offbeat_init(&state, &offbeat_the_model, work, OFFBEAT_MODEL_WORK, vector, OFFBEAT_MODEL_VECTOR);
    return offbeat_window(&state, frames, 0, OFFBEAT_MODEL_WINDOW, features) + offbeat_contribution(&state, 0);
}
"""


@pytest.mark.skipif("zig cc" not in CC, reason="needs zig cc to link for a Cortex-M3: pip install ziglang")
@pytest.mark.parametrize("family", ["gaussian", "ensemble"])
@pytest.mark.parametrize("optimization", ["-Os", "-O2"])
def test_it_takes_no_more_flash_than_runtime_and_arrays(family: str, optimization: str, tmp_path: Path) -> None:
    case = make_case(family, 128, 3, 5, most=24)
    sizes = {}
    for name, single in (("one", True), ("many", False)):
        made = exported(case, tmp_path / name, single_file=single)
        (made / "example.c").write_text(FIRMWARE)
        sizes[name] = link_for_cortex_m3(sorted(made.glob("*.c")), tmp_path / f"{name}.elf", optimization)
    assert 1000 < sizes["one"] <= sizes["many"]


@pytest.mark.skipif(not CXX, reason="no C++ compiler: install g++, or pip install ziglang")
def test_the_header_is_one_of_cxx_too(tmp_path: Path) -> None:
    import subprocess

    made = exported(make_case("kmeans", 64, 2, 7), tmp_path, single_file=True)
    (tmp_path / "a.cpp").write_text(
        '#include "model.h"\nint main() { return offbeat_the_model.window == 64 ? 0 : 1; }\n'
    )
    compiler = CXX[next(iter(CXX))]
    command = [*compiler, "-std=c++11", "-Wall", "-Wextra", "-pedantic", "-Werror", f"-I{made}", "-c"]
    subprocess.run([*command, str(tmp_path / "a.cpp"), "-o", str(tmp_path / "a.o")], check=True)


# The tools that take C apart


def test_conditionals_on_known_macros_are_carried_out() -> None:
    text = "#ifdef A\n1\n#ifdef X\n2\n#else\n3\n#endif\n#else\n4\n#endif\n#if !defined(B)\n5\n#endif\n6"
    assert csource.resolved(text, {"A": True, "B": True}) == "1\n#ifdef X\n2\n#else\n3\n#endif\n6"
    assert csource.resolved(text, {"A": False, "B": False}) == "4\n5\n6"
    assert csource.resolved(text, {}) == text


def test_identifiers_are_renamed_and_members_texts_and_comments_are_not() -> None:
    text = '/* score */ static int score(point *p) { p->score = q.score; return "score"; } // score\n#define A score\n'
    found = csource.renamed(text, {"score": "x"})
    assert found == text.replace("int score", "int x").replace("A score", "A x")


def test_source_is_taken_apart_and_put_together() -> None:
    text = (
        "/* one */\nstatic int one(int a)\n{\n#ifdef X\n    return 1;\n#endif\n}\nint two(void);\n#define THREE 3\n"
        "enum { FOUR = THREE + 1, FIVE };\ntypedef struct {\n    int a;\n} six;\n#ifdef Y\n"
        "static const int seven[2] = {1, 2};\n#endif\n"
    )
    nodes = csource.split(text)
    found = {item.kind: set(item.names) for item in csource.items_of(nodes)}
    assert found == {"function": {"one"}, "prototype": {"two"}, "define": {"THREE"}, "enum": {"FOUR", "FIVE"},
                     "typedef": {"six"}, "object": {"seven"}}  # fmt: skip
    assert csource.text_of(csource.split(csource.text_of(nodes))) == csource.text_of(nodes)


@pytest.mark.parametrize("text", ["int a(void) {", "#ifdef A\n", "int a"])
def test_what_does_not_balance_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="do not balance"):
        csource.split(text)
