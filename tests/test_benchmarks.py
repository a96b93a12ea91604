"""The machinery of the benchmarks on cases that are made up and small: figures, tables, levels, the cache."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.detection import jobs as running
from benchmarks.detection import measures, originals, ours
from benchmarks.detection.__main__ import main
from benchmarks.detection.cases import DataSet, load, parts_present
from benchmarks.detection.jobs import Job
from benchmarks.detection.levels import levels_of
from benchmarks.detection.plots import plot_auroc
from benchmarks.detection.tables import tables
from benchmarks.float_features import float_features
from benchmarks.results import put_section
from benchmarks.speed.data import recording
from benchmarks.speed.stages import scipy_features
from offbeat.train.arithmetic import sine_table
from offbeat.train.features import Feature, extract
from offbeat.train.recording import read_recording

_OF_TIME = ("mean", "rms", "peak_to_peak", "crest", "kurtosis", "mean_abs_difference", "crossings")
_FEATURES = [
    *(Feature(kind, 0) for kind in _OF_TIME),
    Feature("correlation", 0, 1), Feature("change", 1, 5), Feature("band", 0, 1, 12), Feature("band", 1, 13, 19),
]  # fmt: skip


def windows(count: int, gain: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 300, (count, 64, 2))
    return gain * noise + 500 * np.sin(np.arange(64) * 0.3)[None, :, None]


def result(auroc: float, **other: object) -> dict:
    alarm = {"case": "c", "budget": "1/day", "hours": 1.0, "alarms": 0, "low": 0, "high": 1, "inside": True}
    return {
        "auroc": auroc, "tpr_at_1fpr": 0.98, "f1": 0.9, "far": 1.0, "mar": 2.0, "chosen": "pca on all", "bytes": 500,
        "seconds": 1.0, "float_auroc": auroc + 0.001, "integer_auroc": auroc, "alarms": [alarm], "delays": [2.0, None],
        **other,
    }  # fmt: skip


def test_float_features_are_the_integer_ones_but_for_rounding() -> None:
    counts = np.rint(windows(200, 1.0, 0)).astype(np.int16)
    table = sine_table(64)
    exact, integer = float_features(counts, _FEATURES, table), extract(counts, _FEATURES, table)
    error = np.abs(exact - integer)
    assert error.max() < 10 and error.mean() < 1
    silent = np.zeros((3, 64, 2), dtype=np.int16)
    assert (float_features(silent, _FEATURES, table) == extract(silent, _FEATURES, table)).all()


def test_healthy_windows_and_delays_of_a_stream() -> None:
    label = np.repeat([0, 1, 0, 1, 0], [10, 5, 10, 5, 3])
    case = SimpleNamespace(kind="stream", label=label)
    assert measures.healthy_runs(case, 4) == [(3, 10), (18, 25)]
    over = np.zeros(len(label), dtype=bool)
    over[12] = True
    assert measures.delays(case, over, 2.0) == [1.0, None]


def test_levels_are_computed_and_a_miss_is_said() -> None:
    results = {
        Job("fan_uci", "dev", "family", "auto"): result(0.9851, tpr_at_1fpr=0.936),
        Job("fan_uci", "dev", "family", "gaussian"): result(0.999, bytes=1025),
        Job("gear4", "dev", "family", "auto"): result(0.99996, tpr_at_1fpr=1.0, float_auroc=0.99),
    }
    found = {what: ok for what, _, _, ok in levels_of(results)}
    assert len(found) == 7
    assert not found["integer against float"] and not found["parameters, gaussian, pca, kmeans"]
    assert not found["auto against the best family"] and found["fan_uci dev, auto"]


def test_tables_and_plot_of_results(tmp_path: Path) -> None:
    results = {
        Job("skab", "dev", "family", "auto"): result(0.8),
        Job("skab", "dev", "family", "pca"): result(0.82),
        Job("skab", "dev", "originals", "all"): {
            "originals": {
                "PCA T²+Q|rows": result(0.7, rule="mean + 3 sigma"),
                "PCA T²+Q|trend": result(0.75, rule="99 % of training"),
            }
        },
        Job("cwru0", "dev", "teacher", "one_class_svm"): {
            **{stage: {"auroc": 0.9, "tpr_at_1fpr": 0.5} for stage in ("teacher", "student", "quantized")},
            "family": "forest on all", "teacher_bytes": 100_000, "bytes": 500,
        },
        Job("nicla", "dev", "family", "forest"): {"failed": "too few windows"},
    }  # fmt: skip
    text = tables(results)
    assert "by 0.020" in text and "best original: PCA T²+Q on trend" in text and "| 200 |" in text
    assert "F1 ≥ 0.845" in text and "**not reached**" in text and "nicla" not in text
    plot_auroc(results, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5000


def test_a_section_is_replaced_and_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "results.md"
    path.write_text("# an older form\n")
    put_section(path, "detection", "the first")
    put_section(path, "speed", "two")
    put_section(path, "detection", "three \\1")
    text = path.read_text()
    assert "the first" not in text and "older" not in text
    assert text.index("three \\1") < text.index("two")


def test_the_day_of_vibration_is_the_same_in_both_formats(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    found = [read_recording(recording(tmp_path, kind, 0.002, print)[0]) for kind in ("parquet", "csv")]
    assert found[0].rate == 400 and found[0].scales == found[1].scales and (found[0].counts == found[1].counts).all()
    rows = scipy_features(found[0].counts[: 128 * 10].reshape(10, 128, 3) / 2048)
    assert rows.shape == (10, 39) and np.isfinite(rows).all()


@pytest.mark.needs_shared
def test_one_case_from_end_to_end(shared_data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas", reason="needs pandas, which protocols.py reads tables with")
    monkeypatch.setenv("OFFBEAT_DATA", str(shared_data("nicla").parent))
    given = ["--only", "nicla", "--family", "gaussian", "--jobs", "1", "--work", str(tmp_path / "work")]
    for attempt in range(2):  # the second takes what the first has kept
        with pytest.raises(SystemExit) as ended:
            main([*given, "--output", str(tmp_path / f"{attempt}.md")])
        assert ended.value.code == 0
    first, second = ((tmp_path / f"{attempt}.md").read_text() for attempt in range(2))
    assert first == second and "| gaussian (" in first and "nicla dev" in first
    assert {path.name.split("-")[3] for path in (tmp_path / "work").iterdir()} == {"family", "control"}


@pytest.mark.needs_shared
def test_originals_on_a_real_case(shared_data, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas", reason="needs pandas, which protocols.py reads tables with")
    monkeypatch.setenv("OFFBEAT_DATA", str(shared_data("nicla").parent))
    data_set = DataSet("nicla", "", "nicla", 59.0, "load_nicla")
    assert parts_present(data_set, "dev") == ["dev"]
    cases = load(data_set, "dev")
    found = originals.judge_original(data_set, cases, ["LedoitWolf"])
    assert {key.split("|")[1] for key in found} == {"8 bands", "statistics", "offbeat's"}
    assert min(each["auroc"] for each in found.values()) > 0.9
    own = ours.judge_family(data_set, cases, "gaussian")
    assert own["auroc"] > 0.95 and abs(own["auroc"] - own["float_auroc"]) < 0.01
    assert {each["budget"] for each in own["alarms"]} == set(measures.BUDGETS)


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    "given, reason",
    [(["--only", "foo"], "--only foo is none of skab"), (["--family", "svm"], "--family svm is none of auto")],
)
def test_what_is_not_known_is_refused(given: list[str], reason: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert ended.value.code == 2 and reason in capsys.readouterr().err


def test_a_method_that_fails_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def done(job: Job) -> dict:
        if job.method == "pca":
            raise ValueError("no\nluck")
        return {"auroc": 0.5}

    monkeypatch.setattr(running, "_done", done)
    monkeypatch.setattr(running, "fingerprint", lambda: "mark")
    jobs = [Job("nicla", "dev", "family", name) for name in ("pca", "gaussian")]
    lines: list[str] = []
    found = running.run(jobs, tmp_path, 1, lines.append)
    assert found[jobs[0]]["failed"] == "ValueError: no luck" and found[jobs[1]]["auroc"] == 0.5
    assert len(list(tmp_path.iterdir())) == 1 and len(lines) == 2
