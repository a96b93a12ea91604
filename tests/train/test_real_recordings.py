"""The main promise on real recordings; thresholds and models see normal training data only."""

from pathlib import Path

import numpy as np
import pytest

from offbeat.train.evaluate import Evaluation, evaluate
from offbeat.train.recording import Recording, open_recording, read_recording, write_recording
from offbeat.train.training import Options, train

pytestmark = pytest.mark.needs_shared


def write(path: Path, counts: np.ndarray, rate: float, label: str, scale: float) -> Path:
    counts = counts.reshape(-1, counts.shape[-1])
    channels = tuple(f"a{i}" for i in range(counts.shape[1]))
    labels = np.full(len(counts), label)
    about = (channels, rate, (scale,) * len(channels), ("g",) * len(channels))
    write_recording(path, Recording(path, counts.astype(np.int16), labels, *about))
    return path


def judge(family: str, normal: list[Path], test: list[Path], **options: int) -> Evaluation:
    training = train([open_recording(path) for path in normal], Options(family=family, **options))
    return evaluate(training.pipeline, [open_recording(path) for path in test])


@pytest.mark.parametrize("family", ["gaussian", "kmeans", "auto"])
def test_ceiling_fan_with_a_weight_on_a_blade(shared_data, tmp_path: Path, family: str) -> None:
    load = lambda name: np.load(shared_data("fan_esp32") / "dev" / f"{name}.npz")["x"]  # noqa: E731
    healthy = load("low_0")
    cut = int(0.6 * len(healthy))
    normal = write(tmp_path / "normal.csv", healthy[:cut], 200.0, "normal", 1 / 4096)
    later = write(tmp_path / "later.csv", healthy[cut:], 200.0, "normal", 1 / 4096)
    weight = write(tmp_path / "weight.csv", load("low_1"), 200.0, "weight", 1 / 4096)
    overlap = {"hop": 64} if family == "auto" else {}  # none: a quarter of the windows, of a long search
    found = judge(family, [normal], [later, weight], **overlap)
    assert found.auroc is not None and found.auroc > 0.995
    assert found.f1 is not None and found.f1 > 0.97
    assert found.false_alarms <= 1
    assert found.median_delay is not None and found.median_delay < 2


@pytest.mark.parametrize("family", ["gaussian", "kmeans"])
def test_gearbox_with_a_broken_tooth(shared_data, tmp_path: Path, family: str) -> None:
    load = lambda name: np.load(shared_data("gear") / "dev" / f"{name}.npz")["x"]  # noqa: E731
    train_on = [write(tmp_path / f"h{i}.csv", load(f"h{i}"), 500.0, "normal", 0.002) for i in ("00", "40", "80")]
    test_on = [write(tmp_path / f"t{i}.csv", load(f"h{i}"), 500.0, "normal", 0.002) for i in ("20", "60")]
    test_on += [write(tmp_path / f"b{i}.csv", load(f"b{i}"), 500.0, "broken", 0.002) for i in ("00", "40", "60")]
    found = judge(family, train_on, test_on, window=512)
    assert found.auroc is not None and found.auroc > 0.97


def test_bearing_decimated(shared_data, tmp_path: Path) -> None:
    def load(name: str) -> np.ndarray:
        raw = np.load(shared_data("cwru0") / "dev" / f"{name}.npz")["x"].astype(np.float64)
        taps = np.arange(-256, 257)
        kernel = np.sinc(taps * 0.9 / 16) * np.hamming(513)
        return np.stack([np.convolve(c, kernel / kernel.sum(), "valid")[::16] for c in raw.T], axis=1) / 1e-4

    normal = write(tmp_path / "n.csv", load("normal_train"), 3000.0, "normal", 1e-4)
    test_on = [write(tmp_path / "t.csv", load("normal_test"), 3000.0, "normal", 1e-4)]
    faults = ("B007", "IR007", "OR007_at6")
    test_on += [write(tmp_path / f"{name}.csv", load(name), 3000.0, name, 1e-4) for name in faults]
    found = judge("gaussian", [normal], test_on, window=128, hop=32)
    assert found.auroc is not None and found.auroc > 0.95


def test_water_rig_reads_with_semicolons_and_decimals(shared_data) -> None:
    path = sorted((shared_data("skab") / "dev" / "valve1").glob("*.csv"))[0]
    names = ("Accelerometer1RMS", "Current", "Pressure", "Volume Flow RateRMS")
    found = read_recording(path, rate=1.0, channels=names)
    raw = np.genfromtxt(path, delimiter=";", names=True, dtype=None, encoding="utf-8")
    assert len(found.counts) == len(raw)
    for i, name in enumerate(names):
        column = raw[name.replace(" ", "_")].astype(float)
        assert np.abs(found.counts[:, i] * found.scales[i] - column).max() <= found.scales[i] / 2 + 1e-9
