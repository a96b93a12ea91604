"""A channel that is dead in training and moves in use: a warning then, the alarm's reason now, in every runtime."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from offbeat.device.modelfile import parse
from offbeat.host.events import Alarm
from offbeat.host.monitor import Monitor
from offbeat.host.virtual import ArraySource, VirtualBoard
from offbeat.train.arrays import ArrayReader
from offbeat.train.export import export
from offbeat.train.families import FAMILIES
from offbeat.train.pipeline import Pipeline, cut_windows
from offbeat.train.training import Options, Training, train
from tests.host.small import needs_micropython
from tests.parity.models import Case, make_case
from tests.parity.test_c import COMPILERS, FLAGS

RATE = 100.0


def counts(seconds: float, moves: bool = False) -> NDArray[np.int16]:
    """Noise int16 [n, 3]; the second channel rests at 7, or moves a little."""
    rng = np.random.default_rng(5)
    samples = rng.normal(0, 100, (round(seconds * RATE), 3))
    samples[:, 1] = np.round(rng.normal(7, 3, len(samples))) if moves else 7
    return samples.astype(np.int16)


def trained(family: str = "gaussian", features: str = "motion") -> Training:
    reader = ArrayReader(counts(30), RATE, (1.0,) * 3, "X")
    return train([reader], Options(family=family, features=features, workers=1))


@pytest.fixture(scope="module")
def training() -> Training:
    return trained()


def test_training_warns_and_the_model_file_knows(training: Training) -> None:
    assert training.pipeline.model.meta["unseen"] == "1"
    (warning,) = (text for text in training.warnings if "x1" in text)
    assert "channel x1 is constant in all normal data" in warning and "'unseen channel x1'" in warning
    names = dict(zip(training.pipeline.names, training.pipeline.reason_names, strict=True))
    assert names["x1.rms"] == names["x0.correlation(x1)"] == names["x1.correlation(x2)"] == "unseen channel x1"
    assert names["x0.rms"] == "x0.rms" and names["x0.correlation(x2)"] == "x0.correlation(x2)"


def test_a_model_whose_channels_all_moved_says_nothing_of_it() -> None:
    assert "unseen" not in Case(make_case("gaussian", 64, 2, 9).parts).model.meta


def test_whatever_stands_there_does_no_harm() -> None:
    for text in ("", "99", "-1", "x,,;", "1"):
        case = make_case("gaussian", 64, 2, 9)
        model = Case(replace(case.parts, meta={"unseen": text})).model
        assert {model.unseen_channel(j) for j in range(len(model.features))} <= {-1, 0, 1}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_raises_the_alarm(family: str) -> None:
    pipeline = trained(family).pipeline
    features = pipeline.extract(cut_windows(counts(5, moves=True), pipeline.window, pipeline.hop))
    assert (pipeline.family.score(pipeline.vectors(features)) >= 256).all()
    reasons = [pipeline.reasons(parts) for parts in pipeline.contributions(features)]
    assert {names[0][0] for names in reasons} == {"unseen channel x1"}
    assert all(len({name for name, _ in names}) == len(names) for names in reasons)


@needs_micropython
def test_the_board_says_so(training: Training, tmp_path: Path) -> None:
    model = tmp_path / "model.beat"
    model.write_bytes(training.model)
    stream = np.concatenate([counts(20), counts(20, moves=True)])
    source = ArraySource(stream, RATE, ("x0", "x1", "x2"), units=("",) * 3, scales=(1.0,) * 3, loop=True)
    with VirtualBoard(source, speed=20, model=model) as board, Monitor(board.port, seconds=60) as watched:
        alarm = next(event for event in watched if isinstance(event, Alarm) and event.on)
    assert alarm.reasons[0][0] == "unseen channel x1"
    assert len({name for name, _ in alarm.reasons}) == len(alarm.reasons)
    assert "unseen channel x1" in alarm.text()


@pytest.mark.skipif(not COMPILERS, reason="no C compiler: install gcc, or pip install ziglang")
def test_c_says_the_same(training: Training, tmp_path: Path) -> None:
    (tmp_path / "model.beat").write_bytes(training.model)
    export(tmp_path / "model.beat", "c", tmp_path)
    (tmp_path / "example.c").write_text(
        '#include "model.h"\n#include <stdio.h>\nint main(void) {\n    int j;\n'
        '    printf("%lu\\n", (unsigned long)OFFBEAT_MODEL_UNSEEN);\n'
        "    for (j = 0; j < OFFBEAT_MODEL_FEATURES; j++) puts(offbeat_reason_names[j]);\n    return 0;\n}\n"
    )
    compiler = COMPILERS[next(iter(COMPILERS))]
    sources = sorted(str(path) for path in tmp_path.glob("*.c"))
    subprocess.run([*compiler, *FLAGS, "-DOFFBEAT_NAMES", *sources, "-o", str(tmp_path / "say")], check=True)
    said = subprocess.run([str(tmp_path / "say")], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said == ["2", *Pipeline(parse(training.model)).reason_names]
