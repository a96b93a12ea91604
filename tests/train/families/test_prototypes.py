"""The fitted prototypes: what they find, name and promise, on synthetic standard scores."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from offbeat.device.families import prototypes as board
from offbeat.train.errors import InputError
from offbeat.train.families.prototypes import POWERS, Prototypes, _power

_WIDTH = 6
_RUNTIME = Path(__file__).parents[3] / "device" / "c"
NEAREST: dict[str, Any] = {"mode": "nearest", "prototypes": 32}
BOTH = pytest.mark.parametrize("settings", [NEAREST, {}], ids=["nearest", "kernel"])


def quantized(scores: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.clip(np.round(scores * 128), -8191, 8191).astype(np.int32)


def ring(windows: int, seed: int) -> NDArray[np.float64]:
    """A machine whose speed goes through a range: windows on a half circle, with noise; float64 [windows, 6]."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, np.pi, windows)
    curve = 2 * np.stack([np.cos(angle), np.sin(angle) - 0.6, *np.zeros((_WIDTH - 2, windows))], axis=1)
    return curve + rng.normal(0, 0.25, (windows, _WIDTH))


def fitted(settings: dict[str, Any]) -> Prototypes:
    """One normal window in a hundred exceeds the threshold."""
    family = Prototypes.fit(quantized(ring(1500, 1)) / 128, 0, **settings)
    return family.scaled_to(int(np.quantile(family.distances(quantized(ring(1500, 2))), 0.99)))


def spoiled(windows: int, by: float) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Normal windows with one feature moved, and which."""
    scores, rng = ring(windows, 3), np.random.default_rng(4)
    feature = rng.integers(2, _WIDTH, windows)
    scores[np.arange(windows), feature] += by * rng.choice([-1, 1], windows)
    return quantized(scores), feature


@BOTH
def test_integers_rank_as_the_float_model(settings: dict[str, Any]) -> None:
    trained = fitted(settings)
    vectors = np.concatenate([quantized(ring(1500, 2)), spoiled(1500, 0.9)[0]])
    truth = np.repeat([0, 1], 1500)
    exact, score = trained.float_score(vectors / 128), trained.score(vectors)
    assert roc_auc_score(truth, exact) > 0.9
    assert abs(roc_auc_score(truth, exact) - roc_auc_score(truth, score)) < 0.005
    near = exact < 512
    assert np.quantile(np.abs(exact - score)[near], 0.99) < 3


@BOTH
def test_what_lies_inside_the_ring_is_abnormal(settings: dict[str, Any]) -> None:
    """Where the mean of all windows is, which one Gaussian would call the most normal of all."""
    trained = fitted(settings)
    assert trained.score(quantized(np.array([[0, -0.6 * 2 + 0.2, 0, 0, 0, 0]])))[0] > 256


@BOTH
def test_contributions_add_up_and_name_the_feature(settings: dict[str, Any]) -> None:
    trained = fitted(settings)
    vectors, feature = spoiled(600, 1.5)
    parts, score = trained.contributions(vectors), trained.score(vectors)
    assert np.abs(parts.sum(axis=1) - score).max() <= _WIDTH
    assert (parts >= 0).all()
    assert (parts.argmax(axis=1) == feature).mean() > 0.9


@pytest.mark.parametrize("settings", [{}, *Prototypes.variants, {"mode": "nearest", "neighbours": 3}])
def test_the_farther_the_higher(settings: dict[str, Any]) -> None:
    family = fitted(settings)
    line = quantized(np.linspace(2, 64, 100)[:, None] * np.ones(_WIDTH))
    distances, scores = family.distances(line), family.score(line)
    assert (np.diff(scores) >= 0).all(), "not even where it saturates does a score fall"
    assert (np.diff(distances[distances < 2**29]) > 0).all() and (np.diff(distances) >= 0).all()
    assert scores[-1] > 32 * 256


@pytest.mark.parametrize("settings", [{}, *Prototypes.variants, {"mode": "nearest", "neighbours": 2}])
def test_sections_are_sound_small_and_read_back(settings: dict[str, Any]) -> None:
    family = fitted(settings).scaled_to(300_000)
    section, vectors = family.parameters(), spoiled(50, 2.0)[0]
    assert settings.items() <= family.settings.items()
    assert board.check(memoryview(section), _WIDTH) == ""
    again = Prototypes.from_parameters(section, _WIDTH)
    assert again.parameters() == section and again.settings == family.settings
    assert np.array_equal(again.score(vectors), family.score(vectors))
    assert np.array_equal(again.contributions(vectors), family.contributions(vectors))
    assert np.array_equal(again.distances(vectors), family.distances(vectors))
    prototypes, kernels = family.settings["prototypes"], family.settings["mode"] == "kernel"
    assert len(section) == 14 + (1 + prototypes) * _WIDTH + (16 + 2 * prototypes if kernels else 0)
    assert family.operations >= prototypes * _WIDTH
    with pytest.raises(RuntimeError, match="no float model"):
        again.float_score(vectors / 128)


def test_variants_grow_and_stay_small() -> None:
    wide = np.random.default_rng(0).normal(0, 1, (400, 64))
    sizes = [len(Prototypes.fit(wide, 0, **settings).parameters()) for settings in Prototypes.variants]
    assert sizes == sorted(sizes) and sizes[0] < 1000 and sizes[-1] < 8000
    widest = Prototypes.fit(np.random.default_rng(0).normal(0, 1, (300, 255)), 0)
    assert len(widest.parameters()) <= 8000


@BOTH
@pytest.mark.parametrize("threshold", [256, 5000, 400_000, 50_000_000])
def test_the_threshold_lies_at_256(settings: dict[str, Any], threshold: int) -> None:
    """Where the score crosses 256 along a line that leads away from everything normal."""
    family = fitted(settings).scaled_to(threshold)
    line = quantized(np.linspace(0, 64, 4000)[:, None] * np.ones(_WIDTH))
    distances, scores = family.distances(line), family.score(line)
    assert (scores[distances >= threshold * 1.01] >= 256).all()
    assert (scores[distances < threshold * 0.99] < 256).all()


def test_the_table_of_powers_is_the_same_everywhere() -> None:
    text = (_RUNTIME / "offbeat_prototypes.c").read_text()
    table = re.search(r"POWERS\[65\] = \{(.*?)\}", text, re.DOTALL)
    assert table is not None
    assert [int(value) for value in re.findall(r"\d+", table[1])] == POWERS.tolist() == list(board.POWERS)


def test_powers_of_two() -> None:
    steps = np.arange(32768)
    exact = 32768 * 2.0 ** (-steps / 2048)
    found = _power(steps.astype(np.int32))
    assert np.abs(found - exact).max() < 1.6 and (np.diff(found) <= 0).all()


def test_the_machine_is_reproduced() -> None:
    """The function of 64 weighted prototypes ranks as that of all support vectors."""
    from sklearn.svm import OneClassSVM

    scores, vectors = ring(1500, 1), spoiled(500, 0.9)[0]
    family = Prototypes.fit(scores, 0)
    assert family.model is not None and family.model.kernel is not None and family.kernel is not None
    machine = OneClassSVM(nu=0.1, gamma=family.model.kernel.gamma).fit(scores)
    assert spearmanr(family.distances(vectors), -machine.score_samples(vectors / 128))[0] > 0.9
    assert (family.kernel.weights >= 0).all()


def around(scores: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return np.concatenate([scores, scores + rng.uniform(0, 4, (len(scores), 1)) * rng.normal(size=scores.shape)])


@pytest.mark.parametrize("prototypes", [8, 32, 64])
def test_a_student_ranks_as_its_teacher(prototypes: int) -> None:
    scores = ring(1000, 1)
    teacher = IsolationForest(n_estimators=100, random_state=0).fit(scores)
    points, fresh = around(scores, 1), around(ring(500, 2), 3)
    student = Prototypes.learn(points, -teacher.score_samples(points), 0, prototypes=prototypes)
    assert student.settings == {"mode": "kernel", "prototypes": prototypes}
    assert board.check(memoryview(student.parameters()), _WIDTH) == ""
    wanted, found = -teacher.score_samples(fresh), student.distances(quantized(fresh))
    assert spearmanr(wanted, found)[0] > 0.9
    exact = student.float_score(quantized(fresh) / 128)
    truth = wanted > np.median(wanted)
    assert abs(roc_auc_score(truth, exact) - roc_auc_score(truth, found)) < 0.005
    line = quantized(np.linspace(6, 64, 100)[:, None] * np.ones(_WIDTH))
    assert (np.diff(student.distances(line)) > 0).all(), "it goes on where its teacher has stopped"


@pytest.mark.parametrize("offset", [-1000.0, 0.0, 1000.0])
def test_a_teacher_of_any_scale_can_be_learned(offset: float) -> None:
    points = around(ring(500, 1), 1)
    targets = (points**2).sum(axis=1)
    for factor in (1e-3, 1e6):
        student = Prototypes.learn(points, (targets + offset) * factor, 0, prototypes=16)
        assert board.check(memoryview(student.parameters()), _WIDTH) == ""
        assert spearmanr(targets, student.distances(quantized(points)))[0] > 0.9


DEGENERATE = {
    "one feature": lambda rng: rng.normal(0, 1, (100, 1)),
    "constant": lambda rng: np.zeros((60, 3)),
    "one constant feature": lambda rng: rng.normal(0, 1, (60, 3)) * [1, 0, 1],
    "copies of one window": lambda rng: np.repeat(rng.normal(0, 1, (1, 4)), 50, axis=0),
    "two windows in turn": lambda rng: np.tile(rng.normal(0, 1, (2, 4)), (30, 1)),
    "the same feature twice": lambda rng: np.repeat(rng.normal(0, 1, (80, 2)), 2, axis=1),
    "fewer windows than features": lambda rng: rng.normal(0, 1, (12, 20)),
    "two windows": lambda rng: rng.normal(0, 1, (2, 1)),
    "saturated": lambda rng: rng.choice([-64.0, 64.0], (100, 3)),
    "one window far away": lambda rng: np.concatenate([rng.normal(0, 1, (99, 3)), np.full((1, 3), 63.0)]),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.filterwarnings("error")
def test_degenerate_data_give_a_sound_model(name: str) -> None:
    scores = np.clip(np.round(DEGENERATE[name](np.random.default_rng(5)) * 128), -8191, 8191) / 128
    count = scores.shape[1]
    vectors = quantized(np.concatenate([scores, np.full((1, count), 30.0)]))
    targets = (scores**2).sum(axis=1)
    ways = [Prototypes.fit(scores, 0, **settings) for settings in (NEAREST, {"mode": "nearest", "neighbours": 3}, {})]
    for family in [*ways, Prototypes.learn(scores, targets, 0), Prototypes.learn(scores, 0 * targets, 0)]:
        family = family.scaled_to(200_000)
        assert board.check(memoryview(family.parameters()), count) == ""
        assert np.isfinite(family.float_score(vectors / 128)).all()
        distances = family.distances(vectors)
        assert (distances >= 0).all() and (family.score(vectors) >= 0).all()
        if name not in ("saturated", "one window far away"):
            assert distances[-1] > 2 * np.median(distances[:-1])


def test_same_seed_same_model() -> None:
    scores = ring(300, 1)
    assert Prototypes.fit(scores, 7).parameters() == Prototypes.fit(scores, 7).parameters()
    targets = scores[:, 0] ** 2
    assert Prototypes.learn(scores, targets, 7).parameters() == Prototypes.learn(scores, targets, 7).parameters()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "linear"}, 'no mode "linear"; choose "nearest" or "kernel"'),
        ({"prototypes": 0}, "0 prototypes cannot be fitted"),
        ({"prototypes": 65}, "choose 1 to 64"),
        ({"mode": "nearest", "neighbours": 4}, "4 neighbours"),
        ({"mode": "kernel", "neighbours": 2}, '2 neighbours cannot count in mode "kernel"'),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Prototypes.fit(ring(100, 1), 0, **settings)


@pytest.mark.parametrize("targets", [np.zeros(99), np.full(100, np.nan), np.zeros((100, 1))])
def test_targets_that_cannot_be(targets: NDArray[np.float64]) -> None:
    with pytest.raises(InputError, match="one finite outlier score for each window"):
        Prototypes.learn(ring(100, 1), targets, 0)
