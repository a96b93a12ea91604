"""report.html: one self-contained page with the plots of a training."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np

from .candidate import Candidate
from .card import distilled_rows, limits, size_rows, sizes_of
from .evaluate import Evaluation, Scored
from .inject import FAULTS, PROCESS_FAULTS, SEVERITIES, Fault
from .search import pareto_front
from .training import DEAR, Training

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["report_html"]

_INK, _NORMAL, _FAULT, _LIMIT = "#3b4252", "#2a78a8", "#c0392b", "#d08700"
_MOST_POINTS = 4000


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    text = out.getvalue()
    return text[text.index("<svg") :]


def _figure(height: float) -> tuple[Figure, Axes]:
    # Figure without pyplot: no global state, no backend to choose, safe in threads.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"font.size": 9, "axes.edgecolor": _INK, "svg.hashsalt": "offbeat", "svg.fonttype": "path"}):
        figure = Figure(figsize=(8.6, height))
        axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, alpha=0.25)
    return figure, axes


def _shown(name: str) -> str:
    """A name from a file as a plot can show it: no control codes, and no mark that would be read as a formula."""
    return "".join(c if c.isprintable() and c != "$" else "?" for c in name)


def _plain(value: float, position: float) -> str:
    """Tick label: 256, not a power of two."""
    return f"{value:.6g}"


def _thin(values: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most _MOST_POINTS points, the highest of each stretch, so that no peak is lost from the plot."""
    step = -(-len(values) // _MOST_POINTS)
    if step <= 1:
        return times, values
    whole = len(values) // step * step
    rows = values[:whole].reshape(-1, step)
    best = rows.argmax(axis=1)
    return times[:whole].reshape(-1, step)[np.arange(len(rows)), best], rows.max(axis=1)


def _score_over_time(scored: Sequence[Scored]) -> str:
    figure, axes = _figure(3.0)
    start = 0.0
    for item in scored:
        ends = item.ends - item.ends[0] + start
        for fault, color in ((False, _NORMAL), (True, _FAULT)):
            chosen = (item.stretch.fault != "") == fault
            if chosen.any():
                x, y = _thin(np.maximum(item.scores[chosen], 1), ends[chosen])
                axes.plot(x, y, ".", ms=2.5, color=color, rasterized=False)
        for low, high in _runs(item.alarm):
            axes.axvspan(ends[low], ends[high - 1], color=_LIMIT, alpha=0.15, lw=0)
        start = float(ends[-1])
        axes.axvline(start, color=_INK, lw=0.4, alpha=0.4)
    axes.axhline(256, color=_LIMIT, lw=1.2)
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(_plain)
    axes.set_xlabel("time, s (recordings one after the other)")
    axes.set_ylabel("score (256 = threshold)")
    return _svg(figure)


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _distribution(training: Training, scored: Sequence[Scored]) -> str:
    figure, axes = _figure(2.6)
    bins = np.geomspace(4, 32768, 80).tolist()
    held_out = np.clip(training.held_out_scores(), 4, 32767)
    axes.hist(held_out, bins=bins, color=_NORMAL, alpha=0.7, label="normal, held out")
    faulty = np.concatenate([item.scores[item.stretch.fault != ""] for item in scored])
    if len(faulty):
        axes.hist(np.clip(faulty, 4, 32767), bins=bins, color=_FAULT, alpha=0.6, label="labelled as a fault")
    axes.axvline(256, color=_LIMIT, lw=1.2, label="threshold")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(_plain)
    axes.set_xlabel("score")
    axes.set_ylabel("windows")
    axes.legend(frameon=False)
    return _svg(figure)


def _contributions(training: Training, scored: Sequence[Scored]) -> str:
    pipeline = training.pipeline
    features = np.concatenate([item.stretch.features for item in scored])
    fault = np.concatenate([item.stretch.fault != "" for item in scored])
    if not fault.any():
        features = features[np.argsort(np.concatenate([item.scores for item in scored]))[-50:]]
        fault = np.ones(len(features), dtype=bool)
    parts = pipeline.contributions(features[fault][:20000]).mean(axis=0)
    order = np.argsort(parts)[-15:]
    figure, axes = _figure(0.6 + 0.22 * len(order))
    axes.barh([_shown(pipeline.names[j]) for j in order], parts[order], color=_FAULT, alpha=0.8)
    axes.set_xlabel("mean contribution to the score")
    return _svg(figure)


_COSTS = {
    "flash": "flash with the C runtime, bytes", "ram": "RAM, bytes", "instructions": "instructions a window, estimated",
}  # fmt: skip


def _front(training: Training) -> str:
    """Quality of every candidate against each cost; in each plot what nothing cheaper beats is joined, the chosen one
    ringed."""
    figure, _ = _figure(3.4)
    figure.clear()
    plots = figure.subplots(1, len(_COSTS), sharey=True)
    names = list(dict.fromkeys(candidate.family.name for candidate in training.candidates))
    for axes, (cost, label) in zip(plots, _COSTS.items(), strict=True):
        for number, name in enumerate(names):
            own = [candidate for candidate in training.candidates if candidate.family.name == name]
            axes.plot(
                [getattr(candidate.cost, cost) for candidate in own], [candidate.quality for candidate in own],
                "o^sDvPX*h"[number % 9], ms=5, alpha=0.8, label=name,
            )  # fmt: skip
        _join_front(axes, training, cost)
        _log_ticks(axes, [getattr(candidate.cost, cost) for candidate in training.candidates])
        axes.tick_params(labelsize=8)
        axes.set_xlabel(label, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(True, alpha=0.25)
    lowest = min(candidate.quality for candidate in training.candidates)
    plots[0].set_ylim(lowest - 0.1 * (1.01 - lowest), 1 + 0.1 * (1.01 - lowest))
    plots[0].set_ylabel(f"AUROC, {training.judges}", fontsize=8)
    handles, labels = plots[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, frameon=False, ncols=len(names), fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0)
    )
    figure.tight_layout()
    return _svg(figure)


def _log_ticks(axes: Axes, values: Sequence[int]) -> None:
    """A logarithmic axis with four numbers on it, however little the values differ."""
    axes.set_xscale("log", base=2)
    low, high = 0.9 * min(values), 1.1 * max(values)
    digits = 1 - int(np.floor(np.log10(low)))
    ticks = np.unique(np.round(np.geomspace(low, high, 6)[1:-1], digits))
    axes.set_xticks(ticks, [_plain(tick, 0) for tick in ticks.tolist()])
    axes.set_xticks([], minor=True)
    axes.set_xlim(low, high)


def _join_front(axes: Axes, training: Training, cost: str) -> None:
    """The best quality to be had at each cost, as a stair, and the chosen candidate's ring."""
    by_cost = sorted(training.candidates, key=lambda candidate: (getattr(candidate.cost, cost), -candidate.quality))
    best = np.maximum.accumulate([candidate.quality for candidate in by_cost])
    axes.step([getattr(candidate.cost, cost) for candidate in by_cost], best, where="post", color=_INK, lw=0.8)
    axes.plot(getattr(training.chosen.cost, cost), training.chosen.quality, "o", ms=13, mfc="none", mec=_LIMIT, mew=1.6)


def _front_and_chosen(training: Training) -> list[Candidate]:
    shown = {id(candidate): candidate for candidate in (*pareto_front(training.candidates), training.chosen)}
    return sorted(shown.values(), key=lambda candidate: (-candidate.quality, candidate.cost.flash))


def _judged_by(training: Training) -> list[tuple[str, str, float]]:
    """What the candidates were judged by: (fault, what it is, share of its windows that the chosen one finds)."""
    detected = training.chosen.detected
    known: Mapping[str, Fault] = {}
    if training.validation is None:
        known = PROCESS_FAULTS if detected.keys() == PROCESS_FAULTS.keys() else FAULTS
    sized = f", {', '.join(f'{times:g}' for times in SEVERITIES)} times so severe" if known is FAULTS else ""
    says = {name: known[name].says + sized if name in known else "labelled" for name in detected}
    return [(name, says[name], share) for name, share in detected.items()]


def report_html(training: Training, scored: Sequence[Scored], evaluation: Evaluation) -> str:
    """The page as text: no script, nothing fetched; every text from a file is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("offbeat.train"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    values: dict[str, Any] = {
        "training": training,
        "pipeline": training.pipeline,
        "windows": training.windows,
        "evaluation": evaluation,
        "paths": list(dict.fromkeys(stretch.path for stretch in training.windows.stretches)),
        "limits": limits(training),
        "sizes": size_rows(training),
        "labelled": bool(evaluation.faulty_windows),
        "score_over_time": _score_over_time(scored),
        "distribution": _distribution(training, scored),
        "contributions": _contributions(training, scored),
        "faults": _judged_by(training),
        "front": _front(training),
        "pareto": _front_and_chosen(training),
        "tried": sorted(training.candidates, key=lambda c: (c.family.name, c.plan.name, -c.quality)),
        "distilled": distilled_rows(training),
        "dear": DEAR,
        "sizes_of": sizes_of,
    }
    return environment.get_template("report.html").render(values)
