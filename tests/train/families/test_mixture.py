"""The fitted mixture: what it finds, names and promises, on synthetic standard scores."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from offbeat.device.families import mixture as board
from offbeat.train.errors import InputError
from offbeat.train.families.mixture import Mixture

_WIDTH = 6


def quantized(scores: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.clip(np.round(scores * 128), -8191, 8191).astype(np.int32)


def regimes(windows: int, seed: int) -> NDArray[np.float64]:
    """Three ways of running, each with correlations of its own, in blocks of 20 windows; float64 [windows, 6]."""
    shapes = np.random.default_rng(0)
    factors = shapes.normal(0, 0.15, (3, _WIDTH, _WIDTH)) + 0.05 * np.eye(_WIDTH)
    centres = np.array([[1.5] * 3 + [0] * 3, [-1.5] * 3 + [0] * 3, [0] * 3 + [1.5] * 3])
    rng = np.random.default_rng(seed)
    regime = np.repeat(rng.integers(0, 3, windows // 20 + 1), 20)[:windows]
    return np.einsum("wij,wj->wi", factors[regime], rng.normal(size=(windows, _WIDTH))) + centres[regime]


@pytest.fixture(scope="module")
def trained() -> Mixture:
    """Chosen without settings; one normal window in a hundred exceeds the threshold."""
    family = Mixture.fit(quantized(regimes(1200, 1)) / 128, 0)
    return family.scaled_to(int(np.quantile(family.distances(quantized(regimes(1500, 2))), 0.99)))


def spoiled(windows: int, by: float) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Normal windows with one feature moved, and which."""
    scores, rng = regimes(windows, 3), np.random.default_rng(4)
    feature = rng.integers(0, _WIDTH, windows)
    scores[np.arange(windows), feature] += by * rng.choice([-1, 1], windows)
    return quantized(scores), feature


def test_chooses_the_regimes_that_there_are(trained: Mixture) -> None:
    """At least so many: more that explain held-out windows as well are the tighter description."""
    assert trained.settings["components"] >= 3 and trained.settings["covariance"] == "full"
    apart = np.random.default_rng(1).normal(0, 0.2, (800, 3)) + np.repeat([[-1.5], [1.5]], 400, axis=0)
    two = Mixture.fit(apart, 0)
    assert two.settings["components"] >= 2
    assert two.distances(np.zeros((1, 3), dtype=np.int32))[0] > np.quantile(two.distances(quantized(apart)), 0.99)


def test_integers_rank_as_the_float_model(trained: Mixture) -> None:
    vectors = np.concatenate([quantized(regimes(1500, 2)), spoiled(1500, 0.7)[0]])
    truth = np.repeat([0, 1], 1500)
    exact, score = trained.float_score(vectors / 128), trained.score(vectors)
    assert roc_auc_score(truth, exact) > 0.9
    assert abs(roc_auc_score(truth, exact) - roc_auc_score(truth, score)) < 0.005
    near = exact < 512
    assert np.quantile(np.abs(exact - score)[near], 0.99) < 8


def test_what_lies_between_the_regimes_is_abnormal(trained: Mixture) -> None:
    """The mean of all windows, which one Gaussian would call the most normal of all."""
    assert trained.score(quantized(regimes(1500, 2).mean(axis=0)[None]))[0] > 400


def test_contributions_add_up_and_name_the_feature(trained: Mixture) -> None:
    vectors, feature = spoiled(600, 1.0)
    parts, score = trained.contributions(vectors), trained.score(vectors)
    unsaturated = score < 8000
    assert unsaturated.mean() > 0.9
    assert np.abs(parts.sum(axis=1) - score)[unsaturated].max() <= 2 * _WIDTH
    assert (parts.argmax(axis=1) == feature).mean() > 0.8


@pytest.mark.parametrize("covariance", ["diag", "full"])
def test_the_farther_the_higher(covariance: str) -> None:
    family = Mixture.fit(regimes(600, 1), 0, components=3, covariance=covariance)
    family = family.scaled_to(int(np.quantile(family.distances(quantized(regimes(600, 2))), 0.99)))
    line = quantized(np.linspace(2, 64, 100)[:, None] * np.ones(_WIDTH))
    distances, scores = family.distances(line), family.score(line)
    assert (np.diff(scores) >= 0).all(), "not even where it saturates does a score fall"
    assert scores[-1] > 32 * 256
    assert (np.diff(distances[distances < 2**28]) > 0).all()


@pytest.mark.parametrize("settings", [{}, *Mixture.variants])
def test_sections_are_sound_small_and_read_back(settings: dict[str, object]) -> None:
    family = Mixture.fit(regimes(400, 1), 0, **settings).scaled_to(300_000)
    section, vectors = family.parameters(), spoiled(50, 2.0)[0]
    assert settings.items() <= family.settings.items()
    assert board.check(memoryview(section), _WIDTH) == ""
    again = Mixture.from_parameters(section, _WIDTH)
    assert again.parameters() == section and again.settings == family.settings
    assert np.array_equal(again.score(vectors), family.score(vectors))
    assert np.array_equal(again.contributions(vectors), family.contributions(vectors))
    assert np.array_equal(again.distances(vectors), family.distances(vectors))
    weights = _WIDTH * (_WIDTH + 1) // 2 if family.settings["covariance"] == "full" else _WIDTH
    assert len(section) == 12 + 2 * family.settings["components"] * (2 + _WIDTH + _WIDTH // 2 + weights)
    assert family.operations >= family.settings["components"] * weights
    with pytest.raises(RuntimeError, match="no float model"):
        again.float_score(vectors / 128)


@pytest.mark.parametrize("threshold", [256, 5000, 400_000, 50_000_000])
def test_the_threshold_lies_at_256(trained: Mixture, threshold: int) -> None:
    """Where the score crosses 256 along a line that leads away from everything normal."""
    family = trained.scaled_to(threshold)
    line = quantized(np.linspace(0, 40, 4000)[:, None] * np.ones(_WIDTH))
    distances, scores = family.distances(line), family.score(line)
    assert (scores[distances >= threshold * 1.01] >= 256).all()
    assert (scores[distances < threshold * 0.99] < 256).all()


def test_a_rare_regime_is_normal_too() -> None:
    """Whatever was labelled normal is: four windows in a hundred of another way of running are not trimmed away."""
    often, rng = regimes(960, 1), np.random.default_rng(0)
    seldom = np.array([0, 0, 0, 0, 5, 5]) + rng.normal(0, 0.2, (80, _WIDTH))
    family = Mixture.fit(np.concatenate([often, seldom[:40]]), 0)
    limit = np.quantile(family.distances(quantized(regimes(500, 2))), 0.99)
    assert np.median(family.distances(quantized(seldom[40:]))) < limit


DEGENERATE = {
    "one feature": lambda rng: rng.normal(0, 1, (100, 1)),
    "constant": lambda rng: np.zeros((60, 3)),
    "one constant feature": lambda rng: rng.normal(0, 1, (60, 3)) * [1, 0, 1],
    "copies of one window": lambda rng: np.repeat(rng.normal(0, 1, (1, 4)), 50, axis=0),
    "two windows in turn": lambda rng: np.tile(rng.normal(0, 1, (2, 4)), (30, 1)),
    "the same feature twice": lambda rng: np.repeat(rng.normal(0, 1, (80, 2)), 2, axis=1),
    "fewer windows than features": lambda rng: rng.normal(0, 1, (12, 20)),
    "three windows": lambda rng: rng.normal(0, 1, (3, 2)),
    "saturated": lambda rng: rng.choice([-64.0, 64.0], (100, 3)),
    "twelve features of two causes": lambda rng: rng.normal(0, 9, (100, 2)) @ rng.normal(0, 1, (2, 12)),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("settings", [{}, {"components": 8, "covariance": "full"}, {"components": 8}])
@pytest.mark.filterwarnings("error")
def test_degenerate_data_give_a_sound_model(name: str, settings: dict[str, object]) -> None:
    scores = np.round(DEGENERATE[name](np.random.default_rng(5)) * 128) / 128
    family = Mixture.fit(scores, 0, **settings).scaled_to(200_000)
    count = scores.shape[1]
    assert board.check(memoryview(family.parameters()), count) == ""
    assert len(family.means) <= max(1, len(np.unique(scores, axis=0)) // 10)
    vectors = quantized(np.concatenate([scores, np.full((1, count), 30.0)]))
    assert np.isfinite(family.float_score(vectors / 128)).all()
    assert (family.score(vectors) >= 0).all()
    if name != "saturated":
        assert family.score(vectors)[-1] > 256


def test_same_seed_same_model() -> None:
    assert Mixture.fit(regimes(300, 1), 7).parameters() == Mixture.fit(regimes(300, 1), 7).parameters()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"components": 0}, "a mixture of 0 components"),
        ({"components": 9}, "choose 1 to 8"),
        ({"covariance": "tied"}, 'choose "diag" or "full"'),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Mixture.fit(regimes(100, 1), 0, **settings)
