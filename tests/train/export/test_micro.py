"""The module for a micro:bit: what is left of the board's sources computes what they compute."""

from __future__ import annotations

import ast
from array import array
from pathlib import Path

import numpy as np
import pytest

from offbeat.device import link
from offbeat.device.detector import Detector, Ring
from offbeat.device.modelfile import parse
from offbeat.device.sensors.microbit import Accelerometer
from offbeat.train.errors import InputError
from offbeat.train.export import export, microbit
from offbeat.train.export.micro import MicroModule, micro_module
from offbeat.train.export.residual import External
from offbeat.train.export.trees import copied
from offbeat.train.features import Feature
from tests.parity.models import SHAPES, make_case, make_window
from tests.train.export.micro_models import BANDS, MOTION, hum, microbit_model
from tests.train.export.micro_port import answers, run_module, window_lines

HELLO = link.encode("HELLO", 7)


@pytest.fixture(scope="module")
def motion() -> MicroModule:
    return microbit.live_module(microbit_model())


@pytest.mark.parametrize(
    ("family", "window", "seed"),
    [
        ("gaussian", 32, 1),
        ("gaussian", 20, 2),
        ("gaussian", 64, 3),
        ("pca", 16, 1),
        ("mixture", 16, 2),
        ("prototypes", 32, 1),
    ],
)
def test_features_and_scores_are_those_of_numpy(family: str, window: int, seed: int) -> None:
    case = make_case(family, window, 3, seed, most=12, rate=50.0)
    accelerometer = object()
    module = micro_module(
        case.model, Accelerometer(accelerometer), externals={id(accelerometer): External("accelerometer")}
    )
    rng = np.random.default_rng(seed)
    windows = [make_window(tuple(rng.choice(list(SHAPES), 3)), window, 100 * seed + i) for i in range(6)]
    said = run_module(module, [line for i, each in enumerate(windows) for line in window_lines(each, i)])
    features, scores = answers(said, case.count)
    assert features == case.pipeline.extract(np.stack(windows)).tolist()
    assert scores == [int(case.pipeline.score(each[None])[0]) for each in windows]


def test_live_windows_are_scored_and_judged_as_by_the_package(motion: MicroModule) -> None:
    frames = np.concatenate([hum(200), hum(200, seed=1, size=2000.0), hum(300, seed=2)])
    model = parse(microbit_model())
    detector, ring = Detector(model), Ring(model.channels, model.window, model.hop)
    expected = []
    for frame in frames.tolist():
        if ring.push(array("h", frame)):
            detector.window(ring)
            expected.append((detector.score, int(detector.decision.alarm)))
    said = run_module(motion, frames=frames)
    found = [(int(fields["s"]), int(fields["a"])) for kind, fields in said if kind == "SCORE"]
    assert found == expected[: len(found)]
    assert len(found) >= len(expected) - 1
    assert [fields["on"] for kind, fields in said if kind == "ALARM"] == ["1", "0"]


def test_it_says_who_it_is(motion: MicroModule) -> None:
    said = run_module(motion, [HELLO])
    kinds = [kind for kind, _ in said]
    assert kinds == ["CHANNEL", "CHANNEL", "CHANNEL", "HELLO", "HEALTH", "CHANNEL", "CHANNEL", "CHANNEL", "HELLO"]
    assert [fields["name"] for _, fields in said[:3]] == ["x", "y", "z"]
    hello = said[-1][1]
    assert hello["re"] == "7"
    assert (hello["model"], hello["rate"], hello["sensor"]) == (motion.identity, "50.000", "MMA8653")


def test_what_it_does_not_understand_it_refuses_and_counts(motion: MicroModule) -> None:
    damaged = HELLO.replace(b"HELLO", b"HELLQ")
    lines = [b"garbage\n", b"\xff\x00~\n", damaged, b"~" * 500 + b"\n", b"~\n", link.encode("DANCE", 3)]
    lines += [link.encode("RUN", 4, [("n", 1)]), link.encode("WINDOW", 5, [("o", 1), ("d", "AAAA")])]
    lines += [link.encode("WINDOW", 6, [("o", 0)]), link.encode("WINDOW", 8, [("o", 190), ("d", "AAAAAAAA")])]
    said = run_module(motion, [*lines, link.encode("HEALTH", 9), HELLO])
    refused = {(fields["re"], fields["why"]) for kind, fields in said if kind == "NAK"}
    assert refused >= {("0", "crc"), ("3", "unknown"), ("4", "window"), ("5", "field"), ("6", "field"), ("8", "field")}
    (health,) = (fields for kind, fields in said if kind == "HEALTH" and fields.get("re") == "9")
    assert int(health["bad"]) >= 1
    assert said[-1][0] == "HELLO"


def test_the_host_s_windows_stop_the_board_s_own(motion: MicroModule) -> None:
    window = hum(32)
    said = run_module(motion, [*window_lines(window, 3), *window_lines(window, 4)])
    assert answers(said, len(MOTION))[1][0] == answers(said, len(MOTION))[1][1]
    assert not [kind for kind, _ in said if kind == "SCORE"]


def test_names_are_those_that_the_firmware_has_in_flash(motion: MicroModule) -> None:
    from offbeat.train.export.renaming import MICROBIT_NAMES

    assert set(motion.names) <= {*MICROBIT_NAMES, "run"}


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (microbit_model(rate=400.0), "for another rate than the micro:bit's sensor has: 50 Hz"),
        (microbit_model(sensor="LIS3DH"), "for another sensor than the micro:bit's sensor has: MMA8653"),
        (
            make_case("kmeans", 32, 3, 1, rate=50.0).data,
            "family kmeans does not fit the micro:bit; train with",
        ),
        (make_case("gaussian", 32, 2, 1, rate=50.0).data, "for another channels than the micro:bit's sensor has"),
        (microbit_model(BANDS), r"does not fit the micro:bit: it needs about \d+ bytes of heap, 9248 are there"),
        (microbit_model([*MOTION, Feature("crossings", 2), *BANDS[12:]]), "does not fit the micro:bit"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, model: bytes, says: str) -> None:
    (tmp_path / "model.beat").write_bytes(model)
    with pytest.raises(InputError, match=says):
        export(tmp_path, "microbit", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_firmware_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.beat").write_bytes(microbit_model())
    other = tmp_path / "other.hex"
    with pytest.raises(InputError, match="is no file; name MicroPython's hex file"):
        export(tmp_path, "microbit", tmp_path / "out", firmware=other)
    other.write_text(":00000001FF\n")
    with pytest.raises(InputError, match=r"is not MicroPython 1\.0\.1 for the micro:bit v1"):
        export(tmp_path, "microbit", tmp_path / "out", firmware=other)
    other.write_text("hello\n")
    with pytest.raises(InputError, match="is no hex file that can be read"):
        export(tmp_path, "microbit", tmp_path / "out", firmware=other)


def test_hex_files_are_read_as_they_were_written() -> None:
    parts = {0x1FFF8: bytes(range(8)), 0x20000: bytes(range(16)), 0x3B88C: b"\xff"}
    assert microbit.read_hex(microbit.write_hex(parts)) == parts


def test_without_the_firmware_there_is_the_module_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFBEAT_MICROBIT_FIRMWARE", str(tmp_path / "none.hex"))
    made = microbit.files(microbit_model())
    assert sorted(made) == ["README.md", "main.py", "offbeat_model.py"]
    assert "apt install firmware-microbit-micropython" in str(made["README.md"])


def test_what_others_hang_on_pythons_shared_nodes_is_not_copied() -> None:
    tree = ast.parse("a = b + 1").body[0]
    assert isinstance(tree, ast.Assign)
    load = ast.parse("b", mode="eval").body.ctx  # type: ignore[attr-defined]
    load.parent = tree  # as python-minifier leaves it
    try:
        made = copied(tree)
    finally:
        del load.parent
    assert ast.unparse(made) == "a = b + 1" and made.value is not tree.value
    assert made.value.left.ctx is load  # type: ignore[attr-defined]
