"""A plot of measurements: instructions of a window and flash, a bar a core."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from offbeat.train.errors import InputError

from .measure import Measurement

__all__ = ["save_plot"]

_FORMATS = (".png", ".svg", ".pdf")
_FEATURES, _MODEL, _CONSTANTS = "#2a78a8", "#d08700", "#8fa3b8"


def save_plot(measurements: Sequence[Measurement], path: Path, title: str) -> None:
    """Save the plot, whole or not at all; the format is the name's ending. Raises InputError for another one."""
    from matplotlib.figure import Figure

    if path.suffix.lower() not in _FORMATS:
        raise InputError(f"--plot {path} is no picture that can be written; let it end in .png, .svg or .pdf")
    if not path.absolute().parent.is_dir():
        raise InputError(f"--plot {path}: there is no folder {path.parent}; make it, or name another place")
    names = [measurement.firmware.mcu.name for measurement in measurements]
    figure = Figure(figsize=(9, 1.2 + 0.42 * len(names)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    features = [measurement.largest.features for measurement in measurements]
    left.barh(names, features, color=_FEATURES, label="features")
    left.barh(names, [m.largest.model for m in measurements], left=features, color=_MODEL, label="model")
    left.set_xlabel("instructions of a window")
    code = [measurement.firmware.sections[".text"] for measurement in measurements]
    right.barh(names, code, color=_FEATURES, label="code")
    constants = [measurement.flash - size for measurement, size in zip(measurements, code, strict=True)]
    right.barh(names, constants, left=code, color=_CONSTANTS, label="constants")
    right.set_xlabel("flash, bytes")
    left.invert_yaxis()
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="lower right")
    # No dollar of a model's name starts a formula.
    figure.suptitle("".join(c if c.isprintable() and c != "$" else "?" for c in title), fontsize=10)
    with tempfile.TemporaryDirectory(dir=path.absolute().parent, prefix=".offbeat-") as temporary:
        made = Path(temporary) / f"plot{path.suffix.lower()}"
        figure.savefig(made, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
        made.replace(path)
