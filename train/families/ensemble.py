"""Ensemble: the largest of its members' calibrated tail ranks, -log2 of how rare a member's score is."""

from __future__ import annotations

import importlib
import importlib.util
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from offbeat.device import families as board
from offbeat.train.arithmetic import SMALL_INTEGER_MAX, Int32, clamp, scaled
from offbeat.train.errors import InputError

from .base import Family, reduce_and_gain, unit_ratio

__all__ = ["FEWEST_MEMBERS", "MOST_KNOTS", "MOST_MEMBERS", "MOST_SCORE", "Ensemble", "Member", "member_class"]

Floats = NDArray[np.float64]

FEWEST_MEMBERS, MOST_MEMBERS = 2, 3
MOST_KNOTS = 16
MOST_SCORE = 32766  # that any family gives
_REFUSED = ("autoregressive", "ensemble")
_MOST_BYTES = 8192
_BIT = 256  # a rank's unit is 1/256 of a bit
_BITS = (1.0, 2.0, 3.0, 4.5)  # ranks at which the map bends, before the last one
_LAST_BITS = 7.0
_LEAST_BEYOND = 40  # held-out windows beyond the last bend, of which the tail's slope is the mean
_TYPICAL_EXCESS = 64.0  # score units, where no window lies beyond
_OWN_THRESHOLD = 0.998  # quantile of a member's held-out distances at which its own score is 256
_FOLDS, _BLOCKS_A_FOLD, _LEAST_BLOCK = 5, 4, 40
_LEAST_WINDOWS = 10
# Members that see different things: correlation, ways of running, what lies between them; the smallest first.
_COMBINATIONS = (
    ("gaussian", "kmeans"),
    ("gaussian", "forest"),
    ("gaussian", "prototypes"),
    ("mixture", "pca"),
    ("gaussian", "kmeans", "forest"),
)


def _names() -> list[str]:
    """The families that may be members, in the order of their numbers."""
    return [name for _, name in sorted(board.FAMILIES.items()) if name not in _REFUSED and _is_here(name)]


def _is_here(name: str) -> bool:
    # The registry of families imports this module, so that members are found by name, and imported when needed.
    return importlib.util.find_spec(f"{__package__}.{name}") is not None


def member_class(name: str) -> type[Family]:
    """The family of that name as a member. Raises InputError where there is none or it cannot be a member."""
    if name not in _names():
        known = ", ".join(_names())
        raise InputError(f'an ensemble cannot have "{name}" as a member; choose two or three of {known}')
    module = importlib.import_module(f"{__package__}.{name}")
    found = (value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Family))
    return next(family for family in found if getattr(family, "name", "") == name)


def _folds(windows: int) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """For each of five folds of contiguous blocks of time: the windows to fit to, and those held out.

    The neighbours of a block overlap it, and serve neither.
    """
    blocks = _FOLDS * min(max(windows // (_FOLDS * _LEAST_BLOCK), 1), _BLOCKS_A_FOLD)
    fold = np.arange(windows) * blocks // windows % _FOLDS
    for number in range(_FOLDS):
        held = fold == number
        near = held.copy()
        near[1:] |= held[:-1]
        near[:-1] |= held[1:]
        yield ~near, held


def _again(family: Family, scores: Floats, seed: int) -> Family:
    """The same family fitted to other windows, with the sizes that its first fit chose."""
    known = {key for variant in family.variants for key in variant}
    try:
        return type(family).fit(scores, seed, **{key: family.settings[key] for key in known & set(family.settings)})
    except InputError:  # degenerate data have left a size that none could ask for
        return type(family).fit(scores, seed)


def _fitted(family: type[Family], scores: Floats, seed: int, most: int, size: Mapping[str, Any]) -> Family:
    """The size that is given or the family itself chooses, or the largest of its variants of at most so many bytes."""
    fitted = family.fit(scores, seed, **size)
    for settings in reversed(family.variants):
        if len(fitted.parameters()) <= most:
            break
        fitted = family.fit(scores, seed, **settings)
    return fitted


def _held_out(family: Family, scores: Floats, vectors: Int32, seed: int) -> tuple[Family, Int32]:
    """The family with its own threshold at a high quantile of its held-out distances, and held-out scores int32 [W]."""
    if len(scores) < _LEAST_WINDOWS:
        fitted = family.scaled_to(max(int(family.distances(vectors).max()), 256))
        return fitted, fitted.score(vectors)
    folds = []
    for rest, held in _folds(len(scores)):
        fold = _again(family, scores[rest], seed)
        unit = unit_ratio(fold.distances(vectors[rest]), family.distances(vectors[rest]))
        folds.append((fold, unit, vectors[held]))
    distances = np.concatenate([fold.distances(held) / unit for fold, unit, held in folds])
    threshold = float(np.clip(np.quantile(distances, _OWN_THRESHOLD), 256, SMALL_INTEGER_MAX))
    found = [fold.scaled_to(max(round(threshold * unit), 1)).score(held) for fold, unit, held in folds]
    return family.scaled_to(round(threshold)), np.concatenate(found)


def _quantized_slope(slope: float) -> tuple[int, int]:
    """Multiplier and shift, rounded down so that no line overshoots the next one's start."""
    shift = int(np.clip(np.floor(np.log2(32767 / max(slope, 1e-9))), 0, 15))
    return min(int(slope * 2.0**shift), 32767), shift


def _tail_ranks(held: Int32) -> Int32:
    """Lines of the map from scores to tail ranks, int32 [K, 4]: score, rank, multiplier, shift.

    Between quantiles of the held-out scores [W] the logarithm of the share beyond is interpolated; beyond the last
    one excesses are taken as exponential (a generalised Pareto law of shape 0: Pickands, 1975), whose only parameter
    is their mean.
    """
    last = float(np.clip(np.log2(len(held) / _LEAST_BEYOND), 1.0, _LAST_BITS))
    bits = [*(level for level in _BITS if level < last), last]
    scores = np.quantile(held, 1 - 2.0 ** -np.array(bits)).round().astype(int)
    points = {0: 0}
    for score, level in zip(scores.tolist(), bits, strict=True):
        if score > 0:
            points[score] = round(level * _BIT)  # of equal scores the last, which is the rarest
    starts = sorted(points)
    beyond = held[held > starts[-1]] - starts[-1]
    excess = max(float(beyond.mean()), 1.0) if len(beyond) else _TYPICAL_EXCESS
    slopes = [(points[b] - points[a]) / (b - a) for a, b in pairwise(starts)]
    slopes.append(_BIT * np.log2(np.e) / excess)
    lines = [(start, points[start], *_quantized_slope(slope)) for start, slope in zip(starts, slopes, strict=True)]
    return np.array(lines, dtype=np.int32)


@dataclass(frozen=True)
class Member:
    """A family and the map of its scores to tail ranks.

    lines: int32 [K, 4], each score (the first 0, increasing) and rank at which it begins, multiplier and shift.
    """

    family: Family
    lines: Int32

    def rank(self, score: Int32) -> Int32:
        """Tail rank of scores int32 [W], in 1/256 bit; int32 [W]."""
        start, rank, multiplier, shift = self._line_of(score)
        return rank + (((score - start) * multiplier) >> shift)

    def float_rank(self, score: Floats) -> Floats:
        """The same in float64, without rounding."""
        start, rank, multiplier, shift = self._line_of(score)
        return rank + (score - start) * multiplier / 2.0**shift

    def _line_of(self, score: NDArray[Any]) -> Int32:
        return self.lines[np.searchsorted(self.lines[:, 0], score, side="right") - 1].T

    def section(self, count: int) -> bytes:
        """The family's number, words of its section and of its room, lines; the section, an even number of words."""
        own = self.family.parameters()
        room = board.module(self.family.number).Scorer(memoryview(own), count).room() - count
        header = struct.pack("<4H", self.family.number, len(own) // 2, room, len(self.lines))
        return header + self.lines.astype("<i2").tobytes() + own + b"\0" * (len(own) % 4)


@dataclass(frozen=True)
class Ensemble(Family):
    """Members and the scale of the largest rank. count: features; reduce, gain: score scale."""

    name: ClassVar[str] = "ensemble"
    number: ClassVar[int] = 9
    variants: ClassVar[tuple[Mapping[str, Any], ...]] = tuple(
        {"members": list(names)} for names in _COMBINATIONS if set(names) <= set(_names())
    )

    members: tuple[Member, ...]
    count: int
    reduce: int = 0
    gain: int = 32767
    threshold: int = 256

    @classmethod
    def fit(  # type: ignore[override]  # a family names its own settings
        cls,
        scores: Floats,
        seed: int,
        *,
        members: Sequence[str] = _COMBINATIONS[0],
        sizes: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> Self:
        """Each member as it fits itself, of 8 KB together, and its ranks by cross-fitting over blocks of time.

        members: names of two or three different families without a memory; sizes: settings of members' fits, by name.
        Raises InputError for other settings.
        """
        if not FEWEST_MEMBERS <= len(members) <= MOST_MEMBERS or len(set(members)) < len(members):
            given = ", ".join(members) or "nothing"
            raise InputError(f"an ensemble of {given} cannot be fitted; choose two or three different families")
        families = [member_class(name) for name in members]
        vectors = clamp(np.round(scores * 128).astype(np.int32), 8191)
        fitted: list[Member] = []
        left = _MOST_BYTES
        for position, family in enumerate(families):
            share = left // (len(families) - position) - 8 * (MOST_KNOTS + 1)
            own, held = _held_out(
                _fitted(family, scores, seed, share, sizes.get(family.name, {})), scores, vectors, seed
            )
            fitted.append(Member(own, _tail_ranks(held)))
            left -= len(fitted[-1].section(scores.shape[1]))
        return cls(tuple(fitted), scores.shape[1]).scaled_to(round(_LAST_BITS * _BIT))

    @classmethod
    def from_parameters(cls, parameters: bytes | memoryview, count: int) -> Self:
        """Read the section that ``parameters()`` wrote."""
        number, _, reduce, gain = struct.unpack_from("<4H", parameters, 0)
        members, at = [], 8
        for _ in range(number):
            family, length, _, knots = struct.unpack_from("<4H", parameters, at)
            lines = np.frombuffer(parameters, "<i2", 4 * knots, at + 8).astype(np.int32).reshape(knots, 4)
            at += 8 + 8 * knots
            own = member_class(board.FAMILIES[family]).from_parameters(parameters[at : at + 2 * length], count)
            members.append(Member(own, lines))
            at += 2 * (length + length % 2)
        return cls(tuple(members), count, reduce, gain)

    def parameters(self) -> bytes:
        """Members, count, reduce, gain; of each member number, lengths and lines, then its own section whole."""
        header = struct.pack("<4H", len(self.members), self.count, self.reduce, self.gain)
        return header + b"".join(member.section(self.count) for member in self.members)

    @property
    def settings(self) -> dict[str, Any]:
        """Names of the members."""
        return {"members": [member.family.name for member in self.members]}

    @property
    def chosen(self) -> dict[str, Any]:
        """Sizes of the members."""
        return {"sizes": {member.family.name: member.family.chosen for member in self.members}}

    @property
    def operations(self) -> int:
        """Those of the members, and the search for each one's line."""
        return sum(member.family.operations + len(member.lines) for member in self.members)

    def _ranks(self, vectors: Int32) -> tuple[Int32, Int32]:
        """Scores and tail ranks by member, int32 [M, W] each."""
        scores = np.stack([member.family.score(vectors) for member in self.members])
        return scores, np.stack([member.rank(own) for member, own in zip(self.members, scores, strict=True)])

    def distances(self, vectors: Int32) -> Int32:
        """The largest tail rank, in 1/256 bit."""
        return self._ranks(vectors)[1].max(axis=0)

    def scaled_to(self, threshold: int) -> Self:
        """Put score 256 at this tail rank."""
        reduce, gain = reduce_and_gain(threshold)
        return replace(self, reduce=reduce, gain=gain, threshold=threshold)

    def score(self, vectors: Int32) -> Int32:
        """The largest tail rank over that of the threshold, times 256."""
        return scaled(self.distances(vectors), self.reduce, self.gain)

    def contributions(self, vectors: Int32) -> Int32:
        """Those of the member with the largest rank, the first of equals, times score over the member's score."""
        scores, ranks = self._ranks(vectors)
        first, total = ranks.argmax(axis=0), scaled(ranks.max(axis=0), self.reduce, self.gain)
        result = np.empty_like(vectors)
        for position, member in enumerate(self.members):
            own = first == position
            parts = clamp(member.family.contributions(vectors[own]), MOST_SCORE)
            score = scores[position, own][:, None]
            sizes = (np.abs(parts) * total[own][:, None] + (score >> 1)) // np.maximum(score, 1)
            result[own] = np.where(score > 0, np.sign(parts) * np.minimum(sizes, MOST_SCORE), 0)
        return result

    def float_score(self, scores: Floats) -> Floats:
        """The same in float64, without quantization or saturation."""
        ranks = [member.float_rank(member.family.float_score(scores)) for member in self.members]
        return np.max(ranks, axis=0) * 256 / self.threshold
