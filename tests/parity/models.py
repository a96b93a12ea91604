"""Random but valid models of every family, and windows that go to the extremes of int16."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from offbeat.device import modelfile as reader
from offbeat.train.arithmetic import sine_table
from offbeat.train.families import Family
from offbeat.train.families.base import reduce_and_gain
from offbeat.train.families.gaussian import Gaussian
from offbeat.train.families.kmeans import KMeans
from offbeat.train.features import KINDS, Feature, extract
from offbeat.train.modelfile import Decision, Golden, ModelParts, Standardize, build
from offbeat.train.pipeline import Pipeline, cut_windows
from tests.parity.families import autoencoder, autoregressive, ensemble, forest, mixture, pca, prototypes

__all__ = ["BAND_WINDOWS", "SHAPES", "Case", "cases", "make_case", "make_window", "near_threshold", "with_golden"]

BAND_WINDOWS = (16, 32, 64, 128, 256, 512, 1024)
_PLAIN_KINDS = tuple(kind for kind in KINDS if kind not in ("band", "correlation", "change"))
Window = NDArray[np.int16]


def _square(n: int, rng: np.random.Generator) -> NDArray[np.floating]:
    """Full-scale square wave near a bin's frequency, any phase."""
    phase = np.arange(n) * rng.integers(1, n // 2 + 1) / n + rng.random()
    return np.where(phase % 1 < 0.5, 32767, -32768)


def _vibration(n: int, rng: np.random.Generator) -> NDArray[np.floating]:
    """Gravity, a rotation with harmonics, and noise: what an accelerometer on a machine gives."""
    t = np.arange(n)
    turn = rng.uniform(0.01, 0.1)
    parts = [rng.uniform(5, 400) / k * np.sin(2 * np.pi * k * turn * t + rng.uniform(0, 6)) for k in (1, 2, 3, 7)]
    return rng.uniform(-1200, 1200) + np.sum(parts, axis=0) + rng.normal(0, rng.uniform(1, 60), n)


def _impulses(n: int, rng: np.random.Generator) -> NDArray[np.floating]:
    quiet = np.full(n, rng.choice([0, -32768, 32767, 17]), dtype=float)
    quiet[rng.choice(n, rng.integers(1, 4), replace=False)] = rng.choice([32767, -32768, 1, 18])
    return quiet


SHAPES = {
    "full scale noise": lambda n, rng: rng.integers(-32768, 32768, n),
    "constant": lambda n, rng: np.full(n, rng.choice([0, 1, -1, 32767, -32768, rng.integers(-32768, 32768)])),
    "alternating extremes": lambda n, rng: np.where(np.arange(n) & 1 == rng.integers(2), 32767, -32768),
    "square wave": _square,
    "impulses": _impulses,
    "ramp": lambda n, rng: np.linspace(-32768, 32767, n)[:: rng.choice([1, -1])] // rng.choice([1, 7, 900]),
    "step": lambda n, rng: np.where(np.arange(n) < rng.integers(n), 32767, -32768),
    "one count of noise": lambda n, rng: rng.integers(-32768, 32767) + rng.integers(0, 2, n),
    "sine": lambda n, rng: 32767 * np.sin(2 * np.pi * rng.uniform(0, 0.5) * np.arange(n)),
    "vibration": _vibration,
}


def make_window(shapes: tuple[str, ...], window: int, seed: int) -> Window:
    """A window int16 [window, C], each channel of its own shape."""
    rng = np.random.default_rng(seed)
    return np.stack([np.round(SHAPES[shape](window, rng)).astype(np.int16) for shape in shapes], axis=1)


@dataclass(frozen=True)
class Case:
    """A model file and what it is made of."""

    parts: ModelParts

    @cached_property
    def data(self) -> bytes:
        return build(self.parts)

    @cached_property
    def model(self) -> reader.Model:
        return reader.parse(self.data)

    @cached_property
    def pipeline(self) -> Pipeline:
        return Pipeline(self.model)

    @property
    def count(self) -> int:
        return len(self.parts.features)


def _feature_list(rng: np.random.Generator, window: int, channels: int, most: int) -> tuple[Feature, ...]:
    bands = window in BAND_WINDOWS
    features = []
    for _ in range(rng.integers(1, most + 1)):
        channel = int(rng.integers(channels))
        if bands and rng.random() < 0.5:
            first = int(rng.integers(1, window // 2))
            features.append(Feature("band", channel, first, int(rng.integers(1, window // 2 - first + 1))))
        elif channels > 1 and rng.random() < 0.3:
            features.append(Feature("correlation", channel, int((channel + rng.integers(1, channels)) % channels)))
        elif rng.random() < 0.1:
            features.append(Feature("change", channel, int(rng.integers(1, window // 2 + 1))))
        else:
            features.append(Feature(str(rng.choice(_PLAIN_KINDS)), channel))
    return tuple(sorted(features, key=lambda feature: (feature.channel, feature.kind == "band")))


def _scales(rng: np.random.Generator, features: tuple[Feature, ...], window: int) -> tuple[Standardize, ...]:
    """Half of them at home near what a vibration gives, half anywhere that the format allows."""
    channels = 1 + max(max(f.channel, f.first if f.kind == "correlation" else 0) for f in features)
    typical = make_window(("vibration",) * channels, window, int(rng.integers(2**31)))
    table = sine_table(window) if window in BAND_WINDOWS else np.zeros(0, dtype=np.int16)
    found = extract(typical[None], features, table)[0]
    scales = []
    for value in found:
        if rng.random() < 0.5:
            center = int(value) + int(rng.integers(-300, 300))
            scales.append(Standardize(center, int(rng.integers(16384)), int(rng.integers(4)), int(rng.integers(6, 16))))
        else:
            center = int(rng.integers(-(2**29) + 1, 2**29) >> rng.integers(0, 20))
            first, second = int(rng.integers(16)), int(rng.integers(1, 16))
            scales.append(Standardize(center, int(rng.integers(16384)), first, second))
    return tuple(scales)


def _baseline(rng: np.random.Generator, count: int) -> tuple[int, ...]:
    """None in half of the models; else of some features, from a crawl to the fastest."""
    if rng.random() < 0.5:
        return ()
    slew = np.minimum(2 ** rng.uniform(0, 15.1, count), 32767) * (rng.random(count) < 0.7)
    return tuple(slew.astype(int).tolist())


def _score_scale(rng: np.random.Generator) -> tuple[int, int]:
    if rng.random() < 0.7:
        return reduce_and_gain(int(2 ** rng.uniform(8, 29)))
    return int(rng.integers(31)), int(rng.integers(32768))


def _gaussian(rng: np.random.Generator, count: int) -> Family:
    """Rows from near the identity to the longest that the format allows, with weights of either extreme."""
    weights = np.zeros((count, count), dtype=np.int32)
    for i in range(count):
        row = rng.normal(0, 1, i + 1) * (rng.random(i + 1) < rng.uniform(0.1, 1))
        row[i] += rng.choice([0.5, 1, 8])
        total = 65535 - i if rng.random() < 0.3 else 2 ** rng.uniform(4, 16) - i
        weights[i, : i + 1] = np.clip(np.fix(row / max(np.abs(row).sum(), 1e-9) * max(total, 1)), -32768, 32767)
    if count > 1 and rng.random() < 0.3:
        weights[1, :2] = -32768, rng.choice([-32767, 32767])
    return Gaussian(weights, rng.integers(6, 25, count).astype(np.int32), *_score_scale(rng))


def _kmeans(rng: np.random.Generator, count: int) -> Family:
    """Some share a scale so coarse that scores are often equal: the first of equals has to be the one that counts."""
    clusters = int(rng.integers(1, 9))
    spread = rng.choice([64, 1024, 8191, 32768])
    centroids = rng.integers(-spread, spread, (clusters, count)).astype(np.int32)
    scales = np.array([_score_scale(rng) for _ in range(clusters)], dtype=np.int32)
    if clusters > 1 and rng.random() < 0.4:
        scales[:] = scales[0, 0], rng.integers(1, 40)
    return KMeans(centroids, np.ones(clusters), scales[:, 0], scales[:, 1])


_MAKE_FAMILY = {
    "gaussian": _gaussian,
    "kmeans": _kmeans,
    "mixture": mixture.make,
    "pca": pca.make,
    "forest": forest.make,
    "prototypes": prototypes.make,
    "autoencoder": autoencoder.make,
    "autoregressive": autoregressive.make,
    "ensemble": ensemble.make,
}


def make_case(family: str, window: int, channels: int, seed: int, most: int = 16, rate: float = 1000.0) -> Case:
    """A random model with up to `most` features; the seed decides everything that is not an argument."""
    rng = np.random.default_rng(seed)
    features = _feature_list(rng, window, channels, most)
    fitted = _MAKE_FAMILY[family](rng, len(features))
    n = int(rng.integers(1, 17))
    decision = Decision(int(rng.integers(1, n + 1)), n, int(rng.integers(257)), int(rng.integers(6)))
    return Case(
        ModelParts(
            family=fitted.number,
            channels=tuple("xyzw"[:channels]),
            window=window,
            hop=int(rng.integers(1, window + 1)),
            rate=rate,
            features=features,
            standardize=_scales(rng, features, window),
            parameters=fitted.parameters(),
            baseline=_baseline(rng, len(features)),
            decision=decision,
            meta={"name": "random", "units": "g", "scales": "0.001"},
        )
    )


def near_threshold(case: Case, counts: Window, decision: Decision) -> Case:
    """The same model, its threshold at the median of a recording's windows, so that scores go over and under it."""
    vectors = case.pipeline.vectors(case.pipeline.extract(cut_windows(counts, case.model.window, case.model.hop)))
    family = case.pipeline.family
    family = family.scaled_to(int(np.median(family.distances(vectors))))
    return Case(replace(case.parts, parameters=family.parameters(), decision=decision))


def with_golden(case: Case, count: int = 3) -> Case:
    """The same model with golden vectors, computed in NumPy."""
    shapes = ("vibration", "full scale noise", "impulses", "constant")
    vectors = []
    for i in range(count):
        window = make_window((shapes[i % 4],) * case.model.channels, case.model.window, seed=i)
        score = int(case.pipeline.score(window[None])[0])
        vectors.append(Golden(window, case.pipeline.extract(window[None])[0], score))
    return Case(replace(case.parts, golden=tuple(vectors)))


@st.composite
def cases(draw: st.DrawFn, longest: int = 1024) -> tuple[Case, Window]:
    """A model of either family and a window for it, int16 [N, C]."""
    family = draw(st.sampled_from(sorted(_MAKE_FAMILY)))
    powers = st.sampled_from([n for n in BAND_WINDOWS if n <= longest])
    window = draw(st.one_of(powers, st.integers(8, min(longest, 100)), st.integers(8, longest)))
    channels = draw(st.integers(1, 4))
    case = make_case(family, window, channels, draw(st.integers(0, 2**31)))
    if window * channels <= 64 and draw(st.booleans()):
        counts = st.integers(-32768, 32767)
        values = draw(st.lists(counts, min_size=window * channels, max_size=window * channels))
        return case, np.array(values, dtype=np.int16).reshape(window, channels)
    shapes = draw(st.tuples(*[st.sampled_from(sorted(SHAPES))] * channels))
    return case, make_window(shapes, window, draw(st.integers(0, 2**31)))
