"""Labelled recordings end to end, as `offbeat train` and `offbeat evaluate` take them: alarms of 3 windows in 5."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offbeat.train.evaluate import evaluate
from offbeat.train.recording import Recording, open_recording, write_recording
from offbeat.train.training import Options, train

from .cases import data_directory

__all__ = ["RECORDINGS", "LabelledRecordings", "judge_recording"]


@dataclass(frozen=True)
class LabelledRecordings:
    """Recordings to train on and to test on, with the settings of `offbeat train`.

    make: writes files into a folder and returns those to train on and those to test on; folder: of the data set.
    """

    title: str
    folder: str
    make: Callable[[Path], tuple[list[Path], list[Path]]]
    window: int | None = None
    hop: int | None = None


def _save(directory: Path, name: str, counts: NDArray, rate: float, label: str, scale: float) -> Path:
    counts = counts.reshape(-1, counts.shape[-1])
    channels = tuple(f"a{i}" for i in range(counts.shape[1]))
    about = (channels, rate, (scale,) * len(channels), ("g",) * len(channels))
    path = directory / f"{name}.csv"
    write_recording(path, Recording(path, counts.astype(np.int16), np.full(len(counts), label), *about))
    return path


def _raw(folder: str, name: str) -> NDArray:
    return np.load(data_directory() / folder / "dev" / f"{name}.npz")["x"]


def _fan(moved: bool) -> Callable[[Path], tuple[list[Path], list[Path]]]:
    def make(directory: Path) -> tuple[list[Path], list[Path]]:
        first, rest = [], []
        for name in ("low_0", "low_0_moving") if moved else ("low_0",):
            x = _raw("fan_esp32", name)
            cut = int(0.6 * len(x))
            first.append(_save(directory, f"{name}_first", x[:cut], 200.0, "normal", 1 / 4096))
            rest.append(_save(directory, f"{name}_rest", x[cut:], 200.0, "normal", 1 / 4096))
        for name, label in (("low_1", "coin"), ("off", "off")):
            rest.append(_save(directory, label, _raw("fan_esp32", name), 200.0, label, 1 / 4096))
        return first, rest

    return make


def _gear(directory: Path) -> tuple[list[Path], list[Path]]:
    def load(name: str) -> Path:
        return _save(directory, name, _raw("gear", name), 500.0, "normal" if name[0] == "h" else "broken", 0.002)

    loads = ("00", "20", "40", "60", "80")
    return [load(f"h{each}") for each in loads[::2]], [
        *(load(f"h{each}") for each in loads[1::2]),
        *(load(f"b{each}") for each in loads),
    ]


def _bearing(directory: Path) -> tuple[list[Path], list[Path]]:
    from .cases import protocols

    def load(name: str) -> Path:
        low = protocols().decimate(_raw("cwru0", name), 16)
        return _save(directory, name, low / 1e-4, 3000.0, "normal" if name.startswith("normal") else name, 1e-4)

    faults = ("B007", "IR007", "OR007_at3", "OR007_at6", "OR007_at12")
    return [load("normal_train")], [load("normal_test"), *map(load, faults)]


RECORDINGS: Mapping[str, LabelledRecordings] = {
    "fan": LabelledRecordings("ceiling fan: coin on a blade, off", "fan_esp32", _fan(moved=False)),
    "fan moved": LabelledRecordings("the same, base also moved about", "fan_esp32", _fan(moved=True)),
    "gearbox": LabelledRecordings("gearbox: broken tooth, other loads", "gear", _gear, 512),
    "bearing": LabelledRecordings("bearing at 3 kHz: 5 faults", "cwru0", _bearing, 128, 32),
}


def judge_recording(recordings: LabelledRecordings, family: str) -> dict:
    """Train with the defaults of the command line and evaluate; plain values."""
    with tempfile.TemporaryDirectory() as place:
        normal, test = recordings.make(Path(place))
        options = Options(family=family, window=recordings.window, hop=recordings.hop)
        training = train([open_recording(path) for path in normal], options)
        found = evaluate(training.pipeline, [open_recording(path) for path in test])
    delays = [d.delay for d in found.detections if d.delay is not None]
    return {
        "auroc": found.auroc, "f1": found.f1, "false_alarms": found.false_alarms,
        "hours": found.hours * (1 - found.faulty_windows / found.windows),
        "faults": len(found.detections), "found": len(delays), "delay": found.median_delay,
        "chosen": training.chosen.family.name, "bytes": training.chosen.size,
    }  # fmt: skip
