"""The pipeline of one model in NumPy: windows in; features, scores, contributions and alarms out.

It is made from a parsed model file, so what it computes is what that very file means.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from offbeat.device.modelfile import Model
from offbeat.device.quality import must_move_in

from .arithmetic import Int32, clamp
from .decision import alarms
from .families import Family, by_number
from .features import KINDS, Feature, extract
from .modelfile import Decision, Standardize

__all__ = ["Pipeline", "Verdicts", "cut_windows", "merged_reasons", "standardized", "without_baseline"]


def cut_windows(counts: NDArray[np.int16], window: int, hop: int) -> NDArray[np.int16]:
    """Windows of a recording: int16 [n, C] -> int16 [W, window, C], a view; W is 0 where n < window."""
    if len(counts) < window:
        return np.empty((0, window, counts.shape[1]), dtype=np.int16)
    return sliding_window_view(counts, window, axis=0)[::hop].transpose(0, 2, 1)


def standardized(features: Int32, scales: tuple[Standardize, ...]) -> Int32:
    """Features int32 [W, F] to standard scores int32 [W, F] in Q7, saturated at +-8191."""
    center, multiplier, first, second = np.array(
        [(s.center, s.multiplier, s.first_shift, s.second_shift) for s in scales], dtype=np.int32
    ).T
    value = clamp((features - center) >> first, 32767)
    return clamp((value * multiplier + (1 << (second - 1))) >> second, 8191).astype(np.int32)


def without_baseline(vectors: Int32, slew: NDArray[np.integer]) -> Int32:
    """Subtract each feature's slow baseline, which follows at ``slew`` a window at most and starts at 0.

    vectors: int32 [W, F] standard scores (Q7), one stretch in order of time; slew: int [F], Q15, 0: no baseline.
    """
    if not slew.any():
        return vectors
    moving = np.flatnonzero(slew)
    step = slew[moving].astype(np.int32)
    wanted = vectors[:, moving] * 256
    followed = np.empty_like(wanted)
    baseline = np.zeros(len(moving), dtype=np.int32)
    for i, target in enumerate(wanted):
        baseline = baseline + np.clip(target - baseline, -step, step)
        followed[i] = baseline
    result = vectors.copy()
    result[:, moving] = clamp(vectors[:, moving] - ((followed + 128) >> 8), 8191)
    return result


@dataclass(frozen=True)
class Verdicts:
    """What a model says of W windows: features int32 [W, F], scores int32 [W], alarm bool [W]."""

    features: Int32
    scores: Int32
    alarm: NDArray[np.bool_]


def merged_reasons(reasons: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Reasons of an alarm with those of one name added up, in order of their first."""
    merged: dict[str, int] = {}
    for name, contribution in reasons:
        merged[name] = merged.get(name, 0) + contribution
    return list(merged.items())


class Pipeline:
    """A model file at work in NumPy."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.window: int = model.window
        self.hop: int = model.hop
        self.rate: float = model.rate_millihertz / 1000
        self.features = tuple(Feature(KINDS[k], c, first, bins) for k, c, first, bins in model.features)
        names = model.meta.get("channels", "").split(",")
        self.channels: tuple[str, ...] = (
            tuple(names) if len(names) == model.channels else tuple(f"channel{i}" for i in range(model.channels))
        )
        self.names = tuple(feature.name(self.channels) for feature in self.features)
        unseen = [model.unseen_channel(j) for j in range(len(self.features))]
        self.reason_names = tuple(
            name if dead < 0 else f"unseen channel {self.channels[dead]}"
            for name, dead in zip(self.names, unseen, strict=True)
        )
        self.sine = np.frombuffer(model.sine, "<i2")
        self.standardize = tuple(
            Standardize(*struct.unpack_from("<iHBB", model.standardize, 8 * j)) for j in range(len(self.features))
        )
        self.family: Family = by_number(model.family).from_parameters(model.parameters, len(self.features))
        self.slew = np.frombuffer(model.baseline, "<u2").astype(np.int32)
        self.stateful: bool = bool(self.slew.any()) or self.family.stateful
        self.decision = Decision(*model.decision)
        self.must_move: tuple[bool, ...] = tuple(must_move_in(model))

    def extract(self, windows: NDArray[np.int16]) -> Int32:
        """Features int32 [W, F] of windows int16 [W, N, C]."""
        return extract(windows, self.features, self.sine)

    def vectors(self, features: Int32) -> Int32:
        """What the family scores: int32 [W, F] (Q7) of features int32 [W, F], one stretch in order of time."""
        return without_baseline(standardized(features, self.standardize), self.slew)

    def score(self, windows: NDArray[np.int16]) -> Int32:
        """Scores int32 [W] of windows int16 [W, N, C]; a stateful model takes them as one stretch, from a reset."""
        return self.family.score(self.vectors(self.extract(windows)))

    def score_apart(self, features: Int32) -> Int32:
        """Scores int32 [W] of features int32 [W, F], each from a reset."""
        if not self.stateful:
            return self.family.score(self.vectors(features))
        return np.concatenate([self.family.score(self.vectors(row[None])) for row in features])

    def contributions(self, features: Int32) -> Int32:
        """Contributions int32 [W, F] of features int32 [W, F], one stretch in order of time."""
        return self.family.contributions(self.vectors(features))

    def run(self, counts: NDArray[np.int16]) -> Verdicts:
        """Score a recording int16 [n, C] in order, with the decision running over its windows."""
        windows = cut_windows(counts, self.window, self.hop)
        features = self.extract(windows)
        scores = self.family.score(self.vectors(features))
        return Verdicts(features, scores, alarms(scores, self.decision))

    def reasons(self, parts: Int32, most: int = 3) -> list[tuple[str, int]]:
        """The features that push one window's score up, largest first: (name, contribution).

        parts: int32 [F], the window's row of ``contributions()``; features of a channel that never moved in training
        go by its name, together.
        """
        largest = [int(j) for j in np.argsort(-parts, kind="stable")[:most] if parts[j] > 0]
        return merged_reasons((self.reason_names[j], int(parts[j])) for j in largest)
