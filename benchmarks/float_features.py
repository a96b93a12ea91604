"""The features of ``docs/pipeline.md`` in float64, as one writes them with NumPy, and a model's pipeline in floats.

They are the float twin of the integer pipeline: what quantization costs, from the samples on, is the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offbeat.train.features import FLOOR, Feature, extract
from offbeat.train.pipeline import Pipeline

__all__ = ["FloatPipeline", "float_features"]

Floats = NDArray[np.float64]

_BLOCK = 2048  # windows worked on at once


def _log2(value: Floats, silent: NDArray[np.bool_]) -> Floats:
    """In 1/1024 octave, FLOOR where a channel is silent."""
    with np.errstate(divide="ignore"):
        return np.where(silent | (value <= 0), FLOOR, 1024 * np.log2(np.where(value > 0, value, 1.0)))


def _of_channel(x: Floats, feature: Feature, power: Floats | None) -> Floats:
    """One feature of one channel, x float64 [W, N] counts, in the units of the integer features."""
    centred = x - x.mean(axis=1, keepdims=True)
    silent = np.ptp(x, axis=1) == 0
    square = (centred**2).mean(axis=1)
    safe = np.where(silent, 1.0, square)
    match feature.kind:
        case "mean":
            return 16 * x.mean(axis=1)
        case "rms":
            return _log2(np.sqrt(square), silent)
        case "peak_to_peak":
            return _log2(np.ptp(x, axis=1), silent)
        case "crest":
            return np.where(silent, 0.0, 1024 * np.log2(np.abs(centred).max(axis=1).clip(1e-12) / np.sqrt(safe)))
        case "kurtosis":
            return np.where(silent, 0.0, 1024 * np.log2((centred**4).mean(axis=1).clip(1e-12) / safe**2))
        case "mean_abs_difference":
            return _log2(np.abs(np.diff(x, axis=1)).mean(axis=1), silent)
        case "crossings":
            return np.diff(centred < 0, axis=1).sum(axis=1).astype(np.float64)
        case "change":
            count = feature.first
            return 16 * (x[:, -count:].mean(axis=1) - x[:, -2 * count : -count].mean(axis=1))
        case "band":
            assert power is not None
            return _log2(power[:, feature.first : feature.first + feature.bins].sum(axis=1), silent)
    raise KeyError(feature.kind)


def _power(x: Floats) -> Floats:
    """Mean square of the bins 0 … N/2 of Hann-weighted windows [W, N], such that they add up to the mean square."""
    window = x.shape[1]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    spectrum = np.fft.rfft((x - x.mean(axis=1, keepdims=True)) * hann, axis=1)
    return 2 * np.abs(spectrum) ** 2 / window**2


def _correlation(x: Floats, y: Floats) -> Floats:
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    size = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return np.where(size > 0, 4096 * (x * y).sum(axis=1) / np.where(size > 0, size, 1.0), 0.0)


def float_features(windows: NDArray[Any], features: Sequence[Feature], sine: NDArray[np.int16]) -> Floats:
    """Features float64 [W, F] of windows [W, N, C] of counts, in the units of the integer ones.

    A kind that this module does not know comes from the integer pipeline; sine: its table.
    """
    parts = []
    for start in range(0, len(windows), _BLOCK):
        block = windows[start : start + _BLOCK]
        values = block.astype(np.float64)
        powers = {f.channel: _power(values[:, :, f.channel]) for f in features if f.kind == "band"}
        columns = []
        for feature in features:
            try:
                if feature.kind == "correlation":
                    column = _correlation(values[:, :, feature.channel], values[:, :, feature.first])
                else:
                    column = _of_channel(values[:, :, feature.channel], feature, powers.get(feature.channel))
            except KeyError:
                column = extract(block, [feature], sine)[:, 0].astype(np.float64)
            columns.append(column)
        parts.append(np.stack(columns, axis=1))
    return np.concatenate(parts) if parts else np.zeros((0, len(features)))


class FloatPipeline:
    """A trained model with nothing rounded but the samples. family: the fitted one, with its float model."""

    def __init__(self, pipeline: Pipeline, family: Any) -> None:
        self._pipeline = pipeline
        self._family = family
        scales = pipeline.standardize
        self._center = np.array([s.center for s in scales], dtype=np.float64)
        self._factor = np.array([s.multiplier / 2.0 ** (s.first_shift + s.second_shift) / 128 for s in scales])
        self._slew = pipeline.slew / 32768

    def standard_scores(self, windows: NDArray[np.int16]) -> Floats:
        """Standard scores float64 [W, F] less their slow baseline, windows in order of time; the board's range."""
        features = float_features(windows, self._pipeline.features, self._pipeline.sine)
        scores = np.clip((features - self._center) * self._factor, -64, 64)
        if self._slew.any():
            baseline = np.zeros(scores.shape[1])
            for row in scores:
                baseline = baseline + np.clip(row - baseline, -self._slew, self._slew)
                row -= baseline
        return scores

    def score(self, windows: NDArray[np.int16]) -> Floats:
        """Score float64 [W], 256 at the threshold."""
        return self._family.float_score(self.standard_scores(windows))
