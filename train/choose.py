"""Which features a channel gets, and the integer scale of each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np

from .arithmetic import Int32
from .errors import InputError
from .features import MAX_WINDOW, MIN_WINDOW, Feature
from .modelfile import Standardize
from .recording import RecordingReader
from .spectrum import band_edges

__all__ = ["FEATURE_SETS", "choose_features", "least_deviations", "scale_features"]

_BANDS = 5
_VIBRATION_UNITS = {"g", "mg", "m/s2", "m/s^2", "m/s²", "mm/s", "um", "pa", "count", "counts"}

FEATURE_SETS: dict[str, tuple[str, ...]] = {
    "vibration": ("rms", "kurtosis", "mean_abs_difference", "band"),
    "slow": ("mean", "rms"),
    "time": ("rms", "peak_to_peak", "crest", "kurtosis", "mean_abs_difference", "crossings"),
    "all": ("mean", "rms", "peak_to_peak", "crest", "kurtosis", "mean_abs_difference", "crossings", "band"),
}
"""Feature kinds by the name of a set; ``auto`` takes vibration or slow for each channel."""

_LEAST_DEVIATION = {"mean": 16.0, "crossings": 1.0}
_LEAST_LOG_DEVIATION = 10.0  # 1/1024 octave: 0.7 %, below what a repeated measurement shows


def _is_slow(counts: Int32) -> bool:
    """Whether a channel moves little from sample to sample, against how far it wanders altogether."""
    spread = counts.std()
    return bool(spread == 0 or np.abs(np.diff(counts)).mean() < 0.1 * spread)


def _channel_set(reader: RecordingReader, channel: int, counts: Int32, asked: str) -> str:
    if asked != "auto":
        return asked
    unit = reader.units[channel].lower()
    if unit and unit not in _VIBRATION_UNITS:
        return "slow"
    return "slow" if _is_slow(counts) else "vibration"


def choose_features(readers: Sequence[RecordingReader], window: int, asked: str) -> tuple[list[Feature], list[str]]:
    """Features for the channels of these recordings, judged by the start of the first; and warnings.

    window: samples; asked: a name of FEATURE_SETS or ``auto``. Raises InputError for a window that cannot be,
    and where every channel is constant.
    """
    if not MIN_WINDOW <= window <= MAX_WINDOW:
        raise InputError(f"--window {window} is out of range; choose {MIN_WINDOW} to {MAX_WINDOW} samples")
    reader = readers[0]
    blocks = [block.counts for block in islice(reader.blocks(), 4)]
    counts = np.concatenate(blocks).astype(np.int32)
    features: list[Feature] = []
    warnings: list[str] = []
    for channel, name in enumerate(reader.channels):
        own = counts[:, channel]
        if (own == own[0]).all():
            state = "all zeros" if own[0] == 0 else "constant"
            warnings.append(
                f"channel {name} is {state} at the start of {reader.path}: is the sensor connected? "
                "It is watched, and any movement will be an alarm"
            )
        chosen = _channel_set(reader, channel, own, asked)
        for kind in FEATURE_SETS[chosen]:
            if kind != "band":
                features.append(Feature(kind, channel))
            elif window >= 16 and window & (window - 1) == 0:
                features += [Feature("band", channel, first, bins) for first, bins in band_edges(window, _BANDS)]
    if len(warnings) == len(reader.channels):
        raise InputError(
            f"{reader.path}: every channel is constant, so there is nothing to learn; check the sensor's wiring "
            "and record again"
        )
    if window & (window - 1) and any("band" in FEATURE_SETS[s] for s in ("vibration", asked) if s in FEATURE_SETS):
        warnings.append(f"a window of {window} samples is no power of two, so no spectral bands are used")
    return features, warnings


_TEMPERATURE_UNITS = {"degc", "°c", "c", "celsius", "k"}
_LEAST_DEGREES = 1.0  # a room swings by degrees over a day, which no recording of minutes shows


def least_deviations(reader: RecordingReader, kinds: Sequence[Feature]) -> list[float]:
    """The smallest standard deviation to assume of each feature, in the feature's own unit.

    That of one count of a mean, of one crossing, of 0.7 % of a logarithm; of a temperature's mean, 1 degC.
    """
    least = []
    for feature in kinds:
        value = _LEAST_DEVIATION.get(feature.kind, _LEAST_LOG_DEVIATION)
        if feature.kind == "mean" and reader.units[feature.channel].lower() in _TEMPERATURE_UNITS:
            value = max(value, 16 * _LEAST_DEGREES / reader.scales[feature.channel])
        least.append(value)
    return least


def scale_features(features: Int32, kinds: Sequence[Feature], least: Sequence[float]) -> tuple[Standardize, ...]:
    """Integer scale of each feature of normal windows int32 [W, F]: 128 units a standard deviation.

    least: of each feature, see least_deviations(): a feature that never moved in training shall not alarm at its
    first quantization step. The centre is the median. The deviation of a mean is at least
    half its whole range, because means wander slowly and a recording shows a part of their way only.
    """
    scales = []
    for values, feature, smallest in zip(features.T, kinds, least, strict=True):
        deviation = max(float(values.std()), smallest)
        if feature.kind == "mean":
            deviation = max(deviation, float(np.ptp(values)) / 2)
        first = max(0, int(np.ceil(np.log2(64 * deviation / 32767))))
        ratio = 128 * 2.0**first / deviation
        second = int(np.clip(np.floor(np.log2(16383 / ratio)), 1, 15))
        multiplier = min(round(ratio * 2**second), 16383)
        scales.append(Standardize(int(np.median(values)), multiplier, min(first, 15), second))
    return tuple(scales)
