"""Recordings in, a model file out: features, scales, family, threshold, golden vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offbeat.device import VERSION
from offbeat.device.feature_sets import LEAST_WINDOWS, PROCESS_SLEW, WANDERING, usual_hop, usual_window
from offbeat.device.modelfile import parse

from .arithmetic import Int32, sine_table
from .boards import Limits
from .budget import Budget, parse_budget
from .calibrate import Calibration, rate_supported
from .candidate import Candidate, Faulty, Plan, teacher_quality
from .choose import feature_sets, is_process, least_deviations, require_window, still_channels
from .crossfit import blocks_of
from .dataset import WindowSet, collect
from .distill import STUDENTS
from .errors import InputError
from .families import FAMILIES
from .features import Feature, extract
from .inject import FAULTS, PROCESS_FAULTS, SEVERITIES, inject, inject_from
from .modelfile import Decision, Golden, ModelParts, build
from .pipeline import Pipeline, cut_windows
from .recording import RecordingReader
from .recording_labels import refuse_suspects
from .search import Found, Measure, Preference, search
from .validation import Validation, check_choice, split_labels

__all__ = ["DEAR", "LEAST_WINDOWS", "Candidate", "Options", "Training", "default_hop", "default_window", "train"]

Progress = Callable[[str, float], None]

_HARDLY_ANYTHING = 0.1
DEAR = 0.01
"""Loss of AUROC by quantization from which on training warns."""
# Recordings of slow sensors hold few windows that do not overlap: too few for a network, or to rank several families'
# tails by; on a water rig both found less than a family alone, after the longest training.
_NOT_OF_PROCESSES = ("autoencoder", "ensemble")
_PROCESS_TOLERANCE = 0.05  # AUROC
_PROCESS_FEWER = 1.0  # any share found at the threshold
_SLEW = PROCESS_SLEW / 32768  # standard deviations a window


@dataclass(frozen=True)
class Options:
    """What a user may set.

    window and hop in samples (None: chosen from the rate); budget: false alarms; baseline: how fast the slow baseline
    follows, in standard deviations a window (0: none; None: chosen, for slow sensors); apart: the windows do not
    follow one another, so that nothing may be remembered from one to the next; limits: of the board; workers: processes
    that search, None: one a core; distill: the teacher whose score is learned, see distill.py; choose_by: what judges
    the candidates, of validation.CHOICES; measure: where there are limits, and the extra ``profile`` is installed, the
    chosen model and the front of what is possible are compiled and run for the limits' core, and the choice keeps to
    the limits as measured.
    """

    family: str = "auto"
    window: int | None = None
    hop: int | None = None
    budget: Budget = field(default_factory=lambda: parse_budget("1/day"))
    decision: Decision = field(default_factory=Decision)
    features: str = "auto"
    seed: int = 0
    name: str = ""
    baseline: float | None = None
    apart: bool = False
    limits: Limits = field(default_factory=Limits)
    workers: int | None = None
    distill: str = ""
    choose_by: str = "injected"
    measure: bool = True


@dataclass(frozen=True)
class Training:
    """All that training found; what a model directory and its report are written from.

    teacher_quality: of the teacher, where there was one, as Candidate.quality; teacher_size: its bytes, where it can be
    saved; validation: the labelled faults that the
    model was chosen by, None where injected ones did.
    """

    model: bytes
    pipeline: Pipeline
    options: Options
    chosen: Candidate
    candidates: tuple[Candidate, ...]
    windows: WindowSet
    warnings: tuple[str, ...]
    reason: str
    teacher_quality: float | None = None
    teacher_size: int | None = None
    validation: Validation | None = None

    @property
    def judges(self) -> str:
        """What the candidates were judged by, as a table names it."""
        return "injected faults" if self.validation is None else "labelled faults of the validation part"

    @property
    def calibration(self) -> Calibration:
        """How the chosen family's threshold was set."""
        return self.chosen.calibration

    def held_out_scores(self) -> Int32:
        """Scores of the normal windows by models that had not seen their block; int32 [W]."""
        distance = np.concatenate(self.chosen.held_out).astype(np.float64)
        return np.minimum(distance * 256 / self.calibration.threshold, 32767).astype(np.int32)


def default_window(rate: float) -> int:
    """Samples: a power of two, a third of a second, of vibration; 40 of a process; a day where a sample takes long."""
    return usual_window(1000 * rate)


def default_hop(rate: float, window: int) -> int:
    """Samples: one of a process, half a window of vibration."""
    return usual_hop(1000 * rate, window)


def _union(sets: Mapping[str, Sequence[Feature]]) -> list[Feature]:
    """Every feature of the sets once, as the model file orders them."""
    each = dict.fromkeys(feature for features in sets.values() for feature in features)
    return sorted(each, key=lambda feature: (feature.channel, feature.kind == "band"))


def _plans(reader: RecordingReader, sets: Mapping[str, Sequence[Feature]], options: Options) -> list[Plan]:
    every = _union(sets)
    follow = options.baseline
    if follow is None:
        follow = _SLEW if is_process(reader.rate) and not options.apart else 0.0
    plans = []
    for name, features in sets.items():
        columns = tuple(sorted(every.index(feature) for feature in features))
        chosen = tuple(every[column] for column in columns)
        slew = np.full(len(chosen), min(round(follow * 32768), 32767), dtype=np.int32)
        least = tuple(least_deviations(reader, chosen))
        wander = all(feature.kind in WANDERING for feature in chosen)
        plans.append(
            Plan(
                name,
                chosen,
                columns,
                least,
                slew,
                wander,
                options.budget,
                options.decision,
                options.seed,
                options.distill,
                options.limits.core,
            )
        )
    return plans


def _faulty(windows: WindowSet, features: Sequence[Feature], options: Options) -> dict[str, Faulty]:
    """Normal windows with a fault; of a slow sensor the first ones of each held-out block, from the fault on."""
    table, seed = sine_table(windows.window), options.seed
    counts = [stretch.counts for stretch in windows.normal if stretch.counts is not None]
    if options.apart or len(counts) < len(windows.normal):
        places = np.tile(windows.places, len(SEVERITIES))

        def windows_with(fault: str) -> NDArray[np.int16]:
            return np.concatenate([inject(windows.samples, fault, seed + i, s) for i, s in enumerate(SEVERITIES)])

        return {
            fault: Faulty(extract(windows_with(fault), features, table)[:, None], places=places) for fault in FAULTS
        }
    window, hop, most = windows.window, windows.hop, -(-2 * windows.window // windows.hop)
    blocks = [(index, low, min(high, low + most)) for index, low, high in blocks_of(windows)]
    runs = [counts[index][hop * low : hop * (high - 1) + window] for index, low, high in blocks]
    first = np.cumsum([0, *(len(stretch.features) for stretch in windows.normal)])
    places = np.concatenate([first[index] + np.arange(low, high) for index, low, high in blocks])
    about = np.concatenate(counts)
    faulty = {}
    for fault in PROCESS_FAULTS:
        # from half of the first window on, so that every window bears more of the fault than not
        altered = inject_from(runs, about, window // 2, fault, seed)
        each = [extract(cut_windows(run, window, hop), features, table) for run in altered]
        faulty[fault] = Faulty(np.concatenate(each)[:, None], places=places)
    return faulty


def _validation(readers: Sequence[RecordingReader], windows: WindowSet, options: Options) -> Validation | None:
    """The labelled faults to choose by, where that was asked for."""
    if options.choose_by == "injected":
        return None
    stateful = options.family in FAMILIES and FAMILIES[options.family].stateful
    remembers = not options.apart and (is_process(readers[0].rate) or stateful)
    return split_labels(windows, options.apart, remembers)


def _golden(windows: NDArray[np.int16], pipeline: Pipeline, seed: int) -> list[Golden]:
    """A window as recorded, and one with injected impulses: both sides of the threshold as a rule."""
    pair = np.stack([windows[0], inject(windows[:1], "impulses", seed)[0]])
    features = pipeline.extract(pair)
    scores = pipeline.score_apart(features)
    return [Golden(w, f, int(s)) for w, f, s in zip(pair, features, scores, strict=True)]


def _why(found: Found, limits: Limits, validation: Validation | None) -> str:
    chosen, count = found.chosen, len(found.candidates)
    best = max(candidate.quality for candidate in found.fitting)
    what = "windows with an injected fault" if validation is None else "the labelled faults that it was chosen by"
    text = (
        f"{chosen.family.name} on {chosen.plan.name} features tells {what} from held-out "
        f"normal ones with an AUROC of {chosen.quality:.3f}"
    )
    if count == 1:
        return f"{text}; family and features as asked for"
    among = f"{count} candidates"
    if len(found.fitting) < count:
        among = f"{len(found.fitting)} candidates of {count} that fit {limits.text}"
    if chosen.quality == best:
        return f"{text}, the best of {among}"
    return f"{text}, as good as the best of {among} ({best:.3f}) and simpler"


def _doubts(chosen: Candidate, windows: WindowSet, validation: Validation | None) -> list[str]:
    """A warning where quantization cost much, and where normal data are so unlike one another that the threshold had
    to go out of reach."""
    if chosen.float_quality - chosen.quality > DEAR:
        return [
            f"quantization costs {chosen.float_quality - chosen.quality:.3f} of AUROC on "
            f"{'injected' if validation is None else 'labelled'} faults; another --family or fewer --features lose less"
        ]
    if chosen.mean_detected >= _HARDLY_ANYTHING:
        return []
    if validation is not None:
        return [
            f"at its threshold the model finds only {chosen.mean_detected:.0%} of the faults that it was chosen by; "
            "allow more --false-alarms, or record more normal data"
        ]
    highest = int(np.argmax(np.concatenate(chosen.held_out)))
    for stretch in windows.normal:
        if highest < len(stretch.features):
            second = stretch.starts[highest] / windows.rate
            break
        highest -= len(stretch.features)
    rate = rate_supported(chosen.held_out, windows.normal_hours, chosen.plan.decision, chosen.half_found)
    accept = (
        "" if rate is None else f", or accept more: with --false-alarms {_round_up(rate)}/hour it finds half of them"
    )
    return [
        f"the model finds only {chosen.mean_detected:.0%} of injected faults, because some of the normal data are "
        f"unlike the rest: most of all {stretch.path} at {second:.1f} s; train one model for each way of running, "
        f"leave that part out{accept}"
    ]


def _round_up(rate: float) -> str:
    """A number a little above, of two digits."""
    step = 10.0 ** (np.floor(np.log10(rate)) - 1)
    return f"{np.ceil(rate / step * 1.001) * step:.6g}"


def _check(windows: WindowSet) -> None:
    if windows.normal_windows < LEAST_WINDOWS <= windows.quality.windows:
        raise InputError(f"{windows.paths}: too few windows are left to train on: {windows.quality.warnings()[0]}")
    if windows.normal_windows == 0:
        labels = sorted({str(label) for stretch in windows.stretches for label in np.unique(stretch.fault) if label})
        raise InputError(
            f"{windows.paths}: no window is normal from end to end, they are labelled {', '.join(labels[:5])}; "
            "training needs normal data, labelled normal or not at all (--label-column names another column)"
        )
    if windows.normal_windows < LEAST_WINDOWS:
        raise InputError(
            f"{windows.paths}: {windows.normal_windows} normal windows of {windows.window} samples are too few to "
            f"train on; at least {LEAST_WINDOWS} are needed: record longer, or choose a shorter --window"
        )


def _families(options: Options, slow: bool) -> list[str]:
    if options.distill:
        students: list[str] = [name for name in STUDENTS if name in FAMILIES]
        if options.family not in ("auto", *students):
            raise InputError(
                f"--family {options.family} cannot learn from a teacher; with --distill choose {' or '.join(students)}"
            )
        return list(students) if options.family == "auto" else [options.family]
    if options.family != "auto":
        return [options.family]
    left_out = _NOT_OF_PROCESSES if slow and options.choose_by == "injected" else ()
    return [name for name, family in FAMILIES.items() if not family.stateful and name not in left_out]


def _preference(reader: RecordingReader) -> Preference:
    """Of several slow channels what the field uses, Hotelling's T^2 with Q (Kourti and MacGregor, 1995), unless another
    family finds more of the injected faults.

    Ten blocks of time are what a recording of some minutes has to judge by: a difference is believed where it is larger
    than what it varies by from one recording of the same machine to the next.
    """
    if not is_process(reader.rate):
        return Preference()
    usual = Preference().order
    order = usual if len(reader.channels) == 1 else ("pca", *(name for name in usual if name != "pca"))
    return Preference(order, _PROCESS_TOLERANCE, _PROCESS_FEWER)


def _parts(reader: RecordingReader, options: Options, windows: WindowSet, chosen: Candidate) -> ModelParts:
    return ModelParts(
        family=chosen.family.number,
        channels=reader.channels,
        window=windows.window,
        hop=windows.hop,
        rate=reader.rate,
        features=chosen.plan.features,
        standardize=chosen.scales,
        parameters=chosen.family.parameters(),
        decision=options.decision,
        meta=_meta(reader, options, chosen, windows),
        baseline=tuple(chosen.plan.slew.tolist()),
    )


def _measure(reader: RecordingReader, options: Options, windows: WindowSet, report: Progress) -> Measure | None:
    """How the search measures costs; None where there is nothing to keep to, or nothing to measure with."""
    from .profile.candidates import can_measure, measured_candidates

    core = options.limits.core
    if not (options.measure and options.limits.text and can_measure(core)):
        return None

    def measure(candidates: Sequence[Candidate], progress: Callable[[float], None]) -> list[Candidate]:
        def model_of(candidate: Candidate) -> bytes:
            return build(_parts(reader, options, windows, candidate))

        return measured_candidates(candidates, model_of, core, lambda share: report(f"measured on {core}", share))

    return measure


def train(
    readers: Sequence[RecordingReader],
    options: Options = Options(),
    progress: Progress | None = None,
) -> Training:
    """Train a model on the normal parts of recordings.

    One pass of bounded memory, after a look at the start of the first recording; features of all windows are kept (4
    bytes each). Decimals of unknown scale take open_recording() one pass more.
    Raises InputError where the recordings cannot be trained on.
    """
    report = progress or (lambda stage, share: None)
    refuse_suspects(readers)
    check_choice(options.choose_by, readers)
    rate = readers[0].rate
    window = options.window or default_window(rate)
    hop = default_hop(rate, window) if options.hop is None else options.hop
    require_window(window)
    if not 1 <= hop <= window:
        raise InputError(f"--hop {hop} is out of range; choose 1 to {window} samples, the length of the window")
    sets, warnings = feature_sets(readers, window, options.features)
    every = _union(sets)
    windows = collect(
        readers, every, window, hop, options.seed, lambda share: report("features", share), is_process(rate)
    )
    warnings += windows.quality.warnings()
    _check(windows)
    warnings += still_channels(readers[0].channels, windows.still)
    validation = _validation(readers, windows, options)

    def judges(some: WindowSet) -> Mapping[str, Faulty]:
        return _faulty(some, every, options) if validation is None else validation.faulty

    found = search(
        windows,
        _plans(readers[0], sets, options),
        judges,
        _families(options, is_process(rate)),
        options.limits,
        options.workers,
        lambda share: report("families", share),
        _preference(readers[0]) if validation is None else Preference(),
        _measure(readers[0], options, windows, report),
    )
    chosen = found.chosen
    teacher: tuple[float | None, int | None] = (None, None)
    of_all, windows = windows, windows.select(chosen.plan.columns)
    if options.distill:
        faulty = {fault: each.select(chosen.plan.columns) for fault, each in judges(of_all).items()}
        teacher = teacher_quality(windows, faulty, chosen.plan)
    warnings += _doubts(chosen, windows, validation)
    parts = _parts(readers[0], options, windows, chosen)
    draft = Pipeline(parse(build(parts)))
    model = build(replace(parts, golden=_golden(windows.samples, draft, options.seed)))
    pipeline = Pipeline(parse(model))
    why = _why(found, options.limits, validation)
    return Training(
        model, pipeline, options, chosen, found.candidates, windows, tuple(warnings), why, *teacher, validation
    )


def _meta(reader: RecordingReader, options: Options, chosen: Candidate, windows: WindowSet) -> dict[str, str]:
    still, resting = windows.still, [channel for channel in windows.quality.resting if channel not in windows.still]
    return {
        **({"unseen": ",".join(map(str, still))} if still else {}),
        **({"rests": ",".join(map(str, resting))} if resting else {}),
        "name": options.name or Path(str(reader.path)).stem,
        "sensor": reader.sensor,
        "units": ",".join(reader.units),
        "scales": ",".join(repr(float(scale)) for scale in reader.scales),
        "false_alarms": chosen.calibration.budget.text,
        "created_by": f"offbeat {VERSION}",
    }
