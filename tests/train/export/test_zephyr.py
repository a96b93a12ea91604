"""The Zephyr module: Kconfig by kconfiglib; CMake and the sample with stand-ins for Zephyr's functions and headers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from offbeat.train.export import export
from tests.parity.models import Case, make_case, with_golden

from .compilers import CC, compile_c, run_program

STUBS = Path(__file__).parent / "zephyr"
CASE = with_golden(make_case("gaussian", 32, 3, 6))

pytestmark = pytest.mark.skipif(not CC, reason="no C compiler: install gcc, or pip install ziglang")


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("zephyr")
    (directory / "model.beat").write_bytes(CASE.data)
    export(directory / "model.beat", "zephyr", directory / "out")
    return directory / "out"


def test_module_yml_names_what_is_there(module: Path) -> None:
    text = (module / "zephyr" / "module.yml").read_text()
    assert re.search(r"^name: \w+$", text, re.MULTILINE)
    for key, place in re.findall(r"^  (cmake|kconfig): (\S+)$", text, re.MULTILINE):
        assert (module / place / "CMakeLists.txt" if key == "cmake" else module / place).is_file()
    for folder in re.findall(r"^  - (\S+)$", text, re.MULTILINE):
        assert list((module / folder).glob("*/sample.yaml"))


@pytest.mark.parametrize("scales", ["a,b,c", "inf,inf,inf", "1e-9,0,-1", "nan,1e99,0.001"])
def test_scales_of_any_text_make_a_gap_and_no_error(scales: str, tmp_path: Path) -> None:
    case = Case(replace(CASE.parts, meta={"scales": scales, "units": "g,g,K"}))
    (tmp_path / "model.beat").write_bytes(case.data)
    export(tmp_path / "model.beat", "zephyr", tmp_path / "out")
    text = (tmp_path / "out" / "samples" / "score" / "src" / "main.c").read_text()
    assert text.count("put your sensor here") == 3


def test_kconfig_parses_and_the_sample_settings_are_of_it(module: Path) -> None:
    kconfiglib = pytest.importorskip("kconfiglib", reason="needs kconfiglib: pip install kconfiglib")
    tree = kconfiglib.Kconfig(str(module / "Kconfig"), warn_to_stderr=False)
    assert set(tree.syms) >= {"OFFBEAT", "OFFBEAT_GOLDEN", "OFFBEAT_NAMES"} and not tree.warnings
    tree.syms["OFFBEAT_GOLDEN"].set_value(2)
    assert tree.syms["OFFBEAT_GOLDEN"].str_value == "n"  # it depends on OFFBEAT
    tree.syms["OFFBEAT"].set_value(2)
    assert tree.syms["OFFBEAT_GOLDEN"].str_value == "y"
    wanted = (module / "samples" / "score" / "prj.conf").read_text().split()
    assert {line.split("=")[0].removeprefix("CONFIG_") for line in wanted} - {"SENSOR"} <= set(tree.syms)


PROJECT = """
cmake_minimum_required(VERSION 3.20)
project(stub C)
set(CONFIG_OFFBEAT y)
{settings}
# What Zephyr's own functions do, as far as a library of sources goes.
add_library(interface INTERFACE)
function(zephyr_library_named name)
  add_library(${{name}} STATIC)
  set(ZEPHYR_CURRENT_LIBRARY ${{name}} PARENT_SCOPE)
  target_link_libraries(${{name}} PRIVATE interface)
endfunction()
function(zephyr_library_sources)
  target_sources(${{ZEPHYR_CURRENT_LIBRARY}} PRIVATE ${{ARGN}})
endfunction()
function(zephyr_include_directories)
  foreach(folder ${{ARGN}})
    get_filename_component(path ${{folder}} ABSOLUTE BASE_DIR ${{CMAKE_CURRENT_SOURCE_DIR}})
    target_include_directories(interface INTERFACE ${{path}})
  endforeach()
endfunction()
function(zephyr_compile_definitions)
  target_compile_definitions(interface INTERFACE ${{ARGN}})
endfunction()
add_subdirectory({module} module)
add_executable(app {module}/samples/score/src/main.c {stubs}/stubs.c)
target_include_directories(app PRIVATE {stubs})
target_compile_options(app PRIVATE -Wall -Wextra -Wconversion -Wshadow -Werror)
target_link_libraries(app PRIVATE offbeat interface)
"""


@pytest.mark.parametrize("golden", [True, False])
def test_module_and_sample_are_configured_built_and_run(golden: bool, module: Path, tmp_path: Path) -> None:
    if not shutil.which("cmake") or not shutil.which("make"):
        reason = "needs cmake and make: pip install cmake"
        if os.environ.get("OFFBEAT_CI") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    settings = "set(CONFIG_OFFBEAT_GOLDEN y)\nadd_compile_definitions(CONFIG_OFFBEAT_GOLDEN=1)" if golden else ""
    (tmp_path / "CMakeLists.txt").write_text(PROJECT.format(settings=settings, module=module, stubs=STUBS))
    for command in (
        ["cmake", "-S", str(tmp_path), "-B", str(tmp_path / "b")],
        ["cmake", "--build", str(tmp_path / "b")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    ran = run_program(tmp_path / "b" / "app")
    assert ("golden windows: OK\n" in ran.stdout) == golden
    assert ran.stdout.count("score ") == 3  # as many windows as the stub has samples for


def test_the_sample_says_so_without_an_accelerometer(module: Path, tmp_path: Path) -> None:
    sources = [module / "samples" / "score" / "src" / "main.c", module / "src" / "model.c", STUBS / "stubs.c"]
    flags = (f"-I{module / 'include'}", f"-I{STUBS}", "-DNO_ACCELEROMETER")
    ran = run_program(compile_c(sources, tmp_path / "app", *flags))
    assert ran.stdout == "the devicetree has no alias accel0: name your accelerometer so\n"
