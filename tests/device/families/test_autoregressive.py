"""The board's and C's predictor against the NumPy statement, over sequences of windows, and what is refused."""

from __future__ import annotations

import ctypes
import struct
import subprocess
from array import array
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from offbeat.device.families import autoregressive, autoregressive_bytecode
from offbeat.train.families.autoregressive import LONGEST_ROW, MOST_SHIFT, Autoregressive
from offbeat.train.modelfile import Decision
from tests.parity import checked
from tests.parity.board import KERNELS, PACKAGE, Worker, started
from tests.parity.families.autoregressive import make, sequence
from tests.parity.models import make_case, make_window, near_threshold
from tests.parity.test_c import COMPILERS, FLAGS, pointer

_GUARD = 12345
_RUNTIME = PACKAGE.parent / "c"


def drawn(seed: int, count: int, windows: int = 12) -> tuple[Autoregressive, NDArray[np.int32]]:
    rng = np.random.default_rng(seed)
    family = make(rng, count)
    assert autoregressive.check(memoryview(family.parameters()), count) == ""
    return family, sequence(rng, family, windows)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 12))
def test_the_board_agrees_with_numpy_over_a_sequence(seed: int, count: int) -> None:
    """Twice, with a reset between; the vector's further words may hold anything and stay as they are."""
    family, vectors = drawn(seed, count)
    scores, parts = family.score(vectors), family.contributions(vectors)
    scorer = autoregressive.Scorer(memoryview(family.parameters()), count)
    words = array("h", [_GUARD] * (scorer.room() + 1))
    for _ in range(2):
        scorer.reset()
        for i, vector in enumerate(vectors):
            words[:count] = array("h", vector.tolist())
            assert scorer.score(words) == scores[i], i
            scorer.explain(words)
            assert [scorer.contribution(words, j) for j in range(count)] == parts[i].tolist(), i
            assert words[:count].tolist() == vector.tolist() and words[count:].tolist() == [_GUARD] * len(words[count:])


def test_without_a_reset_a_sequence_goes_on() -> None:
    family, vectors = drawn(3, 4)
    scorer = autoregressive.Scorer(memoryview(family.parameters()), 4)
    found = [scorer.score(array("h", vector.tolist())) for vector in [*vectors, *vectors]]
    assert found == family.score(np.concatenate([vectors, vectors])).tolist()


@pytest.mark.parametrize("seed", range(4))
def test_255_features_stay_in_range(seed: int) -> None:
    """Every operation checked, over windows at either extreme."""
    family, vectors = drawn(seed, 255, windows=2)
    vectors[1] = 8191 * np.sign(family.weights[0, 0])
    scorer = checked.device("families.autoregressive").Scorer(memoryview(family.parameters()), 255)
    scores = family.score(vectors)
    for vector, score in zip(vectors, scores, strict=True):
        assert scorer.score(array("h", vector.tolist())) == score


WRAPPER = """
#include "offbeat_internal.h"
int32_t score(const int16_t *parameters, const int16_t *vector, int16_t *room, uint8_t count);
int32_t part(const int16_t *parameters, const int16_t *vector, const int16_t *room, uint8_t count, uint8_t j);
int32_t score(const int16_t *parameters, const int16_t *vector, int16_t *room, uint8_t count)
{ return offbeat_autoregressive.score(parameters, vector, room, count); }
int32_t part(const int16_t *parameters, const int16_t *vector, const int16_t *room, uint8_t count, uint8_t j)
{ return offbeat_autoregressive.contribution(parameters, vector, room, count, j); }
"""


@pytest.fixture(scope="module", params=COMPILERS)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    directory = tmp_path_factory.mktemp("c")
    (directory / "wrapper.c").write_text(WRAPPER)
    needed = [_RUNTIME / f"{name}.c" for name in ("offbeat", "offbeat_features", "offbeat_logarithm")]
    needed += [_RUNTIME / f"{name}.c" for name in ("offbeat_window", "offbeat_spectrum", "offbeat_autoregressive")]
    sanitize = ["-fsanitize=undefined", "-fno-sanitize-recover=all"] if request.param == "gcc" else []
    command = [*COMPILERS[request.param], *FLAGS, "-O2", *sanitize, "-shared", "-fPIC", f"-I{_RUNTIME}"]
    subprocess.run([*command, *needed, directory / "wrapper.c", "-o", directory / "library.so"], check=True)
    return ctypes.CDLL(str(directory / "library.so"))


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.one_of(st.integers(1, 12), st.just(60)))
def test_c_agrees_with_numpy_over_a_sequence(library: ctypes.CDLL, seed: int, count: int) -> None:
    """Twice, from room that is all zeros as after offbeat_reset(), and never past its end."""
    family, vectors = drawn(seed, count)
    scores, parts = family.score(vectors), family.contributions(vectors)
    section = family.parameters()
    parameters = np.frombuffer(section, "<i2").copy()
    words = autoregressive.Scorer(memoryview(section), count).room() - count
    for _ in range(2):
        room = np.append(np.zeros(words, dtype=np.int16), np.int16(_GUARD))
        for i, vector in enumerate(vectors.astype(np.int16)):
            arguments = (pointer(parameters), pointer(vector), pointer(room), count)
            assert library.score(*arguments) == scores[i], i
            assert [library.part(*arguments, j) for j in range(count)] == parts[i].tolist(), i
        assert room[-1] == _GUARD


@pytest.fixture(scope="module")
def workers() -> Iterator[list[Worker]]:
    with started(*KERNELS) as running:
        yield running


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), channels=st.integers(1, 3))
def test_micropython_agrees_with_numpy_over_a_recording(workers: list[Worker], seed: int, channels: int) -> None:
    """Scores, alarms and their reasons of twenty windows; then a window on its own, twice the same by a reset."""
    rng = np.random.default_rng(seed)
    shapes = rng.choice(["vibration", "vibration", "full scale noise", "constant"], 10)
    counts = np.concatenate([make_window((str(s),) * channels, 64, seed + i) for i, s in enumerate(shapes)])
    case = near_threshold(make_case("autoregressive", 32, channels, seed), counts, Decision(1, 2, 250, 1))
    verdicts, pipeline = case.pipeline.run(counts), case.pipeline
    parts = pipeline.family.contributions(pipeline.vectors(verdicts.features))
    alone = pipeline.family.score(pipeline.vectors(verdicts.features[:1]))[0]
    for worker in workers:
        worker.load(case.data)
        found = worker.run(counts)
        assert [score for score, _, _ in found] == verdicts.scores.tolist(), worker.kernels
        assert [alarm for _, alarm, _ in found] == verdicts.alarm.tolist(), worker.kernels
        for i, (_, _, why) in enumerate(found):
            assert all(parts[i, j] == value for j, value in why), worker.kernels
        for _ in range(2):
            assert worker.measure(counts[:32], 0, case.count).score == alone, worker.kernels


def sound() -> bytearray:
    """The section of two features with two lags: rows of 7 words from word 10 on."""
    two = np.ones(2, dtype=np.int32)
    weights = np.full((2, 2, 2), 3000, dtype=np.int32)
    bounds, limits, scales = (20000, 64, 512, 1300), (16384.0, 16384.0), (4, 20000, 5, 30000)
    family = Autoregressive(weights, 12 * two, -5 * two, 9000 * two, 9 * two, bounds, limits, scales)
    return bytearray(family.parameters())


def word(at: int, value: int) -> Callable[[bytearray], None]:
    return lambda data: struct.pack_into("<H", data, 2 * at, value & 0xFFFF)


def long_row(data: bytearray) -> None:
    struct.pack_into("<4h", data, 2 * 13, 32767, -32768, 32767, -32768)


HOSTILE = {
    "cut short": (lambda data: data.__delitem__(slice(19, None)), "is cut short"),
    "other features": (word(0, 3), "number of features or of lags"),
    "no lag": (word(1, 0), "number of features or of lags"),
    "five lags": (word(1, 5), "number of features or of lags"),
    "one lag more": (word(1, 3), "wrong length"),
    "one word less": (lambda data: data.__delitem__(slice(-2, None)), "wrong length"),
    "limit": (word(2, 23171), "limit of the residuals"),
    "limit above a word": (word(2, 32768), "limit of the residuals"),
    "slack": (word(3, 32768), "bound of the CUSUM"),
    "reach": (word(4, 65535), "bound of the CUSUM"),
    "ceiling": (word(5, 32768), "bound of the CUSUM"),
    "reduce": (word(6, 31), "predictor's scale"),
    "gain": (word(7, 32768), "predictor's scale"),
    "reduce of the CUSUM": (word(8, 31), "predictor's scale"),
    "gain of the CUSUM": (word(9, 32768), "predictor's scale"),
    "multiplier": (word(11, 16384), "scale of a predicted feature"),
    "no first shift": (word(12, 9 << 8), "scale of a predicted feature"),
    "first shift": (word(12, 9 << 8 | MOST_SHIFT + 1), "scale of a predicted feature"),
    "no second shift": (word(19, 12), "scale of a predicted feature"),
    "second shift": (word(19, 25 << 8 | 12), "scale of a predicted feature"),
    "row": (long_row, "weights that predict a feature could overflow"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sections_are_refused(name: str) -> None:
    spoil, reason = HOSTILE[name]
    data = sound()
    assert autoregressive.check(memoryview(data), 2) == ""
    spoil(data)
    assert reason in autoregressive.check(memoryview(bytes(data)), 2)


def test_the_longest_row_is_accepted() -> None:
    data = sound()
    struct.pack_into("<4h", data, 2 * 13, 32767, -32767, 32767, -(LONGEST_ROW - 3 * 32767))
    assert autoregressive.check(memoryview(data), 2) == ""


@pytest.fixture(scope="module", params=["armv6m", "armv7m", "rv32imc"])
def machine_code(request: pytest.FixtureRequest) -> object:
    from tests.parity.thumb import ThumbModule

    return ThumbModule(PACKAGE / "families" / "autoregressive_viper.py", architecture=request.param)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 8))
def test_kernels_agree_as_machine_code(machine_code, seed: int, count: int) -> None:
    family, vectors = drawn(seed, count, windows=5)
    section = family.parameters()
    state = autoregressive.Scorer(memoryview(section), count).state
    words = np.frombuffer(section, "<i2").copy()
    parameters, buffer = machine_code.buffer(words), machine_code.buffer(np.array(state, dtype=np.int16))
    given = array("h", words.tolist())
    for vector in vectors.astype(np.int16):
        scores, expected = machine_code.buffer(vector), array("h", vector.tolist())
        distance = autoregressive_bytecode.residual_distance(given, count, expected, state)
        assert machine_code.call("residual_distance", parameters, count, scores, buffer) == distance
        if family.settings["cusum"]:
            distance = autoregressive_bytecode.cusum_distance(given, state)
            assert machine_code.call("cusum_distance", parameters, buffer) == distance
        autoregressive_bytecode.remember(given, expected, state)
        machine_code.call("remember", parameters, scores, buffer)
        assert buffer.array().tolist() == state.tolist()
