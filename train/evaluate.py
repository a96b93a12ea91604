"""How well a model does on labelled recordings, and how it behaves on unlabelled ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

from offbeat.device.quality import REASONS

from .arithmetic import Int32
from .dataset import Stretch, collect
from .decision import alarm_starts, alarms
from .errors import InputError
from .pipeline import Pipeline
from .recording import RecordingReader

__all__ = ["Detection", "Evaluation", "Scored", "check_fits", "evaluate", "score_stretches", "summarize"]


@dataclass(frozen=True)
class Scored:
    """A stretch with its verdicts. scores: int32 [W], 0 where there is no verdict; alarm: bool [W]; ends: float64 [W],
    s of the window's end; counted: bool [W], the windows that an evaluation counts, none without verdict among them."""

    stretch: Stretch
    scores: Int32
    alarm: NDArray[np.bool_]
    ends: NDArray[np.float64]
    counted: NDArray[np.bool_]


@dataclass(frozen=True)
class Detection:
    """One occurrence of a fault. start: s; delay: s from its start to the alarm, None where none came; no_verdict: why
    the board gives no verdict on most of its windows (clipped, stuck or jitter), empty where it judges most."""

    path: str
    fault: str
    start: float
    delay: float | None
    no_verdict: str = ""


@dataclass(frozen=True)
class Evaluation:
    """Verdicts against labels, window by window; alarms against time.

    precision, recall, f1, auroc count windows (a window is faulty when most of its samples are; positive when
    its score is 256 or more); None where the labels do not allow them. false_alarms_per_hour counts alarms that
    start in normal time; None without normal time. unjudged: windows that the board would give no verdict on, by
    reason; none of the other numbers counts them.
    """

    windows: int
    faulty_windows: int
    hours: float
    precision: float | None
    recall: float | None
    f1: float | None
    auroc: float | None
    alarms: int
    false_alarms: int
    false_alarms_per_hour: float | None
    detections: tuple[Detection, ...] = field(default_factory=tuple)
    unjudged: dict[str, int] = field(default_factory=dict)

    @property
    def median_delay(self) -> float | None:
        """Median of the detection delays in s; None where nothing was detected."""
        delays = [detection.delay for detection in self.detections if detection.delay is not None]
        return float(np.median(delays)) if delays else None

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {**asdict(self), "median_delay": self.median_delay}


def check_fits(pipeline: Pipeline, readers: Sequence[RecordingReader]) -> None:
    """Raise InputError where a recording is not of the channels, rate and scale that the model was trained for."""
    scales = [float(scale) for scale in pipeline.model.meta.get("scales", "").split(",") if scale]
    for reader in readers:
        if len(reader.channels) != len(pipeline.channels):
            raise InputError(
                f"{reader.path} has {len(reader.channels)} channels ({', '.join(reader.channels)}), the model has "
                f"{len(pipeline.channels)} ({', '.join(pipeline.channels)}); choose columns with --channels"
            )
        if abs(reader.rate - pipeline.rate) > 0.02 * pipeline.rate:
            raise InputError(
                f"{reader.path} was sampled at {reader.rate:g} Hz, the model was trained for {pipeline.rate:g} Hz; "
                "record at the model's rate, or train a model for this one"
            )
        if scales and not np.allclose(scales, reader.scales, rtol=0.01):
            raise InputError(
                f"{reader.path} has another scale ({', '.join(f'{s:g}' for s in reader.scales)} per count) than the "
                f"model ({', '.join(f'{s:g}' for s in scales)}); record with the same sensor range"
            )


def score_stretches(pipeline: Pipeline, stretches: Sequence[Stretch]) -> list[Scored]:
    """Verdicts for stretches whose features are the model's own; the decision starts anew at each gap.

    As on the board, a window without verdict changes nothing: the alarm stays, the slow baseline stays, and a family
    that remembers windows begins anew behind it.
    """
    scored = []
    for stretch in stretches:
        ends = (stretch.starts + pipeline.window) / pipeline.rate
        scores, alarm = _verdicts(pipeline, stretch)
        scored.append(Scored(stretch, scores, alarm, ends, stretch.fit))
    return scored


def _verdicts(pipeline: Pipeline, stretch: Stretch) -> tuple[Int32, NDArray[np.bool_]]:
    fit = stretch.fit
    vectors = pipeline.vectors(stretch.features[fit])
    judged = np.flatnonzero(fit)
    runs = [vectors]
    if pipeline.family.stateful:
        runs = np.split(vectors, np.flatnonzero(np.diff(judged) > 1) + 1)
    scores = np.zeros(len(fit), dtype=np.int32)
    scores[fit] = np.concatenate([pipeline.family.score(run) for run in runs]) if len(judged) else 0
    decided = np.concatenate([[False], alarms(scores[fit], pipeline.decision)])
    return scores, decided[np.cumsum(fit)]


def _detections(item: Scored, window_seconds: float) -> list[Detection]:
    fault = item.stretch.fault
    change = np.flatnonzero(np.concatenate([[True], fault[1:] != fault[:-1]]))
    found = []
    for low, high in zip(change, [*change[1:], len(fault)], strict=True):
        own = slice(low, high)
        if fault[low] == "" or not (item.counted[own].any() or not item.stretch.fit[own].any()):
            continue
        start = float(item.ends[low]) - window_seconds / 2
        alarm = np.flatnonzero(item.alarm[low:high])
        delay = max(float(item.ends[low + alarm[0]]) - start, 0.0) if len(alarm) else None
        found.append(Detection(item.stretch.path, str(fault[low]), round(start, 3), delay, _why_not(item.stretch, own)))
    return found


def _why_not(stretch: Stretch, windows: slice) -> str:
    """Why most of these windows cannot be judged, by the commonest reason; empty where most can."""
    if stretch.reasons is None or 2 * stretch.fit[windows].sum() >= len(stretch.fit[windows]):
        return ""
    reasons, often = np.unique(stretch.reasons[windows][~stretch.fit[windows]], return_counts=True)
    return REASONS[int(reasons[np.argmax(often)])]


def _unjudged(scored: Sequence[Scored]) -> dict[str, int]:
    total = np.zeros(len(REASONS), dtype=np.int64)
    for item in scored:
        if item.stretch.reasons is not None:
            total += np.bincount(item.stretch.reasons[~item.stretch.fit], minlength=len(REASONS))
    return {reason: int(count) for reason, count in zip(REASONS, total, strict=True) if count}


def summarize(scored: Sequence[Scored], pipeline: Pipeline) -> Evaluation:
    """Compare verdicts with labels, in the windows that count."""
    truth = np.concatenate([item.stretch.fault[item.counted] != "" for item in scored])
    scores = np.concatenate([item.scores[item.counted] for item in scored])
    positive = scores >= 256
    precision = recall = f1 = auroc = None
    if truth.any():
        precision, recall, f1, _ = (
            None if value is None else float(value)
            for value in precision_recall_fscore_support(truth, positive, average="binary", zero_division=0)
        )
        if not truth.all():
            auroc = float(roc_auc_score(truth, scores))
    starts = [(item, index) for item in scored for index in alarm_starts(item.alarm) if item.counted[index]]
    false = sum(item.stretch.fault[index] == "" for item, index in starts)
    hour = pipeline.hop / pipeline.rate / 3600
    normal_hours = float((~truth).sum()) * hour
    return Evaluation(
        windows=len(truth),
        faulty_windows=int(truth.sum()),
        hours=len(truth) * hour,
        precision=precision,
        recall=recall,
        f1=f1,
        auroc=auroc,
        alarms=len(starts),
        false_alarms=int(false),
        false_alarms_per_hour=false / normal_hours if normal_hours else None,
        detections=tuple(d for item in scored for d in _detections(item, pipeline.window / pipeline.rate)),
        unjudged=_unjudged(scored),
    )


def evaluate(
    pipeline: Pipeline, readers: Sequence[RecordingReader], progress: Callable[[float], None] = lambda share: None
) -> Evaluation:
    """Score recordings with a model and compare with their labels. Raises InputError where they do not fit."""
    check_fits(pipeline, readers)
    about = (pipeline.features, pipeline.window, pipeline.hop)
    windows = collect(readers, *about, 0, progress, must_move=pipeline.must_move)
    return summarize(score_stretches(pipeline, windows.stretches), pipeline)
