"""Validation on a board: equal numbers pass, and a single weight that differs is found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from offbeat.device import modelfile as reader
from offbeat.host.sending import bytes_a_line
from offbeat.host.validate import ValidationReport, validate
from offbeat.host.virtual import VirtualBoard
from offbeat.host.windows import extreme_windows, recorded_windows
from offbeat.train.errors import InputError
from offbeat.train.pipeline import Pipeline, cut_windows
from offbeat.train.recording import Recording, write_recording
from tests.host.helpers import HOP, WINDOW, lose_lines, names_of, run_first, whole_model
from tests.host.small import CHANNELS, RATE, SCALES, hum, needs_micropython, source

FAMILIES = ("gaussian", "kmeans")

# --- windows ---


def test_extreme_windows_are_seeded_and_go_to_the_ends_of_the_range() -> None:
    windows = list(extreme_windows(64, 3, 300, seed=1))
    assert all(window.shape == (64, 3) and window.dtype == np.int16 for window in windows)
    assert all(np.array_equal(a, b) for a, b in zip(windows, extreme_windows(64, 3, 300, seed=1), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(windows, extreme_windows(64, 3, 300, seed=2), strict=True))
    stacked = np.stack(windows).astype(int)
    assert (stacked.min(), stacked.max()) == (-32768, 32767)
    assert (np.abs(np.diff(stacked, axis=1)) == 65535).all(axis=1).any(), "full scale at half the sampling rate"
    assert (stacked == stacked[:, :1]).all(axis=1).any(), "a constant channel"
    assert (stacked == stacked[:, :1]).all(axis=(1, 2)).any(), "all channels constant"
    assert len({tuple(window.ravel()) for window in windows}) > 250


def recording(path: Path, rows: int, channels: tuple[str, ...] = CHANNELS) -> Path:
    counts = np.resize(hum(10.0).ravel(), (rows, len(channels)))
    counts[:, 0] = np.arange(rows) % 30000
    scales = (SCALES * len(channels))[: len(channels)]
    write_recording(path, Recording(path, counts, None, channels, RATE, scales, ("g",) * len(channels)))
    return path


@pytest.mark.parametrize("most", [None, 1, 2, 7, 31, 10000])
def test_recorded_windows_are_spread_evenly(tmp_path: Path, most: int | None) -> None:
    pipeline = Pipeline(reader.parse(whole_model("gaussian")))
    path = recording(tmp_path / "a.csv", 1000)
    every = [tuple(window.ravel()) for window in cut_windows(_counts(path), WINDOW, HOP)]
    count, windows = recorded_windows(path, pipeline, most)
    places = [every.index(tuple(window.ravel())) for window in windows]
    assert len(places) == count == (len(every) if most is None else min(most, len(every)))
    assert len(set(places)) == count
    if count > 1:
        assert (places[0], places[-1]) == (0, len(every) - 1)
        assert max(np.diff(places)) - min(np.diff(places)) <= 1


def _counts(path: Path) -> np.ndarray:
    return np.loadtxt(path.read_text().split("\nt,")[1].splitlines()[1:], delimiter=",", usecols=(1, 2)).astype(
        np.int16
    )


def test_recordings_that_do_not_fit(tmp_path: Path) -> None:
    pipeline = Pipeline(reader.parse(whole_model("gaussian")))
    with pytest.raises(InputError, match="shorter than one window"):
        recorded_windows(recording(tmp_path / "short.csv", 20), pipeline, 5)
    with pytest.raises(InputError, match="has channels a, the model has x, y"):
        recorded_windows(recording(tmp_path / "one.csv", 200, ("a",)), pipeline, 5)
    count, windows = recorded_windows(recording(tmp_path / "more.csv", 200, ("temperature", "y", "x")), pipeline, 1)
    assert (count, next(windows).shape) == (1, (WINDOW, 2))


# --- the report ---


def test_report_counts_mismatches_and_keeps_the_first_five() -> None:
    report = ValidationReport("0" * 16, microseconds=[5, 1, 9])
    assert not report.ok, "nothing was compared"
    names = ("x.mean", "x.rms", "score")
    report.compare(names, np.array([1, 2, 3]), np.array([1, 2, 3]))
    assert report.ok
    for _ in range(3):
        report.compare(names, np.array([1, 7, 8]), np.array([1, 2, 3]))
    values = report.as_dict()
    assert (values["windows"], values["numbers"], values["mismatches"], values["ok"]) == (4, 12, 6, False)
    assert values["examples"][:2] == [
        {"window": 1, "what": "x.rms", "board": 7, "host": 2},
        {"window": 1, "what": "score", "board": 8, "host": 3},
    ]
    assert len(values["examples"]) == 5
    assert values["latency_us"] == {"min": 1, "median": 5, "p99": 9}
    assert json.loads(json.dumps(values)) == values


def test_a_failed_self_test_is_a_failed_validation() -> None:
    report = ValidationReport("0" * 16, self_test=(2, 3))
    report.compare(("score",), np.array([1]), np.array([1]))
    assert not report.ok


@pytest.mark.parametrize("longest", [60, 100, 128, 250, 1024])
def test_window_lines_are_as_long_as_the_board_takes(longest: int) -> None:
    step = bytes_a_line(longest, 4096)
    line = f"~WINDOW 65535 o=4090 d={'A' * (step // 3 * 4)} *00000000"
    assert longest - 8 < len(line) <= longest
    assert step % 6 == 0


def test_lines_too_short_for_a_window() -> None:
    with pytest.raises(InputError, match="too short"):
        bytes_a_line(40, 4096)


# --- a real board ---


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model directory of each family."""
    found = {}
    for family in FAMILIES:
        found[family] = tmp_path_factory.mktemp(family)
        (found[family] / "model.beat").write_bytes(whole_model(family))
    return found


@pytest.fixture(scope="module")
def boards(
    models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], VirtualBoard]]:
    """A running board of each family, shared by tests that leave it as it is."""
    running: dict[str, VirtualBoard] = {}

    def board(family: str) -> VirtualBoard:
        if family not in running:
            running[family] = VirtualBoard(source(), model=models[family]).start()
        return running[family]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("boards")))
        yield board
        for virtual in running.values():
            virtual.close()


@pytest.fixture
def own_board(models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualBoard]:
    """A running board that a test may spoil."""
    (tmp_path / "boards").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "boards"))
    with VirtualBoard(source(), model=models["gaussian"]) as virtual:
        yield virtual


@needs_micropython
@pytest.mark.parametrize("family", FAMILIES)
def test_a_board_computes_what_numpy_computes(
    boards: Callable[[str], VirtualBoard], models: dict[str, Path], family: str
) -> None:
    seen: list[tuple[int, int]] = []
    report = validate(models[family], boards(family).port, windows=200, progress=lambda *state: seen.append(state))
    count = len(names_of(whole_model(family)))
    assert count > 24, "features need more than one line"
    assert report.ok
    assert (report.windows, report.numbers, report.mismatches) == (203, 203 * (count + 1), 0)
    assert report.self_test == (3, 3)
    assert (report.lost, report.damaged, report.retries) == (0, 0, 0)
    assert len(report.microseconds) == 203
    assert 0 <= report.latency()["min"] <= report.latency()["median"] <= report.latency()["p99"]
    assert report.bytes_out > 203 * 4 * WINDOW
    assert report.bytes_in > 203 * 4 * count
    assert seen == [(done, 203) for done in range(204)]


@needs_micropython
def test_a_recording_is_replayed(
    boards: Callable[[str], VirtualBoard], models: dict[str, Path], tmp_path: Path
) -> None:
    path = recording(tmp_path / "a.csv", 1000)
    report = validate(models["kmeans"] / "model.beat", boards("kmeans").port, replay=path, windows=None)
    assert report.ok
    assert report.windows == 3 + (1000 - WINDOW) // HOP + 1
    assert validate(models["kmeans"], boards("kmeans").port, replay=path, windows=4).windows == 7


@needs_micropython
def test_a_board_with_another_model(boards: Callable[[str], VirtualBoard], models: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"the board runs model [0-9a-f]{16}, .* holds [0-9a-f]{16}; copy"):
        validate(models["kmeans"], boards("gaussian").port)


@needs_micropython
@pytest.mark.parametrize(("windows", "message"), [(0, "not a number of windows"), (None, "name one with --replay")])
def test_windows_that_are_none(models: dict[str, Path], windows: int | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        validate(models["kmeans"], "/dev/there-is-none", windows=windows)


FLIPPED = """
from offbeat import modelfile
def load(path):
    with open(path, "rb") as file:
        model = modelfile.parse(bytearray(file.read()))
    model.parameters[len(model.parameters) - 1] ^= 8
    return model
modelfile.load = load
"""
"""After the file has been checked, one bit of its last weight differs in memory; the identity is as it was."""


@needs_micropython
@pytest.mark.parametrize("family", FAMILIES)
def test_one_bit_of_one_weight_is_found(
    own_board: VirtualBoard, models: dict[str, Path], tmp_path: Path, family: str
) -> None:
    (own_board.flash / "model.beat").write_bytes((models[family] / "model.beat").read_bytes())
    run_first(own_board, FLIPPED)
    report = validate(models[family], own_board.port, replay=recording(tmp_path / "a.csv", 4000), windows=100)
    assert not report.ok
    assert report.mismatches > 0
    assert len(report.examples) == min(report.mismatches, 5)
    # Features do not depend on weights: whatever differs is a score.
    assert {example.what for example in report.examples} == {"score"}
    assert all(example.board != example.host for example in report.examples)
    assert report.as_dict()["ok"] is False


WRONG_FEATURE = """
from offbeat.features import Features
_compute = Features.compute
def compute(self, frames, first, capacity):
    _compute(self, frames, first, capacity)
    self.values[3] += 1
Features.compute = compute
"""


@needs_micropython
def test_one_feature_that_is_off_by_one_is_found(own_board: VirtualBoard, models: dict[str, Path]) -> None:
    run_first(own_board, WRONG_FEATURE)
    report = validate(models["gaussian"], own_board.port, windows=20)
    assert report.mismatches >= 23
    assert report.self_test == (0, 3)
    name = names_of(whole_model("gaussian"))[3]
    wrong = [example for example in report.examples if example.what == name]
    assert wrong
    assert all(example.board == example.host + 1 for example in wrong)


@needs_micropython
def test_windows_whose_features_are_lost_are_run_again(own_board: VirtualBoard, models: dict[str, Path]) -> None:
    run_first(own_board, lose_lines(FEATURES="n % 7 == 3"))
    report = validate(models["gaussian"], own_board.port, windows=20)
    assert report.ok
    assert report.windows == 23
    assert report.retries >= report.lost > 0


@needs_micropython
def test_features_that_never_come(own_board: VirtualBoard, models: dict[str, Path]) -> None:
    run_first(own_board, lose_lines(FEATURES="n % 2"))
    with pytest.raises(InputError, match="features of window 0 were lost 3 times"):
        validate(models["gaussian"], own_board.port, windows=20)


@needs_micropython
def test_a_board_whose_sensor_does_not_fit_the_model(own_board: VirtualBoard, models: dict[str, Path]) -> None:
    about = json.loads((own_board.flash / "about.json").read_text())
    (own_board.flash / "about.json").write_text(json.dumps({**about, "rate_millihertz": 50000}))
    own_board.reset()
    with pytest.raises(InputError, match="no model that fits its sensor"):
        validate(models["gaussian"], own_board.port)


@needs_micropython
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("unplug", "vanished while it was in use.*not complete"),
        ("reset", "started anew after 5 windows"),
    ],
)
def test_a_board_that_goes_away(own_board: VirtualBoard, models: dict[str, Path], spoil: str, message: str) -> None:
    def progress(done: int, total: int) -> None:
        if done == 5:
            getattr(own_board, spoil)()

    with pytest.raises(InputError, match=message):
        validate(models["gaussian"], own_board.port, windows=50, progress=progress)


@needs_micropython
def test_a_board_that_stops_answering(
    own_board: VirtualBoard, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("offbeat.host.board._PATIENCE", {"WINDOW": 0.1, "RUN": 0.1, "SELFTEST": 5.0})

    def progress(done: int, total: int) -> None:
        if done == 5:
            own_board.feed_garbage(b"\x03", to_board=True)  # Ctrl-C: the board is at its prompt

    with pytest.raises(InputError, match=r"no answer to (WINDOW|RUN)"):
        validate(models["gaussian"], own_board.port, windows=50, progress=progress)
