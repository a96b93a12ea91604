"""Distillation: students that learn what a teacher says, teachers that cannot be had, and what is shown of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from offbeat.train import distill
from offbeat.train.distill import learn, outlier_scores, taught, teacher_named
from offbeat.train.errors import InputError
from offbeat.train.families import FAMILIES
from offbeat.train.recording import open_recording
from offbeat.train.simulate import SimulatedStream, write_csv
from offbeat.train.training import Options, train

STUDENTS = [name for name in distill.STUDENTS if name in FAMILIES]


def regimes(windows: int, seed: int) -> np.ndarray:
    """Windows of two ways of running, with nothing between them; float64 [windows, 3]."""
    rng = np.random.default_rng(seed)
    return np.repeat([[-1.5, 0, 1], [1.5, 0, -1]], windows // 2, axis=0) + rng.normal(0, 0.2, (windows, 3))


@pytest.mark.parametrize("family", STUDENTS)
@pytest.mark.parametrize("teacher", ["one_class_svm", "local_outlier_factor", "pyod.models.knn.KNN"])
def test_a_student_ranks_as_its_teacher(family: str, teacher: str) -> None:
    if teacher.startswith("pyod"):
        pytest.importorskip("pyod", reason="needs the extra pyod")
    scores = regimes(800, 1)
    student = learn(FAMILIES[family], teacher, scores, 0)
    points = np.concatenate([regimes(300, 2), 0.3 * regimes(300, 3), 2.5 * regimes(300, 4)])
    vectors = np.clip(np.round(points * 128), -8191, 8191).astype(np.int32)
    wanted, found = outlier_scores(taught(teacher, scores, 0), points), student.distances(vectors)
    assert spearmanr(wanted, found)[0] > 0.7
    truth = np.repeat([0, 1], [300, 600])
    assert roc_auc_score(truth, found) > roc_auc_score(truth, wanted) - 0.1
    assert len(student.parameters()) <= 8192


def test_training_shows_teacher_and_student(tmp_path: Path) -> None:
    write_csv(SimulatedStream(seed=1), tmp_path / "n.csv", seconds=25)
    options = Options(distill="isolation_forest", features="motion", workers=1)
    found = train([open_recording(tmp_path / "n.csv")], options)
    assert found.chosen.family.name in STUDENTS
    assert found.teacher_quality is not None and found.teacher_quality > 0.8
    assert found.chosen.quality > found.teacher_quality - 0.1
    assert abs(found.chosen.quality - found.chosen.float_quality) < 0.01
    assert len(found.candidates) > len(STUDENTS)


class Broken:
    """A teacher that has everything but cannot learn."""

    def fit(self, X: Any) -> None:  # noqa: N803
        raise RuntimeError("no\nluck\x1b[2J")

    def score_samples(self, X: Any) -> Any:  # noqa: N803
        raise AssertionError


def test_a_teacher_that_fails_to_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distill, "teacher_named", lambda name, seed: Broken())
    with pytest.raises(InputError, match="--distill broken failed to fit 50 windows of 3 features: no luck"):
        taught("broken", regimes(50, 1), 0)


@pytest.mark.parametrize(
    "name, reason",
    [
        ("foo", "is no teacher; choose isolation_forest"),
        ("os.system", "is no teacher"),
        ("sklearn.nothing.KNN", "No module named"),
        ("sklearn.ensemble.Nothing", "cannot be made"),
        ("sklearn.ensemble.VotingClassifier", "cannot be made"),
        ("sklearn.preprocessing.StandardScaler", "is no outlier detector"),
        ("pyod.nothing.KNN", "No module named"),
    ],
)
def test_teachers_that_cannot_be_had(name: str, reason: str) -> None:
    with pytest.raises(InputError, match=f"--distill {name}.*{reason}"):
        teacher_named(name, 0)


def test_other_families_cannot_learn(tmp_path: Path) -> None:
    write_csv(SimulatedStream(seed=1), tmp_path / "n.csv", seconds=20)
    with pytest.raises(InputError, match="--family gaussian cannot learn from a teacher; with --distill choose forest"):
        train([open_recording(tmp_path / "n.csv")], Options(family="gaussian", distill="isolation_forest"))
