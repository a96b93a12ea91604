"""The fitted predictor and its CUSUM: what they find, name and promise, on synthetic series of standard scores."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from offbeat.device.families import autoregressive as board
from offbeat.train.errors import InputError
from offbeat.train.families.autoregressive import Autoregressive
from offbeat.train.families.gaussian import Gaussian

_WIDTH = 4
_NOISE = 0.3
# Of each feature's next value: some of its own last one, some of its neighbour's.
_DYNAMICS = 0.85 * np.eye(_WIDTH) + 0.1 * np.roll(np.eye(_WIDTH), 1, axis=1)


def quantized(scores: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.clip(np.round(scores * 128), -8191, 8191).astype(np.int32)


def series(windows: int, seed: int) -> NDArray[np.float64]:
    """Four coupled slow features, float64 [windows, 4], about unit variance."""
    noise = _NOISE * np.random.default_rng(seed).normal(size=(windows + 50, _WIDTH))
    scores = np.zeros_like(noise)
    for i in range(1, len(scores)):
        scores[i] = _DYNAMICS @ scores[i - 1] + noise[i]
    return scores[50:]


def with_threshold(family: Autoregressive) -> Autoregressive:
    """One normal window in two hundred exceeds it."""
    return family.scaled_to(int(np.quantile(family.distances(quantized(series(4000, 2))), 0.995)))


def trained_with(**settings: object) -> Autoregressive:
    return with_threshold(Autoregressive.fit(quantized(series(2000, 1)) / 128, 0, **settings))


@pytest.fixture(scope="module", params=Autoregressive.variants, ids=str)
def trained(request: pytest.FixtureRequest) -> Autoregressive:
    return trained_with(**request.param)


def jumped(seed: int, by: float = 2.0) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """A series with a jump of one feature in every tenth window; which windows, and which feature."""
    scores, rng = series(1500, seed), np.random.default_rng(seed)
    where = np.arange(5, 1500, 10)
    feature = rng.integers(0, _WIDTH, len(where))
    scores[where, feature] += by * rng.choice([-1, 1], len(where))
    return quantized(scores), where, feature


def test_learns_the_dynamics(trained: Autoregressive) -> None:
    assert trained.model is not None
    assert np.abs(trained.model.deviations - _NOISE).max() < 0.03
    assert np.abs(trained.model.coefficients[:, 0] - _DYNAMICS).max() < 0.12
    if trained.settings["cusum"]:
        assert trained.bounds[1] <= 96, "little slack, as the residuals are independent"


def test_integers_rank_as_the_float_model(trained: Autoregressive) -> None:
    vectors, where, _ = jumped(3, by=1.0)
    truth = np.isin(np.arange(len(vectors)), where)
    exact, score = trained.float_score(vectors / 128), trained.score(vectors)
    if not trained.settings["cusum"]:
        assert roc_auc_score(truth, exact) > 0.9
    assert abs(roc_auc_score(truth, exact) - roc_auc_score(truth, score)) < 0.005
    near = exact < 512
    assert np.quantile(np.abs(exact - score)[near], 0.99) < 8


def test_a_jump_is_found_at_once_and_its_feature_named(trained: Autoregressive) -> None:
    """It stays within what the feature does anyway: a Gaussian of the single windows finds few."""
    vectors, where, feature = jumped(3)
    score, parts = trained.score(vectors)[where], trained.contributions(vectors)[where]
    assert (score >= 256).mean() > 0.95
    assert (parts.argmax(axis=1) == feature).mean() > 0.9
    gaussian = Gaussian.fit(series(2000, 1), 0)
    gaussian = gaussian.scaled_to(int(np.quantile(gaussian.distances(quantized(series(4000, 2))), 0.995)))
    assert (gaussian.score(vectors)[where] >= 256).mean() < 0.6


def test_contributions_add_up(trained: Autoregressive) -> None:
    vectors, _, _ = jumped(4)
    parts, score = trained.contributions(vectors), trained.score(vectors)
    unsaturated = score < 8000
    assert unsaturated.mean() > 0.9 and (parts >= 0).all()
    assert np.abs(parts.sum(axis=1) - score)[unsaturated].max() <= _WIDTH


def crept(seed: int) -> NDArray[np.int32]:
    """From window 300 to 500 feature 2 is pushed by a deviation of its residual in each window."""
    noise = _NOISE * np.random.default_rng(seed).normal(size=(800, _WIDTH))
    noise[300:500, 2] += _NOISE
    scores = np.zeros_like(noise)
    for i in range(1, len(scores)):
        scores[i] = _DYNAMICS @ scores[i - 1] + noise[i]
    return quantized(scores)


def test_what_creeps_is_found_by_the_cusum() -> None:
    with_cusum, without = trained_with(lags=2), trained_with(lags=2, cusum=False)
    vectors = crept(5)
    score = with_cusum.score(vectors)
    found = score >= 256
    assert found[300:340].any() and found[350:500].mean() > 0.8 and found[:300].mean() < 0.05
    assert (without.score(vectors)[350:500] >= 256).mean() < 0.3
    last = 300 + np.flatnonzero(found[300:500])[-1]
    parts = with_cusum.contributions(vectors)[last]
    assert parts[2] == score[last] and np.delete(parts, 2).tolist() == [0, 0, 0]


def test_the_cusum_is_back_soon_after_the_fault() -> None:
    family = trained_with(lags=2)
    score = family.score(crept(5))
    assert (score[560:] >= 256).mean() < 0.05


def test_a_single_spike_does_not_stay_in_the_cusum() -> None:
    family = trained_with(lags=1)
    scores = series(200, 6)
    scores[100] += 20
    score = family.score(quantized(scores))
    assert score[100] > 8000
    assert (score[104:] >= 256).mean() < 0.1


def test_the_farther_the_higher(trained: Autoregressive) -> None:
    """The first window is its own history, so each jump comes after a normal one."""
    sizes = np.linspace(2, 60, 60)
    start = quantized(np.zeros((1, _WIDTH)))
    jumps = [quantized(np.full((1, _WIDTH), size) * [0, 1, 0, 0]) for size in sizes]
    scores = np.array([trained.score(np.concatenate([start, jump]))[-1] for jump in jumps])
    assert scores[0] > 256
    assert (np.diff(scores) >= 0).all()
    assert scores[-1] > 32 * 256


def test_a_score_depends_on_what_came_before_only(trained: Autoregressive) -> None:
    vectors = jumped(7)[0][:60]
    for end in (1, 2, 17):
        assert np.array_equal(trained.score(vectors[:end]), trained.score(vectors)[:end])
        assert np.array_equal(trained.contributions(vectors[:end]), trained.contributions(vectors)[:end])
        assert np.array_equal(trained.distances(vectors[:end]), trained.distances(vectors)[:end])
    assert len(trained.score(vectors[:0])) == 0


def test_runs_keep_stretches_apart() -> None:
    """Forty short stretches, each on a level of its own: only across them are there jumps."""
    rng = np.random.default_rng(8)
    runs = [25] * 40
    scores = np.concatenate([series(25, seed) * 0.2 + rng.normal(0, 1.5, _WIDTH) for seed in range(40)])
    apart, joined = (Autoregressive.fit(scores, 0, runs=given) for given in (runs, None))
    assert apart.model is not None and joined.model is not None
    assert (apart.model.deviations < 0.8 * joined.model.deviations).all()
    assert apart.limits[0] / 4.0**apart.bits < 0.7 * joined.limits[0] / 4.0**joined.bits


@pytest.mark.parametrize("settings", [{}, *Autoregressive.variants], ids=str)
def test_sections_are_sound_small_and_read_back(settings: dict[str, object]) -> None:
    family = Autoregressive.fit(series(400, 1), 0, **settings).scaled_to(20_000)
    section, vectors = family.parameters(), jumped(3)[0][:200]
    assert settings.items() <= family.settings.items()
    assert board.check(memoryview(section), _WIDTH) == ""
    again = Autoregressive.from_parameters(section, _WIDTH)
    assert again.parameters() == section and again.settings == family.settings
    assert np.array_equal(again.score(vectors), family.score(vectors))
    assert np.array_equal(again.contributions(vectors), family.contributions(vectors))
    lags = family.settings["lags"]
    assert len(section) == 20 + _WIDTH * (6 + 2 * lags * _WIDTH)
    assert family.operations >= lags * _WIDTH**2
    with pytest.raises(RuntimeError, match="no float model"):
        again.float_score(vectors / 128)


def test_a_read_model_takes_a_threshold_relative_to_its_own(trained: Autoregressive) -> None:
    again = Autoregressive.from_parameters(trained.parameters(), _WIDTH).scaled_to(16384)
    vectors = jumped(3)[0]
    assert np.abs(again.score(vectors) - trained.score(vectors)).max() <= 0.002 * trained.score(vectors).max() + 1


@pytest.mark.parametrize("threshold", [8000, 16384, 60_000])
def test_the_threshold_lies_at_256(trained: Autoregressive, threshold: int) -> None:
    family = trained.scaled_to(threshold)
    vectors = jumped(9)[0]
    distances, scores = family.distances(vectors), family.score(vectors)
    assert (scores[distances >= threshold * 1.01] >= 256).all()
    assert (scores[distances < threshold * 0.99] < 256).all()


DEGENERATE = {
    "one feature": lambda rng: rng.normal(0, 1, (100, 1)),
    "one window": lambda rng: rng.normal(0, 1, (1, 1)),
    "two windows": lambda rng: rng.normal(0, 1, (2, 3)),
    "constant": lambda rng: np.zeros((60, 3)),
    "one constant feature": lambda rng: rng.normal(0, 1, (60, 3)) * [1, 0, 1],
    "copies of one window": lambda rng: np.repeat(rng.normal(0, 1, (1, 4)), 50, axis=0),
    "the same feature twice": lambda rng: np.repeat(rng.normal(0, 1, (80, 1)), 2, axis=1),
    "a ramp": lambda rng: np.linspace(-2, 2, 100)[:, None] * [1, 1],
    "fewer windows than predictors": lambda rng: rng.normal(0, 1, (45, 20)),
    "saturated": lambda rng: rng.choice([-64.0, 64.0], (100, 3)),
    "255 features": lambda rng: rng.normal(0, 1, (300, 255)),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("settings", [{}, {"lags": 4}, {"lags": 1, "cusum": False}], ids=str)
@pytest.mark.filterwarnings("error")
def test_degenerate_data_give_a_sound_model(name: str, settings: dict[str, object]) -> None:
    scores = np.clip(np.round(DEGENERATE[name](np.random.default_rng(5)) * 128), -8191, 8191) / 128
    family = Autoregressive.fit(scores, 0, **settings).scaled_to(20_000)
    count = scores.shape[1]
    assert board.check(memoryview(family.parameters()), count) == ""
    vectors = quantized(np.concatenate([scores, np.full((1, count), 60.0)]))
    assert np.isfinite(family.float_score(vectors / 128)).all()
    assert (family.score(vectors) >= 0).all() and (family.distances(vectors) >= 0).all()
    if name not in ("saturated", "two windows"):
        assert family.score(vectors)[-1] > 256


def test_short_runs_are_filled_up_with_their_first_window() -> None:
    scores = series(60, 1)
    family = Autoregressive.fit(scores, 0, lags=4, runs=[2] * 30)
    assert board.check(memoryview(family.parameters()), _WIDTH) == ""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lags": 0}, "choose 1 to 4 lags"),
        ({"lags": 5}, "from the 5 before them"),
        ({"runs": [50, 49]}, "do not add up to 100 windows"),
        ({"runs": [100, 0]}, "give the length of each"),
        ({"runs": []}, "do not add up to 100 windows"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Autoregressive.fit(series(100, 1), 0, **settings)
