"""The fitted ensemble: what its ranks promise, what it finds and names, on synthetic standard scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from offbeat.device.families import ensemble as board
from offbeat.train.errors import InputError
from offbeat.train.export import export
from offbeat.train.families import FAMILIES
from offbeat.train.families.ensemble import Ensemble, member_class
from tests.parity.models import make_case

_WIDTH = 8
_MIXING = np.random.default_rng(0).normal(0, 0.5, (2, _WIDTH))
_REGIME = np.random.default_rng(1).choice([-0.9, 0.9], _WIDTH)


def quantized(scores: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.clip(np.round(scores * 128), -8191, 8191).astype(np.int32)


def normal(windows: int, seed: int) -> NDArray[np.float64]:
    """Two ways of running in turn, two causes behind eight features, noise of each one's own; float64 [windows, 8]."""
    rng = np.random.default_rng(seed)
    sign = np.where(np.arange(windows) * 10 // windows % 2, 1.0, -1.0)[:, None]
    scores = sign * _REGIME + rng.normal(size=(windows, 2)) @ _MIXING + 0.2 * rng.normal(size=(windows, _WIDTH))
    return quantized(scores) / 128


def spoiled(windows: int, by: float) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Normal windows with one feature moved, and which."""
    scores, rng = normal(windows, 3), np.random.default_rng(4)
    feature = rng.integers(0, _WIDTH, windows)
    scores[np.arange(windows), feature] += by * rng.choice([-1, 1], windows)
    return quantized(scores), feature


def between(windows: int) -> NDArray[np.int32]:
    """Windows half way between the two ways of running."""
    rng = np.random.default_rng(5)
    return quantized(rng.normal(size=(windows, 2)) @ _MIXING + 0.2 * rng.normal(size=(windows, _WIDTH)))


@pytest.fixture(scope="module", params=[["gaussian", "kmeans"], ["mixture", "pca"]], ids="+".join)
def trained(request: pytest.FixtureRequest) -> Ensemble:
    """One normal window in a thousand of what any member finds rarest exceeds it."""
    return Ensemble.fit(normal(1500, 1), 0, members=request.param).scaled_to(round(np.log2(1000) * 256))


def test_a_rank_says_how_rare_a_fresh_normal_window_is(trained: Ensemble) -> None:
    """Each member's share beyond rank r is 2**-r, and so that of the largest lies between one and two times it."""
    _, ranks = trained._ranks(quantized(normal(20_000, 2)))
    for bits in (1, 2, 4, 6):
        shares = (ranks >= 256 * bits).mean(axis=1) * 2**bits
        least = min(0.7, 1 - 2 * np.sqrt(2**bits / 1500))  # two standard errors of what 1500 windows say of that share
        assert (shares > least).all() and (shares < 1.4).all(), bits
        assert 0.8 < (ranks.max(axis=0) >= 256 * bits).mean() * 2**bits < 2.6, bits
    beyond_the_data = (ranks >= 256 * 9).mean(axis=1) * 2**9
    assert (beyond_the_data > 0.2).all() and (beyond_the_data < 4).all()


def test_integers_rank_as_the_float_model(trained: Ensemble) -> None:
    vectors = np.concatenate([quantized(normal(1500, 2)), spoiled(1500, 1.0)[0]])
    truth = np.repeat([0, 1], 1500)
    exact, score = trained.float_score(vectors / 128), trained.score(vectors)
    assert roc_auc_score(truth, exact) > 0.85
    assert abs(roc_auc_score(truth, exact) - roc_auc_score(truth, score)) < 0.005
    near = exact < 512
    assert np.quantile(np.abs(exact - score)[near], 0.99) < 8


def test_finds_what_one_of_its_members_finds() -> None:
    """A Gaussian sees nothing between two regimes, k-means nothing of broken correlation."""
    healthy = quantized(normal(1500, 2))
    faults = {"between": between(500), "correlation": spoiled(500, 0.7)[0]}
    both = Ensemble.fit(normal(1500, 1), 0, members=["kmeans", "pca"])
    alone = {name: FAMILIES[name].fit(normal(1500, 1), 0) for name in ("kmeans", "pca")}

    def found(family: Any, fault: str) -> float:
        truth = np.repeat([0, 1], [len(healthy), 500])
        return float(roc_auc_score(truth, family.distances(np.concatenate([healthy, faults[fault]]))))

    for fault in faults:
        each = [found(family, fault) for family in alone.values()]
        assert found(both, fault) > (min(each) + 2 * max(each)) / 3 - 0.03, fault


def test_contributions_are_those_of_the_rarest_member(trained: Ensemble) -> None:
    vectors, feature = spoiled(600, 2.0)
    parts, score = trained.contributions(vectors), trained.score(vectors)
    scores, ranks = trained._ranks(vectors)
    first = ranks.argmax(axis=0)
    for i in range(0, 600, 20):
        own = trained.members[first[i]].family.contributions(vectors[i : i + 1])[0]
        assert np.abs(parts[i] - own * score[i] / scores[first[i], i]).max() <= 0.5
    alarming = score >= 256
    rounding = _WIDTH * (1 + 2 * score / np.maximum(scores.max(axis=0), 1))
    assert alarming.mean() > 0.7
    assert (np.abs(parts.sum(axis=1) - score) <= rounding + 0.01 * score)[alarming].all()
    assert (parts.argmax(axis=1) == feature)[alarming].mean() > 0.7


def test_the_farther_the_higher(trained: Ensemble) -> None:
    line = quantized(np.linspace(1, 10, 100)[:, None] * spoiled(1, 1.0)[0] / 128)
    scores = trained.score(line)
    assert (np.diff(scores) >= -0.002 * scores[1:]).all(), "but for rounding"
    assert scores[-1] > 4000


def test_no_map_of_scores_to_ranks_falls(trained: Ensemble) -> None:
    scores = np.arange(32767, dtype=np.int32)
    for member in trained.members:
        ranks = member.rank(scores)
        assert ranks[0] == 0 and (np.diff(ranks) >= 0).all() and ranks[-1] > 256 * 100
        assert np.abs(member.float_rank(scores.astype(float)) - ranks).max() <= 1


@pytest.mark.parametrize("settings", [{}, *Ensemble.variants], ids=str)
def test_sections_are_sound_small_and_read_back(settings: dict[str, Any]) -> None:
    family = Ensemble.fit(normal(300, 1), 0, **settings).scaled_to(2500)
    section, vectors = family.parameters(), spoiled(50, 2.0)[0]
    assert settings.items() <= family.settings.items()
    assert board.check(memoryview(section), _WIDTH) == ""
    again = Ensemble.from_parameters(section, _WIDTH)
    assert again.parameters() == section and again.settings == family.settings
    assert np.array_equal(again.score(vectors), family.score(vectors))
    assert np.array_equal(again.contributions(vectors), family.contributions(vectors))
    assert len(section) <= 8192
    assert family.operations > sum(member.family.operations for member in family.members)
    with pytest.raises(RuntimeError, match="no float model"):
        again.float_score(vectors / 128)


def test_members_share_8_kb() -> None:
    wide = np.random.default_rng(0).normal(0, 1, (400, 48)) + np.repeat([[-2.0], [2.0]], 200, axis=0)
    family = Ensemble.fit(wide, 0, members=["gaussian", "mixture"])
    assert len(family.parameters()) <= 8192


def test_a_read_model_takes_a_threshold(trained: Ensemble) -> None:
    again = Ensemble.from_parameters(trained.parameters(), _WIDTH).scaled_to(trained.threshold)
    assert again.parameters() == trained.parameters()


@pytest.mark.parametrize("threshold", [1200, 2500, 9000])
def test_the_threshold_lies_at_256(trained: Ensemble, threshold: int) -> None:
    family = trained.scaled_to(threshold)
    vectors = quantized(np.linspace(0.05, 8, 3000)[:, None] * normal(1, 9))
    distances, scores = family.distances(vectors), family.score(vectors)
    assert (scores[distances >= threshold * 1.01] >= 256).all()
    assert (scores[distances < threshold * 0.99] < 256).all()


DEGENERATE = {
    "one feature": lambda rng: rng.normal(0, 1, (100, 1)),
    "two features": lambda rng: rng.normal(0, 1, (100, 2)),
    "constant": lambda rng: np.zeros((60, 3)),
    "one constant feature": lambda rng: rng.normal(0, 1, (60, 3)) * [1, 0, 1],
    "copies of one window": lambda rng: np.repeat(rng.normal(0, 1, (1, 4)), 50, axis=0),
    "the same feature twice": lambda rng: np.repeat(rng.normal(0, 1, (80, 1)), 2, axis=1),
    "fewer windows than features": lambda rng: rng.normal(0, 1, (12, 20)),
    "three windows": lambda rng: rng.normal(0, 1, (3, 2)),
    "saturated": lambda rng: rng.choice([-63.99, 63.99], (100, 3)),
    "a tail without a mean": lambda rng: rng.standard_cauchy((300, 3)),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("members", [["gaussian", "pca"], ["pca", "mixture"]], ids="+".join)
@pytest.mark.filterwarnings("error")
def test_degenerate_data_give_a_sound_model(name: str, members: list[str]) -> None:
    scores = np.clip(np.round(DEGENERATE[name](np.random.default_rng(5)) * 128) / 128, -63, 63)
    family = Ensemble.fit(scores, 0, members=members).scaled_to(2500)
    count = scores.shape[1]
    assert board.check(memoryview(family.parameters()), count) == ""
    vectors = quantized(np.concatenate([scores, np.full((1, count), 30.0)]))
    assert np.isfinite(family.float_score(vectors / 128)).all()
    assert (family.score(vectors) >= 0).all() and (family.distances(vectors) >= 0).all()
    if name not in ("saturated", "a tail without a mean"):
        assert family.score(vectors)[-1] > 256


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "an ensemble of nothing cannot be fitted"),
        (["gaussian"], "choose two or three different families"),
        (["gaussian", "gaussian"], "choose two or three different families"),
        (["gaussian", "kmeans", "pca", "mixture"], "choose two or three different families"),
        (["gaussian", "autoregressive"], 'cannot have "autoregressive" as a member; choose two or three of gaussian'),
        (["ensemble", "pca"], 'cannot have "ensemble" as a member'),
        (["gaussian", "os"], 'cannot have "os" as a member'),
    ],
)
def test_settings_that_cannot_be(members: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Ensemble.fit(normal(100, 1), 0, members=members)


@pytest.mark.parametrize("name", sorted(name for name, family in FAMILIES.items() if name != "ensemble"))
def test_every_family_without_a_memory_can_be_a_member(name: str) -> None:
    if FAMILIES[name].stateful:
        with pytest.raises(InputError):
            member_class(name)
    else:
        assert member_class(name) is FAMILIES[name]


def test_the_c_export_ships_the_members_and_no_other_family(tmp_path: Path) -> None:
    case = make_case("ensemble", 32, 2, 3)
    (tmp_path / "model.beat").write_bytes(case.data)
    export(tmp_path / "model.beat", "c", tmp_path / "c")
    members = set(case.pipeline.family.settings["members"])
    shipped = {path.stem.removeprefix("offbeat_") for path in (tmp_path / "c").glob("offbeat_*.c")}
    assert shipped & set(FAMILIES) == {"ensemble", *members}
    header = (tmp_path / "c" / "offbeat_members.h").read_text()
    assert {line for line in header.splitlines() if line.startswith("#define")} == {
        f"#define OFFBEAT_MEMBER_{name.upper()}" for name in members
    }


def test_other_families_need_no_header_of_members(tmp_path: Path) -> None:
    (tmp_path / "model.beat").write_bytes(make_case("gaussian", 32, 2, 3).data)
    export(tmp_path / "model.beat", "c", tmp_path / "c")
    assert not (tmp_path / "c" / "offbeat_members.h").exists()
    assert not (tmp_path / "c" / "offbeat_ensemble.c").exists()
