"""NumPy, viper and bytecode agree bit for bit: features, standard scores, score, contributions, decisions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from offbeat.train.families import FAMILIES
from offbeat.train.families.kmeans import KMeans
from offbeat.train.modelfile import Decision
from offbeat.train.pipeline import merged_reasons
from tests.parity.board import KERNELS, Verdict, Worker, started
from tests.parity.models import BAND_WINDOWS, SHAPES, Case, cases, make_case, make_window, near_threshold

MANY = settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
SOME = settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def workers() -> Iterator[list[Worker]]:
    with started(*KERNELS) as running:
        yield running


def assert_agrees(case: Case, window: NDArray[np.int16], found: Verdict, kernels: str) -> None:
    pipeline = case.pipeline
    features = pipeline.extract(window[None])
    vectors = pipeline.vectors(features)
    names = list(zip(pipeline.names, features[0], found.features, strict=True))
    assert np.array_equal(found.features, features[0]), f"{kernels}: name, NumPy, board: {names}"
    assert np.array_equal(found.vector, vectors[0]), kernels
    assert found.score == pipeline.family.score(vectors)[0], kernels
    assert np.array_equal(found.contributions, pipeline.family.contributions(vectors)[0]), kernels


def in_ring(window: NDArray[np.int16], hop: int, first: int) -> NDArray[np.int16]:
    """The window from frame `first` on in a ring int16 [N + hop, C], and full-scale noise where it is not."""
    ring = make_window(("full scale noise",) * window.shape[1], len(window) + hop, seed=first)
    ring[(first + np.arange(len(window))) % len(ring)] = window
    return ring


@pytest.mark.parametrize("kernels", KERNELS)
def test_each_run_uses_the_kernels_it_claims(workers: list[Worker], kernels: str) -> None:
    worker = next(worker for worker in workers if worker.kernels == kernels)
    viper = kernels == "viper"
    assert worker.kernels_in_use() == {
        "flag": viper,
        "viper_module": viper,
        "bytecode_module": not viper,
        "in_use": True,
        "keeps_a_word": viper,
    }


@MANY
@given(drawn=cases(), data=st.data())
def test_a_window_means_the_same_everywhere(
    workers: list[Worker], drawn: tuple[Case, NDArray[np.int16]], data: st.DataObject
) -> None:
    case, window = drawn
    hop = case.model.hop
    ring = in_ring(window, hop, first := data.draw(st.integers(0, len(window) + hop - 1)))
    for worker in workers:
        worker.load(case.data)
        assert_agrees(case, window, worker.measure(ring, first, case.count), worker.kernels)


@pytest.mark.parametrize("window", BAND_WINDOWS)
@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_every_shape_at_every_spectrum_length(workers: list[Worker], shape: str, window: int) -> None:
    families = sorted(FAMILIES, reverse=len(shape) % 2 == 0)
    for seed, family in enumerate(families):
        case = make_case(family, window, channels=1, seed=seed + window, most=24)
        counts = make_window((shape,), window, seed=seed)
        for worker in workers:
            worker.load(case.data)
            found = worker.measure(in_ring(counts, 1, seed), seed, case.count)
            assert_agrees(case, counts, found, worker.kernels)


@SOME
@given(
    family=st.sampled_from(sorted(FAMILIES)),
    window=st.sampled_from([8, 16, 21, 32, 64]),
    channels=st.integers(1, 3),
    seed=st.integers(0, 2**31),
    n=st.integers(1, 4),
    holdoff=st.integers(0, 4),
)
@example(family="autoencoder", window=8, channels=1, seed=0, n=1, holdoff=0)  # one feature twice
def test_a_recording_gives_the_same_scores_alarms_and_reasons(
    workers: list[Worker], family: str, window: int, channels: int, seed: int, n: int, holdoff: int
) -> None:
    rng = np.random.default_rng(seed)
    shapes = rng.choice(["vibration", "vibration", "vibration", "full scale noise", "constant"], 12)
    counts = np.concatenate([make_window((str(s),) * channels, 2 * window, seed + i) for i, s in enumerate(shapes)])
    decision = Decision(int(rng.integers(1, n + 1)), n, 250, holdoff)
    case = near_threshold(make_case(family, window, channels, seed), counts, decision)
    verdicts = case.pipeline.run(counts)
    parts = case.pipeline.contributions(verdicts.features)
    starts = verdicts.alarm & ~np.concatenate([[False], verdicts.alarm[:-1]])
    for worker in workers:
        worker.load(case.data)
        found = worker.run(counts)
        assert [score for score, _, _ in found] == verdicts.scores.tolist(), worker.kernels
        assert [alarm for _, alarm, _ in found] == verdicts.alarm.tolist(), worker.kernels
        for i, (_, _, why) in enumerate(found):
            expected = case.pipeline.reasons(parts[i]) if starts[i] else []
            named = merged_reasons((case.pipeline.reason_names[j], value) for j, value in why)
            assert named == expected, worker.kernels


def test_the_first_of_equally_near_centroids_counts(workers: list[Worker]) -> None:
    case = make_case("kmeans", 64, 2, seed=4)
    window = make_window(("vibration", "vibration"), 64, seed=2)
    (vector,) = case.pipeline.vectors(case.pipeline.extract(window[None]))
    away = 300 * np.eye(case.count, dtype=np.int32)[:3] * np.where(vector > 0, -1, 1)
    same = np.full(3, 9, dtype=np.int32)
    family = KMeans((vector + away).astype(np.int32), np.ones(3), same, 20_000 + 0 * same)
    tied = Case(replace(case.parts, parameters=family.parameters()))
    assert tied.pipeline.contributions(tied.pipeline.extract(window[None]))[0].nonzero()[0].tolist() == [0]
    for worker in workers:
        worker.load(tied.data)
        assert_agrees(tied, window, worker.measure(window, 0, case.count), worker.kernels)


def test_the_largest_model_agrees(workers: list[Worker]) -> None:
    """255 features over 4 channels of 1024 samples: every index in the kernels at its highest."""
    for seed in range(20):
        case = make_case("gaussian", 1024, 4, seed, most=255)
        if case.count > 200:
            break
    assert case.count > 200
    window = make_window(("vibration", "square wave", "impulses", "full scale noise"), 1024, seed=1)
    for worker in workers:
        worker.load(case.data)
        assert_agrees(case, window, worker.measure(in_ring(window, 3, 500), 500, case.count), worker.kernels)
