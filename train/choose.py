"""Which features a channel gets, and the integer scale of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np

from offbeat.device import feature_sets as board

from .arithmetic import Int32
from .errors import InputError
from .features import KINDS, MAX_WINDOW, MIN_WINDOW, Feature
from .modelfile import Standardize
from .recording import RecordingReader

__all__ = [
    "FEATURE_SETS", "feature_sets", "is_process", "least_deviations", "require_window", "scale_features",
    "still_channels",
]  # fmt: skip

FEATURE_SETS: dict[str, tuple[str, ...]] = board.FEATURE_SETS
"""Feature kinds by the name of a set; ``auto`` tries several."""

_TRIED = ("motion", "vibration", "all")


def is_process(rate: float) -> bool:
    """Whether channels sampled at this rate (Hz) are process values such as a temperature, not vibration."""
    return board.is_process(1000 * rate)


def _is_slow(counts: Int32) -> bool:
    """Whether a channel moves little from sample to sample, against how far it wanders altogether."""
    spread = counts.std()
    return bool(spread == 0 or np.abs(np.diff(counts)).mean() < 0.1 * spread)


def _slow_channels(reader: RecordingReader, counts: Int32) -> list[bool]:
    slow = []
    for channel, unit in enumerate(reader.units):
        slow.append(is_process(reader.rate) or board.is_slow_unit(unit) or _is_slow(counts[:, channel]))
    return slow


def _of_slow(rate: float) -> tuple[str, ...]:
    return ("trend",) if board.takes_long(1000 * rate) else ("level",) if is_process(rate) else ("level", "slow")


def _set_of(name: str, window: int, slow: Sequence[bool]) -> list[Feature]:
    """The features of a set, as the model file orders them; slow channels among vibrating ones get "slow"."""
    return [Feature(KINDS[kind], *rest) for kind, *rest in board.features_of(name, window, slow)]


def require_window(window: int) -> None:
    """Raises InputError for a length of windows, in samples, that cannot be."""
    if not MIN_WINDOW <= window <= MAX_WINDOW:
        raise InputError(f"--window {window} is out of range; choose {MIN_WINDOW} to {MAX_WINDOW} samples")


def feature_sets(
    readers: Sequence[RecordingReader], window: int, asked: str
) -> tuple[dict[str, list[Feature]], list[str]]:
    """Sets of features worth trying for these recordings, judged by the start of the first; and warnings.

    window: samples; asked: a name of FEATURE_SETS or ``auto``. Raises InputError for a window that cannot be,
    for a set that is none, and where every channel is constant.
    """
    require_window(window)
    if asked != "auto" and asked not in FEATURE_SETS:
        raise InputError(f"--features {asked} is no set of features; choose auto, {', '.join(FEATURE_SETS)}")
    reader = readers[0]
    counts = np.concatenate([block.counts for block in islice(reader.blocks(), 4)]).astype(np.int32)
    _refuse_constant(reader, counts)
    warnings = []
    slow = _slow_channels(reader, counts)
    names = [asked] if asked != "auto" else list(_of_slow(reader.rate) if all(slow) else _TRIED)
    if asked != "auto":
        slow = [False] * len(slow)
    if window & (window - 1) and any("band" in FEATURE_SETS[name] for name in names):
        warnings.append(f"a window of {window} samples is no power of two, so no spectral bands are used")
    return {name: _set_of(name, window, slow) for name in names}, warnings


def _refuse_constant(reader: RecordingReader, counts: Int32) -> None:
    """Raise InputError where all channels are constant."""
    if (counts == counts[0]).all():
        raise InputError(
            f"{reader.path}: every channel is constant, so there is nothing to learn; check the sensor's wiring "
            "and record again"
        )


def still_channels(names: Sequence[str], still: Mapping[int, int]) -> list[str]:
    """A warning for each channel that never moves in normal data; still: their numbers, and the counts they rest at."""
    return [
        f"channel {names[channel]} is {'all zeros' if level == 0 else 'constant'} in all normal data: is the sensor "
        f"connected? It is watched, and an alarm comes when it moves clearly, with the reason 'unseen channel "
        f"{names[channel]}'"
        for channel, level in still.items()
    ]


def least_deviations(reader: RecordingReader, kinds: Sequence[Feature]) -> list[float]:
    """The smallest standard deviation to assume of each feature, in the feature's own unit.

    That of one count of a mean, of one crossing, of 0.7 % of a logarithm; of a temperature's mean, 1 degC.
    """
    least = []
    for feature in kinds:
        value = float(board.LEAST_DEVIATION.get(feature.kind, board.LEAST_LOG_DEVIATION))
        if feature.kind == "mean" and reader.units[feature.channel].lower() in board.TEMPERATURE_UNITS:
            value = max(value, 16 * board.LEAST_DEGREES / reader.scales[feature.channel])
        least.append(value)
    return least


def scale_features(
    features: Int32, kinds: Sequence[Feature], least: Sequence[float], wander: bool = False
) -> tuple[Standardize, ...]:
    """Integer scale of each feature of normal windows int32 [W, F]: 128 units a standard deviation.

    least: of each feature, see least_deviations(): a feature that never moved in training shall not alarm at its
    first quantization step; wander: whether means wander slowly, as those of processes do, so that a recording shows a
    part of their way only: the deviation of a mean is then at least half its whole range.
    """
    scales = []
    for values, feature, smallest in zip(features.T, kinds, least, strict=True):
        deviation = max(float(values.std()), smallest)
        if wander and feature.kind == "mean":
            deviation = max(deviation, float(np.ptp(values)) / 2)
        first = max(0, int(np.ceil(np.log2(64 * deviation / 32767))))
        ratio = 128 * 2.0**first / deviation
        second = int(np.clip(np.floor(np.log2(16383 / ratio)), 1, 15))
        multiplier = min(round(ratio * 2**second), 16383)
        scales.append(Standardize(round(float(values.mean())), multiplier, min(first, 15), second))
    return tuple(scales)
