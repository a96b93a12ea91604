"""The fit check: each finding on recordings that were made for it, on simulated machines and on real recordings."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offbeat.train.budget import parse_budget
from offbeat.train.card import size_rows
from offbeat.train.check import FitOptions, FitReport, check
from offbeat.train.check_board import need_of
from offbeat.train.check_data import LEAST_WINDOWS, MOST_CHANNELS
from offbeat.train.check_drift import Cells, drift_of, watched_features
from offbeat.train.check_levels import Levels
from offbeat.train.check_report import Finding, Opinion, over_channels
from offbeat.train.check_survey import Survey
from offbeat.train.choose import feature_sets
from offbeat.train.cost import STATE_BYTES, code_bytes
from offbeat.train.dataset import collect
from offbeat.train.errors import InputError
from offbeat.train.features import Feature
from offbeat.train.recording import RecordingReader, open_recording, write_recording
from offbeat.train.recording_csv import CsvSource
from offbeat.train.simulate import MACHINES, parse_fault, simulate
from offbeat.train.training import Options, train

from .recordings import made, save, table

RATE = 400.0


def noise(rows: int, seed: int = 0, size: float = 100.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, size, rows)


def sine(rows: int, frequency: float, size: float = 300.0, rate: float = RATE) -> np.ndarray:
    return size * np.sin(2 * np.pi * frequency * np.arange(rows) / rate + 0.3)


def saved(path: Path, *channels: np.ndarray, labels: Sequence[str] | None = None, **about: Any) -> RecordingReader:
    counts = np.round(np.column_stack(channels)).astype(np.int16)
    words = None if labels is None else np.array(labels)
    write_recording(path, made(counts, words, **about))
    return open_recording(path, allow_gaps=True)


def judged(path: Path, *channels: np.ndarray, options: FitOptions | None = None, **about: Any) -> FitReport:
    return check([saved(path, *channels, **about)], options or FitOptions())


def timed(path: Path, times: np.ndarray, *channels: np.ndarray) -> FitReport:
    save(path, table(times, *(np.round(channel).astype(int) for channel in channels)))
    return check([open_recording(path, rate=RATE, allow_gaps=True)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made.csv"


ROWS = int(70 * RATE)

# -- machines --


@pytest.mark.parametrize("machine", sorted(MACHINES))
def test_a_healthy_machine_is_a_job_for_the_edge(path: Path, machine: str) -> None:
    write_recording(path, simulate(machine, 90, seed=3))
    report = check([open_recording(path)], FitOptions(flash=16384, ram=4096, latency=0.005))
    assert [finding.name for finding in report.findings if finding.verdict != "good"] == ["normal data"]
    assert report.fits and report.conclusion == "a job for the edge, with care: normal data"
    assert [facts.slow for facts in report.channels] == [False, False, False, True]
    shaft = MACHINES[machine].shaft
    assert any(abs(line / shaft - 1) < 0.05 for facts in report.channels for line in facts.frequencies)


@pytest.mark.parametrize("fault", ["stuck", "clipping", "dropout"])
def test_what_is_labelled_a_fault_is_not_held_against_the_sensor(path: Path, fault: str) -> None:
    write_recording(path, simulate("fan", 120, faults=[parse_fault(f"{fault}@80")], seed=3))
    report = check([open_recording(path)])
    assert {report.finding(name).verdict for name in ("dead channels", "clipping", "resolution")} == {"good"}
    assert f"normal 66.7%, {fault} 33.3%" in report.finding("labels").sentence
    assert report.normal_seconds == pytest.approx(80, abs=0.5) and report.seconds == 120


# -- time --


def test_even_times(path: Path) -> None:
    report = timed(path, np.arange(ROWS) / RATE, noise(ROWS))
    assert report.finding("jitter") == Finding("jitter", "good", "every step is alike")
    assert report.finding("gaps") == Finding("gaps", "good", "no sample is missing")


def test_without_times_neither_jitter_nor_gaps_can_be_seen(path: Path) -> None:
    save(path, "x\n" + "".join(f"{round(value)}\n" for value in noise(ROWS)))
    report = check([open_recording(path, rate=RATE)])
    assert "no timestamps" in report.finding("jitter").sentence and "no timestamps" in report.finding("gaps").sentence


@pytest.mark.parametrize(("share", "verdict"), [(0.005, "good"), (0.05, "care"), (0.14, "care")])
def test_jitter(path: Path, share: float, verdict: str) -> None:
    times = (np.arange(ROWS) + np.random.default_rng(1).uniform(-1.7, 1.7, ROWS) * share) / RATE
    finding = timed(path, times, noise(ROWS)).finding("jitter")
    assert finding.verdict == verdict
    assert ("timer" in finding.advice) == (verdict == "care")
    said = float(finding.sentence.split("vary by ")[1].split("%")[0])
    assert said == pytest.approx(100 * share * 1.7 / 3**0.5 * 2**0.5, rel=0.05)


def test_a_signal_near_half_the_rate_minds_jitter_more(path: Path) -> None:
    times = (np.arange(ROWS) + np.random.default_rng(1).uniform(-0.24, 0.24, ROWS)) / RATE
    low, high = (timed(path, times, sine(ROWS, f) + noise(ROWS, size=20)).finding("jitter") for f in (30, 150))
    error = [float(finding.sentence.split("about ")[1].split("%")[0]) for finding in (low, high)]
    assert error[1] > 3 * error[0]


@pytest.mark.parametrize("rate", [300.0, 333.0, 400.0])
def test_rounded_times_are_no_jitter(path: Path, rate: float) -> None:
    save(path, table(np.round(np.arange(ROWS) / rate, 4), noise(ROWS).round().astype(int)))
    finding = check([open_recording(path, rate=rate)]).finding("jitter")
    assert finding.verdict == "good" and ("rounding" in finding.sentence or "alike" in finding.sentence)


def test_gaps(path: Path) -> None:
    times = np.arange(ROWS) / RATE
    times[10000:] += 3.0
    times[20000:] += 0.5
    finding = timed(path, times, noise(ROWS)).finding("gaps")
    assert finding.verdict == "care"
    assert finding.sentence == "2 gaps, together 3.5 s (4.8% of the time), the longest 3 s"
    assert finding.advice == "pass --allow-gaps to train, no window spans one"


def test_a_sample_lost_now_and_then_hints_at_the_line(path: Path) -> None:
    kept = np.random.default_rng(0).random(ROWS) > 0.001
    finding = timed(path, np.arange(ROWS)[kept] / RATE, noise(ROWS)[kept]).finding("gaps")
    assert finding.verdict == "care" and "faster serial line" in finding.advice


def test_no_window_fits_between_gaps(path: Path) -> None:
    times = np.arange(ROWS) / RATE + np.arange(ROWS) // 90 * 1.0
    report = timed(path, times, noise(ROWS))
    assert report.finding("gaps").verdict == "no" and "less than a window of 0.32 s" in report.finding("gaps").sentence
    assert report.finding("normal data").verdict == "no"


def test_pauses_between_recordings_are_no_gaps(tmp_path: Path) -> None:
    readers = [saved(tmp_path / f"{i}.csv", noise(ROWS, i)) for i in range(3)]
    report = check(readers)
    assert report.finding("gaps").sentence == "no sample is missing"
    assert report.recordings == tuple(str(reader.path) for reader in readers)
    assert report.seconds == pytest.approx(210)


# -- dead, clipped, coarse --


def test_dead_channels(path: Path) -> None:
    report = judged(path, noise(ROWS), np.zeros(ROWS), np.full(ROWS, 77))
    finding = report.finding("dead channels")
    assert finding.verdict == "care" and "c1 is all zeros; c2 is constant (77 counts)" in finding.sentence
    assert dict(finding.channels) == {"c0": "good", "c1": "no", "c2": "no"}
    assert "--channels" in finding.advice
    assert [facts.verdict for facts in report.channels] == ["good", "no", "no"]


def test_a_dead_accelerometer_with_a_thermometer(path: Path) -> None:
    dead = [np.full(ROWS, value) for value in (3, 0, 1000)]
    assert judged(path, *dead, noise(ROWS, size=3)).finding("dead channels").verdict == "no"


def test_only_dead_channels(path: Path) -> None:
    report = judged(path, np.zeros(ROWS), np.full(ROWS, 5))
    assert report.finding("dead channels").verdict == "no"
    assert not report.fits and report.conclusion.startswith("not here, because c0 is all zeros; c1 is constant")


def test_a_channel_that_is_stuck_for_a_while(path: Path) -> None:
    values = noise(ROWS)
    values[8000:12000] = 17
    finding = judged(path, values, noise(ROWS, 1)).finding("dead channels")
    assert finding.verdict == "care" and "c0 does not move at all in 14% of the windows" in finding.sentence


def test_clipping_within_the_range(path: Path) -> None:
    report = judged(path, np.clip(noise(ROWS), -250, 180), noise(ROWS, 1))
    finding = report.finding("clipping")
    assert finding.verdict == "care" and "c0 stands at -250 and 180 in 4.3% of the samples" in finding.sentence
    assert report.channels[0].clipped == pytest.approx(0.042, abs=0.003) and report.channels[1].clipped == 0


def test_clipping_everywhere(path: Path) -> None:
    report = judged(path, np.clip(noise(ROWS), -120, 120), np.clip(sine(ROWS, 31, 900), -511, 511))
    assert report.finding("clipping").verdict == "no" and not report.fits
    assert "raise the sensor's range" in report.finding("clipping").advice
    assert "up to " in report.finding("clipping").sentence


@pytest.mark.parametrize(("low", "high"), [(-2048, 2047), (-32768, 32767), (-32768, 32752)])
def test_the_end_of_a_converter_is_known(path: Path, low: int, high: int) -> None:
    step = 16 if high == 32752 else 1
    values = np.clip(np.round(noise(ROWS, size=high / 3.2) / step) * step, low, high)
    finding = judged(path, values, noise(ROWS, 1)).finding("clipping")
    assert f"stands at {low} (the end of its range) and {high} (the end of its range)" in finding.sentence
    assert finding.verdict == "care"


def test_peaks_are_no_clipping(path: Path) -> None:
    quiet = [sine(ROWS, 31.3), sine(ROWS, 31.3, 4), noise(ROWS), noise(ROWS, size=3), noise(ROWS) ** 3 / 1e4]
    assert judged(path, *quiet).finding("clipping").verdict == "good"


def test_a_quantity_that_rests_at_zero_is_asked_about_only(path: Path) -> None:
    finding = judged(path, np.maximum(noise(ROWS), 0)).finding("clipping")
    assert finding.verdict == "care" and "c0 stands at 0 in 50" in finding.sentence


@pytest.mark.parametrize(("size", "verdict"), [(0.2, "no"), (2.0, "care"), (6.0, "good")])
def test_resolution(path: Path, size: float, verdict: str) -> None:
    report = judged(path, noise(ROWS, size=size))
    assert report.finding("resolution").verdict == verdict
    assert report.fits == (verdict != "no")


def test_a_coarse_sensor_in_fine_counts(path: Path) -> None:
    report = judged(path, np.round(noise(ROWS, size=2)) * 16)
    finding = report.finding("resolution")
    assert finding.verdict == "care" and "steps of 16 counts" in finding.sentence
    assert report.channels[0].step == 16 and report.channels[0].rms == pytest.approx(32, rel=0.05)


def test_decimals_of_few_digits(path: Path) -> None:
    save(path, "x\n" + "".join(f"{value:.1f}\n" for value in noise(ROWS, size=0.3)))
    report = check([open_recording(path, rate=RATE)])
    assert report.channels[0].step > 100 and report.finding("resolution").verdict == "care"


# -- change, spectrum --


def test_stationary_noise(path: Path) -> None:
    report = judged(path, noise(ROWS), noise(ROWS, 1) + sine(ROWS, 24))
    assert report.finding("stationarity").verdict == "good"
    assert all(facts.wander is not None and facts.wander < 0.7 for facts in report.channels)


def test_a_machine_that_warms_up(path: Path) -> None:
    finding = judged(path, noise(ROWS) * np.linspace(1, 1.5, ROWS)).finding("stationarity")
    assert finding.verdict == "care" and "c0 wanders" in finding.sentence
    assert "rises by 3" in finding.sentence and "when the machine is warm" in finding.advice


@pytest.mark.parametrize("ways", [2, 3])
def test_ways_of_running_that_are_all_there_at_any_time(path: Path, ways: int) -> None:
    size = np.repeat(np.arange(ROWS // 600) % ways, 600)
    finding = judged(path, noise(len(size)) * 2.0**size).finding("stationarity")
    assert finding.verdict == "good" and f"with the same {ways} ways of running" in finding.sentence


@pytest.mark.parametrize("ways", [2, 3])
def test_ways_of_running_one_after_the_other(path: Path, ways: int) -> None:
    size = np.repeat(np.array([0, 1, 0, 2, 1, 2, 0]) % ways, 4000)
    finding = judged(path, noise(len(size)) * 2.0**size).finding("stationarity")
    assert finding.sentence.startswith(f"{ways} ways of running stand apart")
    assert f"each of the {ways} ways" in finding.advice


def test_a_short_recording_shows_no_drift(path: Path) -> None:
    assert "too short" in judged(path, noise(2000)).finding("stationarity").sentence


def test_an_offset_that_creeps_is_no_drift_of_a_vibration(path: Path) -> None:
    assert judged(path, noise(ROWS) + np.linspace(0, 9, ROWS)).finding("stationarity").verdict == "good"


def test_power_that_rises_towards_half_the_rate(path: Path) -> None:
    values = noise(ROWS + 8)
    for _ in range(8):
        values = np.diff(values)
    report = judged(path, values / 5, noise(ROWS))
    finding = report.finding("aliasing")
    assert finding.verdict == "care" and "c0 still rises towards half the rate" in finding.sentence
    assert dict(finding.channels)["c1"] == "good" and "two or three times the rate" in finding.advice


def test_a_line_close_to_half_the_rate(path: Path) -> None:
    finding = judged(path, sine(ROWS, 194) + noise(ROWS)).finding("aliasing")
    assert finding.verdict == "care" and "at 194 Hz, close to half the rate" in finding.sentence


def test_main_frequencies(path: Path) -> None:
    report = judged(path, sine(ROWS, 24.3) + sine(ROWS, 97.2, 200) + noise(ROWS, size=40), noise(ROWS))
    assert report.channels[0].frequencies == pytest.approx((24.3, 97.2), abs=0.05)
    assert report.channels[1].frequencies == ()
    assert report.channels[0].noise_floor == pytest.approx(40, rel=0.2)


def test_a_window_too_short_for_the_period(path: Path) -> None:
    finding = judged(path, sine(ROWS, 1.9) + noise(ROWS)).finding("window")
    assert finding.verdict == "care" and "a period of 21" in finding.sentence
    assert "choose --window 512" in finding.advice
    longer = judged(path, sine(ROWS, 1.9) + noise(ROWS), options=FitOptions(window=512))
    assert longer.finding("window").verdict == "good"


def test_a_period_that_no_window_holds(path: Path) -> None:
    report = judged(path, sine(ROWS, 0.25) + noise(ROWS))
    assert report.finding("window").verdict == "no" and not report.fits
    assert "windows end at 1024 samples: record at 128 Hz" in report.finding("window").advice


def test_a_slow_channel_may_take_its_time(path: Path) -> None:
    slow = judged(path, sine(ROWS, 0.25, 2000) + noise(ROWS, size=5), noise(ROWS))
    assert slow.channels[0].slow and slow.finding("window").verdict == "good"


# -- how much there is --


def test_too_little_data(path: Path) -> None:
    finding = judged(path, noise(int(30 * RATE))).finding("normal data")
    assert finding.verdict == "no" and "record at least 60 s" in finding.advice


def test_less_than_a_window(path: Path) -> None:
    report = judged(path, noise(50))
    assert "0 normal windows" in report.finding("normal data").sentence and not report.fits
    json.dumps(report.as_dict(), allow_nan=False)


@pytest.mark.parametrize("windows", [LEAST_WINDOWS - 1, LEAST_WINDOWS])
def test_as_many_windows_as_training_asks_for(path: Path, windows: int) -> None:
    reader = saved(path, noise(64 * windows), rate=10.0)  # so that seconds do not count
    found = check([reader], FitOptions(window=64, hop=64)).finding("normal data")
    assert (found.verdict == "no") == (windows < LEAST_WINDOWS)
    try:
        train([reader], Options(family="kmeans", features="time", window=64, hop=64))
        assert found.verdict != "no"
    except InputError:
        assert found.verdict == "no"


def test_what_the_data_support(path: Path) -> None:
    values = noise(60000)
    enough, short = (
        judged(path, values, rate=10.0, options=FitOptions(budget=parse_budget(text))).finding("normal data")
        for text in ("2/hour", "1/day")
    )
    assert enough.verdict == "good" and "which is enough for 2/hour" in enough.sentence
    assert short.verdict == "care" and "100 minutes of normal data support at best" in short.sentence
    assert short.advice.startswith("record 3 days for 1/day")


def test_only_faults(path: Path) -> None:
    report = judged(path, noise(ROWS), labels=["worn"] * ROWS)
    assert report.finding("labels").verdict == "no" and "none of them is normal" in report.finding("labels").sentence
    assert report.channels == () and "not here, because" in report.conclusion
    json.dumps(report.as_dict(), allow_nan=False)


def test_a_channel_that_looks_like_labels(path: Path) -> None:
    states = np.repeat([0, 1, 0, 2, 0], ROWS // 5)
    for name in ("anomaly", "machine"):
        report = judged(path, noise(ROWS), states, channels=("x", name))
        finding = report.finding("labels")
        assert finding.verdict == "care" and f"--label-column {name}" in finding.advice
        assert [f.name for f in report.findings if f.verdict != "good"] == ["labels", "normal data"]


def test_columns_are_named_where_there_are_no_labels(path: Path) -> None:
    assert "the columns are c0, c1" in judged(path, noise(ROWS), noise(ROWS, 1)).finding("labels").sentence


def test_more_channels_than_a_model_holds(path: Path) -> None:
    rows = 3000
    for count in (MOST_CHANNELS, MOST_CHANNELS + 1):
        report = judged(path, *(noise(rows, i) for i in range(count)), rate=40.0)
        assert (report.finding("channels").verdict == "no") == (count > MOST_CHANNELS)
    assert len(report.channels) == MOST_CHANNELS + 1


def test_hundreds_of_channels_are_not_looked_at(path: Path) -> None:
    report = judged(path, *(noise(200, i) for i in range(200)))
    assert report.finding("channels").verdict == "no" and report.channels == ()


def test_slower_than_once_an_hour(path: Path) -> None:
    report = judged(path, noise(4000), rate=1 / 7200)
    assert report.finding("rate").verdict == "no" and "one sample in 2 hours" in report.finding("rate").sentence
    assert judged(path, noise(4000), rate=1 / 600).finding("rate").verdict == "good"


# -- board --


@pytest.mark.parametrize(
    ("flash", "ram", "verdict", "advice"),
    [
        (16384, 4096, "good", ""),
        (None, None, "good", ""),
        (5600, 4096, "care", "--family kmeans"),
        (2048, None, "no", "bigger board"),
        (None, 800, "no", "with --window 32 the samples fit"),
        (None, 200, "no", "bigger board"),
    ],
)
def test_memory(path: Path, flash: int | None, ram: int | None, verdict: str, advice: str) -> None:
    report = judged(path, noise(ROWS), noise(ROWS, 1), noise(ROWS, 2), options=FitOptions(flash=flash, ram=ram))
    assert report.finding("memory").verdict == verdict and advice in report.finding("memory").advice
    assert report.fits == (verdict != "no")


def test_time(path: Path) -> None:
    verdicts = []
    for clock, latency in ((48e6, None), (48e6, 0.005), (48e6, 1e-4), (1e6, 0.03), (5e4, None), (5e5, None)):
        options = FitOptions(clock=clock, latency=latency)
        report = judged(path, noise(ROWS), noise(ROWS, 1), noise(ROWS, 2), options=options)
        verdicts.append(report.finding("time").verdict)
    assert verdicts == ["good", "good", "no", "care", "no", "care"]


def vibration(window: int, channels: int) -> list[Feature]:
    kinds = [("rms", 0), ("kurtosis", 0), ("mean_abs_difference", 0), *(("band", k) for k in range(1, 6))]
    return [Feature(kind, channel, first, 1) for channel in range(channels) for kind, first in kinds]


def test_the_estimate_counts_what_there_is() -> None:
    """Against measurements it is held in tests/train/profile/test_costs.py."""
    need = need_of(vibration(128, 3), "gaussian", 128, 64, 3)
    assert need.features == 24 and not need.measured
    buffers = 2 * (128 + 1 + 24 * 3) + 4 * 24 + STATE_BYTES  # work, vector, features, state
    assert 100 < need.ram - (128 + 64) * 3 * 2 - buffers < 400, "the rest is the stack"


def test_the_estimate_is_near_a_trained_model(path: Path) -> None:
    reader = saved(path, noise(ROWS), noise(ROWS, 1))
    training = train([reader], Options(family="gaussian", features="vibration"))
    need = need_of(feature_sets([reader], 128, "vibration")[0]["vibration"], "gaussian", 128, 64, 2)
    sizes = dict(size_rows(training))
    constants = next(size for what, size in sizes.items() if what.startswith("constants"))
    assert need.flash - code_bytes("gaussian", True) == pytest.approx(constants, rel=0.05)
    ring = next(size for what, size in sizes.items() if what.startswith("ring"))
    assert need.ram > ring


# -- report, options, machinery --


def test_channels_that_are_bad_rule_the_job_out_where_they_are_most() -> None:
    def finding(*verdicts: Any) -> Finding:
        return over_channels("f", [Opinion(f"c{i}", v, "is so") for i, v in enumerate(verdicts)], "all good", "mend it")

    assert finding("good", "good") == Finding("f", "good", "all good", "", {"c0": "good", "c1": "good"})
    assert finding("good", "no").verdict == finding("care", "no").verdict == finding("care").verdict == "care"
    assert finding("no", "no").verdict == finding("no", "no", "no", "good").verdict == "no"
    assert finding("no", "no", "good").verdict == "care"
    assert finding("care", "no").sentence == "c1 is so; c0 is so"
    assert finding(*["no"] * 6).sentence.endswith("; and 3 more channels")
    assert finding(*["no"] * 4).sentence.endswith("; and one more channel")


def test_conclusions() -> None:
    def conclusion(*findings: Finding) -> str:
        return FitReport((), 1.0, 8, 4, 1.0, 1.0, findings, (), {}).conclusion

    good, care, other = Finding("a", "good", "fine"), Finding("b", "care", "hm", "try"), Finding("c", "care", "hm")
    no, worse = Finding("d", "no", "it is dead", "feed it"), Finding("e", "no", "it is gone")
    assert conclusion(good) == "a job for the edge"
    assert conclusion(good, care, other) == "a job for the edge, with care: b and c"
    assert conclusion(care, no, worse) == "not here, because it is dead (feed it); and because it is gone"


def test_everything_is_plain_json(path: Path) -> None:
    report = judged(path, noise(ROWS), np.zeros(ROWS), noise(ROWS, size=0.1))
    found = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert found["verdict"] == report.verdict and len(found["findings"]) == len(report.findings) == 15
    assert found["channels"][1]["frequencies"] == [] and found["channels"][1]["at_edge"] is None
    assert all(finding["advice"] for finding in found["findings"] if finding["verdict"] != "good")


@pytest.mark.parametrize(("options", "says"), [({"window": 3}, "--window 3"), ({"window": 64, "hop": 65}, "--hop 65")])
def test_options_that_cannot_be(path: Path, options: dict[str, int], says: str) -> None:
    with pytest.raises(InputError, match=says):
        judged(path, noise(1000), options=FitOptions(**options))
    with pytest.raises(InputError, match=says):
        judged(path, np.zeros(1000), options=FitOptions(**options))


def test_a_damaged_recording(path: Path) -> None:
    save(path, table(np.arange(ROWS) / RATE, noise(ROWS).round()).replace("\n60.0,", "\n60.0,q", 1))
    with pytest.raises(InputError, match="not a number"):
        check([open_recording(path)])


def test_one_pass_and_its_progress(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recording(path, simulate("fan", 600, seed=1))
    readers = [open_recording(path) for _ in range(2)]
    whole = 0
    tables = CsvSource.tables

    def counted(self: CsvSource, *words: Any) -> Any:
        nonlocal whole
        rows = 0
        for part in tables(self, *words):
            rows += len(part.numbers)
            yield part
        whole += rows == 240_000

    monkeypatch.setattr(CsvSource, "tables", counted)
    shares: list[float] = []
    report = check(readers, progress=lambda stage, share: shares.append(share))
    assert whole == len(readers)
    assert shares == sorted(shares) and shares[-1] == 1.0 and len(shares) >= 8
    assert report.seconds == 1200
    assert len(list(readers[0].blocks())) == 4  # the reader is as it was


def test_the_survey_counts_windows_as_training_does(path: Path) -> None:
    generator = np.random.default_rng(5)
    labels = np.repeat(generator.choice(["normal", "", "worn"], 60), 500)
    times = np.arange(30000) / RATE + np.repeat(generator.random(30) < 0.3, 1000).cumsum() // 1000 * 0.1
    rows = zip(times.tolist(), noise(30000).round().astype(int).tolist(), labels.tolist(), strict=True)
    save(path, "t,x,label\n" + "".join(f"{t!r},{x},{label}\n" for t, x, label in rows))
    for window, hop in ((128, 64), (100, 30), (64, 64), (32, 1)):
        reader = open_recording(path, rate=RATE, allow_gaps=True)
        survey = Survey(reader, window, hop)
        survey.add(reader, lambda share: None)
        wanted = collect([reader], [Feature("mean", 0)], window, hop, 0, lambda share: None)
        assert survey.windows == wanted.normal_windows
        assert survey.normal_seconds == pytest.approx(wanted.normal_hours * 3600)
        assert survey.rows == 30000 and survey.timing.gaps == len(reader.segments) - 1 > 3


@given(st.lists(st.lists(st.integers(-32768, 32767), min_size=1, max_size=40), min_size=1, max_size=8))
def test_levels_are_those_of_all_samples(parts: list[list[int]]) -> None:
    levels, joined = Levels(), np.concatenate(parts)
    for part in parts:
        levels.add(np.array(part, dtype=np.int16))
    assert levels.seen.tolist() == np.unique(joined).tolist() and levels.samples == len(joined)
    assert levels.deviation == pytest.approx(joined.std(), abs=1e-6)
    for side, level in ((-1, joined.min()), (1, joined.max())):
        end = levels.end(side)
        assert (end.level, end.samples) == (level, (joined == level).sum())
        assert 1 <= end.run <= end.samples
    assert levels.step >= 1 and levels.bits >= 0


@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_the_step_of_a_grid(step: int, seed: int) -> None:
    levels = Levels()
    levels.add((np.random.default_rng(seed).normal(0, 12, 3000).round() * step).astype(np.int16))
    assert levels.step == step


@pytest.mark.parametrize("windows", [50, 2047, 2048, 2049, 9000, 40001])
def test_cells_keep_means_and_squares(windows: int) -> None:
    kinds = watched_features(1)
    features = np.random.default_rng(0).normal(5000, 200, (windows, 3)).astype(np.int32)
    cells = Cells(kinds)
    for part in np.array_split(features, 7):
        cells.add(part)
    assert len(cells.means) <= 2048 and windows - cells.size < cells.windows <= windows
    used = features[: cells.windows]
    assert cells.means.mean(axis=0) == pytest.approx(used.mean(axis=0))
    between = cells.size * ((cells.means - cells.means.mean(axis=0)) ** 2).sum(axis=0)
    assert cells.within.sum(axis=0) + between == pytest.approx(used.var(axis=0) * len(used))


@pytest.mark.parametrize("seed", range(20))
def test_white_noise_has_one_way_and_stays(seed: int) -> None:
    kinds = watched_features(1)
    cells = Cells(kinds)
    cells.add(np.random.default_rng(seed).normal(5000, 200, (300, 3)).astype(np.int32))
    for drift in drift_of(cells, kinds, [1.0] * 3):
        assert drift.ways == 1 and drift.wander < 0.5


# -- real recordings --


def real(tmp_path: Path, counts: np.ndarray, rate: float, scale: float, name: str = "real") -> RecordingReader:
    counts = counts.reshape(-1, counts.shape[-1])
    about = {"scales": (scale,) * counts.shape[1], "units": ("g",) * counts.shape[1], "rate": rate}
    write_recording(tmp_path / f"{name}.csv", made(counts.astype(np.int16), **about))
    return open_recording(tmp_path / f"{name}.csv")


def careful(report: FitReport) -> list[str]:
    return [finding.name for finding in report.findings if finding.verdict != "good"]


Shared = Callable[[str], Path]


@pytest.mark.needs_shared
def test_ceiling_fan(shared_data: Shared, tmp_path: Path) -> None:
    load = lambda name: np.load(shared_data("fan_esp32") / "dev" / f"{name}.npz")["x"]  # noqa: E731
    normal = real(tmp_path, load("low_0"), 200.0, 1 / 4096, "normal")
    report = check([normal], FitOptions(flash=16384, ram=4096, latency=0.005))
    assert careful(report) == ["normal data"]
    assert {facts.step for facts in report.channels} == {2}  # 13 bits in counts of 14
    moved = real(tmp_path, load("low_0_moving"), 200.0, 1 / 4096, "moved")
    both = check([normal, moved])
    assert careful(both) == ["stationarity", "normal data"]
    assert "ways of running stand apart" in both.finding("stationarity").sentence
    off = check([real(tmp_path, load("off"), 200.0, 1 / 4096, "off")])
    assert "resolution" in careful(off)  # a fan that stands moves by less than four steps of the sensor


@pytest.mark.needs_shared
def test_gearbox_at_three_loads(shared_data: Shared, tmp_path: Path) -> None:
    readers = [
        real(tmp_path, np.load(shared_data("gear") / "dev" / f"{name}.npz")["x"], 500.0, 0.002, name)
        for name in ("h00", "h40", "h80")
    ]
    report = check(readers, FitOptions(window=512))
    assert careful(report) == ["stationarity", "normal data"]
    assert "rises by" in report.finding("stationarity").sentence


@pytest.mark.needs_shared
def test_bearing_of_two_seconds(shared_data: Shared, tmp_path: Path) -> None:
    counts = np.load(shared_data("cwru0") / "dev" / "normal_train.npz")["x"] / 1e-4
    report = check([real(tmp_path, counts, 48000.0, 1e-4)])
    assert report.conclusion.startswith("not here, because 237 normal windows of 1024 samples, 2.54 s in all")
    assert report.finding("aliasing").verdict == report.finding("clipping").verdict == "good"
    assert report.finding("time").verdict == "good"  # a 48 MHz core keeps up with 48 kHz


@pytest.mark.needs_shared
def test_water_rig(shared_data: Shared) -> None:
    names = ("Accelerometer1RMS", "Current", "Pressure", "Temperature", "Voltage", "Volume Flow RateRMS")
    folder = shared_data("skab") / "dev"
    report = check([open_recording(folder / "anomaly-free" / "anomaly-free.csv", rate=1.0, channels=names)])
    assert careful(report) == ["stationarity", "normal data"]
    assert all(facts.slow for facts in report.channels)
    labelled = check([open_recording(folder / "valve1" / "0.csv", rate=1.0, channels=(*names, "anomaly"))])
    assert "--label-column anomaly" in labelled.finding("labels").advice


@pytest.mark.needs_shared
def test_temperature_of_a_machine_every_five_minutes(shared_data: Shared) -> None:
    path = shared_data("nab") / "dev" / "machine_temperature_system_failure.csv"
    report = check([open_recording(path, rate=1 / 300, channels=("value",), label_column="window")])
    assert report.conclusion == "a job for the edge"
    assert "which is enough for 1/day" in report.finding("normal data").sentence


@pytest.mark.needs_shared
def test_servers_are_no_sensors(shared_data: Shared, path: Path) -> None:
    values = np.load(shared_data("smd") / "dev" / "machine-1-6.npz")["train"][:6000]
    names = ",".join(f"m{i}" for i in range(values.shape[1]))
    save(path, f"{names}\n" + "".join(",".join(f"{v:.5f}" for v in row) + "\n" for row in values.tolist()))
    report = check([open_recording(path, rate=1 / 60)])
    assert "38 channels, and a model holds 32 at most" in report.conclusion
    assert report.finding("dead channels").verdict == "care"


@pytest.mark.needs_shared
def test_motion_of_a_hand_wants_a_longer_window(shared_data: Shared, tmp_path: Path) -> None:
    data = np.load(shared_data("nicla") / "dev" / "nicla.npz")
    counts = data["x"][data["label"] == "Terrestrial"] / 0.002
    report = check([real(tmp_path, np.clip(counts, -32768, 32767).round(), 59.0, 0.002)])
    assert "choose --window 128" in report.finding("window").advice and report.fits
