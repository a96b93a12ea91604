"""Clusters of exceedances, the tail fitted to their peaks, and how much blocks of time differ."""

import numpy as np
import pytest

from offbeat.train.tail import DRAWS, block_factors, cluster_starts, fit_tail


def test_clusters_of_independent_exceedances_are_single_windows() -> None:
    times = np.flatnonzero(np.random.default_rng(0).random(20_000) < 0.01)
    assert len(cluster_starts(times, 1)) > 0.85 * len(times)


def test_clusters_of_runs_are_the_runs() -> None:
    runs = np.cumsum(np.random.default_rng(1).integers(200, 2000, 50))
    times = (runs[:, None] + np.arange(0, 40, 4)).ravel()
    found = cluster_starts(times, 3)
    assert np.array_equal(times[found], runs)


@pytest.mark.parametrize("times", [[], [7], [3, 4], [3, 4, 5, 6], [0, 1000]])
def test_clusters_of_hardly_anything(times: list[int]) -> None:
    found = cluster_starts(np.array(times, dtype=np.int64), 5)
    assert len(found) <= len(times)
    assert list(found[:1]) == [0] * bool(times)


def test_no_two_clusters_are_nearer_than_the_least_gap() -> None:
    times = np.flatnonzero(np.random.default_rng(2).random(3000) < 0.1)
    starts = cluster_starts(times, 30)
    gaps = times[starts[1:]] - times[starts[1:] - 1]
    assert len(starts) > 3
    assert gaps.min() > 30


@pytest.mark.parametrize(("shape", "within"), [(-0.3, 0), (0.0, 16), (0.3, 16)])
def test_rates_of_a_known_tail_lie_between_the_drawn_ones(shape: float, within: int) -> None:
    """Light tails are taken for heavier than they are, the safe side, since the prior holds the shape near 0."""
    below = inside = 0
    for seed in range(20):
        uniform = np.random.default_rng(seed).random(60)
        excess = -np.log(uniform) if shape == 0 else (uniform**-shape - 1) / shape
        tail = fit_tail(5 + excess, 5.0, hours=60.0, typical_excess=float(excess.mean()))
        level = 5 + (np.log(600) if shape == 0 else (600**shape - 1) / shape)
        low, high = np.quantile(tail.rates(level), [0.05, 0.95])
        below += high >= 1 / 600
        inside += low <= 1 / 600 <= high
    assert below >= 16
    assert inside >= within


def test_level_at_is_where_the_rate_is_kept() -> None:
    tail = fit_tail(3 + np.random.default_rng(3).exponential(0.5, 40), 3.0, 10.0, 0.5)
    level = tail.level_at(0.2, 0.95)
    assert np.quantile(tail.rates(level), 0.95) == pytest.approx(0.2, rel=1e-3)
    assert tail.level_at(0.1, 0.95) > level > tail.level_at(0.2, 0.5)
    assert tail.rates(3.0).shape == (DRAWS,)
    assert tail.rates(3.0).mean() == pytest.approx(4.05, rel=0.1)


def test_a_single_peak_is_no_obstacle() -> None:
    for peaks in ([4.0], [3.0]):
        tail = fit_tail(np.array(peaks), 3.0, 1.0, 0.0)
        assert np.isfinite(tail.level_at(0.1, 0.95))


def test_blocks_that_differ_widen_the_factors() -> None:
    generator = np.random.default_rng(4)
    same = block_factors(generator.poisson(20, 20), [50] * 20)
    different = block_factors(generator.poisson(20 * generator.gamma(0.5, 2, 20)), [50] * 20)
    assert same.std() < 0.2 < 0.8 < different.std()
    assert same.mean() == pytest.approx(1, abs=0.1)


def test_same_peaks_same_tail() -> None:
    peaks = 2 + np.random.default_rng(5).exponential(1, 30)
    first, second = (fit_tail(peaks, 2.0, 5.0, 1.0) for _ in range(2))
    assert np.array_equal(first.rates(6.0), second.rates(6.0))
