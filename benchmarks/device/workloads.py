"""The windows, the features and the models that every contender gets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offbeat.train.arithmetic import sine_table
from offbeat.train.choose import FEATURE_SETS, scale_features
from offbeat.train.families import FAMILIES, Family
from offbeat.train.features import Feature, extract
from offbeat.train.modelfile import ModelParts, Standardize, build
from offbeat.train.pipeline import cut_windows, standardized
from offbeat.train.simulate import simulate
from offbeat.train.spectrum import band_edges

__all__ = ["CHANNELS", "WINDOW", "Data", "data", "fitted", "float_features", "model_file", "spectrum_model"]

WINDOW, CHANNELS = 128, 3
_BANDS = 5
_TESTED = 4  # windows that are run on the core
_SEED = 1


@dataclass(frozen=True)
class Data:
    """features: the `vibration` set, 24 of 3 axes; windows: int16 [W, N, C] of training; test: int16 [T, N, C], half of
    them of a machine with a fault; scales: integer standardization; scores, test_scores: standard scores, Q7."""

    features: tuple[Feature, ...]
    windows: NDArray[np.int16]
    test: NDArray[np.int16]
    scales: tuple[Standardize, ...]
    scores: NDArray[np.int32]
    test_scores: NDArray[np.int32]


def _features() -> tuple[Feature, ...]:
    found: list[Feature] = []
    for channel in range(CHANNELS):
        for kind in FEATURE_SETS["vibration"]:
            if kind == "band":
                found += [Feature(kind, channel, first, bins) for first, bins in band_edges(WINDOW, _BANDS)]
            else:
                found.append(Feature(kind, channel))
    return tuple(found)


@cache
def data() -> Data:
    """Ten minutes of a simulated fan, and windows of another minute."""
    features = _features()
    healthy = simulate("fan", seconds=600, rate=400, seed=_SEED).counts[:, :CHANNELS]
    other = simulate("fan", seconds=60, rate=400, seed=_SEED + 1).counts[:, :CHANNELS]
    windows = cut_windows(healthy, WINDOW, WINDOW)
    unseen = cut_windows(other, WINDOW, WINDOW)[: _TESTED // 2]
    louder = np.clip(unseen.astype(np.int32) * 3 // 2, -32768, 32767).astype(np.int16)
    test = np.concatenate([unseen, louder])
    table = sine_table(WINDOW)
    values = extract(windows, features, table)
    scales = scale_features(values, features, [10.0] * len(features))
    test_scores = standardized(extract(test, features, table), scales)
    return Data(features, windows, test, scales, standardized(values, scales), test_scores)


def _parts(family: Family, features: tuple[Feature, ...], scales: tuple[Standardize, ...], channels: int) -> ModelParts:
    names = tuple("xyz"[:channels])
    return ModelParts(family.number, names, WINDOW, WINDOW // 2, 400.0, features, scales, family.parameters())


def model_file(family: Family) -> bytes:
    """A model file of the workload's windows with this family."""
    known = data()
    return build(_parts(family, known.features, known.scales, CHANNELS))


def fitted(name: str, **settings: Any) -> Family:
    """A family fitted to the training windows, with its threshold where 1 % of them lie above."""
    known = data()
    family = FAMILIES[name].fit(known.scores / 128, _SEED, **settings)
    return family.scaled_to(int(np.quantile(family.distances(known.scores), 0.99)))


def spectrum_model() -> bytes:
    """A model of one channel and one band, whose spectrum is what is counted."""
    known = data()
    first = next(j for j, feature in enumerate(known.features) if feature.kind == "band")
    family = FAMILIES["kmeans"].fit(known.scores[:, first : first + 1] / 128, _SEED, clusters=1)
    return build(_parts(family, known.features[first : first + 1], known.scales[first : first + 1], 1))


def float_features(windows: NDArray[np.int16], features: tuple[Feature, ...]) -> NDArray[np.float64]:
    """The same features in float64, in the units of the integer ones; [W, F] of [W, N, C]. Formulas: docs/pipeline.md."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    columns = []
    for feature in features:
        x = windows[:, :, feature.channel].astype(np.float64)
        centred = x - x.mean(axis=1, keepdims=True)
        square = (centred**2).mean(axis=1)
        power = 2 * np.abs(np.fft.rfft(centred * hann, axis=1)) ** 2 / WINDOW**2
        value = {
            "rms": np.sqrt(square),
            "kurtosis": (centred**4).mean(axis=1) / square**2,
            "mean_abs_difference": np.abs(np.diff(x, axis=1)).mean(axis=1),
            "band": power[:, feature.first : feature.first + feature.bins].sum(axis=1),
        }[feature.kind]
        columns.append(1024 * np.log2(value))
    return np.stack(columns, axis=1)
