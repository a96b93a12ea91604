"""Models that have not seen what they judge: normal windows, and faults injected into copies of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from offbeat.train.arithmetic import Int32
from offbeat.train.arrays import ArrayReader
from offbeat.train.candidate import try_family
from offbeat.train.crossfit import Score, cross_fit
from offbeat.train.dataset import WindowSet, collect
from offbeat.train.families import FAMILIES
from offbeat.train.families.base import unit_ratio
from offbeat.train.features import Feature, extract
from offbeat.train.modelfile import Decision
from offbeat.train.training import Options, _faulty, _plans

FEATURES = [Feature("mean", 0), Feature("rms", 0), Feature("mean_abs_difference", 0)]


def collected(windows: int, seed: int = 0) -> WindowSet:
    counts = np.random.default_rng(seed).normal(0, 300, (32 * windows, 1)).astype(np.int16)
    return collect([ArrayReader(counts, 100.0, (1.0,), "X")], FEATURES, 32, 32, seed, lambda share: None)


def remembers(seen: Sequence[Int32]) -> Score:
    """A model that tells whether it has seen exactly that window."""
    known = {row.tobytes() for part in seen for row in part}
    return lambda features: np.array([[float(row.tobytes() in known) for row in features]])


def test_a_window_and_what_is_made_of_it_meet_a_model_that_has_seen_neither() -> None:
    windows = collected(300)
    folds = cross_fit(windows, remembers)
    every = windows.normal[0].features
    assert folds.held_out.shape == (1, 300) and not folds.held_out.any()
    assert not folds.unseen(every, np.arange(300)).any()
    assert folds.unseen(every, (np.arange(300) + 150) % 300).any(), "another window's model may have seen it"
    assert folds.unseen(every[:5], np.full(5, -1)).shape == (1, 5)


@pytest.mark.parametrize("most", [10_000, 400])
def test_places_of_the_samples(most: int) -> None:
    windows = collected(1000)
    thinned = windows.thinned(most)
    assert len(thinned.places) == len(windows.samples) == 256 or len(windows.samples) == len(windows.places)
    own = extract(windows.samples, FEATURES, np.zeros(0, dtype=np.int16))
    joined = np.concatenate([stretch.features for stretch in thinned.normal])
    inside = thinned.places >= 0
    assert inside.mean() > 0.9 * len(joined) / 1000 if most < 1000 else inside.all()
    assert np.array_equal(joined[thinned.places[inside]], own[inside])


@pytest.mark.parametrize("name", ["forest", "prototypes"])
def test_distances_of_the_folds_are_in_one_unit(name: str) -> None:
    """A fit's own unit would shift the held-out levels of whole folds."""
    windows = collected(400)
    reader = ArrayReader(np.zeros((64, 1), dtype=np.int16), 100.0, (1.0,), "X")
    options = Options(decision=Decision(k=1, n=1), apart=True)
    plan = _plans(reader, {"three": FEATURES}, options)[0]
    faulty = {"gain": _faulty(windows, FEATURES, options)["gain"]}
    found = try_family(name, {}, windows, faulty, plan)
    assert found.family.own_unit
    medians = np.array([np.median(block) for block in found.held_out])
    assert medians.max() < 2 * medians.min()
    assert found.quality > 0.6


def test_ratio_of_units() -> None:
    rng = np.random.default_rng(0)
    distances = rng.chisquare(3, 101)
    assert unit_ratio(3 * distances, distances) == pytest.approx(3)
    assert unit_ratio(np.zeros(3), distances) == 1.0 == unit_ratio(distances, np.zeros(5))
    assert not FAMILIES["gaussian"].fit(rng.normal(size=(50, 2)), 0).own_unit
