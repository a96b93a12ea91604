"""Choice by labels: what chooses, what is left to evaluate, and what is said where labels do not allow it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from offbeat.train.dataset import Stretch, WindowSet
from offbeat.train.errors import InputError
from offbeat.train.evaluate import score_stretches, summarize
from offbeat.train.modeldir import write_model_directory
from offbeat.train.recording import open_recording, write_recording
from offbeat.train.simulate import parse_fault, simulate
from offbeat.train.training import Options, Training, train
from offbeat.train.validation import split_labels

WINDOW, HOP = 8, 4


def windows_of(*recordings: str, hop: int = HOP) -> WindowSet:
    """A window a letter: . is normal, every other one a label; recordings are a.csv, b.csv …"""
    stretches = []
    for name, letters in zip("abcd", recordings, strict=False):
        fault = np.array([letter.strip(".") for letter in letters])
        starts = hop * np.arange(len(fault), dtype=np.int64)
        features = np.arange(len(fault), dtype=np.int32)[:, None]
        stretches.append(Stretch(f"{name}.csv", features, starts, fault, np.ones(len(fault), dtype=bool)))
    none = np.zeros((0, WINDOW, 1), dtype=np.int16)
    return WindowSet(WINDOW, hop, 1.0, tuple(stretches), (), none, none, 1.0)


def test_a_recording_is_cut_before_the_later_half_of_its_faults() -> None:
    found = split_labels(windows_of("..aa....a...bb...aa."), apart=False, remembers=False)
    assert [faulty.features.ravel().tolist() for faulty in found.faulty.values()] == [[2, 3], [8]]
    assert found.where == "a.csv before 48 s" and found.left == 2
    assert np.flatnonzero(found.spent[0]).tolist() == [2, 3, 8]


def test_a_moment_of_normal_labels_does_not_make_two_faults() -> None:
    with pytest.raises(InputError, match="hold 1 labelled fault that can be told apart, too few"):
        split_labels(windows_of("...aaa.aaa..."), apart=False, remembers=False)


def test_windows_that_reach_into_the_rest_do_not_choose() -> None:
    found = split_labels(windows_of("..aaaabbbb.."), apart=False, remembers=False)
    (faulty,) = found.faulty.values()
    assert faulty.features.ravel().tolist() == [2, 3, 4]  # window 5 shares samples with the first of b
    assert np.flatnonzero(found.spent[0]).tolist() == [2, 3, 4, 5]


def test_of_recordings_with_one_fault_every_other_one_chooses() -> None:
    found = split_labels(windows_of("..a..", ".....", "..b..", "..c.."), apart=False, remembers=False)
    assert found.where == "a.csv, d.csv" and found.left == 1
    assert [spent.any() for spent in found.spent] == [True, False, False, True]


def test_a_score_that_remembers_sees_what_came_before() -> None:
    found = split_labels(windows_of("....aa....bb"), apart=False, remembers=True)
    (faulty,) = found.faulty.values()
    assert faulty.features.shape == (1, 6, 1) and faulty.judged == 4


def test_windows_apart_are_faults_for_themselves() -> None:
    found = split_labels(windows_of("....aabb", hop=WINDOW), apart=True, remembers=False)
    assert {label: faulty.features.ravel().tolist() for label, faulty in found.faulty.items()} == {"a": [4, 5]}
    assert found.left == 2


def simulated(path: Path, *parts: tuple[float, str | None]) -> Path:
    """A recording put together from parts: (seconds, fault that begins three quarters in)."""
    found = [
        simulate(
            seconds=seconds, faults=() if fault is None else (parse_fault(f"{fault}@{seconds * 0.75}"),), seed=seed
        )
        for seed, (seconds, fault) in enumerate(parts)
    ]
    labels = [np.full(len(r.counts), "normal") if r.labels is None else r.labels for r in found]
    counts = np.concatenate([r.counts for r in found])
    write_recording(path, replace(found[0], counts=counts, labels=np.concatenate(labels)))
    return path


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("labels") / "machine.csv"
    return simulated(path, (32, "imbalance"), (16, "bearing_outer"), (16, "imbalance"), (16, "misalignment"))


OPTIONS = Options(family="kmeans", features="motion", workers=1, choose_by="labels")


@pytest.fixture(scope="module")
def training(labelled: Path) -> Training:
    return train([open_recording(labelled)], OPTIONS)


def test_the_choice_is_said_and_the_rest_is_evaluated(training: Training, tmp_path: Path) -> None:
    assert training.validation is not None
    assert "the labelled faults that it was chosen by" in training.reason
    assert len(training.chosen.detected) == 2 and all(
        "imbalance" in n or "bearing" in n for n in training.chosen.detected
    )
    summary = write_model_directory(training, tmp_path / "m").summary
    assert summary["judged_by"] == "labels" and summary["validation"]["faults_left"] == 2  # type: ignore[index]
    evaluation = summary["evaluation"]
    assert [d["fault"] for d in evaluation["detections"]] == ["imbalance", "misalignment"]  # type: ignore[index]
    report, card = (tmp_path / "m" / "report.html").read_text(), (tmp_path / "m" / "card.md").read_text()
    for text in (report, card):
        assert "chosen by 2 labelled faults" in text and "evaluated on the 2 labelled faults outside that part" in text
    assert "injected" not in report


def test_only_what_did_not_choose_counts(training: Training) -> None:
    scored = score_stretches(training.pipeline, training.windows.stretches)
    everything = summarize(scored, training.pipeline)
    assert training.validation is not None
    rest = summarize(training.validation.evaluated(scored), training.pipeline)
    spent = sum(int(each.sum()) for each in training.validation.spent)
    assert rest.windows == everything.windows - spent and 0 < rest.faulty_windows < everything.faulty_windows


def test_labels_choose_and_nothing_else(labelled: Path, training: Training) -> None:
    """One family, one set: there is nothing to choose, so the model is the one that injected faults lead to."""
    other = train([open_recording(labelled)], replace(OPTIONS, choose_by="injected"))
    assert other.pipeline.standardize == training.pipeline.standardize
    assert other.calibration.threshold == training.calibration.threshold
    assert other.model == training.model


def test_a_slow_sensor(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    counts = (np.cumsum(rng.normal(0, 1, (900, 2)), axis=0) + rng.normal(0, 20, (900, 2))).astype(np.int16)
    labels = np.full(900, "0")
    for low in (400, 550, 700, 850):
        counts[low : low + 40] += 500
        labels[low : low + 40] = "1"
    sample = simulate(seconds=1)
    path = tmp_path / "slow.csv"
    write_recording(
        path, replace(sample, counts=counts, labels=labels, rate=1.0, channels=("p", "q"), units=("", ""),
                      scales=(1.0, 1.0))
    )  # fmt: skip
    found = train([open_recording(path)], replace(OPTIONS, family="pca", features="auto"))
    assert found.chosen.quality > 0.95 and len(found.chosen.detected) == 2


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([(20, None)], "are labelled normal, so there is no fault to choose by; add a recording"),
        (
            [(30, "imbalance")],
            "hold 1 labelled fault that can be told apart, too few to choose by some and to evaluate",
        ),
    ],
)
def test_labels_that_do_not_allow_it(tmp_path: Path, parts: list[tuple[float, str | None]], says: str) -> None:
    path = simulated(tmp_path / "few.csv", *parts)
    with pytest.raises(InputError, match=says):
        train([open_recording(path)], OPTIONS)


def test_no_labels_at_all_and_none_that_is_normal(tmp_path: Path) -> None:
    recording = simulate(seconds=20)
    write_recording(tmp_path / "bare.csv", replace(recording, labels=None))
    with pytest.raises(InputError, match=r"bare.csv bear no labels; name their column with --label-column"):
        train([open_recording(tmp_path / "bare.csv")], OPTIONS)
    write_recording(tmp_path / "all.csv", replace(recording, labels=np.full(len(recording.counts), "broken")))
    with pytest.raises(InputError, match="no window is normal from end to end, they are labelled broken"):
        train([open_recording(tmp_path / "all.csv")], OPTIONS)
    with pytest.raises(InputError, match="--choose-by guess is unknown; choose injected or labels"):
        train([open_recording(tmp_path / "all.csv")], replace(OPTIONS, choose_by="guess"))
