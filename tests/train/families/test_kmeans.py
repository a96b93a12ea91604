"""k-means: data without clusters, and fits of the same size to parts of the data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from offbeat.train.families.kmeans import KMeans

DEGENERATE: dict[str, Callable[[np.random.Generator], NDArray[np.float64]]] = {
    "identical windows": lambda rng: np.full((100, 4), 0.5),
    "two kinds of window": lambda rng: np.repeat([[0.0, 1.0], [1.0, 0.0]], 40, axis=0),
    "identical but one": lambda rng: np.eye(60, 3)[::-1],
    "one window": lambda rng: rng.normal(size=(1, 3)),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("settings", [{}, {"clusters": 8}])
@pytest.mark.filterwarnings("error")
def test_degenerate_data_give_a_sound_model(name: str, settings: dict[str, int]) -> None:
    scores = DEGENERATE[name](np.random.default_rng(0))
    family = KMeans.fit(scores, 0, **settings).scaled_to(20_000)
    assert len(family.centroids) <= len(np.unique(scores, axis=0))
    vectors = np.concatenate([scores * 128, np.full((1, scores.shape[1]), 4000)]).astype(np.int32)
    score = family.score(vectors)
    assert score.min() >= 0 and score[-1] > 256 > score[0]


def test_a_fit_to_a_part_is_of_the_same_size() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(0, 0.1, (300, 2)) + np.repeat([[-1, 0], [1, 0], [0, 2]], 100, axis=0)
    family = KMeans.fit(scores, 0)
    assert family.chosen == {"clusters": 3}
    assert len(KMeans.fit(scores[:200], 0, **family.chosen).centroids) == 3
