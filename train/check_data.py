"""How much there is to learn from: rate and channels, labels, hours of normal data against the false-alarm budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .budget import Budget, duration, rate_in_words
from .calibrate import rate_bound
from .check_levels import Levels
from .check_report import Finding
from .limits import time_in_words
from .recording_labels import MOST_LABELS, named_like_labels
from .training import LEAST_WINDOWS

__all__ = ["MOST_CHANNELS", "amount", "channel_count", "labels", "looks_like_labels", "sampling_rate"]

MOST_CHANNELS = 32  # of the model file, docs/model-file.md
_LEAST_SECONDS = 60.0  # loads and speeds wander over seconds to tens of seconds: less shows no normal running
_SLOWEST = 1 / 3600  # Hz

_LONG_RUNS = 0.8  # share of the windows in which it stands still


def channel_count(count: int) -> Finding:
    """Whether a model file can hold so many channels."""
    if count <= MOST_CHANNELS:
        return Finding("channels", "good", f"{count} channel{'' if count == 1 else 's'}")
    return Finding(
        "channels", "no", f"{count} channels, and a model holds {MOST_CHANNELS} at most",
        "choose those that one machine part needs with --channels, or judge all of them on the host",
    )  # fmt: skip


def sampling_rate(rate: float, window: int) -> Finding:
    """Whether the rate in Hz is one for a board."""
    if rate < _SLOWEST:
        return Finding(
            "rate", "no", f"one sample in {duration(1 / rate / 3600)} leaves a board with nothing to do",
            "send the values and judge them on a host, where there is room for all that they depend on",
        )  # fmt: skip
    return Finding(
        "rate", "good", f"{rate:.6g} Hz, so that a window of {window} samples lasts {time_in_words(window / rate)}"
    )


def looks_like_labels(name: str, channel: Levels, still: float | None) -> bool:
    """Whether a channel could be a column of labels: its name says so, or it holds few values in long runs from 0.

    still: share of the windows in which it does not move, None where there is none.
    """
    levels = len(channel.seen)
    if levels < 2 or levels > MOST_LABELS:
        return False
    return named_like_labels(name) or (int(channel.seen[0]) == 0 and still is not None and still > _LONG_RUNS)


def labels(has_labels: bool, rows: Mapping[str, int], channels: Sequence[str], suspects: Sequence[str]) -> Finding:
    """Which labels there are. rows: of each label, "" for normal; suspects: channels that look like labels."""
    total = sum(rows.values())
    if not has_labels:
        sentence = f"no labels, so all is taken for normal; the columns are {_some(channels)}"
        if not suspects:
            return Finding("labels", "good", sentence)
        names = ", ".join(suspects)
        return Finding(
            "labels", "care", f"{sentence}; {names} look{'s' if len(suspects) == 1 else ''} like labels",
            f"name it with --label-column {suspects[0]}, or leave it out with --channels: as a channel it would give "
            "the answer away",
        )  # fmt: skip
    often = sorted(rows.items(), key=lambda row: -row[1])
    shares = [f"{name or 'normal'} {100 * count / total:.3g}%" for name, count in often]
    sentence = f"labels of the samples: {_some(shares)}"
    if rows.get(""):
        return Finding("labels", "good", sentence)
    return Finding(
        "labels", "no", f"{sentence}; none of them is normal",
        "record normal running, or name another column with --label-column: a model learns from normal data only",
    )  # fmt: skip


def amount(windows: int, seconds: float, window: int, hop: int, rate: float, budget: Budget) -> Finding:
    """What false-alarm budget the normal data can support: no alarm in T hours means less than 3/T at 95 %
    confidence, see rate_bound().

    windows: normal from end to end; seconds: that they cover.
    """
    least = max(_LEAST_SECONDS, ((LEAST_WINDOWS - 1) * hop + window) / rate)
    needed = duration(rate_bound(0, 1.0) / budget.per_hour)
    if windows < LEAST_WINDOWS or seconds < _LEAST_SECONDS:
        found = f"{windows} normal window{'' if windows == 1 else 's'} of {window} samples"
        if windows:
            found += f", {time_in_words(seconds)} in all"
        return Finding(
            "normal data", "no", f"{found}, are too little to know what is normal",
            f"record at least {time_in_words(least)}, better half an hour; {budget.text} takes {needed}",
        )  # fmt: skip
    bound = rate_bound(0, seconds / 3600)
    sentence = f"{time_in_words(seconds)} of normal data support at best {rate_in_words(bound)} at 95 % confidence"
    if bound <= budget.per_hour:
        return Finding("normal data", "good", f"{sentence}, which is enough for {budget.text}")
    return Finding(
        "normal data", "care", f"{sentence}, not {budget.text}",
        f"record {needed} for {budget.text}, or ask for less; a shorter recording trains a model that promises less",
    )  # fmt: skip


def _some(words: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most} more"
