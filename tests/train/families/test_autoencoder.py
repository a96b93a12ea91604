"""The fitted autoencoder: what it finds, names and promises, on synthetic standard scores."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from offbeat.device.families import autoencoder as board
from offbeat.train.errors import InputError
from offbeat.train.families.autoencoder import Autoencoder

_WIDTH = 8
_MIXING = np.random.default_rng(0).normal(0, 0.7, (2, _WIDTH))
HIDDEN = [settings["hidden"] for settings in Autoencoder.variants]


def quantized(scores: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.clip(np.round(scores * 128), -8191, 8191).astype(np.int32)


def normal(windows: int, seed: int, noise: float = 0.2) -> NDArray[np.float64]:
    """Two causes behind eight features, and noise of each feature's own; float64 [windows, 8]."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(windows, 2)) @ _MIXING + noise * rng.normal(size=(windows, _WIDTH))


def spoiled(windows: int, by: float) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Normal windows with one feature moved out of the plane of the two causes, and which."""
    scores, rng = normal(windows, 3), np.random.default_rng(4)
    feature = rng.integers(0, _WIDTH, windows)
    scores[np.arange(windows), feature] += by * rng.choice([-1, 1], windows)
    return quantized(scores), feature


def with_threshold(family: Autoencoder) -> Autoencoder:
    """One normal window in a hundred exceeds it."""
    return family.scaled_to(int(np.quantile(family.distances(quantized(normal(2000, 2))), 0.99)))


@pytest.fixture(scope="module", params=HIDDEN, ids=str)
def trained(request: pytest.FixtureRequest) -> Autoencoder:
    return with_threshold(Autoencoder.fit(quantized(normal(1000, 1)) / 128, 0, hidden=request.param))


def test_integers_rank_as_the_float_model(trained: Autoencoder) -> None:
    vectors = np.concatenate([quantized(normal(1500, 2)), spoiled(1500, 1.0)[0]])
    truth = np.repeat([0, 1], 1500)
    exact, score = trained.float_score(vectors / 128), trained.score(vectors)
    assert roc_auc_score(truth, exact) > 0.85
    assert abs(roc_auc_score(truth, exact) - roc_auc_score(truth, score)) < 0.005
    near = exact < 512
    assert np.quantile(np.abs(exact - score)[near], 0.99) < 24


def test_quantization_moves_the_reconstruction_little_and_not_to_one_side(trained: Autoencoder) -> None:
    vectors = quantized(normal(1000, 1))
    assert trained.model is not None
    apart = trained._errors(vectors) / 128 - trained.model.errors(vectors / 128)
    assert np.sqrt((apart**2).mean()) < 0.04, "deviations"
    assert np.abs(apart.mean(axis=0)).max() < 0.01


def test_contributions_name_the_feature_and_add_up(trained: Autoencoder) -> None:
    vectors, feature = spoiled(600, 2.0)
    parts, score = trained.contributions(vectors), trained.score(vectors)
    assert (parts >= 0).all()
    unsaturated = score < 8000
    assert unsaturated.mean() > 0.9
    assert np.abs(parts.sum(axis=1) - score)[unsaturated].max() <= _WIDTH
    assert (parts.argmax(axis=1) == feature).mean() > 0.7


@pytest.mark.parametrize("direction", ["inside", "outside"])
def test_the_farther_the_higher(trained: Autoencoder, direction: str) -> None:
    """Also where the causes lead, farther than in training: the network does not extrapolate."""
    away = _MIXING[0] if direction == "inside" else np.linalg.svd(_MIXING)[2][-1]
    scores = trained.score(quantized(np.linspace(6, 64, 60)[:, None] * away / np.abs(away).max()))
    assert scores[0] > 256
    assert (np.diff(scores) >= 0).all()
    assert scores[-1] > 32 * 256


def test_no_unit_of_a_narrow_layer_stays_dead() -> None:
    """Two causes behind five features, from several seeds: without its two units the network knows nothing."""
    rng = np.random.default_rng(7)
    scores = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 5)) + 0.1 * rng.normal(size=(400, 5))
    for seed in range(4):
        family = Autoencoder.fit(scores, seed, hidden=(8, 2, 8))
        assert family.distances(quantized(scores)).mean() < 0.1 * 16384 * (scores**2).sum(axis=1).mean()


@pytest.mark.parametrize("hidden", [*HIDDEN, (5,), (64, 64), (7, 3, 9)], ids=str)
def test_sections_are_sound_small_and_read_back(hidden: tuple[int, ...]) -> None:
    family = Autoencoder.fit(normal(200, 1), 0, hidden=hidden).scaled_to(20_000)
    section, vectors = family.parameters(), spoiled(50, 2.0)[0]
    assert board.check(memoryview(section), _WIDTH) == ""
    again = Autoencoder.from_parameters(section, _WIDTH)
    assert again.parameters() == section and again.settings == family.settings
    assert np.array_equal(again.score(vectors), family.score(vectors))
    assert np.array_equal(again.contributions(vectors), family.contributions(vectors))
    sizes = [_WIDTH, *family.settings["hidden"], _WIDTH]
    padded = [-(-size // 4) * 4 for size in sizes]
    rows = sum(outputs * (6 + inputs) for inputs, outputs in pairwise(padded))
    assert len(section) == 10 + 2 * ((len(sizes) - 2) | 1) + rows  # the widths end on a multiple of 4 bytes
    assert family.operations >= sum(inputs * outputs for inputs, outputs in pairwise(sizes))
    with pytest.raises(RuntimeError, match="no float model"):
        again.float_score(vectors / 128)


@pytest.mark.parametrize(
    ("hidden", "count", "widths"),
    [
        ((16, 8, 16), 24, (16, 8, 16)),
        ((16, 8, 16), 8, (16, 4, 16)),
        ((16, 8, 16), 3, (6, 2, 6)),
        ((16, 8, 16), 4, (8, 2, 8)),
        ((4,), 2, (1,)),
        ((8,), 1, (1,)),
        ((64, 64), 255, (64, 64)),
    ],
)
def test_the_narrowest_layer_cannot_copy_the_features(
    hidden: tuple[int, ...], count: int, widths: tuple[int, ...]
) -> None:
    scores = np.random.default_rng(0).normal(0, 1, (60, count))
    assert Autoencoder.fit(scores, 0, hidden=hidden).settings == {"hidden": widths}


@pytest.mark.parametrize("threshold", [4000, 16384, 400_000])
def test_the_threshold_lies_at_256(trained: Autoencoder, threshold: int) -> None:
    family = trained.scaled_to(threshold)
    vectors = quantized(np.linspace(0.05, 8, 3000)[:, None] * normal(1, 9))
    distances, scores = family.distances(vectors), family.score(vectors)
    assert (scores[distances >= threshold * 1.01] >= 256).all()
    assert (scores[distances < threshold * 0.99] < 256).all()


def test_the_seed_decides() -> None:
    sections = [Autoencoder.fit(normal(200, 1), seed, hidden=(4,)).parameters() for seed in (1, 1, 2)]
    assert sections[0] == sections[1] != sections[2]


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
@pytest.mark.parametrize("hidden", [(4,), (16, 8, 16)], ids=str)
@pytest.mark.filterwarnings("error")
def test_degenerate_data_give_a_sound_model(name: str, hidden: tuple[int, ...]) -> None:
    scores = np.clip(np.round(DEGENERATE[name](np.random.default_rng(5)) * 128), -8191, 8191) / 128
    family = Autoencoder.fit(scores, 0, hidden=hidden).scaled_to(20_000)
    count = scores.shape[1]
    assert board.check(memoryview(family.parameters()), count) == ""
    vectors = quantized(np.concatenate([scores, np.full((1, count), 30.0)]))
    assert np.isfinite(family.float_score(vectors / 128)).all()
    assert (family.score(vectors) >= 0).all() and (family.distances(vectors) >= 0).all()
    if name != "saturated":
        assert family.score(vectors)[-1] > 256


def test_one_feature_counts_by_its_square() -> None:
    family = Autoencoder.fit(np.random.default_rng(0).normal(0, 1, (200, 1)), 0)
    vectors = quantized(np.array([[-20.0], [0.0], [3.0]]))
    assert family.distances(vectors).tolist() == (vectors[:, 0] ** 2).tolist()
    assert np.array_equal(family.contributions(vectors)[:, 0], family.score(vectors))


@pytest.mark.parametrize("hidden", [(), (8, 8, 8, 8), (0,), (8, -1, 8), (65,)], ids=str)
def test_settings_that_cannot_be(hidden: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="choose 1 to 3 layers of 1 to 64 units"):
        Autoencoder.fit(normal(100, 1), 0, hidden=hidden)
