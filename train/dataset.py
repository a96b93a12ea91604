"""From recordings to features, in bounded memory: windows are cut, described, and let go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .arithmetic import Int32
from .described import described
from .errors import InputError
from .features import Feature
from .pipeline import cut_windows
from .recording import RecordingReader, normal_mask

__all__ = ["Stretch", "WindowSet", "collect", "window_blocks"]

_SAMPLE_WINDOWS = 256
_THIN_BLOCKS = 40


@dataclass(frozen=True)
class Stretch:
    """Windows that follow one another without a gap.

    features: int32 [W, F]; starts: int64 [W], first row of each window in its recording; fault: str [W], the
    label that most of a window's samples bear, "" where they are normal; whole: bool [W], all samples alike;
    counts: int16 [hop * (W - 1) + N, C], the samples themselves, of slow sensors only.
    """

    path: str
    features: Int32
    starts: NDArray[np.int64]
    fault: NDArray[np.str_]
    whole: NDArray[np.bool_]
    counts: NDArray[np.int16] | None = None

    def part(self, low: int, high: int, window: int, hop: int) -> Stretch:
        """Its windows from ``low`` to before ``high``, at least one; window, hop: samples."""
        own = slice(low, high)
        counts = None if self.counts is None else self.counts[hop * low : hop * (high - 1) + window]
        return Stretch(self.path, self.features[own], self.starts[own], self.fault[own], self.whole[own], counts)


@dataclass(frozen=True)
class WindowSet:
    """The windows of some recordings, described.

    stretches: all windows; normal: those to learn from; samples: int16 [S <= 256, N, C] normal windows, evenly
    spread; places: int64 [S], where each is among the normal ones, joined, or -1; seconds: of all recordings; still:
    channels that move in no normal window, and the counts they rest at.
    """

    window: int
    hop: int
    rate: float
    stretches: tuple[Stretch, ...]
    normal: tuple[Stretch, ...]
    samples: NDArray[np.int16]
    places: NDArray[np.int64]
    seconds: float
    still: Mapping[int, int] = field(default_factory=dict)

    def select(self, columns: Sequence[int]) -> WindowSet:
        """The same windows with some of their features, and without their samples."""
        chosen = list(columns)
        of_one = self.stretches[:1] + self.normal[:1]
        every = all(chosen == list(range(stretch.features.shape[1])) for stretch in of_one)

        def part(stretches: tuple[Stretch, ...]) -> tuple[Stretch, ...]:
            return tuple(
                replace(each, features=each.features if every else each.features[:, chosen], counts=None)
                for each in stretches
            )

        return replace(self, stretches=part(self.stretches), normal=part(self.normal))

    def thinned(self, most: int) -> WindowSet:
        """About ``most`` of the normal windows, in evenly spread blocks of time; itself where it has no more."""
        total = self.normal_windows
        if total <= most:
            return self
        length = most // _THIN_BLOCKS
        first = np.linspace(0, total - length, _THIN_BLOCKS).astype(int)
        blocks, start = [], 0
        block = np.searchsorted(first, self.places, side="right") - 1
        inside = self.places - first[block]
        places = np.where((inside < length) & (self.places >= 0), block * length + inside, -1)
        for stretch in self.normal:
            stop = start + len(stretch.features)
            for low in first:
                begin, end = max(low - start, 0), max(min(low + length, stop) - start, 0)
                if end > begin:
                    blocks.append(stretch.part(begin, end, self.window, self.hop))
            start = stop
        return replace(self, normal=tuple(blocks), places=places)

    @property
    def paths(self) -> str:
        """The recordings, as a sentence names them."""
        return ", ".join(dict.fromkeys(stretch.path for stretch in self.stretches)) or "the recordings"

    @property
    def normal_windows(self) -> int:
        """How many windows are normal from end to end."""
        return sum(len(stretch.features) for stretch in self.normal)

    @property
    def normal_hours(self) -> float:
        """Hours that the normal windows cover."""
        samples = sum(self.hop * (len(s.features) - 1) + self.window for s in self.normal if len(s.features))
        return samples / self.rate / 3600


def _labels(labels: NDArray[np.str_] | None, rows: int) -> NDArray[np.str_]:
    """Labels with every word for normal as the empty string."""
    if labels is None:
        return np.zeros(rows, dtype="U1")
    text = np.asarray(labels).astype(str)
    return np.where(normal_mask(text), "", text)


def _majority(labels: NDArray[np.str_], window: int, hop: int) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
    """Label of most samples of each window, and whether all samples bear it."""
    faulty = np.concatenate([[0], np.cumsum(labels != "")])
    starts = np.arange(0, len(labels) - window + 1, hop)
    count = faulty[starts + window] - faulty[starts]
    last = labels[starts + window - 1]
    first = labels[starts]
    named = np.where(last != "", last, np.where(first != "", first, labels[starts + window // 2]))
    fault = np.where(count * 2 > window, named, "")
    return fault, (count == 0) | (count == window)


def window_blocks(
    reader: RecordingReader, window: int, hop: int
) -> Iterator[tuple[NDArray[np.int16], NDArray[np.str_], NDArray[np.bool_], NDArray[np.int64], bool]]:
    """Cut a recording into windows, block by block.

    Yields (windows int16 [W, N, C], fault str [W], whole bool [W], starts int64 [W], continues): ``continues``
    is False where a gap lies before these windows.
    """
    held: NDArray[np.int16] | None = None
    held_labels = np.zeros(0, dtype="U1")
    at, continues = 0, False
    for block in reader.blocks():
        if held is None or block.start_row != at + len(held):
            held, held_labels, at, continues = (
                block.counts,
                _labels(block.labels, len(block.counts)),
                block.start_row,
                False,
            )
        else:
            held = np.concatenate([held, block.counts])
            held_labels = np.concatenate([held_labels, _labels(block.labels, len(block.counts))])
        windows = cut_windows(held, window, hop)
        if len(windows):
            fault, whole = _majority(held_labels, window, hop)
            starts = at + hop * np.arange(len(windows), dtype=np.int64)
            yield windows, fault, whole, starts, continues
            continues = True
            used = hop * len(windows)
            held, held_labels, at = held[used:], held_labels[used:], at + used


def _stretches(
    reader: RecordingReader,
    features: Sequence[Feature],
    window: int,
    hop: int,
    keep: Callable[..., None],
    with_counts: bool,
) -> Iterator[Stretch]:
    parts: list[tuple[Int32, NDArray, NDArray, NDArray]] = []
    samples: list[NDArray[np.int16]] = []

    def stretch() -> Stretch:
        found, starts, fault, whole = (np.concatenate(column) for column in zip(*parts, strict=True))
        counts = np.concatenate([*samples, last[hop:]]) if with_counts else None
        return Stretch(str(reader.path), found, starts, fault, whole, counts)

    blocks = window_blocks(reader, window, hop)
    for (windows, fault, whole, starts, continues), found in described(blocks, features, window):
        if parts and not continues:
            yield stretch()
            parts, samples = [], []
        parts.append((found, starts, fault, whole))
        if with_counts:
            samples.append(windows[:, :hop].reshape(-1, windows.shape[2]))
            last = np.array(windows[-1])
        keep(windows, (fault == "") & whole, starts[-1])
    if parts:
        yield stretch()


def _normal(stretch: Stretch, window: int, hop: int) -> Iterator[Stretch]:
    """The runs of normal windows inside a stretch."""
    good = (stretch.fault == "") & stretch.whole
    edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(np.int8), [0]])))
    for low, high in zip(edges[::2], edges[1::2], strict=True):
        yield stretch.part(low, high, window, hop)


def _evenly(count: int, most: int) -> NDArray[np.intp]:
    return np.linspace(0, count - 1, min(count, most)).astype(np.intp)


def _stacked(kept: list[NDArray[np.int16]], which: NDArray[np.intp], length: int, channels: int) -> NDArray[np.int16]:
    return np.stack([kept[i] for i in which]) if len(which) else np.zeros((0, length, channels), dtype=np.int16)


class _Still:
    """Channels that have not moved yet, with the count at which they rest; None before the first window."""

    def __init__(self, channels: int) -> None:
        self.levels: dict[int, int | None] = dict.fromkeys(range(channels))

    def see(self, windows: NDArray[np.int16]) -> None:
        for channel, level in list(self.levels.items()):
            own = windows[:, :, channel]
            first = own[0, 0] if level is None else level
            if (own == first).all():
                self.levels[channel] = int(first)
            else:
                del self.levels[channel]

    def known(self) -> dict[int, int]:
        return {channel: level for channel, level in self.levels.items() if level is not None}


def collect(
    readers: Sequence[RecordingReader],
    features: Sequence[Feature],
    window: int,
    hop: int,
    seed: int,
    progress: Callable[[float], None],
    slow: bool = False,
) -> WindowSet:
    """Describe all windows of some recordings; slow: and keep the samples, where windows leave none out.

    Raises InputError where a recording is shorter than a window.
    """
    generator = np.random.default_rng(seed)
    kept: list[NDArray[np.int16]] = []
    places: list[int] = []
    before = 0  # normal windows
    stretches: list[Stretch] = []
    still = _Still(len(readers[0].channels))
    seconds = 0.0
    for number, reader in enumerate(readers):
        seen = 0

        def keep(windows: NDArray[np.int16], good: NDArray[np.bool_], last: int, number: int = number) -> None:
            nonlocal seen, before
            seen = int(last) + window
            normal = np.flatnonzero(good)
            if still.levels and len(normal):
                still.see(windows if len(normal) == len(good) else windows[normal])
            chosen = np.arange(len(normal))
            if len(chosen) > 32:
                chosen = np.sort(generator.choice(chosen, 32, replace=False))
            kept.extend(np.array(windows[i]) for i in normal[chosen])
            places.extend((before + chosen).tolist())
            before += len(normal)
            progress((number + 0.5) / len(readers))

        found = list(_stretches(reader, features, window, hop, keep, slow and hop <= window))
        if not found:
            raise InputError(
                f"{reader.path}: shorter than one window of {window} samples "
                f"({window / reader.rate:g} s at {reader.rate:g} Hz); record longer, or choose a shorter --window"
            )
        stretches += found
        seconds += seen / reader.rate
        progress((number + 1) / len(readers))
    normal = [run for stretch in stretches for run in _normal(stretch, window, hop)]
    channels = len(readers[0].channels)
    some = _evenly(len(kept), _SAMPLE_WINDOWS)
    samples = _stacked(kept, some, window, channels)
    at = np.array(places, dtype=np.int64)[some]
    rate = readers[0].rate
    return WindowSet(window, hop, rate, tuple(stretches), tuple(normal), samples, at, seconds, still.known())
