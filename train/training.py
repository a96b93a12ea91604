"""Recordings in, a model file out: features, scales, family, threshold, golden vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offbeat.device import VERSION

from .arithmetic import Int32, sine_table
from .budget import Budget, parse_budget
from .calibrate import Calibration, calibrate
from .choose import choose_features, least_deviations, scale_features
from .dataset import Stretch, WindowSet, collect
from .errors import InputError
from .families import FAMILIES, Family
from .features import Feature
from .inject import FAULTS, inject
from .modelfile import Decision, Golden, ModelParts, Standardize, build
from .pipeline import Pipeline, standardized
from .recording import RecordingReader

__all__ = ["Candidate", "Options", "Training", "default_window", "train"]

Progress = Callable[[str, float], None]

_FOLDS = 5
_BLOCKS_A_FOLD = 4
_LEAST_BLOCK = 20  # windows
_LEAST_WINDOWS = 30
_HARDLY_ANYTHING = 0.1
_FAULT_WINDOWS = 256  # injected faults are judged on as many held-out windows


@dataclass(frozen=True)
class Options:
    """What a user may set. window and hop in samples (None: chosen from the rate); budget: false alarms."""

    family: str = "auto"
    window: int | None = None
    hop: int | None = None
    budget: Budget = field(default_factory=lambda: parse_budget("1/day"))
    decision: Decision = field(default_factory=Decision)
    features: str = "auto"
    seed: int = 0
    name: str = ""


@dataclass(frozen=True)
class Candidate:
    """One family that was tried.

    held_out: int32 squared distances of the normal windows, each scored by a model that had not seen its
    block, a list of stretches in order of time; detected: share of held-out windows with an injected fault,
    by fault, that score at or above the threshold; float_error: 99 % quantile of the score's change by
    quantization, in score units, over windows that score below twice the threshold.
    """

    family: Family
    calibration: Calibration
    held_out: list[Int32]
    detected: dict[str, float]
    float_error: float

    @property
    def mean_detected(self) -> float:
        """Mean over the faults."""
        return float(np.mean(list(self.detected.values())))


@dataclass(frozen=True)
class Training:
    """All that training found; what a model directory and its report are written from."""

    model: bytes
    pipeline: Pipeline
    options: Options
    chosen: Candidate
    candidates: tuple[Candidate, ...]
    windows: WindowSet
    warnings: tuple[str, ...]
    reason: str

    @property
    def calibration(self) -> Calibration:
        """How the chosen family's threshold was set."""
        return self.chosen.calibration

    def held_out_scores(self) -> Int32:
        """Scores of the normal windows by models that had not seen their block; int32 [W]."""
        distance = np.concatenate(self.chosen.held_out).astype(np.float64)
        return np.minimum(distance * 256 / self.calibration.threshold, 32767).astype(np.int32)


def default_window(rate: float) -> int:
    """A power of two of samples: about a third of a second of vibration, a minute at 1 Hz and slower."""
    wanted = rate * 0.4 if rate >= 25 else 32
    return int(2 ** np.clip(np.round(np.log2(wanted)), 5, 10))


@dataclass(frozen=True)
class _Plan:
    """Which features, and the least deviation to assume of each."""

    kinds: Sequence[Feature]
    least: Sequence[float]


def _fit(features: Int32, plan: _Plan, family: type[Family], seed: int) -> tuple[tuple[Standardize, ...], Family]:
    scales = scale_features(features, plan.kinds, plan.least)
    return scales, family.fit(standardized(features, scales) / 128, seed)


def _folds(stretches: Sequence[Stretch]) -> list[list[tuple[int, slice]]]:
    """Split the normal windows into blocks of time, dealt to the folds in turn: lists of (stretch, slice).

    Several short blocks a fold, not one long one: a machine that changes its regime once in a recording would
    otherwise be judged on a regime that no model of the fold has seen.
    """
    total = sum(len(stretch.features) for stretch in stretches)
    blocks = max(_FOLDS, min(_FOLDS * _BLOCKS_A_FOLD, total // _LEAST_BLOCK))
    edges = [total * block // blocks for block in range(blocks + 1)]
    folds: list[list[tuple[int, slice]]] = [[] for _ in range(_FOLDS)]
    for number, (low, high) in enumerate(pairwise(edges)):
        start = 0
        for index, stretch in enumerate(stretches):
            stop = start + len(stretch.features)
            if max(low, start) < min(high, stop):
                folds[number % _FOLDS].append((index, slice(max(low, start) - start, min(high, stop) - start)))
            start = stop
    return folds


def _cross_fit(normal: Sequence[Stretch], plan: _Plan, family: type[Family], seed: int, overlap: int) -> list[Int32]:
    """Distances of each block by a model fitted to the others, less the windows that overlap the block."""
    held_out: dict[tuple[int, int], Int32] = {}
    for fold in _folds(normal):
        used = [np.ones(len(stretch.features), dtype=bool) for stretch in normal]
        for index, part in fold:
            used[index][max(part.start - overlap, 0) : part.stop + overlap] = False
        rest = np.concatenate([stretch.features[mask] for stretch, mask in zip(normal, used, strict=True)])
        scales, fitted = _fit(rest, plan, family, seed)
        for index, part in fold:
            held_out[index, part.start] = fitted.distances(standardized(normal[index].features[part], scales))
    return [held_out[key] for key in sorted(held_out)]


def _detected(
    windows: NDArray[np.int16], kinds: Sequence[Feature], scales: tuple[Standardize, ...], family: Family, seed: int
) -> dict[str, float]:
    from .features import extract

    table = sine_table(windows.shape[1])
    result = {}
    for fault in FAULTS:
        faulty = extract(inject(windows, fault, seed), kinds, table)
        result[fault] = float((family.score(standardized(faulty, scales)) >= 256).mean())
    return result


def _float_error(family: Family, vectors: Int32) -> float:
    exact, score = family.float_score(vectors / 128), family.score(vectors)
    near = exact < 512
    return float(np.quantile(np.abs(exact[near] - score[near]), 0.99)) if near.any() else 0.0


def _try(name: str, windows: WindowSet, plan: _Plan, scales: tuple[Standardize, ...], options: Options) -> Candidate:
    family = FAMILIES[name]
    normal = windows.normal
    features = np.concatenate([stretch.features for stretch in normal])
    overlap = -(-windows.window // windows.hop)
    held_out = _cross_fit(normal, plan, family, options.seed, overlap)
    calibration = calibrate(np.concatenate(held_out), windows.normal_hours, options.budget, options.decision)
    vectors = standardized(features, scales)
    fitted = family.fit(vectors / 128, options.seed).scaled_to(calibration.threshold)
    detected = _detected(windows.samples, plan.kinds, scales, fitted, options.seed)
    return Candidate(fitted, calibration, held_out, detected, _float_error(fitted, vectors))


def _golden(windows: NDArray[np.int16], pipeline: Pipeline, seed: int) -> list[Golden]:
    """A window as recorded, and one with injected impulses: both sides of the threshold as a rule."""
    pair = np.stack([windows[0], inject(windows[:1], "impulses", seed)[0]])
    features = pipeline.extract(pair)
    scores = pipeline.score_apart(features)
    return [Golden(w, f, int(s)) for w, f, s in zip(pair, features, scores, strict=True)]


def _why(chosen: Candidate, candidates: Sequence[Candidate]) -> str:
    if len(candidates) == 1:
        return f"{chosen.family.name}, as asked for"
    others = ", ".join(f"{c.family.name} {c.mean_detected:.0%}" for c in candidates if c is not chosen)
    return (
        f"{chosen.family.name} finds {chosen.mean_detected:.0%} of the windows with an injected fault "
        f"at the threshold that keeps the false-alarm budget ({others})"
    )


def _doubts(chosen: Candidate, windows: WindowSet) -> list[str]:
    """A warning where normal data are so unlike one another that the threshold had to go out of reach."""
    if chosen.mean_detected >= _HARDLY_ANYTHING:
        return []
    highest = int(np.argmax(np.concatenate(chosen.held_out)))
    for stretch in windows.normal:
        if highest < len(stretch.features):
            second = stretch.starts[highest] / windows.rate
            break
        highest -= len(stretch.features)
    return [
        f"the model finds only {chosen.mean_detected:.0%} of injected faults, because some of the normal data are "
        f"unlike the rest: most of all {stretch.path} at {second:.1f} s; train one model for each way of running, "
        "or leave that part out"
    ]


def _check(windows: WindowSet) -> None:
    if windows.normal_windows == 0:
        labels = sorted({str(label) for stretch in windows.stretches for label in np.unique(stretch.fault) if label})
        raise InputError(
            f"{windows.paths}: no window is normal from end to end, they are labelled {', '.join(labels[:5])}; "
            "training needs normal data, labelled normal or not at all (--label-column names another column)"
        )
    if windows.normal_windows < _LEAST_WINDOWS:
        raise InputError(
            f"{windows.paths}: {windows.normal_windows} normal windows of {windows.window} samples are too few to "
            f"train on; at least {_LEAST_WINDOWS} are needed: record longer, or choose a shorter --window"
        )


def train(
    readers: Sequence[RecordingReader],
    options: Options = Options(),
    progress: Progress | None = None,
) -> Training:
    """Train a model on the normal parts of recordings.

    Two passes of bounded memory over the recordings; features of all windows are kept (4 bytes each).
    Raises InputError where the recordings cannot be trained on.
    """
    report = progress or (lambda stage, share: None)
    rate = readers[0].rate
    window = options.window or default_window(rate)
    hop = options.hop or max(window // 2, 1)
    kinds, warnings = choose_features(readers, window, options.features)
    windows = collect(readers, kinds, window, hop, options.seed, lambda share: report("features", share))
    _check(windows)
    normal = np.concatenate([stretch.features for stretch in windows.normal])
    plan = _Plan(kinds, least_deviations(readers[0], kinds))
    scales = scale_features(normal, kinds, plan.least)
    names = list(FAMILIES) if options.family == "auto" else [options.family]
    candidates = []
    for i, name in enumerate(names):
        report("families", i / len(names))
        candidates.append(_try(name, windows, plan, scales, options))
    report("families", 1.0)
    chosen = max(candidates, key=lambda candidate: candidate.mean_detected)
    warnings += _doubts(chosen, windows)
    parts = ModelParts(
        family=chosen.family.number,
        channels=readers[0].channels,
        window=window,
        hop=hop,
        rate=rate,
        features=tuple(kinds),
        standardize=scales,
        parameters=chosen.family.parameters(),
        decision=options.decision,
        meta=_meta(readers[0], options, chosen),
    )
    from offbeat.device.modelfile import parse

    draft = Pipeline(parse(build(parts)))
    model = build(replace(parts, golden=_golden(windows.samples, draft, options.seed)))
    pipeline = Pipeline(parse(model))
    return Training(
        model, pipeline, options, chosen, tuple(candidates), windows, tuple(warnings), _why(chosen, candidates)
    )


def _meta(reader: RecordingReader, options: Options, chosen: Candidate) -> dict[str, str]:
    return {
        "name": options.name or Path(str(reader.path)).stem,
        "sensor": reader.sensor,
        "units": ",".join(reader.units),
        "scales": ",".join(repr(float(scale)) for scale in reader.scales),
        "false_alarms": chosen.calibration.budget.text,
        "created_by": f"offbeat {VERSION}",
    }
