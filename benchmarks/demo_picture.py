"""The picture of the README, docs/demo.png: the simulated fan of the demo, scored by its model. Run by `make picture`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.results import ROOT
from offbeat.train.dataset import collect
from offbeat.train.evaluate import score_stretches
from offbeat.train.recording import open_recording
from offbeat.train.simulate import SimulatedStream, parse_fault, write_csv
from offbeat.train.training import Options, train

__all__ = ["picture"]


def picture(directory: Path) -> None:
    """Simulate, train, score and draw; directory: for the recordings."""
    normal, faulty = directory / "normal.csv", directory / "faulty.csv"
    write_csv(SimulatedStream(seed=1), normal, seconds=300)
    write_csv(SimulatedStream(seed=2, faults=(parse_fault("bearing_outer@60+30"),)), faulty, seconds=120)
    training = train([open_recording(normal)], Options())
    pipeline = training.pipeline
    windows = collect([open_recording(faulty)], pipeline.features, pipeline.window, pipeline.hop, 0, lambda share: None)
    (item,) = score_stretches(pipeline, windows.stretches)
    figure = Figure(figsize=(9, 3))
    axes = figure.subplots()
    for fault, color, name in ((False, "#2a78a8", "normal"), (True, "#c0392b", "outer-race fault, growing for 30 s")):
        chosen = (item.stretch.fault != "") == fault
        axes.plot(item.ends[chosen], item.scores[chosen], ".", ms=4, color=color, label=name)
    axes.axhline(256, color="#d08700", lw=1.4, label="threshold, 256")
    starts = item.ends[np.flatnonzero(item.alarm)[:1]]
    parts = training.pipeline.contributions(item.stretch.features)[np.flatnonzero(item.alarm)[:1]]
    for start, row_ in zip(starts, parts, strict=True):
        reasons = ", ".join(name for name, _ in training.pipeline.reasons(row_))
        axes.annotate(f"ALARM at {start:.1f} s\n{reasons}", (start, 256), (start - 44, 2200), fontsize=9,
                      arrowprops={"arrowstyle": "->", "color": "#3b4252"})  # fmt: skip
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(lambda value, position: f"{value:g}")
    axes.set(xlabel="time, s", ylabel="score", xlim=(0, 120))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right", fontsize=8)
    figure.savefig(ROOT / "docs" / "demo.png", dpi=110, bbox_inches="tight", metadata={"Software": None})


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        picture(Path(place))
