"""The work that is timed, each kind in a process of its own: `python -m benchmarks.speed.stages KIND FILE`, JSON out."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

import numpy as np
from numpy.typing import NDArray

__all__ = ["KINDS"]

Floats = NDArray[np.float64]

_WINDOW, _HOP, _BANDS = 128, 64, 5  # what offbeat takes for 400 Hz


class Clock:
    """Seconds of each stage, in order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def stage(self, name: str) -> None:
        """What has passed since the stage before belongs to this one."""
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now


def _offbeat(family: str) -> Callable[[Path], dict]:
    def run(path: Path) -> dict:
        clock = Clock()
        from offbeat.train.recording import open_recording
        from offbeat.train.training import Options, train

        clock.stage("imports")
        read = [0, 0]  # bytes, in all passes; of the pass that goes on

        def passed(done: int, size: int) -> None:
            read[0] += done - read[1] if done >= read[1] else done
            read[1] = done

        reader = open_recording(path, progress=passed)
        clock.stage("reading and features")
        names = {"features": "reading and features", "families": "search, fit, calibration"}
        training = train([reader], Options(family=family), lambda stage, share: clock.stage(names[stage]))
        clock.stage("search, fit, calibration")
        return {
            "stages": clock.seconds, "passes": read[0] / path.stat().st_size,
            "windows": training.windows.normal_windows, "features": sum(len(c.plan.features) for c in [training.chosen]),
            "chosen": f"{training.chosen.family.name} on {training.chosen.plan.name} features", "tried": len(training.candidates),
        }  # fmt: skip

    return run


# -- the same features in float code -----------------------------------------------------------------------------


def _batches(path: Path, rows: int = 1 << 20) -> Iterator[Floats]:
    """Samples float64 [n, C] of a recording, in g, by what reads fastest."""
    import pyarrow.csv
    import pyarrow.parquet

    from .data import CHANNELS

    if path.suffix == ".parquet":
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(rows, columns=list(CHANNELS)):
                yield np.column_stack([column.to_numpy() for column in batch.columns]) / 2048
        return
    options = pyarrow.csv.ReadOptions(skip_rows=4, block_size=1 << 25)
    with pyarrow.csv.open_csv(path, read_options=options) as reader:
        for batch in reader:
            yield np.column_stack([batch.column(name).to_numpy() for name in CHANNELS]) / 2048


def scipy_features(w: Floats) -> Floats:
    """What offbeat's set "all" describes, of windows float64 [W, N, C] as one writes it with SciPy; float64 [W, 13 C]."""
    from scipy.signal import periodogram
    from scipy.stats import kurtosis

    mean = w.mean(axis=1)
    centred = w - mean[:, None]
    rms = centred.std(axis=1)
    correlation = np.einsum("wni,wnj->wij", centred, centred) / (w.shape[1] * rms[:, :, None] * rms[:, None, :])
    power = periodogram(w, window="hann", axis=1)[1]
    edges = np.linspace(1, w.shape[1] // 2, _BANDS + 1).astype(int)
    bands = np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1)
    upper = np.triu_indices(w.shape[2], 1)
    return np.concatenate(
        [
            mean, np.log2(rms), np.log2(np.ptp(w, axis=1)), np.log2(np.abs(centred).max(axis=1) / rms),
            kurtosis(w, axis=1, fisher=False), np.log2(np.abs(np.diff(w, axis=1)).mean(axis=1)),
            np.diff(centred < 0, axis=1).sum(axis=1), correlation[:, *upper], np.log2(bands.reshape(len(w), -1)),
        ],
        axis=1,
    )  # fmt: skip


def _float_rows(path: Path, clock: Clock) -> Floats:
    from numpy.lib.stride_tricks import sliding_window_view

    rows, held = [], np.zeros((0, 3))
    for batch in _batches(path):
        held = np.concatenate([held, batch])
        windows = sliding_window_view(held, _WINDOW, axis=0)[::_HOP].transpose(0, 2, 1)
        # what stays in the caches is fastest: a block of some thousand windows
        rows += [scipy_features(windows[i : i + 2048]) for i in range(0, len(windows), 2048)]
        held = held[_HOP * len(windows) :]
    found = np.concatenate(rows)
    clock.stage("reading and features")
    return found


def _pyod(name: str) -> Callable[[Path], dict]:
    """Features in float code, then a detector of PyOD with its defaults, fitted to all windows."""

    def run(path: Path) -> dict:
        clock = Clock()
        from pyod.models.iforest import IForest
        from pyod.models.pca import PCA
        from sklearn.preprocessing import StandardScaler

        clock.stage("imports")
        rows = _float_rows(path, clock)
        detector = {"IForest": lambda: IForest(n_jobs=-1), "PCA": PCA}[name]()
        detector.fit(StandardScaler().fit_transform(rows))
        clock.stage("search, fit, calibration")
        return {
            "stages": clock.seconds,
            "windows": len(rows),
            "features": rows.shape[1],
            "chosen": f"PyOD {name}",
            "tried": 1,
        }

    return run


KINDS: dict[str, Callable[[Path], dict]] = {
    "offbeat auto": _offbeat("auto"),
    "offbeat gaussian": _offbeat("gaussian"),
    "scipy + PyOD PCA": _pyod("PCA"),
    "scipy + PyOD IForest": _pyod("IForest"),
}
"""What is timed, by the name that tables show."""


def main() -> None:
    """Do one kind of work on one file and print what it took."""
    start = time.perf_counter()
    result = KINDS[sys.argv[1]](Path(sys.argv[2]))
    own, children = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
    result["seconds"] = time.perf_counter() - start
    result["rss"] = own.ru_maxrss * 1024
    if sys.argv[1].startswith("offbeat"):  # worker processes are counted once they have ended
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True)
        children = getrusage(RUSAGE_CHILDREN)
    result["cpu"] = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    result["child_rss"] = children.ru_maxrss * 1024
    result["load"] = os.getloadavg()[0]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
