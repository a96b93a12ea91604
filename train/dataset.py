"""From recordings to features, in bounded memory: windows are cut, described, and let go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from offbeat.device.quality import CLIPPED, FIT, JITTER, REASONS, STUCK

from .arithmetic import Int32
from .described import described
from .errors import InputError
from .features import Feature
from .pipeline import cut_windows
from .quality import Quality, Signs, examine, resting_channels, vibrating_channels
from .recording import Block, RecordingReader, normal_mask

__all__ = ["Stretch", "WindowSet", "collect", "window_blocks"]

_SAMPLE_WINDOWS = 256
_THIN_BLOCKS = 40


@dataclass(frozen=True)
class Stretch:
    """Windows that follow one another without a gap.

    features: int32 [W, F]; starts: int64 [W], first row of each window in its recording; fault: str [W], the
    label that most of a window's samples bear, "" where they are normal; whole: bool [W], all samples alike;
    reasons: int8 [W], for what the board would give no verdict, a place of quality.REASONS, or FIT; None: all are fit;
    counts: int16 [hop * (W - 1) + N, C], the samples themselves, of slow sensors only.
    """

    path: str
    features: Int32
    starts: NDArray[np.int64]
    fault: NDArray[np.str_]
    whole: NDArray[np.bool_]
    counts: NDArray[np.int16] | None = None
    reasons: NDArray[np.int8] | None = None

    @property
    def fit(self) -> NDArray[np.bool_]:
        """Which windows the board would judge, bool [W]."""
        return np.ones(len(self.starts), dtype=bool) if self.reasons is None else self.reasons == FIT

    @property
    def normal(self) -> NDArray[np.bool_]:
        """Which windows can be learned from, bool [W]: normal from end to end, and fit."""
        return (self.fault == "") & self.whole & self.fit

    def part(self, low: int, high: int, window: int, hop: int) -> Stretch:
        """Its windows from ``low`` to before ``high``, at least one; window, hop: samples."""
        own = slice(low, high)
        counts = None if self.counts is None else self.counts[hop * low : hop * (high - 1) + window]
        reasons = None if self.reasons is None else self.reasons[own]
        about = (self.starts[own], self.fault[own], self.whole[own])
        return Stretch(self.path, self.features[own], *about, counts, reasons)


@dataclass(frozen=True)
class WindowSet:
    """The windows of some recordings, described.

    stretches: all windows; normal: those to learn from; samples: int16 [S <= 256, N, C] normal windows, evenly
    spread; places: int64 [S], where each is among the normal ones, joined, or -1; seconds: of all recordings; still:
    channels that move in no normal window, and the counts they rest at; quality: what was left out.
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
    quality: Quality = field(default_factory=lambda: Quality(0, {}, ()))

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


@dataclass
class _Held:
    """Rows that follow one another. at: number of the first; late: bool [n], of those that came too late."""

    counts: NDArray[np.int16]
    labels: NDArray[np.str_]
    late: NDArray[np.bool_]
    at: int

    @classmethod
    def of(cls, block: Block) -> _Held:
        rows = len(block.counts)
        late = np.zeros(rows, dtype=bool) if block.late is None else block.late
        return cls(block.counts, _labels(block.labels, rows), late, block.start_row)

    def join(self, other: _Held) -> _Held:
        return _Held(
            np.concatenate([self.counts, other.counts]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.late, other.late]),
            self.at,
        )

    def without(self, rows: int) -> _Held:
        return _Held(self.counts[rows:], self.labels[rows:], self.late[rows:], self.at + rows)


def window_blocks(
    reader: RecordingReader, window: int, hop: int
) -> Iterator[tuple[NDArray[np.int16], NDArray[np.str_], NDArray[np.bool_], NDArray[np.int64], bool, Signs]]:
    """Cut a recording into windows, block by block.

    Yields (windows int16 [W, N, C], fault str [W], whole bool [W], starts int64 [W], continues, signs): ``continues``
    is False where a gap lies before these windows; signs: of their quality.
    """
    held: _Held | None = None
    continues = False
    for block in reader.blocks():
        if held is None or block.start_row != held.at + len(held.counts):
            held, continues = _Held.of(block), False
        else:
            held = held.join(_Held.of(block))
        windows = cut_windows(held.counts, window, hop)
        if len(windows):
            fault, whole = _majority(held.labels, window, hop)
            starts = held.at + hop * np.arange(len(windows), dtype=np.int64)
            signs = examine(held.counts, held.late, window, hop, reader.limits)
            yield windows, fault, whole, starts, continues, signs
            continues = True
            held = held.without(hop * len(windows))


def _stretches(
    reader: RecordingReader,
    features: Sequence[Feature],
    window: int,
    hop: int,
    keep: Callable[..., None],
    with_counts: bool,
) -> Iterator[tuple[Stretch, Signs]]:
    parts: list[tuple[Int32, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray]] = []
    samples: list[NDArray[np.int16]] = []

    def stretch() -> tuple[Stretch, Signs]:
        found, starts, fault, whole, *signs = (np.concatenate(column) for column in zip(*parts, strict=True))
        counts = np.concatenate([*samples, last[hop:]]) if with_counts else None
        return Stretch(str(reader.path), found, starts, fault, whole, counts), Signs(*signs)

    blocks = window_blocks(reader, window, hop)
    for (windows, fault, whole, starts, continues, signs), found in described(blocks, features, window):
        if parts and not continues:
            yield stretch()
            parts, samples = [], []
        parts.append((found, starts, fault, whole, signs.late, signs.clipped, signs.still))
        if with_counts:
            samples.append(windows[:, :hop].reshape(-1, windows.shape[2]))
            last = np.array(windows[-1])
        keep(windows, (fault == "") & whole, starts[-1])
    if parts:
        yield stretch()


def _judged(
    found: Sequence[tuple[Stretch, Signs]], features: Sequence[Feature], must_move: Sequence[bool] | None
) -> tuple[list[Stretch], Quality]:
    """The stretches with what makes their windows unfit, and what that takes from the normal ones.

    must_move: of each channel; None: those that are watched for their vibration, but for those that rest now and then.
    """
    normal = [(stretch.fault == "") & stretch.whole for stretch, _ in found]
    total = sum(int(mask.sum()) for mask in normal)
    channels = found[0][1].still.shape[1]
    each = list(zip((signs for _, signs in found), normal, strict=True))
    still = np.sum([signs.still[mask].sum(axis=0) for signs, mask in each], axis=0)
    resting: list[int] = []
    if must_move is None:
        watched = vibrating_channels(features, (), channels)
        resting = [channel for channel in resting_channels(still, total) if watched[channel]]
        must_move = vibrating_channels(features, resting, channels)
    late = sum(int(signs.late[mask].sum()) for signs, mask in each)
    uneven = 2 * late > total
    judged, unfit = [], dict.fromkeys((REASONS[reason] for reason in (JITTER, CLIPPED, STUCK)), 0)
    for (stretch, signs), mask in zip(found, normal, strict=True):
        reasons = signs.reasons(must_move, use_times=not uneven)
        judged.append(stretch if (reasons == FIT).all() else replace(stretch, reasons=reasons))
        for reason in (JITTER, CLIPPED, STUCK):
            unfit[REASONS[reason]] += int((reasons[mask] == reason).sum())
    return judged, Quality(total, unfit, tuple(resting), uneven)


def _normal(stretch: Stretch, window: int, hop: int) -> Iterator[Stretch]:
    """The runs inside a stretch of windows to learn from."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], stretch.normal.astype(np.int8), [0]])))
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
    must_move: Sequence[bool] | None = None,
) -> WindowSet:
    """Describe all windows of some recordings; slow: and keep the samples, where windows leave none out; must_move: of
    each channel, whether it is stuck where it stands still; None: as training finds it.

    Raises InputError where a recording is shorter than a window.
    """
    generator = np.random.default_rng(seed)
    kept: list[NDArray[np.int16]] = []
    places: list[int] = []
    before = 0  # normal windows
    cut: list[tuple[Stretch, Signs]] = []
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
        cut += found
        seconds += seen / reader.rate
        progress((number + 1) / len(readers))
    stretches, quality = _judged(cut, features, must_move)
    normal = [run for stretch in stretches for run in _normal(stretch, window, hop)]
    channels = len(readers[0].channels)
    at = _among_fit(np.array(places, dtype=np.int64), stretches)
    chosen = np.flatnonzero(at >= 0)
    some = chosen[_evenly(len(chosen), _SAMPLE_WINDOWS)]
    samples = _stacked(kept, some, window, channels)
    rate = readers[0].rate
    return WindowSet(
        window, hop, rate, tuple(stretches), tuple(normal), samples, at[some], seconds, still.known(), quality
    )


def _among_fit(places: NDArray[np.int64], stretches: Sequence[Stretch]) -> NDArray[np.int64]:
    """Where windows are among those to learn from, that are at these places among all normal ones; -1: unfit."""
    fit = np.concatenate([stretch.fit[(stretch.fault == "") & stretch.whole] for stretch in stretches])
    return np.where(fit[places], np.cumsum(fit)[places] - 1, -1) if len(places) else places
