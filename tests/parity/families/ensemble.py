"""Random but valid ensembles of the other families' random models, to the extremes that the format allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from offbeat.train.families.base import Family, reduce_and_gain
from offbeat.train.families.ensemble import MOST_KNOTS, MOST_SCORE, Ensemble, Member

__all__ = ["make"]


def _member(rng: np.random.Generator, count: int) -> Family:
    from tests.parity import models  # which imports this module

    names = sorted(set(models._MAKE_FAMILY) - {"autoregressive", "ensemble"})
    return models._MAKE_FAMILY[str(rng.choice(names))](rng, count)


def _slope(rng: np.random.Generator, run: int, rise: int) -> tuple[int, int]:
    """A line that rises by no more than `rise` in `run`, most often by just as much."""
    shift = int(rng.integers(16))
    most = min(((rise + 1 << shift) - 1) // run, 32767)
    return (most if rng.random() < 0.7 else int(rng.integers(most + 1))), shift


def _lines(rng: np.random.Generator) -> NDArray[np.int32]:
    """Bends anywhere, or where scores commonly lie; some flat, some as steep as it goes."""
    knots = int(rng.integers(1, MOST_KNOTS + 1))
    farthest = int(rng.choice([64, 512, MOST_SCORE]))
    starts = np.sort(rng.choice(farthest, knots - 1, replace=False) + 1)
    ranks = np.sort(rng.integers(0, int(rng.choice([2, 4096, 32768])), knots - 1))
    points = [(0, 0), *zip(starts.tolist(), ranks.tolist(), strict=True)]
    end = (MOST_SCORE + 1, 2**30 - 1) if rng.random() < 0.3 else (MOST_SCORE + 1, int(2 ** rng.uniform(15, 24)))
    slopes = [
        _slope(rng, after[0] - start[0], after[1] - start[1])
        for start, after in zip(points, [*points[1:], end], strict=True)
    ]
    return np.array([(*point, *slope) for point, slope in zip(points, slopes, strict=True)], dtype=np.int32)


def make(rng: np.random.Generator, count: int) -> Ensemble:
    """Two or three members of any families; some are the same model twice, of which the first counts."""
    members = [Member(_member(rng, count), _lines(rng)) for _ in range(rng.integers(2, 4))]
    if rng.random() < 0.2:
        members[1] = members[0]
    scale = reduce_and_gain(int(2 ** rng.uniform(8, 24)))
    if rng.random() < 0.3:
        scale = int(rng.integers(31)), int(rng.integers(32768))
    return Ensemble(tuple(members), count, *scale)
