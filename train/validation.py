"""Choice by labels: some labelled faults choose the model, and those that come later are left to evaluate it.

Nothing else about training changes: what is labelled as a fault is never fitted to, and thresholds rest on normal data
alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from .candidate import Faulty
from .dataset import Stretch, WindowSet
from .errors import InputError
from .evaluate import Scored
from .recording import RecordingReader

__all__ = ["CHOICES", "Validation", "check_choice", "split_labels"]

CHOICES = ("injected", "labels")
"""What may choose a model: faults injected into normal windows, or labelled ones."""

_MOST_EVENTS = 64  # faults that judge a candidate: enough to tell one from another
_MOST_WINDOWS = 5000  # of a fault, evenly spread
_LONGEST_RUN = 20_000  # windows of a fault that is scored in order of time
_LEAD = 2000  # windows before a fault that a score which remembers sees first


@dataclass(frozen=True)
class Validation:
    """The labelled faults that choose, and what they leave.

    faulty: by event, as search() takes it; spent: for each stretch of the windows, bool [W], those of the validation
    part that are not normal, so that no evaluation may count them; where: the part, as a sentence names it; left: how
    many faults the evaluation has.
    """

    faulty: Mapping[str, Faulty]
    spent: tuple[NDArray[np.bool_], ...]
    where: str
    left: int

    @property
    def text(self) -> str:
        """What chose and what evaluates, as one sentence without its full stop."""
        chose, left = len(self.faulty), self.left
        return (
            f"chosen by {chose} labelled fault{'' if chose == 1 else 's'}: {self.where}; evaluated on the "
            f"{left} labelled fault{'' if left == 1 else 's'} outside that part"
        )

    def evaluated(self, scored: Sequence[Scored]) -> list[Scored]:
        """Verdicts for all stretches, in which those that chose the model do not count."""
        return [replace(item, counted=item.counted & ~spent) for item, spent in zip(scored, self.spent, strict=True)]


@dataclass(frozen=True)
class _Event:
    """A fault: its windows in one stretch, int64 [n]; number: of the stretch."""

    number: int
    stretch: Stretch
    windows: NDArray[np.intp]

    @property
    def start(self) -> int:
        """Row of the recording at which its first window begins."""
        return int(self.stretch.starts[self.windows[0]])

    def before(self, row: int, window: int) -> _Event:
        """The same without the windows that reach into ``row`` and beyond."""
        return replace(self, windows=self.windows[self.stretch.starts[self.windows] + window <= row])

    def name(self, rate: float) -> str:
        """For tables: the label, when and where."""
        fault = self.stretch.fault[self.windows[0]]
        return f"{fault} at {self.start / rate:.1f} s of {self.stretch.path}"


def _events(windows: WindowSet, apart: bool) -> list[_Event]:
    """Runs of windows with one label between which at least a window is normal; apart: each window is one."""
    found = []
    least = windows.window if apart else 2 * windows.window
    for number, stretch in enumerate(windows.stretches):
        faulty = np.flatnonzero((stretch.fault != "") & stretch.fit)
        label, start = stretch.fault[faulty], stretch.starts[faulty]
        edges = np.flatnonzero((np.diff(start) >= least) | (label[1:] != label[:-1])) + 1
        found += [_Event(number, stretch, part) for part in np.split(faulty, edges) if len(part)]
    return found


def _divide(events: Sequence[_Event], windows: WindowSet) -> tuple[list[_Event], dict[str, int | None]]:
    """The events that choose, and the row before which each recording is the validation part; None: all of it.

    A recording with several faults is cut before the later half of them; of those with one, every other is taken.
    """
    chosen: list[_Event] = []
    cuts: dict[str, int | None] = {}
    take = True
    for path, group in groupby(events, key=lambda event: event.stretch.path):
        own = list(group)
        if len(own) > 1:
            cut = own[len(own) // 2].start
            cuts[path] = cut
            chosen += [event.before(cut, windows.window) for event in own[: len(own) // 2]]
        else:
            if take:
                cuts[path] = None
                chosen += own
            take = not take
    return [event for event in chosen if len(event.windows)], cuts


def _spent(stretch: Stretch, cuts: Mapping[str, int | None]) -> NDArray[np.bool_]:
    if stretch.path not in cuts:
        return np.zeros(len(stretch.starts), dtype=bool)
    cut = cuts[stretch.path]
    inside = np.ones(len(stretch.starts), dtype=bool) if cut is None else stretch.starts < cut
    return inside & ~((stretch.fault == "") & stretch.whole)


def _as_faulty(event: _Event, remembers: bool) -> Faulty:
    """The windows of an event as a candidate is judged by; remembers: in order of time, after those before it."""
    features, part = event.stretch.features, event.windows
    if not remembers:
        return Faulty(features[part[:: -(-len(part) // _MOST_WINDOWS)], None])
    first = max(int(part[0]) - _LEAD, 0)
    last = min(int(part[-1]) + 1, int(part[0]) + _LONGEST_RUN)
    return Faulty(features[None, first:last], int(part[0]) - first)


def check_choice(choose_by: str, readers: Sequence[RecordingReader]) -> None:
    """Raise InputError where there is no such choice, or no label to choose by."""
    if choose_by not in CHOICES:
        raise InputError(f"--choose-by {choose_by} is unknown; choose {' or '.join(CHOICES)}")
    if choose_by == "labels" and not any(reader.has_labels for reader in readers):
        paths = ", ".join(str(reader.path) for reader in readers)
        raise InputError(
            f"--choose-by labels: {paths} bear no labels; name their column with --label-column, or leave the choice "
            "to injected faults"
        )


def split_labels(windows: WindowSet, apart: bool, remembers: bool) -> Validation:
    """Divide the labelled faults in time: the earlier ones choose, the later ones evaluate.

    apart: the windows do not follow one another; remembers: scores depend on the windows before.
    Raises InputError without a fault, and where there are too few.
    """
    events = _events(windows, apart)
    if not events:
        raise InputError(
            f"--choose-by labels: all windows of {windows.paths} are labelled normal, so there is no fault to choose "
            "by; add a recording with labelled faults, or leave the choice to injected ones"
        )
    chosen, cuts = _divide(events, windows)
    spent = tuple(_spent(stretch, cuts) for stretch in windows.stretches)
    left = sum(not spent[event.number][event.windows].any() for event in events)
    if not chosen or not left:
        raise InputError(
            f"--choose-by labels: {windows.paths} hold {len(events)} labelled fault{'' if len(events) == 1 else 's'} "
            "that can be told apart, too few to choose by some and to evaluate on others; add a recording with more, "
            "or leave the choice to injected faults"
        )
    judges = [chosen[i] for i in np.linspace(0, len(chosen) - 1, min(len(chosen), _MOST_EVENTS)).astype(int)]
    parts = [path if cut is None else f"{path} before {cut / windows.rate:.6g} s" for path, cut in cuts.items()]
    where = ", ".join(parts)
    if apart:
        return Validation(_by_label(chosen), spent, where, left)
    return Validation({event.name(windows.rate): _as_faulty(event, remembers) for event in judges}, spent, where, left)


def _by_label(events: Sequence[_Event]) -> dict[str, Faulty]:
    """Windows that do not follow one another, those with one label together."""
    found: dict[str, list[_Event]] = {}
    for event in events:
        found.setdefault(str(event.stretch.fault[event.windows[0]]), []).append(event)
    return {
        label: Faulty(np.concatenate([event.stretch.features[event.windows] for event in own])[:, None])
        for label, own in found.items()
    }
