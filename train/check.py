"""The fit check: whether recordings are a job for the edge at all, before anything is trained.

Each finding has a module of its own, check_*.py; what they look at is gathered in one pass (check_survey.py).
What each asks and where its limits come from: ``docs/check.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from .budget import Budget, parse_budget
from .calibrate import rate_bound
from .check_board import memory, need_of, smallest_features, time_to_run
from .check_data import amount, channel_count, labels, sampling_rate
from .check_report import Finding, FitReport, Verdict
from .check_signals import Signals
from .check_survey import Survey
from .choose import FEATURE_SETS, feature_sets, require_window
from .cost import Cost
from .errors import InputError
from .features import MAX_WINDOW, MIN_WINDOW, Feature
from .recording import RecordingReader
from .training import default_hop, default_window

__all__ = ["Finding", "FitOptions", "FitReport", "Verdict", "check"]

_MOST_LOOKED_AT = 128  # channels; the table of levels of each takes up to 512 KiB


@dataclass(frozen=True)
class FitOptions:
    """What a user may ask. window and hop: samples, None: as train() chooses; budget: false alarms; flash, ram:
    bytes of the board; latency: seconds from a window's last sample to its verdict; clock: Hz of the core."""

    window: int | None = None
    hop: int | None = None
    budget: Budget = field(default_factory=lambda: parse_budget("1/day"))
    flash: int | None = None
    ram: int | None = None
    latency: float | None = None
    clock: float = 48e6


def check(
    readers: Sequence[RecordingReader],
    options: FitOptions = FitOptions(),
    progress: Callable[[str, float], None] | None = None,
) -> FitReport:
    """Look at recordings that one model is to learn from.

    readers: opened with the same channels, rate and scales, see check_compatible(); with allow_gaps, so that gaps are
    a finding and no error; progress: called with a stage and the share done.
    Raises InputError for a damaged recording, and for a window or hop that cannot be.
    """
    report = progress or (lambda stage, share: None)
    first = readers[0]
    window = options.window or default_window(first.rate)
    hop = options.hop or default_hop(first.rate, window)
    require_window(window)
    if not 1 <= hop <= window:
        raise InputError(f"--hop {hop} is out of range; choose 1 to {window} samples, the length of a window")
    kinds = _features(readers, window)
    survey = Survey(first, window, hop, look_closely=len(first.channels) <= _MOST_LOOKED_AT)
    for number, reader in enumerate(readers):
        survey.add(reader, partial(_passed_on, report, number, len(readers)))
    found = Signals(first, survey, kinds)
    findings = (
        sampling_rate(first.rate, window),
        channel_count(len(first.channels)),
        *found.findings(),
        labels(first.has_labels, survey.labels, first.channels, found.suspects),
        amount(survey.windows, survey.normal_seconds, window, hop, first.rate, options.budget),
        *_board(kinds, survey, len(first.channels), options),
    )
    usual, smallest = _needs(kinds, window, hop, len(first.channels))
    return FitReport(
        recordings=tuple(str(reader.path) for reader in readers),
        rate=first.rate,
        window=window,
        hop=hop,
        seconds=survey.seconds,
        normal_seconds=survey.normal_seconds,
        findings=findings,
        channels=found.facts(findings),
        numbers={
            **{f"usual_{name}": value for name, value in vars(usual).items()},
            **{f"smallest_{name}": value for name, value in vars(smallest).items()},
            "false_alarms_per_hour_asked": options.budget.per_hour,
            "false_alarms_per_hour_supported": (
                rate_bound(0, survey.normal_seconds / 3600) if survey.normal_seconds else None
            ),
            "normal_hours_needed": rate_bound(0, 1.0) / options.budget.per_hour,
        },
    )


def _passed_on(report: Callable[[str, float], None], done: int, files: int, share: float) -> None:
    report("reading", (done + share) / files)


def _features(readers: Sequence[RecordingReader], window: int) -> list[Feature]:
    """A set that train() would try; where it refuses because nothing moves, one that it would if something did."""
    try:
        sets, _ = feature_sets(readers, window, "auto")
    except InputError:
        if not MIN_WINDOW <= window <= MAX_WINDOW:
            raise
        channels = range(len(readers[0].channels))
        return [Feature(kind, i) for i in channels for kind in FEATURE_SETS["vibration"] if kind != "band"]
    return sets.get("vibration") or next(iter(sets.values()))


def _needs(kinds: Sequence[Feature], window: int, hop: int, channels: int) -> tuple[Cost, Cost]:
    """What the usual model takes, and the smallest useful one."""
    usual = need_of(kinds, "gaussian", window, hop, channels)
    return usual, need_of(smallest_features(kinds), "kmeans", window, hop, channels)


def _board(kinds: Sequence[Feature], survey: Survey, channels: int, options: FitOptions) -> tuple[Finding, Finding]:
    usual, smallest = _needs(kinds, survey.window, survey.hop, channels)
    fits, length = 0, MIN_WINDOW
    while length <= MAX_WINDOW and options.ram is not None:
        if _needs(kinds, length, length // 2, channels)[1].ram <= options.ram:
            fits = length
        length *= 2
    return (
        memory(usual, smallest, options.flash, options.ram, fits),
        time_to_run(usual, smallest, options.clock, survey.hop / survey.rate, options.latency),
    )
