"""Slow sensors: faults injected into blocks that the scoring model has not seen; a water rig and a machine's heat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from offbeat.train import OffbeatDetector
from offbeat.train.arithmetic import Int32
from offbeat.train.arrays import ArrayReader
from offbeat.train.crossfit import Score, blocks_of, cross_fit
from offbeat.train.dataset import WindowSet, collect
from offbeat.train.features import Feature
from offbeat.train.inject import PROCESS_FAULTS, inject_from
from offbeat.train.training import Options, train

RATE, WINDOW = 1.0, 40


def process(rows: int, seed: int = 0) -> np.ndarray:
    """Three channels that wander together, and a little on their own, int16 [rows, 3]."""
    generator = np.random.default_rng(seed)
    common = np.cumsum(generator.normal(0, 5, rows))[:, None] * [1.0, 0.6, -0.8]
    return (2000 + common + generator.normal(0, 20, (rows, 3))).astype(np.int16)


def reader(counts: np.ndarray) -> ArrayReader:
    return ArrayReader(counts, RATE, (1.0,) * counts.shape[1], "process")


def windows_of(counts: np.ndarray, hop: int = 1) -> WindowSet:
    features = [Feature("mean", channel) for channel in range(counts.shape[1])]
    return collect([reader(counts)], features, WINDOW, hop, 0, lambda share: None, slow=True)


@pytest.mark.parametrize("hop", [1, 8, 40])
def test_the_samples_of_slow_sensors_are_kept_and_cut_like_the_windows(hop: int) -> None:
    counts = process(1200)
    windows = windows_of(counts, hop)
    (stretch,) = windows.normal
    assert stretch.counts is not None
    assert (stretch.counts == counts[: len(stretch.counts)]).all()
    assert len(stretch.counts) == hop * (len(stretch.features) - 1) + WINDOW
    part = stretch.part(3, 7, WINDOW, hop)
    assert part.counts is not None and (part.counts == counts[3 * hop : 6 * hop + WINDOW]).all()
    assert all(each.counts is None for each in windows.select([0]).normal)


def test_blocks_cover_every_window_once() -> None:
    windows = windows_of(process(400))
    covered = np.concatenate([np.arange(low, high) for _, low, high in blocks_of(windows)])
    assert (covered == np.arange(361)).all()


@pytest.mark.parametrize("memory", [0, 30])
def test_a_fault_is_scored_by_a_model_that_has_not_seen_its_block(memory: int) -> None:
    windows = windows_of(process(400))
    first = windows.normal[0].starts
    # windows that are their own numbers, so that a model can say which of them it was made of
    numbered = first.astype(np.int32)[:, None]
    windows = replace(windows, normal=(replace(windows.normal[0], features=numbered),))

    def make(stretches: Sequence[Int32]) -> Score:
        seen = np.concatenate(stretches)[:, 0]
        return lambda some: np.isin(some[:, 0], seen).astype(float)[None]

    folds = cross_fit(windows, make, memory)
    assert not folds.held_out.any()
    scores = folds.unseen(numbered, np.arange(361))
    assert scores.shape == (1, 361) and not scores.any()


def test_a_model_that_remembers_sees_what_came_before_a_fault() -> None:
    windows = windows_of(process(400))
    numbered = windows.normal[0].starts.astype(np.int32)[:, None]
    halves = tuple(replace(windows.normal[0], features=part) for part in (numbered[:200], numbered[200:]))

    def make(stretches: Sequence[Int32]) -> Score:
        return lambda some: (np.arange(len(some)) + 1000.0 * some[0, 0])[None]

    folds = cross_fit(replace(windows, normal=halves), make, 50)
    edge = int(np.flatnonzero(np.diff(folds.folds[100:]))[0]) + 101
    places = np.array([30, 31, 40, edge - 1, edge, 199, 200, 230, -1])
    found = folds.unseen(np.full((len(places), 1), -1, dtype=np.int32), places)[0]
    first = [0, 0, 0, edge - 51, edge - 50, 149, -1, 200, -1]
    after = [30, 31, 40, 50, 50, 50, 0, 30, 0]
    assert found.tolist() == [1000.0 * one + many for one, many in zip(first, after, strict=True)]


@pytest.mark.parametrize("fault", PROCESS_FAULTS)
def test_faults_begin_at_the_onset(fault: str) -> None:
    counts = process(400)
    runs = [counts[:90], counts[100:150]]
    altered = inject_from(runs, counts, 20, fault, 0)
    for run, changed in zip(runs, altered, strict=True):
        assert changed.shape == run.shape and changed.dtype == np.int16
        assert (changed[:20] == run[:20]).all() and (changed[20:] != run[20:]).any()
    again = inject_from(runs, counts, 20, fault, 0)
    assert all((one == other).all() for one, other in zip(altered, again, strict=True))


def test_the_same_data_and_seed_give_the_same_model() -> None:
    counts = process(400)
    one, other = (train([reader(counts)], Options(family="pca")) for _ in range(2))
    assert one.model == other.model and one.chosen.quality == other.chosen.quality


def skab(shared_data: object, name: str) -> tuple[np.ndarray, np.ndarray]:
    path: Path = shared_data("skab") / "dev" / "valve1" / f"{name}.csv"  # type: ignore[operator]
    table = np.genfromtxt(path, delimiter=";", skip_header=1, usecols=range(1, 10))
    return table[:, :8], table[:, 8] > 0


@pytest.mark.needs_shared
@pytest.mark.parametrize("name", ["3", "7"])
def test_water_rig_with_a_valve_closed(shared_data: object, name: str) -> None:
    values, fault = skab(shared_data, name)
    detector = OffbeatDetector(family="pca", rate=1.0).fit(values[:400])
    score = -detector.score_samples(values[400:])
    assert roc_auc_score(fault[400:], score) > 0.9
    assert (score[fault[400:]] >= 256).mean() > 0.7 and (score[~fault[400:]] >= 256).mean() < 0.1


@pytest.mark.needs_shared
@pytest.mark.parametrize("family", ["gaussian", "pca"])
def test_integers_lose_nothing_far_from_the_normal(shared_data: object, family: str) -> None:
    values, fault = skab(shared_data, "6")
    detector = OffbeatDetector(family=family, rate=1.0).fit(values[:400])
    score = -detector.score_samples(values[400:])[39:]
    pipeline, chosen = detector.training_.pipeline, detector.training_.chosen
    counts = np.clip(np.round(values[400:] / detector.scales_), -32768, 32767).astype(np.int16)
    windows = np.lib.stride_tricks.sliding_window_view(counts, pipeline.window, axis=0).transpose(0, 2, 1)
    exact = chosen.family.float_score(pipeline.vectors(pipeline.extract(windows)) / 128)
    truth = fault[400:][39:]
    assert abs(roc_auc_score(truth, score) - roc_auc_score(truth, exact)) < 0.005


@pytest.mark.needs_shared
def test_machine_temperature_finds_every_event_with_few_false_ones(shared_data: object) -> None:
    path = shared_data("nab") / "dev" / "machine_temperature_system_failure.csv"  # type: ignore[operator]
    table = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=(1, 2))
    values, window, start = table[:, :1], table[:, 1].astype(int), 750
    detector = OffbeatDetector(family="gaussian", rate=1 / 300).fit(values[:start])
    over = np.flatnonzero(-detector.score_samples(values[start:]) >= 256) + start
    events = over[np.diff(over, prepend=-(10**9)) > 288]  # a further one only after a quiet day
    assert set(window[events]) - {0} == {1, 2, 3, 4}
    assert (window[events] == 0).sum() <= 6
    healthy = window[start:] == 0
    assert np.isin(np.arange(start, len(values))[healthy], over).mean() < 0.1
