"""The model card: what a model was made of and what it promises, as Markdown and as a dictionary."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .candidate import Candidate
from .cost import constant_bytes
from .distill import bytes_in_float
from .evaluate import Evaluation
from .resources import environment
from .search import pareto_front
from .training import Training

__all__ = ["card", "distilled_rows", "limits", "size_rows", "sizes_of", "summary_of"]


def size_rows(training: Training) -> list[tuple[str, int]]:
    """Sizes in bytes: (what, bytes). Code and stack are not in it; `offbeat export --to c` names them."""
    model, pipeline = training.pipeline.model, training.pipeline
    constants = constant_bytes(pipeline.features, len(model.parameters), pipeline.window, len(model.baseline) > 0)
    window = pipeline.window * len(pipeline.channels) * 2
    return [
        ("model file, with golden vectors", len(training.model)),
        ("constants in flash: parameters, scales, features, sine table", constants),
        ("of these, the family's parameters", len(model.parameters)),
        ("ring of samples in RAM on the board", window + pipeline.hop * len(pipeline.channels) * 2),
        ("one channel's work buffer in RAM", pipeline.window * 2),
    ]


def sizes_of(candidate: Candidate) -> str:
    """What was chosen of its family's size and shape, in words."""
    return ", ".join(f"{key} {_listed(value)}" for key, value in candidate.family.settings.items()) or "-"


def _listed(value: object) -> str:
    return " + ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def distilled_rows(training: Training) -> list[tuple[str, str, str, str]]:
    """Teacher, student and quantized student side by side: (what, AUROC, F1, size); empty without a teacher."""
    if training.teacher_quality is None:
        return []
    chosen, size = training.chosen, training.teacher_size
    return [
        (f"teacher {training.options.distill}", f"{training.teacher_quality:.3f}", "-",
         "-" if size is None else f"{size} B, as saved"),
        (f"student {chosen.family.name}, before quantization", f"{chosen.float_quality:.3f}", f"{chosen.float_f1:.3f}",
         f"{bytes_in_float(chosen.family)} B, 32-bit floats"),
        ("the same, as on the board", f"{chosen.quality:.3f}", f"{chosen.f1:.3f}", f"{chosen.size} B"),
    ]  # fmt: skip


def limits(training: Training) -> list[str]:
    """What a user should know before trusting the model, one sentence each."""
    windows, calibration = training.windows, training.calibration
    found = []
    if not calibration.supported:
        found.append(calibration.statement)
    found.append(
        "It knows only what the recordings held: a speed, load or mounting that was not recorded is an anomaly to it."
    )
    if len({stretch.path for stretch in windows.stretches}) == 1:
        found.append("All normal data come from one recording; a second session shows whether the threshold holds.")
    missed = [fault for fault, share in training.chosen.detected.items() if share < 0.5]
    if missed:
        what = "faults injected into single windows" if training.validation is None else "labelled faults that chose it"
        found.append(f"Of the {what}, it finds fewer than half of the windows of: {', '.join(missed)}.")
    if training.validation is not None:
        found.append("It was chosen for the kinds of fault that were labelled; others may be found less well.")
    found += [f"{warning[0].upper()}{warning[1:]}." for warning in training.warnings]
    return found


def summary_of(training: Training, evaluation: Evaluation) -> dict[str, Any]:
    """Everything of the card as plain values, for ``--json`` and summary.json."""
    pipeline, windows, calibration = training.pipeline, training.windows, training.calibration
    front = {id(candidate) for candidate in pareto_front(training.candidates)}
    return {
        "identity": pipeline.model.identity,
        "name": pipeline.model.name,
        "family": training.chosen.family.name,
        "reason": training.reason,
        "recordings": list(dict.fromkeys(stretch.path for stretch in windows.stretches)),
        "channels": list(pipeline.channels),
        "rate": pipeline.rate,
        "window": pipeline.window,
        "hop": pipeline.hop,
        "features": list(pipeline.names),
        "seed": training.options.seed,
        "seconds": round(windows.seconds, 3),
        "normal_windows": windows.normal_windows,
        "normal_hours": windows.normal_hours,
        "decision": vars(pipeline.decision).copy(),
        "false_alarms": {
            "asked": calibration.budget.text,
            "asked_per_hour": calibration.budget.per_hour,
            "promised_per_hour": calibration.promised,
            "confidence": 0.95,
            "supported": calibration.supported,
            "held_out_alarms": calibration.alarms,
            "statement": calibration.statement,
        },
        "judged_by": training.options.choose_by,
        "validation": None
        if training.validation is None
        else {
            "faults": list(training.validation.faulty),
            "part": training.validation.where,
            "faults_left": training.validation.left,
        },
        "candidates": [
            {
                "family": c.family.name,
                "settings": c.family.settings,
                "features": c.plan.name,
                "parameters_bytes": c.size,
                "auroc": c.quality,
                "auroc_float": c.float_quality,
                "f1": c.f1,
                "f1_float": c.float_f1,
                "found": c.detected,
                "held_out_alarms": c.calibration.alarms,
                "on_the_front": id(c) in front,
                "integer_error": c.float_error,
                "flash_bytes": c.cost.flash,
                "ram_bytes": c.cost.ram,
                "instructions": c.cost.instructions,
                "core": c.cost.core,
                "cost_measured": c.cost.measured,
            }
            for c in training.candidates
        ],
        "distilled": None
        if training.teacher_quality is None
        else {
            "teacher": training.options.distill,
            "teacher_auroc": training.teacher_quality,
            "teacher_bytes": training.teacher_size,
            "student_auroc_float": training.chosen.float_quality,
            "student_bytes_float": bytes_in_float(training.chosen.family),
            "student_auroc": training.chosen.quality,
            "student_bytes": training.chosen.size,
        },
        "sizes": dict(size_rows(training)),
        "evaluation": evaluation.as_dict(),
        "warnings": list(training.warnings),
        "limits": limits(training),
        "made_with": environment(),
    }


def _rows(pairs: list[tuple[str, object]]) -> str:
    return "\n".join(f"| {key} | {str(value).replace('|', '/')} |" for key, value in pairs)


def _fault_lines(training: Training, evaluation: Evaluation) -> str:
    if not evaluation.detections:
        return "The recordings bear no fault labels, so nothing is claimed about real faults."
    total = Counter(d.fault for d in evaluation.detections)
    found = Counter(d.fault for d in evaluation.detections if d.delay is not None)
    lines = [f"- {fault}: {found[fault]} of {count} detected" for fault, count in total.items()]
    auroc = "-" if evaluation.auroc is None else f"{evaluation.auroc:.3f}"
    head = "" if training.validation is None else f"The model was {training.validation.text}. "
    head += (
        f"AUROC {auroc} over {evaluation.windows} windows, of which {evaluation.faulty_windows} faulty. "
        "Normal windows among them were trained on, so this is optimistic; `offbeat evaluate` with a recording "
        "that was kept apart is the fair figure."
    )
    return head + "\n\n" + "\n".join(lines)


def _data_rows(training: Training) -> list[tuple[str, object]]:
    pipeline, windows = training.pipeline, training.windows
    return [
        ("recordings", ", ".join(dict.fromkeys(stretch.path for stretch in windows.stretches))),
        ("sensor", pipeline.model.meta.get("sensor", "") or "not named"),
        ("channels", ", ".join(pipeline.channels)),
        ("rate", f"{pipeline.rate:g} Hz"),
        ("length", f"{windows.seconds:.1f} s"),
        ("normal windows", windows.normal_windows),
    ]


def _settings_rows(training: Training) -> list[tuple[str, object]]:
    pipeline, decision = training.pipeline, training.pipeline.decision
    return [
        ("family", training.reason),
        ("window, hop", f"{pipeline.window}, {pipeline.hop} samples"),
        ("decision", f"alarm when {decision.k} of the last {decision.n} windows score 256 or more; it ends after "
                     f"{decision.n} windows below {decision.release}; hold-off {decision.holdoff} windows"),
        ("seed", training.options.seed),
    ]  # fmt: skip


def _distilled(training: Training) -> str:
    rows = distilled_rows(training)
    if not rows:
        return ""
    lines = "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows)
    return f"\n## Distillation\n\n| | AUROC, {training.judges} | F1 | size |\n|---|---|---|---|\n{lines}\n"


def card(training: Training, evaluation: Evaluation) -> str:
    """The model card as Markdown."""
    pipeline = training.pipeline
    data, settings = _data_rows(training), _settings_rows(training)
    sizes: list[tuple[str, object]] = [(what, f"{size} B") for what, size in size_rows(training)]
    detected = "\n".join(f"- {fault}: {share:.0%} of windows" for fault, share in training.chosen.detected.items())
    judged = "Faults injected into single normal windows"
    if training.validation is not None:
        judged = "The labelled faults that the model was chosen by, and that no evaluation below counts"
    return f"""# Model card: {pipeline.model.name}

Identity `{pipeline.model.identity}`, made by offbeat {environment()["offbeat"]}.

## Data

| | |
|---|---|
{_rows(data)}

## Settings

| | |
|---|---|
{_rows(settings)}

## Features

{", ".join(f"`{name}`" for name in pipeline.names)}

## Threshold

{training.calibration.statement}

The threshold is score 256. Held-out means: five blocks of time, each scored by a model fitted to the others.

## Quality

{judged}, found at the threshold:

{detected}

{_fault_lines(training, evaluation)}

Integer against float: 99 % of the windows differ by less than {training.chosen.float_error:.1f} of 256 score units.
{_distilled(training)}
## Sizes

| | |
|---|---|
{_rows(sizes)}

## Known limits

{chr(10).join(f"- {limit}" for limit in limits(training))}
"""
