"""What the board does with its input, under MicroPython: every command, every wrong one, and garbage.

The board runs with a source of made-up frames and a clock that stands still until a test moves it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from offbeat.device import link
from offbeat.train.modelfile import Golden
from tests.parity.board import KERNELS, AppWorker, Worker, started
from tests.parity.models import Case, make_case, make_window, with_golden

RATE = 100_000  # millihertz
Line = tuple[str, dict[str, str]]


@pytest.fixture(scope="module", params=KERNELS)
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    with started(request.param) as (running,):
        yield running


@pytest.fixture(scope="module")
def case() -> Case:
    return with_golden(make_case("gaussian", 32, 2, seed=11, rate=RATE / 1000))


@pytest.fixture
def board(worker: Worker, case: Case) -> AppWorker:
    return started_board(worker, case.data)


def started_board(worker: Worker, model: bytes) -> AppWorker:
    return AppWorker(worker, model, channels=2, rate_millihertz=RATE)


def lines(output: bytes) -> list[Line]:
    """The records in what a board said: kind and fields; a line that is none fails."""
    assert output == b"" or output.endswith(b"\r\n")
    records = [link.parse(line) for line in output.split(b"\r\n")[:-1]]
    assert all(record is not None for record in records)
    return [(record[0], record[2]) for record in records if record is not None]


def kinds(output: bytes) -> list[str]:
    return [kind for kind, _ in lines(output)]


def ask(board: AppWorker, kind: str, sequence: int = 7, **fields: Any) -> list[Line]:
    return lines(board.feed(link.encode(kind, sequence, fields.items())))


def made_up(frames: int, channels: int = 2) -> NDArray[np.int16]:
    """The counts that the worker's source gives from its start, int16 [n, C]."""
    counts, state = [], 1
    for _ in range(frames * channels):
        state = (state * 8121 + 28411) % 134456
        counts.append((state & 0x3F) - 32)
    return np.array(counts, dtype=np.int16).reshape(frames, channels)


def scores(output: bytes) -> list[tuple[int, int, int]]:
    return [(int(f["n"]), int(f["s"]), int(f["a"])) for kind, f in lines(output) if kind == "SCORE"]


def expected_scores(case: Case, frames: int) -> list[tuple[int, int, int]]:
    found = case.pipeline.run(made_up(frames))
    return [(n, int(s), int(a)) for n, (s, a) in enumerate(zip(found.scores, found.alarm, strict=True))]


def test_start_is_announced(board: AppWorker, case: Case, worker: Worker) -> None:
    said = lines(board.started)
    assert [kind for kind, _ in said] == ["CHANNEL", "CHANNEL", "HELLO", "MODE", "HEALTH"]
    assert [fields["name"] for kind, fields in said if kind == "CHANNEL"] == ["c0", "c1"]
    hello = said[2][1]
    assert hello["model"] == case.model.identity
    assert (hello["channels"], hello["window"], hello["hop"]) == ("2", "32", str(case.model.hop))
    assert (hello["rate"], hello["v"], hello["mode"]) == ("100.000", "1", "score")
    assert hello["viper"] == ("1" if worker.kernels == "viper" else "0")
    assert said[3] == ("MODE", {"mode": "score", "why": "start"})


def test_hello_and_health_are_answered(board: AppWorker) -> None:
    assert [kind for kind, _ in ask(board, "HELLO", 41)] == ["CHANNEL", "CHANNEL", "HELLO"]
    assert ask(board, "HELLO", 41)[-1][1]["re"] == "41"
    board.advance(3000)
    ((kind, health),) = ask(board, "HEALTH", 65535)
    assert kind == "HEALTH"
    assert (health["re"], health["up"], health["bad"], health["lost"]) == ("65535", "3", "0", "0")
    assert int(health["heap"]) > 0 and int(health["alloc"]) > 0


def test_health_comes_by_itself_every_ten_seconds(board: AppWorker) -> None:
    said = []
    for _ in range(30):
        board.advance(1000)
        said += [fields["up"] for kind, fields in lines(board.step(0)) if kind == "HEALTH"]
    assert said == ["10", "20", "30"]


def test_sequence_numbers_leave_no_gap(board: AppWorker) -> None:
    output = board.started + board.step(3000) + board.feed(link.encode("HELLO", 1)) + board.step(3000)
    parsed = [link.parse(line) for line in output.split(b"\r\n")[:-1]]
    numbers = [record[1] for record in parsed if record is not None]
    assert numbers == list(range(len(numbers)))


def test_windows_are_scored_and_decided_as_numpy_does(board: AppWorker, case: Case) -> None:
    assert scores(board.step(2000)) == expected_scores(case, 2000)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"~HELLO 1 *00000000", "crc"),
        (b"~HELLO", "form"),
        (b"~", "form"),
        (b"~\x00\xff\x80 1 *12345678", "form"),
        (b"~" + b"x" * 250, "long"),
        (b"~" + b"x" * 5000, "long"),
    ],
)
def test_damage_is_counted_and_answered_at_most_once_a_second(board: AppWorker, text: bytes, why: str) -> None:
    assert lines(board.feed(text + b"\r\n")) == [("NAK", {"re": "0", "why": why})]
    board.advance(999)
    assert board.feed((text + b"\n") * 20) == b""
    board.advance(1)
    assert kinds(board.feed((text + b"\r") * 5)) == ["NAK"]
    assert board.state()["bad"] == 26
    assert ask(board, "HEALTH")[0][1]["bad"] == "26"


def test_lines_without_our_mark_are_ignored(board: AppWorker) -> None:
    assert board.feed(b"\r\n\n\r>>> import offbeat\r\nhello\n\x04\x03 *12345678\r\n") == b""
    assert board.state()["bad"] == 0


def test_the_longest_line_is_taken_and_one_more_is_not(board: AppWorker) -> None:
    body = link.encode("HEALTH", 1, [("pad", "x" * 300)])
    for length, expected in ((250, ["HEALTH"]), (251, ["NAK"])):
        filling = 300 - (len(body) - 2 - length)
        line = link.encode("HEALTH", 1, [("pad", "x" * filling)])
        assert len(line) - 2 == length
        assert kinds(board.feed(line)) == expected


def test_the_line_after_an_overlong_one_is_heard(board: AppWorker) -> None:
    assert kinds(board.feed(b"y" * 1000 + b"\n" + link.encode("HEALTH", 1))) == ["NAK", "HEALTH"]


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(pieces=st.lists(st.one_of(st.binary(max_size=300), st.just(b"\n"), st.just(b"~"), st.just(b"\r")), max_size=12))
def test_garbage_never_disturbs_the_scores(worker: Worker, case: Case, pieces: list[bytes]) -> None:
    board = started_board(worker, case.data)
    output = board.step(50)
    for piece in pieces:
        output += board.feed(piece) + board.step(50)
    assert scores(output) == expected_scores(case, 50 * (len(pieces) + 1))
    board.feed(b"\n")
    assert kinds(board.feed(link.encode("HEALTH", 3))) == ["HEALTH"]


@pytest.mark.parametrize(
    ("kind", "fields", "why"),
    [
        ("NOSUCH", {}, "unknown"),
        ("hello", {}, "unknown"),
        ("RECORD", {}, "field"),
        ("RECORD", {"seconds": "0"}, "field"),
        ("RECORD", {"seconds": "86401"}, "field"),
        ("RECORD", {"seconds": "-1"}, "field"),
        ("RECORD", {"seconds": "2.5"}, "field"),
        ("RECORD", {"seconds": "9" * 200}, "field"),
        ("WINDOW", {}, "field"),
        ("WINDOW", {"o": 0}, "field"),
        ("WINDOW", {"o": 1, "d": "AAA="}, "field"),
        ("WINDOW", {"o": 0, "d": "AA=="}, "field"),
        ("WINDOW", {"o": -2, "d": "AAA="}, "field"),
        ("WINDOW", {"o": 128, "d": "AAA="}, "field"),
        ("WINDOW", {"o": "9" * 100, "d": "AAA="}, "field"),
        ("WINDOW", {"o": 0, "d": "A"}, "field"),
        ("RUN", {}, "field"),
        ("RUN", {"n": "x"}, "field"),
        ("RUN", {"n": 1}, "window"),
    ],
)
def test_a_wrong_command_is_refused_and_nothing_else_happens(
    board: AppWorker, kind: str, fields: dict[str, Any], why: str
) -> None:
    assert ask(board, kind, 300, **fields) == [("NAK", {"re": "300", "why": why})]
    assert board.state() == {"bad": 0, "windows": 0, "mode": "score", "taken": 0}


def test_a_run_number_that_is_too_large_is_refused_with_a_window_in_place(board: AppWorker) -> None:
    assert ask(board, "WINDOW", o=0, d="AAA=") == [("ACK", {"re": "7", "o": "0"})]
    for number in ("9" * 11, "9" * 100, "-1"):
        assert ask(board, "RUN", 300, n=number) == [("NAK", {"re": "300", "why": "field"})]
    assert [kind for kind, _ in ask(board, "RUN", 300, n=2**30 - 1)][-1] == "RESULT"


def test_without_a_model_the_board_is_idle_and_says_so(worker: Worker) -> None:
    board = started_board(worker, b"")
    assert ("MODE", {"mode": "idle", "why": "no_model"}) in lines(board.started)
    assert board.step(500) == b""
    for kind, fields in (("WINDOW", {"o": 0, "d": "AAA="}), ("RUN", {"n": 1}), ("SELFTEST", {}), ("BENCH", {})):
        assert ask(board, kind, 3, **fields) == [("NAK", {"re": "3", "why": "model"})]
    assert ask(board, "RECORD", seconds=1)[1] == ("MODE", {"mode": "record", "why": "asked"})
    assert lines(board.step(100))[-1] == ("MODE", {"mode": "idle", "why": "done"})


def recorded(output: bytes) -> NDArray[np.int16]:
    """Frames of the RAW lines, whose numbers leave no gap, int16 [n, 2]."""
    frames: list[list[int]] = []
    for kind, fields in lines(output):
        if kind == "RAW":
            assert int(fields["i"]) == len(frames)
            frames += np.frombuffer(base64.b64decode(fields["d"]), "<i2").reshape(-1, 2).tolist()
    return np.array(frames, dtype=np.int16).reshape(-1, 2)


def test_a_recording_ends_by_itself_and_scoring_goes_on(board: AppWorker, case: Case) -> None:
    first = scores(board.step(64))
    answer = ask(board, "RECORD", 9, seconds=3)
    assert answer[0] == ("ACK", {"re": "9", "rate": "100.000", "channels": "2"})
    assert answer[1] == ("MODE", {"mode": "record", "why": "asked"})
    assert board.state()["mode"] == "record"
    output = board.step(200) + board.step(100)
    assert np.array_equal(recorded(output), made_up(364)[64:])
    said = lines(output)
    assert set(kinds(output)) == {"RAW", "MODE"}
    assert said[-1] == ("MODE", {"mode": "score", "why": "done"})
    assert board.state()["mode"] == "score"
    after = scores(board.step(64))
    assert after[0][0] == len(first), "windows go on counting"


def test_a_recording_of_seconds_has_that_many_frames_and_no_more(board: AppWorker) -> None:
    ask(board, "RECORD", seconds=2)
    output = board.step(200)
    assert len(recorded(output)) == 200
    assert lines(output)[-1] == ("MODE", {"mode": "score", "why": "done"})
    assert "RAW" not in kinds(board.step(500))


def test_scores_after_a_recording_are_of_frames_after_it(board: AppWorker, case: Case) -> None:
    board.step(20)
    ask(board, "RECORD", seconds=1)
    board.step(100)
    window, hop = case.model.window, case.model.hop
    found = case.pipeline.run(made_up(120 + window + hop)[120:])
    assert [s for _, s, _ in scores(board.step(window + hop))] == found.scores.tolist()


def test_a_recording_without_frames_ends_by_the_clock(board: AppWorker) -> None:
    ask(board, "RECORD", seconds=2)
    board.advance(11_999)
    assert "MODE" not in kinds(board.step(0))
    board.advance(1)
    assert ("MODE", {"mode": "score", "why": "time"}) in lines(board.step(0))


def test_stop_ends_a_recording_and_keeps_what_was_taken(board: AppWorker) -> None:
    ask(board, "RECORD", seconds=60)
    output = board.step(130) + board.feed(link.encode("STOP", 12))
    assert np.array_equal(recorded(output), made_up(130))
    assert lines(output)[-2:] == [("MODE", {"mode": "score", "why": "stopped"}), ("ACK", {"re": "12"})]
    assert ask(board, "STOP", 13) == [("ACK", {"re": "13"})], "STOP may be repeated"


def send_window(board: AppWorker, window: NDArray[np.int16], order: NDArray[np.int64]) -> None:
    raw = window.astype("<i2").tobytes()
    for at in (int(i) for i in order):
        part = base64.b64encode(raw[at : at + 90]).decode()
        assert ask(board, "WINDOW", 5, o=at, d=part) == [("ACK", {"re": "5", "o": str(at)})]


@pytest.mark.parametrize("shape", ["vibration", "full scale noise", "alternating extremes", "constant"])
def test_a_window_sent_in_any_order_is_scored_as_numpy_does(board: AppWorker, case: Case, shape: str) -> None:
    window = make_window((shape, "square wave"), 32, seed=3)
    order = np.random.default_rng(len(shape)).permutation(np.arange(0, 128, 90))
    send_window(board, window, order)
    send_window(board, window, order)  # repeated without harm
    said = ask(board, "RUN", 66, n=1234)
    features = case.pipeline.extract(window[None])[0]
    parts = [fields for kind, fields in said if kind == "FEATURES"]
    assert [int(fields["o"]) for fields in parts] == list(range(0, case.count, 24))
    raw = b"".join(base64.b64decode(fields["d"]) for fields in parts)
    assert np.frombuffer(raw, "<i4").tolist() == features.tolist()
    kind, result = said[-1]
    assert kind == "RESULT"
    assert (result["re"], result["n"], result["features"]) == ("66", "1234", str(case.count))
    assert int(result["s"]) == case.pipeline.score(window[None])[0]


def test_many_features_come_in_several_lines(worker: Worker) -> None:
    large = next(c for c in (make_case("kmeans", 16, 2, s, most=80, rate=100.0) for s in range(9)) if c.count > 50)
    board = started_board(worker, large.data)
    window = make_window(("vibration", "vibration"), 16, seed=1)
    send_window(board, window, np.array([0]))
    parts = [fields for kind, fields in ask(board, "RUN", n=0) if kind == "FEATURES"]
    raw = b"".join(base64.b64decode(fields["d"]) for fields in parts)
    assert len(parts) == -(-large.count // 24) > 2
    assert np.frombuffer(raw, "<i4").tolist() == large.pipeline.extract(window[None])[0].tolist()


def test_commands_between_windows_leave_the_live_scores_alone(board: AppWorker, case: Case) -> None:
    output = board.step(333)
    send_window(board, make_window(("full scale noise",) * 2, 32, seed=1), np.array([0, 90]))
    for kind, fields in (("RUN", {"n": 3}), ("SELFTEST", {}), ("HELLO", {}), ("HEALTH", {}), ("NOSUCH", {})):
        ask(board, kind, **fields)
        output += board.step(77)
    assert scores(output) == expected_scores(case, 333 + 5 * 77)


def test_a_window_is_timed_apart_from_the_live_ones(board: AppWorker, case: Case) -> None:
    assert ask(board, "BENCH", 4) == [("NAK", {"re": "4", "why": "window"})]
    window = make_window(("vibration",) * 2, 32, seed=2)
    output = board.step(100)
    send_window(board, window, np.array([0, 90]))
    before = ask(board, "RUN", n=5)
    ((kind, fields),) = ask(board, "BENCH", 4)
    assert kind == "ACK" and set(fields) == {"re", "features", "model", "taken"}
    assert (fields["re"], fields["taken"]) == ("4", "0")
    assert int(fields["features"]) >= 0 and int(fields["model"]) >= 0

    def results(said: list[Line]) -> list[Line]:
        return [(k, {key: value for key, value in f.items() if key != "us"}) for k, f in said]

    assert results(ask(board, "RUN", n=5)) == results(before), "computed once more, not remembered"
    output += board.step(200)
    assert results(ask(board, "RUN", n=5)) == results(before), "live windows in between do not show"
    assert scores(output) == expected_scores(case, 300)


def test_selftest_passes(board: AppWorker) -> None:
    assert ask(board, "SELFTEST", 8) == [("ACK", {"re": "8", "passed": "3", "of": "3"})]


def test_selftest_finds_a_wrong_vector(worker: Worker, case: Case) -> None:
    good = case.parts.golden
    wrong_score = Golden(good[0].window, good[0].features, good[0].score + 1)
    one_more = np.eye(1, case.count, 1, dtype=np.int32)[0]
    wrong_feature = Golden(good[1].window, good[1].features + one_more, good[1].score)
    other = Case(type(case.parts)(**{**vars(case.parts), "golden": (wrong_score, wrong_feature, good[2])}))
    board = started_board(worker, other.data)
    assert ask(board, "SELFTEST", 8) == [("ACK", {"re": "8", "passed": "1", "of": "3"})]


def test_selftest_without_vectors(worker: Worker) -> None:
    board = started_board(worker, make_case("kmeans", 16, 2, 3, rate=100.0).data)
    assert ask(board, "SELFTEST", 8) == [("ACK", {"re": "8", "passed": "0", "of": "0"})]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"channels": 1, "rate_millihertz": RATE}, "channels"),
        ({"channels": 2, "rate_millihertz": RATE * 11 // 10}, "rate"),
    ],
)
def test_a_model_that_does_not_fit_the_source_does_not_run(
    worker: Worker, case: Case, change: dict[str, int], why: str
) -> None:
    board = AppWorker(worker, case.data, **change)
    assert ("MODE", {"mode": "idle", "why": why}) in lines(board.started)
    assert "SCORE" not in kinds(board.step(200))


@pytest.mark.parametrize(
    ("meta", "why"),
    [
        ({"scales": "0.001,0.001"}, ""),
        ({"scales": "0.004"}, "range"),
        ({"scales": "about one"}, "range"),
        ({"scales": "nan"}, "range"),
        ({"sensor": "made up"}, ""),
        ({"sensor": "LIS3DH"}, "sensor"),
    ],
)
def test_a_model_of_another_range_or_sensor_does_not_run(
    worker: Worker, case: Case, meta: dict[str, str], why: str
) -> None:
    other = Case(type(case.parts)(**{**vars(case.parts), "meta": meta}))
    said = lines(started_board(worker, other.data).started)
    expected = {"mode": "idle", "why": why} if why else {"mode": "score", "why": "start"}
    assert ("MODE", expected) in said
