"""`offbeat train`: recordings in, a model directory out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offbeat.train.errors import InputError

from .options import Channels, Json, Label, Rate, Recordings, ScaleOption, open_all
from .output import print_json, progress, say, table

if TYPE_CHECKING:
    from offbeat.train.boards import Limits
    from offbeat.train.cost import Cost
    from offbeat.train.modelfile import Decision
    from offbeat.train.training import Training

__all__ = ["command"]

EXAMPLE = (
    "offbeat train normal.csv -o models/fan --false-alarms 1/day --flash 16K --ram 4K; "
    "with labelled faults: offbeat train normal.csv faulty.csv -o models/fan --label-column state --choose-by labels; "
    "learn from a teacher: offbeat train normal.csv -o models/fan --distill isolation_forest"
)
NEEDS_ARGUMENTS = True


_FAMILY_HELP = (
    "auto, or one of: gaussian, kmeans, mixture, pca, forest, prototypes, autoencoder, autoregressive, ensemble."
)
_FEATURES_HELP = "auto, or a set: motion, vibration, level, trend, slow, time, all."


def command(
    recordings: Recordings,
    out: Annotated[Path, typer.Option("-o", "--out", help="Model directory to write.", show_default=False)],
    family: Annotated[str, typer.Option(help=_FAMILY_HELP)] = "auto",
    window: Annotated[int | None, typer.Option(help="Samples in a window; by default from the rate.")] = None,
    hop: Annotated[int | None, typer.Option(help="Samples from one window to the next; half a window.")] = None,
    false_alarms: Annotated[str, typer.Option(help="Budget: 1/day, 2/week, 0.5/hour.")] = "1/day",
    votes: Annotated[str, typer.Option(help="K/N: alarm when K of the last N windows exceed.")] = "3/5",
    holdoff: Annotated[int, typer.Option(help="Windows after an alarm in which none starts.")] = 0,
    features: Annotated[str, typer.Option(help=_FEATURES_HELP)] = "auto",
    board: Annotated[str | None, typer.Option(help="Keep to half of this board; `offbeat boards` lists them.")] = None,
    flash: Annotated[str | None, typer.Option(help="Flash for the detector, code included: 16K.")] = None,
    ram: Annotated[str | None, typer.Option(help="RAM for the detector: 4K.")] = None,
    latency: Annotated[str | None, typer.Option(help="From a window's last sample to its verdict: 5ms.")] = None,
    distill: Annotated[
        str, typer.Option(help="Learn the score of this teacher: isolation_forest, one_class_svm, pyod.models.knn.KNN.")
    ] = "",
    choose_by: Annotated[
        str, typer.Option(help="injected: faults put into your normal data; labels: the earlier labelled faults.")
    ] = "injected",
    jobs: Annotated[int | None, typer.Option(help="Processes that search; by default one a core.", min=1)] = None,
    name: Annotated[str, typer.Option(help="Name of the model; by default the recording's.")] = "",
    seed: Annotated[int, typer.Option(help="Same seed and data, same model.")] = 0,
    rate: Rate = None,
    channels: Channels = None,
    label_column: Label = "label",
    scale: ScaleOption = None,
    allow_gaps: Annotated[bool, typer.Option(help="Use recordings with gaps; no window spans one.")] = False,
    json: Json = False,
) -> None:
    """Train a detector on the normal parts of recordings and write its model directory.

    The directory gets model.beat, model.h and model.c, the MicroPython form, golden vectors, card.md and
    report.html. What is labelled as a fault is never learned from, only used to evaluate.
    """
    from offbeat.train.budget import parse_budget
    from offbeat.train.families import FAMILIES
    from offbeat.train.modeldir import require_place, write_model_directory
    from offbeat.train.training import Options, train

    if family != "auto" and family not in FAMILIES:
        raise InputError(f"--family {family} is unknown; choose auto, {' or '.join(FAMILIES)}")
    options = Options(
        family=family, window=window, hop=hop, budget=parse_budget(false_alarms), decision=_decision(votes, holdoff),
        features=features, seed=seed, name=name, limits=_limits(board, flash, ram, latency), workers=jobs,
        distill=distill, choose_by=choose_by,
    )  # fmt: skip
    require_place(out)
    readers = open_all(
        recordings, rate=rate, channels=channels, label_column=label_column, scale=scale, allow_gaps=allow_gaps
    )
    with progress(json) as show:
        training = train(readers, options, show)
        written = write_model_directory(training, out, show)
    if json:
        print_json(written.summary)
    else:
        _print(training, out, written.summary)


def _limits(board: str | None, flash: str | None, ram: str | None, latency: str | None) -> Limits:
    from offbeat.train.boards import BOARDS, board_named, limits_of
    from offbeat.train.limits import parse_duration, parse_size, size_in_words

    if board == "list":
        rows = [
            (b.name, b.core, size_in_words(b.flash), size_in_words(b.ram), f"{b.clock / 1e6:g} MHz",
             "yes" if b.float_unit else "no", b.source)
            for b in BOARDS.values()
        ]  # fmt: skip
        table("Boards", ("board", "core", "flash", "RAM", "clock", "float unit", "source"), rows)
        raise typer.Exit
    return limits_of(
        None if board is None else board_named(board),
        None if flash is None else parse_size(flash),
        None if ram is None else parse_size(ram),
        None if latency is None else parse_duration(latency),
    )


def _decision(votes: str, holdoff: int) -> Decision:
    from offbeat.train.modelfile import Decision

    try:
        k, n = (int(part) for part in votes.split("/"))
    except ValueError:
        k = n = 0
    if not 1 <= k <= n <= 16:
        raise InputError(f"--votes {votes} is not K/N with 1 <= K <= N <= 16; write for instance 3/5")
    if not 0 <= holdoff <= 65535:
        raise InputError(f"--holdoff {holdoff} is out of range; choose 0 to 65535 windows")
    return Decision(k=k, n=n, holdoff=holdoff)


def _print(training: Training, out: Path, summary: dict) -> None:
    _print_candidates(training)
    windows, pipeline = training.windows, training.pipeline
    say(
        f"\n{windows.normal_windows} normal windows of {windows.window} samples (hop {windows.hop}) at "
        f"{windows.rate:g} Hz, {len(pipeline.features)} features of {len(pipeline.channels)} channels.",
    )
    say(f"Chosen: {training.reason}.")
    if training.validation is not None:
        say(f"The model was {training.validation.text}.")
    say(f"Threshold: {training.calibration.statement}")
    evaluation = summary.get("evaluation")
    if evaluation and evaluation["faulty_windows"]:
        found = [d for d in evaluation["detections"] if d["delay"] is not None]
        say(
            f"On the labelled faults {'outside that part' if training.validation else 'of these recordings'}: "
            f"AUROC {_number(evaluation['auroc'])}, "
            f"F1 {_number(evaluation['f1'])}, {len(found)} of {len(evaluation['detections'])} detected.",
        )
    for warning in training.warnings:
        say(f"Mind: {warning}.", style="yellow")
    say(f"\n{out}/: " + ", ".join(summary["files"]))


def _print_candidates(training: Training) -> None:
    """The front of what is possible, what quantization costs each family, and what a student learned."""
    from offbeat.train.card import distilled_rows, sizes_of
    from offbeat.train.search import pareto_front

    front = pareto_front(training.candidates)
    shown = sorted({id(c): c for c in (*front, training.chosen)}.values(), key=lambda candidate: -candidate.quality)
    judged = f"AUROC, {'injected' if training.validation is None else 'labelled'} faults"
    rows = [
        (c.family.name, sizes_of(c), c.plan.name, f"{c.quality:.3f}", f"{c.mean_detected:.0%}", c.calibration.alarms,
         *_costs(c.cost), "chosen" if c is training.chosen else "")
        for c in shown
    ]  # fmt: skip
    columns = (
        "family", "size", "features", judged, "found", "false alarms held out", "flash", "RAM", "instructions", "",
    )  # fmt: skip
    core = training.chosen.cost.core
    table(f"The Pareto front of {len(training.candidates)} candidates (on a {core}; ~: estimated)", columns, rows)
    if not training.chosen.cost.measured:
        say(_not_measured())
    best = sorted({c.family.name: c for c in sorted(training.candidates, key=lambda c: c.quality)}.items())
    best = [(name, training.chosen if name == training.chosen.family.name else c) for name, c in best]
    kept = [
        (name, c.plan.name, f"{c.size} B", f"{c.float_quality:.4f}", f"{c.quality:.4f}", f"{c.float_f1:.3f}",
         f"{c.f1:.3f}", f"{c.float_error:.1f} of 256")
        for name, c in best
    ]  # fmt: skip
    heads = ("family", "features", "parameters", "AUROC, float", "integer", "F1, float", "integer", "score error")
    say("")
    table("Before and after quantization, the best of each family", heads, kept)
    distilled = distilled_rows(training)
    if distilled:
        say("")
        table("Distillation", ("", judged, "F1", "size"), distilled)


def _costs(cost: Cost) -> tuple[str, str, str]:
    """Flash, RAM and instructions; with a mark where they were not measured."""
    mark = "" if cost.measured else "~"
    return f"{mark}{cost.flash} B", f"{mark}{cost.ram} B", f"{mark}{cost.instructions}"


def _not_measured() -> str:
    """Why the costs are estimates."""
    from offbeat.train.profile import toolchain_missing

    if toolchain_missing():
        return (
            "Flash, RAM and instructions are estimates of a cost model; pip install 'offbeat[profile]' to measure them."
        )
    return (
        "Flash, RAM and instructions are estimates of a cost model; `offbeat profile` measures the model that was "
        "written, and --board or a limit measures before choosing."
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
