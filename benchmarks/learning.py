"""What a board learns by itself beside what the trainer makes of the same data, for docs/learning.md.

The board's own code runs, under CPython, which learns the very file that MicroPython learns (tests/device/test_learning.py).
"""

from __future__ import annotations

import tempfile
import warnings
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.detection.cases import DATA_SETS, DataSet, load, parts_present
from benchmarks.detection.recordings import RECORDINGS, LabelledRecordings
from benchmarks.results import ROOT, put_section, refuse, table
from offbeat.device.commissioning import DECISION, Plan, replay
from offbeat.device.modelfile import parse
from offbeat.device.threshold import Threshold
from offbeat.train import OffbeatDetector
from offbeat.train.arrays import to_counts
from offbeat.train.decision import alarm_starts, alarms
from offbeat.train.evaluate import evaluate
from offbeat.train.modelfile import Decision
from offbeat.train.pipeline import Pipeline
from offbeat.train.recording import open_recording, read_recording
from offbeat.train.training import Options, train

_SETS = ("fan_uci", "fan_esp32", "cwru0", "gear1", "gear4", "nicla")
_RUNS = 60
_PAGE = ROOT / "docs" / "learning.md"
_BLOCK = 10  # windows dealt in turn to either period, so that both see all ways of running
Counts = NDArray[np.int16]


@dataclass
class _Source:
    """A sensor, as a plan wants to know it."""

    channels: tuple[str, ...]
    units: tuple[str, ...]
    scales: tuple[str, ...]
    rate_millihertz: int
    sensor: str = ""


def _learned(source: _Source, counts: Counts, window: int = 0, hop: int = 0) -> Pipeline:
    """The model that a board learns of frames int16 [n, C], half of them in each period."""
    seconds = len(counts) * 1000 // source.rate_millihertz
    plan = Plan(source, seconds, window=window, hop=hop)
    run = replay(plan, array("h", np.ascontiguousarray(counts).tobytes()), 0)
    return Pipeline(parse(run.model))


def _on_recordings(recordings: LabelledRecordings) -> list[object]:
    """A row: AUROC, F1 and false alarms of the board's model and of the trainer's Gaussian."""
    with tempfile.TemporaryDirectory() as place:
        normal, test = recordings.make(Path(place))
        parts = [read_recording(path) for path in normal]
        first = parts[0]
        scales = tuple(repr(float(scale)) for scale in first.scales)
        source = _Source(first.channels, first.units, scales, round(1000 * first.rate))
        halves = [part.counts[: len(part.counts) // 2] for part in parts]
        halves += [part.counts[len(part.counts) // 2 :] for part in parts]
        own = _learned(source, np.concatenate(halves), recordings.window or 0, recordings.hop or 0)
        options = Options(family="gaussian", window=recordings.window, hop=recordings.hop, workers=1)
        trained = train([open_recording(path) for path in normal], options).pipeline
        row: list[object] = [recordings.title]
        for pipeline in (own, trained):
            found = evaluate(pipeline, [open_recording(path) for path in test])
            row += [f"{found.auroc:.4f}", f"{found.f1:.3f}", found.false_alarms]
    return row


def _dealt(windows: Counts) -> Counts:
    """Windows [W, N, C] as frames, blocks of them dealt in turn to the first and to the second half."""
    block = np.arange(len(windows)) // _BLOCK
    first, second = windows[block % 2 == 0], windows[block % 2 == 1]
    least = min(len(first), len(second))
    return np.concatenate([first[:least], second[:least]]).reshape(-1, windows.shape[2])


def _on_windows(data_set: DataSet) -> Iterator[list[object]]:
    """Rows: mean AUROC over the cases of a set's parts."""
    for part in parts_present(data_set, "all"):
        aurocs: list[tuple[float, float]] = []
        for case in load(data_set, part):
            aurocs.append(_on_case(data_set, case))
        own, trained = np.mean(aurocs, axis=0)
        yield [f"{data_set.title} ({part})", f"{own:.4f}", f"{trained:.4f}", f"{own - trained:+.4f}"]


def _on_case(data_set: DataSet, case: Any) -> tuple[float, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        detector = OffbeatDetector(family="gaussian", rate=data_set.rate).fit(case.train)
    channels = case.train.shape[2]
    names = tuple(f"a{i}" for i in range(channels))
    scales = tuple(repr(float(scale)) for scale in detector.scales_)
    source = _Source(names, ("g",) * channels, scales, round(1000 * data_set.rate))
    counts = [
        to_counts(values.reshape(-1, channels), detector.scales_).reshape(values.shape)
        for values in (case.train, case.test)
    ]
    window = case.train.shape[1]
    own = _learned(source, _dealt(counts[0]), window, window)
    scores = own.score_apart(own.extract(counts[1]))
    return float(roc_auc_score(case.label, scores)), float(
        roc_auc_score(case.label, -detector.score_samples(case.test))
    )


def _process(kind: str, windows: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Squared distances (Q12) of windows of twelve features, int64 [windows]."""
    shape = (windows + 1, 12)
    noise = generator.standard_t(3, shape) / 3**0.5 if kind == "Student's t₃" else generator.standard_normal(shape)
    if kind == "normal":
        noise = (noise[1:] + noise[:-1]) / 2**0.5  # windows that overlap by half
    elif kind == "AR(1) 0.9":
        for i in range(1, len(noise)):
            noise[i] = 0.9 * noise[i - 1] + (1 - 0.9**2) ** 0.5 * noise[i]
    return (4096 * (noise[-windows:] ** 2).sum(axis=1)).astype(np.int64)


def _beyond(kind: str, windows: int) -> list[object]:
    """A row: what thresholds beyond the data of a second period bring in seven times as much running again."""
    generator = np.random.default_rng(windows)
    margins, own, least = [], [], []
    for _ in range(_RUNS):
        distances = _process(kind, 8 * windows, generator)
        threshold = Threshold(DECISION)
        for distance in distances[:windows]:
            threshold.add(int(distance))
        value, highest = threshold.find(1, 1 << 20)[0], threshold.peaks[0]
        margins.append(value / highest)
        for found, at in ((own, value), (least, 1.2 * highest)):
            found.append(len(alarm_starts(alarms(distances[windows:], Decision(), at))))
    cells: list[object] = [f"{windows}, {kind}", f"{np.median(margins):.1f}"]
    for found in (own, least):
        cells += [f"{np.mean(np.equal(found, 0)):.0%}", f"{np.mean(found) / 7:.2f}"]
    return cells


def main() -> None:
    """Judge, and write the section of docs/learning.md."""
    sets = [
        data_set
        for data_set in DATA_SETS
        if data_set.key in ("fan_uci", "fan_esp32", "cwru0", "gear1", "gear4", "nicla")
    ]
    if not any(parts_present(data_set, "all") for data_set in sets):
        refuse("the recordings are missing; name their directory in OFFBEAT_DATA")
    rows = [_on_recordings(recordings) for recordings in RECORDINGS.values()]
    header = ("recordings, whole", "board: AUROC", "F1", "false alarms", "trainer: AUROC", "F1", "false alarms")
    text = table(header, rows)
    rows = [row for data_set in sets for row in _on_windows(data_set)]
    text += "\n" + table(("windows, under their protocols", "board: AUROC", "trainer: AUROC", "difference"), rows)
    print(text)
    put_section(_PAGE, "quality", text)


if __name__ == "__main__":
    main()
