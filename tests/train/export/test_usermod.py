"""The user C module in a MicroPython built from source with it: the same numbers, chosen by the board's package itself.

Needs MicroPython's source, which no wheel has: `.ci/micropython-source DIR` brings Debian's, and
$OFFBEAT_MICROPYTHON_SOURCE says where it is. $OFFBEAT_WITHOUT_MICROPYTHON_SOURCE: there was none to be had, even in CI.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from offbeat.device.families import FAMILIES
from offbeat.train.export import export
from offbeat.train.export.target import LISTING
from tests.parity import board
from tests.parity.models import SHAPES, make_case, make_window
from tests.parity.test_micropython import assert_agrees, in_ring

from .compilers import CC

_BESIDE = Path(__file__).parents[3] / ".venv" / "micropython-source"
_WITHOUT = ("MICROPY_PY_SSL=0", "MICROPY_PY_FFI=0", "MICROPY_PY_BTREE=0", "MICROPY_USE_READLINE=0", "FROZEN_MANIFEST=")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("usermod")
    (directory / "model.beat").write_bytes(make_case("kmeans", 64, 2, 1).data)
    export(directory / "model.beat", "usermod", directory / "out")
    return directory / "out"


def test_all_files_of_module_and_board_are_there(exported: Path) -> None:
    names = {path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file()} - {LISTING}
    assert {"README.md", "offbeat_c/micropython.mk", "offbeat_c/micropython.cmake", "offbeat_c/modoffbeat_c.c"} <= names
    assert {"board/offbeat/native.py", "board/model.beat", "board/main.py"} <= names
    cmake = (exported / "offbeat_c" / "micropython.cmake").read_text()
    listed = set(re.findall(r"\$\{CMAKE_CURRENT_LIST_DIR\}/(\S+\.c)", cmake))
    assert listed == {path.name for path in (exported / "offbeat_c").glob("*.c")}
    table = re.search(r"families\[\] = \{(.*?)\};", (exported / "offbeat_c" / "modoffbeat_c.c").read_text(), re.DOTALL)
    assert table is not None
    assert re.findall(r"&offbeat_(\w+)", table.group(1)) == [FAMILIES[number] for number in sorted(FAMILIES)]


def _source() -> Path:
    place = Path(os.environ.get("OFFBEAT_MICROPYTHON_SOURCE", _BESIDE))
    if not (place / "ports" / "unix").is_dir() or not CC or not shutil.which("make"):
        reason = f"needs gcc, make and MicroPython's source in {place}: .ci/micropython-source {place}"
        if os.environ.get("OFFBEAT_CI") == "1" and "OFFBEAT_WITHOUT_MICROPYTHON_SOURCE" not in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    return place


@pytest.fixture(scope="module")
def firmware(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Unix port with the module in it, built once a run; or $OFFBEAT_MICROPYTHON_WITH_C, built before."""
    if os.environ.get("OFFBEAT_MICROPYTHON_WITH_C"):
        return Path(os.environ["OFFBEAT_MICROPYTHON_WITH_C"])
    source = _source()
    shared = tmp_path_factory.getbasetemp()
    build = (shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared) / "firmware"
    build.mkdir(exist_ok=True)
    command = ["make", "-j2", "-C", str(source / "ports" / "unix"), "VARIANT=standard", "COPT=-O1", *_WITHOUT]
    with (build / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the first worker builds, the others wait
        if (build / "micropython").exists():
            return build / "micropython"
        done = subprocess.run(
            [*command, f"USER_C_MODULES={exported}", f"BUILD={build}"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    return build / "micropython"


@pytest.fixture(scope="module")
def worker(firmware: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[board.Worker]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(board, "micropython", lambda: str(firmware))
        started = board.Worker("native", tmp_path_factory.mktemp("board"))
    yield started
    started.close()


@pytest.mark.slow
def test_the_firmware_has_the_module_and_the_package_takes_it(firmware: Path, exported: Path) -> None:
    code = (
        "from offbeat import modelfile, native\nfrom offbeat.detector import Detector\n"
        "d = Detector(modelfile.load('model.beat'))\n"
        "print(type(d.features.runtime), isinstance(d.scorer, native.Scorer))\n"
    )
    ran = subprocess.run(
        [str(firmware), "-c", code], capture_output=True, text=True, cwd=exported / "board", check=True
    )
    assert ran.stdout == "<class 'Runtime'> True\n"


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(FAMILIES.values()))
def test_windows_mean_the_same(worker: board.Worker, family: str) -> None:
    for seed, window in enumerate((128, 30, 64)):
        case = make_case(family, window, 3, seed + 70)
        worker.load(case.data)
        for i, shape in enumerate(sorted(SHAPES)):
            counts = make_window((shape,) * 3, window, i)
            assert_agrees(case, counts, worker.measure(in_ring(counts, case.model.hop, i), i, case.count), "native")


@pytest.mark.slow
@pytest.mark.parametrize("family", ["autoregressive", "gaussian"])
def test_a_recording_gives_the_same_scores_and_alarms(worker: board.Worker, family: str) -> None:
    case = make_case(family, 32, 2, 5)
    counts = np.concatenate([make_window(("vibration", "step"), 64, seed) for seed in range(8)])
    worker.load(case.data)
    verdicts = case.pipeline.run(counts)
    found = worker.run(counts)
    assert [score for score, _, _ in found] == verdicts.scores.tolist()
    assert [alarm for _, alarm, _ in found] == verdicts.alarm.tolist()


@pytest.mark.slow
def test_what_does_not_fit_is_refused(firmware: Path, exported: Path) -> None:
    code = """
from array import array
import offbeat_c
from offbeat import modelfile
m = modelfile.load("model.beat")
features = array("H")
for feature in m.features:
    features.extend(array("H", feature))
count, length = len(m.features), m.window * m.channels
good = [m.family, m.window, m.channels, features, m.sine, m.standardize, m.baseline, m.parameters, 300,
        array("h", [0] * (2 * m.window + 1)), array("h", [0] * (3 * count + 300))]
one = offbeat_c.Runtime(*good)
word = array("h", [0])
for place, bad in ((0, 0), (0, 99), (0, m.family + 1), (1, 4), (3, b""), (4, bytes(4)), (5, bytes(4)), (6, bytes(1)),
                   (7, b""), (7, bytes(14)), (9, word), (10, word)):
    words = list(good)
    words[place] = bad
    try:
        offbeat_c.Runtime(*words)
        print("taken", place)
    except ValueError:
        pass
frames, values = array("h", [0] * length), array("i", [0] * count)
one.features(frames, 0, m.window, values)
for call in (
    lambda: one.features(array("h", [0] * (length - 1)), 0, m.window, values),
    lambda: one.features(frames, m.window, m.window, values),
    lambda: one.features(frames, 0, m.window, array("i")),
    lambda: one.score(b""),
    lambda: one.contribution(count),
    lambda: one.contribution(-1),
):
    try:
        call()
        print("taken", call)
    except ValueError:
        pass
"""
    ran = subprocess.run(
        [str(firmware), "-c", code], capture_output=True, text=True, cwd=exported / "board", check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
