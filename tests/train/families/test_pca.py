"""The fitted principal components: what they find, name and promise, on synthetic standard scores."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from offbeat.device.families import pca as board
from offbeat.train.errors import InputError
from offbeat.train.families.pca import PCA

_WIDTH = 8
_MIXING = np.random.default_rng(0).normal(0, 0.7, (2, _WIDTH))


def quantized(scores: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.clip(np.round(scores * 128), -8191, 8191).astype(np.int32)


def normal(windows: int, seed: int, noise: float = 0.15) -> NDArray[np.float64]:
    """Two causes behind eight features, and noise of each feature's own; float64 [windows, 8]."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(windows, 2)) @ _MIXING + noise * rng.normal(size=(windows, _WIDTH))


def spoiled(windows: int, by: float) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Normal windows with one feature moved out of the plane of the two causes, and which."""
    scores, rng = normal(windows, 3), np.random.default_rng(4)
    feature = rng.integers(0, _WIDTH, windows)
    scores[np.arange(windows), feature] += by * rng.choice([-1, 1], windows)
    return quantized(scores), feature


def with_threshold(family: PCA, noise: float = 0.15) -> PCA:
    """One normal window in a hundred exceeds it."""
    return family.scaled_to(int(np.quantile(family.distances(quantized(normal(2000, 2, noise))), 0.99)))


@pytest.fixture(scope="module", params=["max", "sum"])
def trained(request: pytest.FixtureRequest) -> PCA:
    return with_threshold(PCA.fit(quantized(normal(1000, 1)) / 128, 0, combine=request.param))


def test_keeps_the_share_of_variance() -> None:
    scores = normal(1000, 1)
    kept = [len(PCA.fit(scores, 0, variance=share).loadings) for share in (0.5, 0.85, 0.9999)]
    assert kept[1] == 2 and kept[0] <= kept[1] < kept[2] == _WIDTH - 1
    assert PCA.fit(scores, 0).settings == {
        "components": len(PCA.fit(scores, 0, variance=0.95).loadings),
        "variance": 0.95,
        "combine": "max",
    }


def test_integers_rank_as_the_float_model(trained: PCA) -> None:
    vectors = np.concatenate([quantized(normal(1500, 2)), spoiled(1500, 0.8)[0]])
    truth = np.repeat([0, 1], 1500)
    exact, score = trained.float_score(vectors / 128), trained.score(vectors)
    assert roc_auc_score(truth, exact) > 0.9
    assert abs(roc_auc_score(truth, exact) - roc_auc_score(truth, score)) < 0.005
    near = exact < 512
    assert np.quantile(np.abs(exact - score)[near], 0.99) < 8


def test_contributions_of_the_residual_name_the_feature(trained: PCA) -> None:
    vectors, feature = spoiled(600, 1.0)
    parts, score = trained.contributions(vectors), trained.score(vectors)
    unsaturated = score < 8000
    assert unsaturated.mean() > 0.9
    assert np.abs(parts.sum(axis=1) - score)[unsaturated].max() <= 3 * _WIDTH
    assert (parts.argmax(axis=1) == feature).mean() > 0.8


def test_a_cause_out_of_range_is_found_inside_the_plane(trained: PCA) -> None:
    """Five deviations along the first cause: no residual, all T^2, from the features that the cause moves most."""
    vectors = quantized(6 * _MIXING[:1])
    assert trained.score(vectors)[0] > 256
    parts = trained.contributions(vectors)[0]
    assert abs(parts.sum() - trained.score(vectors)[0]) <= 3 * _WIDTH
    assert np.abs(_MIXING[0])[parts.argmax()] >= np.sort(np.abs(_MIXING[0]))[-2]
    inside, outside = trained._statistics(vectors)
    assert inside[0] / trained.inside > 10 * outside[0] / trained.outside


def test_the_larger_and_the_sum() -> None:
    larger, total = (PCA.fit(normal(500, 1), 0, combine=combine) for combine in ("max", "sum"))
    vectors = quantized(normal(200, 5))
    inside, outside = larger._statistics(vectors)
    ratios = np.stack([inside / larger.inside, outside / larger.outside])
    assert np.abs(larger.distances(vectors) / 16384 - ratios.max(axis=0)).max() < 1e-3
    assert np.abs(total.distances(vectors) / 16384 - ratios.sum(axis=0)).max() < 1e-3
    assert (total.score(vectors) >= larger.score(vectors)).all()


def test_either_limit_is_exceeded_by_about_one_window_in_a_hundred() -> None:
    family = PCA.fit(normal(4000, 1), 0)
    inside, outside = family._statistics(quantized(normal(4000, 2)))
    assert 0.004 < (inside > family.inside).mean() < 0.016
    assert 0.004 < (outside > family.outside).mean() < 0.016


@pytest.mark.parametrize("direction", ["inside", "outside"])
def test_the_farther_the_higher(trained: PCA, direction: str) -> None:
    away = _MIXING[0] if direction == "inside" else np.linalg.svd(_MIXING)[2][-1]
    line = quantized(np.linspace(1, 64, 100)[:, None] * away / np.abs(away).max())
    scores = trained.score(line)
    assert (np.diff(scores) >= -0.001 * scores[1:]).all(), "but for rounding"
    assert scores[-1] > 32 * 256


@pytest.mark.parametrize("settings", [{}, *PCA.variants])
def test_sections_are_sound_small_and_read_back(settings: dict[str, object]) -> None:
    family = PCA.fit(normal(400, 1), 0, **settings).scaled_to(20_000)
    section, vectors = family.parameters(), spoiled(50, 2.0)[0]
    assert settings.items() <= family.settings.items()
    assert board.check(memoryview(section), _WIDTH) == ""
    again = PCA.from_parameters(section, _WIDTH)
    assert again.parameters() == section and "variance" not in again.settings
    assert np.array_equal(again.score(vectors), family.score(vectors))
    assert np.array_equal(again.contributions(vectors), family.contributions(vectors))
    components = family.settings["components"]
    assert len(section) == 20 + 4 * components + 2 * components * _WIDTH
    assert family.operations >= 2 * components * _WIDTH
    with pytest.raises(RuntimeError, match="no float model"):
        again.float_score(vectors / 128)


def test_a_read_model_takes_a_threshold_relative_to_its_own(trained: PCA) -> None:
    again = PCA.from_parameters(trained.parameters(), _WIDTH).scaled_to(16384)
    vectors = spoiled(200, 0.5)[0]
    assert np.abs(again.score(vectors) - trained.score(vectors)).max() <= 0.002 * trained.score(vectors).max() + 1


@pytest.mark.parametrize("threshold", [4000, 16384, 400_000])
def test_the_threshold_lies_at_256(trained: PCA, threshold: int) -> None:
    family = trained.scaled_to(threshold)
    vectors = quantized(np.linspace(0.05, 8, 3000)[:, None] * normal(1, 9))
    distances, scores = family.distances(vectors), family.score(vectors)
    assert (scores[distances >= threshold * 1.01] >= 256).all()
    assert (scores[distances < threshold * 0.99] < 256).all()


def test_tiny_residuals_do_not_turn_rounding_into_alarms() -> None:
    """Eight features that two causes make altogether, but for rounding to 1/128."""
    family = with_threshold(PCA.fit(quantized(normal(1000, 1, noise=0)) / 128, 0), noise=0)
    assert family.outside >= 256
    fresh = quantized(normal(3000, 6, noise=0))
    assert (family.score(fresh) >= 256).mean() < 0.03
    fresh[:, 3] += 40  # a third of a standard deviation
    assert (family.score(fresh) >= 256).mean() > 0.95


DEGENERATE = {
    "one feature": lambda rng: rng.normal(0, 1, (100, 1)),
    "two features": lambda rng: rng.normal(0, 1, (100, 2)),
    "constant": lambda rng: np.zeros((60, 3)),
    "one constant feature": lambda rng: rng.normal(0, 1, (60, 3)) * [1, 0, 1],
    "copies of one window": lambda rng: np.repeat(rng.normal(0, 1, (1, 4)), 50, axis=0),
    "the same feature twice": lambda rng: np.repeat(rng.normal(0, 1, (80, 1)), 2, axis=1),
    "fewer windows than features": lambda rng: rng.normal(0, 1, (12, 20)),
    "three windows": lambda rng: rng.normal(0, 1, (3, 2)),
    "saturated": lambda rng: rng.choice([-64.0, 64.0], (100, 3)),
    "255 features": lambda rng: rng.normal(0, 1, (300, 255)),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("settings", [{}, {"variance": 0.99}, {"combine": "sum"}])
@pytest.mark.filterwarnings("error")
def test_degenerate_data_give_a_sound_model(name: str, settings: dict[str, object]) -> None:
    scores = np.round(DEGENERATE[name](np.random.default_rng(5)) * 128) / 128
    family = PCA.fit(scores, 0, **settings).scaled_to(20_000)
    count = scores.shape[1]
    assert board.check(memoryview(family.parameters()), count) == ""
    assert 1 <= len(family.loadings) <= max(1, count - 1)
    vectors = quantized(np.concatenate([scores, np.full((1, count), 30.0)]))
    assert np.isfinite(family.float_score(vectors / 128)).all()
    assert (family.score(vectors) >= 0).all() and (family.distances(vectors) >= 0).all()
    if name != "saturated":
        assert family.score(vectors)[-1] > 256


def test_one_feature_has_no_residual() -> None:
    family = PCA.fit(np.random.default_rng(0).normal(0, 1, (200, 1)), 0)
    assert family.scales[2:] == (0, 0)
    vectors = quantized(np.array([[-20.0], [0.0], [3.0]]))
    assert np.abs(family.contributions(vectors)[:, 0] - family.score(vectors)).max() <= 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"variance": 0}, "cannot keep 0 of the variance"),
        ({"variance": 85}, "choose 0.7 to 0.95"),
        ({"combine": "product"}, 'choose "max" or "sum"'),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PCA.fit(normal(100, 1), 0, **settings)
