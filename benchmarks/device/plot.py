"""docs/results-device.png: instructions of each contender, by work and core."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .build import CORES
from .rows import OURS, Row

__all__ = ["save_plot"]

_COLORS = {"emlearn": "#d95f02", "m2cgen": "#7570b3", "micromlgen": "#e7298a", "CMSIS-DSP": "#66a61e", OURS: "#1b6ca8"}


def _color(contender: str) -> str:
    return next(color for name, color in _COLORS.items() if contender.startswith(name))


def save_plot(rows: Sequence[Row], path: Path) -> None:
    """Bars on a logarithmic scale, a column for each core, a group of bars for each piece of work that has a peer."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    good = [row for row in rows if not row.failure and "plain C" not in row.contender]
    works = [w for w in dict.fromkeys(row.work for row in good) if len({r.contender for r in good if r.work == w}) > 1]
    bars = [(work, who) for work in works for who in dict.fromkeys(r.contender for r in good if r.work == work)]
    places: dict[tuple[str, str], float] = {}
    at, before = 0.0, ""
    for work, who in bars:
        at += 1.9 if work != before else 1.0
        places[work, who], before = at, work
    figure, axes = pyplot.subplots(
        1, len(CORES), figsize=(14, 0.27 * at + 1.3), sharex=True, sharey=True, layout="constrained"
    )
    most = max(row.instructions for row in good)
    for axis, core in zip(axes, CORES, strict=True):
        for row in (row for row in good if row.core == core and (row.work, row.contender) in places):
            place = places[row.work, row.contender]
            axis.barh(place, row.instructions, color=_color(row.contender), height=0.8)
            axis.text(row.instructions * 1.1, place, f"{row.instructions:,}", va="center", fontsize=7)
        for work in works:
            top = min(place for (of, _), place in places.items() if of == work)
            axis.text(110, top - 0.95, work, va="center", fontsize=8, fontweight="bold")
        axis.set_title(core)
        axis.set_xscale("log")
        axis.set_xlim(100, most * 8)
        axis.set_xlabel("instructions a window")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(list(places.values()), [who for _, who in places], fontsize=8)
    axes[0].invert_yaxis()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
