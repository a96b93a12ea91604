"""The fitted forest: what it finds, names, learns and promises, on synthetic standard scores."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from offbeat.device.families import forest as board
from offbeat.train.errors import InputError
from offbeat.train.families.forest import Forest
from offbeat.train.families.forest_fit import isolating

_WIDTH = 6


def quantized(scores: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.clip(np.round(scores * 128), -8191, 8191).astype(np.int32)


def ring(windows: int, seed: int) -> NDArray[np.float64]:
    """Two features on a ring, four that are noise; nothing normal in the middle. float64 [windows, 6], grid of Q7."""
    rng = np.random.default_rng(seed)
    angle, noise = rng.uniform(0, 2 * np.pi, windows), rng.normal(0, 1, (windows, _WIDTH))
    noise[:, :2] = 1.4 * np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.1 * noise[:, :2]
    return quantized(noise) / 128


def spoiled(windows: int, by: float) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Normal windows with one feature moved away from the middle, and which."""
    scores, rng = ring(windows, 3), np.random.default_rng(4)
    feature = rng.integers(0, _WIDTH, windows)
    moved = scores[np.arange(windows), feature]
    scores[np.arange(windows), feature] = moved + np.where(moved < 0, -by, by)
    return quantized(scores), feature


def limited(family: Forest) -> Forest:
    """One normal window in a hundred exceeds the threshold."""
    return family.scaled_to(int(np.quantile(family.distances(quantized(ring(1500, 2))), 0.99)))


@pytest.fixture(scope="module")
def trained() -> Forest:
    return limited(Forest.fit(ring(1500, 1), 0))


def depths(fitted: IsolationForest, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean length of the paths through scikit-learn's own trees, with what it expects below a leaf."""
    total = np.zeros(len(scores))
    for estimator in fitted.estimators_:
        path = np.asarray(estimator.tree_.decision_path(scores.astype(np.float32)).sum(axis=1)).ravel() - 1
        n = estimator.tree_.n_node_samples[estimator.apply(scores)].astype(np.float64)
        more = 2 * (np.log(np.maximum(n - 1, 1)) + np.euler_gamma) - 2 * (n - 1) / n
        total += path + np.where(n > 2, more, n == 2)
    return total / len(fitted.estimators_)


def test_uncut_trees_are_those_of_scikit_learn() -> None:
    scores, others = ring(500, 1), quantized(ring(300, 7)) / 128
    fitted = IsolationForest(n_estimators=5, max_samples=256, random_state=3).fit(scores)
    found = isolating(scores, 5, 1000, 3)
    lengths = -np.mean([tree.predict(others) for tree in found.trees], axis=0)
    assert np.allclose(lengths, depths(fitted, others))
    assert spearmanr(-lengths, fitted.score_samples(others))[0] < -0.999


def test_cut_trees_expect_what_they_no_longer_see() -> None:
    scores, others = ring(800, 1), ring(500, 7)
    whole, cut = (isolating(scores, 20, leaves, 0) for leaves in (1000, 16))
    assert max(tree.leaves[0] for tree in cut.trees) == 16 < min(tree.leaves[0] for tree in whole.trees)
    lengths = [np.mean([tree.predict(others) for tree in forest.trees], axis=0) for forest in (whole, cut)]
    assert spearmanr(*lengths)[0] > 0.8


@pytest.mark.parametrize("settings", Forest.variants)
def test_integers_rank_as_the_float_model(settings: dict[str, int]) -> None:
    family = limited(Forest.fit(ring(1500, 1), 0, **settings))
    vectors = np.concatenate([quantized(ring(1500, 2)), spoiled(1500, 3.0)[0]])
    truth = np.repeat([0, 1], 1500)
    exact, score = family.float_score(vectors / 128), family.score(vectors)
    assert roc_auc_score(truth, exact) > (0.9 if settings["trees"] > 4 else 0.85)
    assert abs(roc_auc_score(truth, exact) - roc_auc_score(truth, score)) < 0.005
    assert np.quantile(np.abs(exact - score)[exact < 512], 0.99) < 2


def test_the_middle_of_the_ring_is_abnormal_inside_all_bounds() -> None:
    family = Forest.fit(ring(1500, 1)[:, :2], 0, trees=32)
    middle, normal = np.zeros((1, 2), dtype=np.int32), quantized(ring(500, 2)[:, :2])
    assert not family._excess(middle).any()
    assert family.distances(middle)[0] > np.quantile(family.distances(normal), 0.95)


def test_contributions_add_up_and_name_the_feature(trained: Forest) -> None:
    vectors, feature = spoiled(600, 3.0)
    parts, score = trained.contributions(vectors), trained.score(vectors)
    unsaturated = (score < 8000) & (score > 0)
    assert unsaturated.mean() > 0.9
    assert np.abs(parts.sum(axis=1) - score)[unsaturated].max() <= 2 * _WIDTH
    found = score >= 256
    assert found.mean() > 0.5
    assert (parts.argmax(axis=1) == feature)[found].mean() > 0.9


def test_contributions_name_the_feature_by_its_path_alone(trained: Forest) -> None:
    """A feature that leaves the dense region, but not the range of training."""
    vectors = np.zeros((3, _WIDTH), dtype=np.int32)
    vectors[:, 0] = 179
    for row, feature in enumerate((2, 3, 5)):
        vectors[row, feature] = trained.bounds[1, feature]
    assert not trained._excess(vectors).any()
    assert trained.contributions(vectors)[:, 2:].argmax(axis=1).tolist() == [0, 1, 3]


def test_the_farther_the_higher(trained: Forest) -> None:
    """Where every tree ends in the same leaf, the range still tells near from far."""
    line = quantized(np.linspace(5, 64, 100)[:, None] * np.ones(_WIDTH))
    distances, scores = trained.distances(line), trained.score(line)
    assert (np.diff(distances) > 0).all()
    assert (np.diff(scores[scores < scores.max()]) > 0).all() and scores.max() > 32 * 256
    one = np.zeros((2, _WIDTH), dtype=np.int32)
    one[:, 3] = 640, 6400
    assert trained.distances(one)[1] > 5 * trained.distances(one)[0]


def far_and_near(windows: int, seed: int) -> NDArray[np.float64]:
    """Normal windows, and as many that some features have left."""
    rng, normal = np.random.default_rng(seed), ring(windows, seed)
    moved = normal + rng.normal(0, 2, normal.shape) * (rng.random(normal.shape) < 0.3)
    return quantized(np.concatenate([normal, moved])) / 128


def teacher(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distance from the ring and from the noise's middle."""
    radius = np.hypot(scores[:, 0], scores[:, 1])
    return ((radius - 1.4) / 0.1) ** 2 + (scores[:, 2:] ** 2).sum(axis=1)


def test_a_student_reproduces_its_teacher() -> None:
    scores, others = far_and_near(2000, 1), far_and_near(1000, 2)
    truth, quality = np.repeat([0, 1], 1000), []
    sizes = ({"trees": 4, "leaves": 8}, {"trees": 32, "leaves": 32})
    for size in sizes:
        student = limited(Forest.learn(scores, teacher(scores), 0, **size))
        exact, score = student.float_score(others), student.score(quantized(others))
        assert abs(roc_auc_score(truth, exact) - roc_auc_score(truth, student.distances(quantized(others)))) < 0.005
        assert np.quantile(np.abs(exact - score)[exact < 512], 0.99) < 2
        assert board.check(memoryview(student.parameters()), _WIDTH) == ""
        assert student.settings == size
        quality.append(spearmanr(score, teacher(others))[0])
    assert quality[0] > 0.6 and quality[1] > 0.9 > quality[0]
    isolation = Forest.fit(ring(2000, 1), 0, trees=32, leaves=32)
    assert roc_auc_score(truth, score) > roc_auc_score(truth, isolation.distances(quantized(others))) + 0.03


def test_a_student_keeps_the_teachers_scale_and_goes_on_beyond() -> None:
    scores = far_and_near(2000, 1)
    student = Forest.learn(scores, teacher(scores) - 50.0, 0, trees=32, leaves=32)
    vectors, targets = quantized(scores), teacher(scores)
    near = (targets > 5) & (targets < np.quantile(targets, 0.9))
    ratio = student.distances(vectors)[near] / targets[near]
    assert 0.5 < np.median(ratio) / student.model.unit < 1.5
    line = quantized(np.linspace(10, 60, 20)[:, None] * np.ones(_WIDTH))
    assert (np.diff(student.distances(line)) > 0).all()


@pytest.mark.parametrize("settings", [{}, *Forest.variants])
@pytest.mark.parametrize("count", [1, 6, 24])
def test_sections_are_sound_small_and_read_back(settings: dict[str, int], count: int) -> None:
    scores = np.random.default_rng(1).normal(0, 1, (400, count))
    family = Forest.fit(scores, 0, **settings).scaled_to(20_000)
    section, vectors = family.parameters(), quantized(2 * scores[:100])
    assert settings.items() <= family.settings.items()
    assert board.check(memoryview(section), count) == ""
    again = Forest.from_parameters(section, count)
    assert again.parameters() == section and again.settings == family.settings
    assert again.operations == family.operations >= count + 2 * family.settings["trees"]
    assert np.array_equal(again.score(vectors), family.score(vectors))
    assert np.array_equal(again.contributions(vectors), family.contributions(vectors))
    assert np.array_equal(again.distances(vectors), family.distances(vectors))
    assert len(section) <= 14 + 4 * count + family.settings["trees"] * (6 * family.settings["leaves"] - 2)
    assert len(section) < (1024 if settings == Forest.variants[0] else 8192)
    with pytest.raises(RuntimeError, match="no float model"):
        again.float_score(vectors / 128)


@pytest.mark.parametrize("threshold", [256, 5000, 400_000, 50_000_000])
def test_the_threshold_lies_at_256(trained: Forest, threshold: int) -> None:
    family = trained.scaled_to(threshold)
    line = quantized(np.linspace(0, 64, 4000)[:, None] * np.ones(_WIDTH))
    distances, scores = family.distances(line), family.score(line)
    assert (scores[distances >= threshold * 1.01] >= 256).all()
    assert (scores[distances < threshold * 0.99] < 256).all()


def test_normal_windows_stay_well_below_the_threshold(trained: Forest) -> None:
    """The least of training counts as 0: an alarm has somewhere to return to."""
    scores = trained.score(quantized(ring(1000, 5)))
    assert (scores >= 256).mean() < 0.03
    assert np.median(scores) < 160
    assert trained.distances(quantized(ring(1500, 1))).min() <= 16


@pytest.mark.parametrize("count", [1, 24, 255])
def test_the_largest_forests_stay_in_range(count: int) -> None:
    scores = np.random.default_rng(0).normal(0, 1, (300, count))
    family = Forest.fit(scores, 0, trees=255, leaves=128).scaled_to(10_000)
    assert board.check(memoryview(family.parameters()), count) == ""
    edges = np.stack([np.full(count, 8191), np.full(count, -8191)]).astype(np.int32)
    assert (family.distances(edges) > family.distances(quantized(scores)).max()).all()
    assert family.distances(edges).max() < 2**30


DEGENERATE = {
    "one feature": lambda rng: rng.normal(0, 1, (100, 1)),
    "constant": lambda rng: np.zeros((60, 3)),
    "one constant feature": lambda rng: rng.normal(0, 1, (60, 3)) * [1, 0, 1],
    "copies of one window": lambda rng: np.repeat(rng.normal(0, 1, (1, 4)), 50, axis=0),
    "two windows in turn": lambda rng: np.tile(rng.normal(0, 1, (2, 4)), (30, 1)),
    "the same feature twice": lambda rng: np.repeat(rng.normal(0, 1, (80, 2)), 2, axis=1),
    "fewer windows than features": lambda rng: rng.normal(0, 1, (12, 20)),
    "two windows": lambda rng: rng.normal(0, 1, (2, 1)),
    "one window": lambda rng: rng.normal(0, 1, (1, 2)),
    "saturated": lambda rng: rng.choice([-63.9921875, 63.9921875], (100, 3)),
    "one far outlier": lambda rng: np.concatenate([rng.normal(0, 1, (100, 2)), [[60.0, -60.0]]]),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("learnt", [False, True])
@pytest.mark.filterwarnings("error")
def test_degenerate_data_give_a_sound_model(name: str, learnt: bool) -> None:
    scores = np.round(DEGENERATE[name](np.random.default_rng(5)) * 128) / 128
    if learnt:
        family = Forest.learn(scores, (scores**2).sum(axis=1), 0)
    else:
        family = Forest.fit(scores, 0)
    count = scores.shape[1]
    family = family.scaled_to(int(family.distances(quantized(scores)).max()))
    assert board.check(memoryview(family.parameters()), count) == ""
    vectors = quantized(np.concatenate([scores, np.full((1, count), 30.0)]))
    assert np.isfinite(family.float_score(vectors / 128)).all()
    assert (family.score(vectors) >= 0).all()
    if name not in ("saturated", "one far outlier"):
        assert family.score(vectors)[-1] > 256


@pytest.mark.parametrize("targets", [np.zeros(300), np.full(300, -7.5), np.arange(300) * 1e9, np.arange(300) * 1e-9])
def test_targets_of_any_scale_are_learnt(targets: NDArray[np.float64]) -> None:
    scores = np.linspace(-2, 2, 300)[:, None] * np.ones(3)
    family = Forest.learn(scores, targets, 0).scaled_to(1000)
    assert board.check(memoryview(family.parameters()), 3) == ""
    distances = family.distances(quantized(scores))
    if np.ptp(targets) > 0:
        assert spearmanr(distances, targets)[0] > 0.95
    assert family.distances(np.full((1, 3), 2000, dtype=np.int32))[0] > distances.max()


def test_same_seed_same_model() -> None:
    assert Forest.fit(ring(300, 1), 7).parameters() == Forest.fit(ring(300, 1), 7).parameters()
    targets = teacher(ring(300, 1))
    again = [Forest.learn(ring(300, 1), targets, 7).parameters() for _ in range(2)]
    assert again[0] == again[1]


@pytest.mark.parametrize("settings", [{"trees": 0}, {"trees": 256}, {"leaves": 1}, {"leaves": 129}])
def test_settings_that_cannot_be(settings: dict[str, int]) -> None:
    with pytest.raises(InputError, match="choose 1 to 255 trees of 2 to 128 leaves"):
        Forest.fit(ring(50, 1), 0, **settings)
    with pytest.raises(InputError, match="cannot be fitted"):
        Forest.learn(ring(50, 1), np.zeros(50), 0, **settings)


@pytest.mark.parametrize("targets", [np.zeros(49), np.zeros((50, 1)), np.full(50, np.nan), np.full(50, np.inf)])
def test_targets_that_cannot_be_learnt(targets: NDArray[np.float64]) -> None:
    with pytest.raises(InputError, match="one number for each of the 50 windows"):
        Forest.learn(ring(50, 1), targets, 0)
