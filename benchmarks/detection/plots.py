"""The figure of docs/results.md: families and originals on every data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .jobs import Job
from .levels import by_row
from .tables import best_originals

__all__ = ["plot_auroc"]

_LEAST = 1e-4  # of 1 - AUROC: what lies beyond is shown here


def plot_auroc(results: Mapping[Job, dict], path: Path) -> None:
    """A line for each data set, a mark for each method; what is missing to an AUROC of 1, on a logarithmic axis."""
    families, originals = by_row(results, "family"), best_originals(results)
    rows = list(dict.fromkeys([*families, *originals]))
    figure = Figure(figsize=(9, 1.3 + 0.48 * len(rows)))
    axes = figure.subplots()
    marks = {
        "originals": ("|", "#8a94a6", 13, -0.14),
        "families": ("o", "#2a78a8", 5, 0.0),
        "auto": ("D", "#c0392b", 7, 0.14),
    }
    labels = {"originals": "scikit-learn, PyOD in floats", "families": "a family of offbeat", "auto": "offbeat auto"}
    drawn = set()
    for line, row in enumerate(rows):
        single = [r["auroc"] for name, r in families.get(row, {}).items() if name != "auto"]
        auto = [families[row]["auto"]["auroc"]] if "auto" in families.get(row, {}) else []
        others = [r["auroc"] for r in originals.get(row, {}).values()]
        for kind, values in (("originals", others), ("families", single), ("auto", auto)):
            mark, color, size, offset = marks[kind]
            missing = np.maximum(1 - np.asarray(values), _LEAST)
            label = labels[kind] if kind not in drawn and values else None
            axes.plot(
                missing, np.full(len(values), line + offset), mark, color=color, ms=size, alpha=0.85, label=label,
                markerfacecolor="none" if kind == "families" else color, clip_on=False,
            )  # fmt: skip
            drawn |= {kind} if values else set()
    axes.set_xscale("log")
    axes.set_xlim(0.7, _LEAST)
    ticks = [0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, _LEAST]
    axes.set_xticks(ticks, [*(f"{1 - tick:g}" for tick in ticks[:-1]), "≥ 0.9999"], fontsize=8)
    axes.minorticks_off()
    axes.set_yticks(range(len(rows)), rows, fontsize=9)
    axes.invert_yaxis()
    axes.grid(axis="x", color="#e3e7ee", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xlabel("AUROC", fontsize=9)
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    temporary = path.with_name(f".{path.name}")
    figure.savefig(temporary, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    temporary.replace(path)
