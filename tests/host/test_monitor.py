"""Watching a board: scores, alarms and their reasons, what is lost, and the way back after unplugging."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from offbeat.host import monitor as monitor_module
from offbeat.host.events import (
    Alarm,
    Connected,
    Counts,
    Disconnected,
    Event,
    Health,
    Log,
    Mode,
    NoVerdict,
    Score,
    Silence,
    event_of,
)
from offbeat.host.lines import Line
from offbeat.host.monitor import Monitor
from offbeat.host.virtual import VirtualBoard
from offbeat.train.errors import InputError
from tests.host.helpers import lose_lines, run_first, whole_model
from tests.host.small import HOP, RATE, hum, needs_micropython, small_model, source

# --- from lines to events ---


def line(kind: str, **fields: str) -> Line:
    return Line(kind, 1, fields, f"~{kind} 1")


def test_lines_become_events() -> None:
    assert event_of(line("SCORE", n="7", s="300", a="1", us="2400")) == Score(7, 300, True, 2400)
    assert event_of(line("ALARM", n="7", on="1", s="300", why="4:200,0:50", names="x.rms,y.mean")) == Alarm(
        True, 7, 300, (("x.rms", 200), ("y.mean", 50))
    )
    assert event_of(line("ALARM", n="7", on="1", s="300", why="4:200,0:50", names="x.rms")) == Alarm(
        True, 7, 300, (("x.rms", 200), ("feature 0", 50))
    )
    assert event_of(line("ALARM", n="9", on="0", s="12")) == Alarm(False, 9, 12)
    health = line("HEALTH", up="10", heap="5", alloc="6", windows="7", lost="0", bad="1", re="4")
    assert event_of(health) == Health(10, 5, 6, 7, 0, 1)
    more = {"unjudged": "3", "overruns": "2", "jitter": "250", "temperature": "-150", "boot": "9"}
    told = Health(10, 5, 6, 7, 0, 1, boot=9, unjudged=3, overruns=2, jitter=250, temperature=-150)
    assert event_of(line("HEALTH", **health.fields, **more)) == told
    stuck = NoVerdict(8, "stuck", 2, True)
    assert event_of(line("NOVERDICT", n="8", a="1", why="stuck", channel="2")) == stuck
    assert stuck.text() == "no verdict on window 8: the sensor is stuck, channel 2"
    assert event_of(line("NOVERDICT", n="8", a="0", why="new")) == NoVerdict(8, "new", None, False)
    counts = Counts(4, 1, {"lost": 3, "clipped": 0})
    assert event_of(line("COUNTS", errors="4", restarts="1", lost="3", clipped="0")) == counts
    assert counts.text() == "so far 4 errors and 1 restarts of the sensor; windows without verdict: 3 lost"
    assert event_of(line("MODE", mode="idle", why="no_model")) == Mode("idle", "no_model")
    assert event_of(line("ACK", re="3")) is None
    assert event_of(Line("", -1, {}, "Traceback")) == Log("Traceback")
    assert event_of(line("NEWS", of="tomorrow")) == Log("~NEWS 1")
    assert event_of(line("SCORE", n="seven", s="1", us="2")) == Log("~SCORE 1")


texts = st.text(max_size=12) | st.integers().map(str)


@given(
    st.sampled_from(["SCORE", "NOVERDICT", "COUNTS", "ALARM", "HEALTH", "MODE", "RAW", "", "OTHER"]),
    st.dictionaries(
        st.sampled_from(["n", "s", "a", "us", "on", "why", "names", "up", "heap", "alloc", "windows", "lost", "bad"]),
        texts,
    ),
)
def test_whatever_a_board_says_becomes_something_to_show(kind: str, fields: dict[str, str]) -> None:
    event = event_of(Line(kind, 1, fields, "as it came"))
    if event is not None:
        assert isinstance(event.text(), str)
        assert json.loads(json.dumps(event.as_dict()))["event"] == event.kind


def test_alarm_as_a_person_reads_it() -> None:
    assert Alarm(True, 7, 300, (("x.rms", 200),)).text() == "ALARM at window 7, score 300: x.rms 200"
    assert Alarm(False, 9, 12).text() == "alarm ended at window 9, score 12"
    assert Alarm(True, 7, 300, (("x.rms", 200),)).as_dict() == {
        "event": "alarm", "on": True, "window": 7, "score": 300,
        "reasons": [{"feature": "x.rms", "contribution": 200}],
    }  # fmt: skip


# --- a real board ---

SPEED = 20.0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.beat"
    path.write_bytes(small_model())
    return path


@pytest.fixture
def start(
    model: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., VirtualBoard]]:
    """Starts boards: on a machine that hums or, as told, knocks on its second axis for 2 of every 6 seconds."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("boards")))
    boards: list[VirtualBoard] = []

    def begin(knocks: bool = False, counts: NDArray[np.int16] | None = None, **options: object) -> VirtualBoard:
        counts = hum(6.0) if counts is None else counts
        if knocks:
            counts[round(4 * RATE) :, 1] *= 8
        options.setdefault("model", model)
        boards.append(VirtualBoard(source(counts), speed=SPEED, **options).start())
        return boards[-1]

    yield begin
    for board in boards:
        board.close()


def first(watched: Monitor, kind: type[Event], most: int = 20000) -> Event:
    """The next event of a kind."""
    for number, event in enumerate(watched):
        if isinstance(event, kind):
            return event
        assert number < most
    raise AssertionError(f"no {kind.__name__}")


@needs_micropython
def test_a_sensor_that_is_clipped_is_told(start: Callable[..., VirtualBoard]) -> None:
    counts = hum(6.0)
    counts[round(3 * RATE) : round(4 * RATE), 1] = 32767
    with Monitor(start(counts=counts).port) as watched:
        event = first(watched, NoVerdict)
        after = first(watched, Score)
        health = first(watched, Health)
        summary = watched.summary()
    assert isinstance(event, NoVerdict) and (event.reason, event.channel, event.alarm) == ("clipped", 1, False)
    assert isinstance(after, Score) and not after.alarm, "no alarm for it"
    assert isinstance(health, Health) and health.unjudged > 0
    assert summary["unjudged"] > 10 and summary["alarms"] == 0


@needs_micropython
def test_scores_come_one_after_another(start: Callable[..., VirtualBoard]) -> None:
    with Monitor(start().port) as watched:
        events = []
        for event in watched:
            events.append(event)
            if len(events) == 80:
                break
        summary = watched.summary()
    assert isinstance(events[0], Connected)
    assert (events[0].board, events[0].mode, events[0].again) == ("virtual", "score", False)
    scores = [event for event in events if isinstance(event, Score)]
    assert [score.window for score in scores] == list(range(scores[0].window, scores[0].window + len(scores)))
    assert not any(score.alarm for score in scores)
    assert summary["windows"] == len(scores) >= 75
    assert summary["max_score"] == max(score.score for score in scores)
    assert summary["mean_score"] == round(float(np.mean([score.score for score in scores])), 3)
    assert [summary[name] for name in ("alarms", "lost", "damaged", "restarts", "disconnections")] == [0] * 5
    assert summary["bytes_in"] > 30 * len(scores)


@needs_micropython
def test_alarms_start_and_end_with_reasons(start: Callable[..., VirtualBoard], tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    events = []
    with Monitor(start(knocks=True).port, log=log) as watched:
        for event in watched:
            events.append(event)
            if sum(isinstance(event, Alarm) for event in events) == 4:
                break
        assert watched.summary()["alarms"] in (2, 3)
    alarms = [event for event in events if isinstance(event, Alarm)]
    assert [alarm.on for alarm in alarms] in ([True, False] * 2, [False, True] * 2)
    for alarm in alarms:
        assert (alarm.score >= 256) == alarm.on
        if alarm.on:
            assert alarm.reasons[0][0] == "y.rms"
            assert alarm.reasons[0][1] > 0
        assert Score(alarm.window, alarm.score, alarm.on, 0) in [
            Score(e.window, e.score, e.alarm, 0) for e in events if isinstance(e, Score)
        ]
    records = [json.loads(text) for text in log.read_text().splitlines()]
    assert [{key: value for key, value in record.items() if key != "time"} for record in records] == [
        json.loads(json.dumps(event.as_dict())) for event in events
    ]
    times = [datetime.fromisoformat(record["time"]) for record in records]
    assert times == sorted(times)
    assert all(time.utcoffset() == timedelta(0) for time in times)
    assert abs(datetime.now(UTC) - times[-1]) < timedelta(minutes=5)


@needs_micropython
def test_a_name_that_has_no_room_does_not_lend_its_place(start: Callable[..., VirtualBoard], tmp_path: Path) -> None:
    model = tmp_path / "model.beat"
    model.write_bytes(whole_model("gaussian", kinds=("rms",), channels=("x" * 200, "y")))
    counts = hum(6.0)
    counts[round(3 * RATE) :] *= (8, 3)
    with Monitor(start(counts=counts, model=model).port, until_alarm=True) as watched:
        *_, alarm = watched
    assert isinstance(alarm, Alarm)
    assert [name for name, _ in alarm.reasons] == ["feature 0", "feature 1"]


@needs_micropython
def test_until_alarm(start: Callable[..., VirtualBoard]) -> None:
    with Monitor(start(knocks=True).port, until_alarm=True) as watched:
        events = list(watched)
    assert isinstance(events[-1], Alarm)
    assert events[-1].on
    assert sum(isinstance(event, Alarm) and event.on for event in events) == 1


@needs_micropython
def test_an_alarm_that_began_before_anybody_watched(start: Callable[..., VirtualBoard]) -> None:
    virtual = start(knocks=True)
    # No ALARM line ever arrives, as for a monitor that comes late: the SCORE lines tell.
    run_first(virtual, lose_lines(ALARM="True"))
    alarms: list[Alarm] = []
    with Monitor(virtual.port) as watched:
        for event in watched:
            if isinstance(event, Alarm):
                alarms.append(event)
            if len(alarms) == 4:
                break
        assert watched.summary()["lost"] >= 3
        assert watched.summary()["alarms"] == 2
    assert [alarm.on for alarm in alarms] == [True, False] * 2
    assert not any(alarm.reasons for alarm in alarms)


@needs_micropython
def test_it_ends_when_the_time_is_over(start: Callable[..., VirtualBoard]) -> None:
    with Monitor(start().port, seconds=0.5) as watched:
        assert sum(isinstance(event, Score) for event in watched) > 0.1 * SPEED * RATE / HOP


@needs_micropython
def test_it_goes_on_after_unplugging(start: Callable[..., VirtualBoard]) -> None:
    virtual = start()
    with Monitor(virtual.port) as watched:
        first(watched, Score)
        virtual.unplug()
        first(watched, Disconnected)
        threading.Timer(0.3, virtual.plug).start()
        back = next(iter(watched))
        assert isinstance(back, Connected)
        assert back.again
        first(watched, Score)
        assert watched.summary()["disconnections"] == 1


@needs_micropython
def test_waiting_for_the_port_ends_with_the_time_or_with_patience(start: Callable[..., VirtualBoard]) -> None:
    virtual = start()
    with Monitor(virtual.port, seconds=0.6) as watched:
        first(watched, Score)
        virtual.unplug()
        assert not any(isinstance(event, Connected) for event in watched)
    assert list(watched) == []
    virtual.plug()
    with Monitor(virtual.port, give_up_after=0.2) as watched:
        first(watched, Score)
        virtual.unplug()
        with pytest.raises(InputError, match=r"not back .* plug the board in again"):
            list(watched)


@needs_micropython
def test_a_restart_is_told(start: Callable[..., VirtualBoard]) -> None:
    virtual = start()
    with Monitor(virtual.port) as watched:
        first(watched, Score)
        virtual.reset()
        back = first(watched, Connected)
        assert isinstance(back, Connected)
        assert back.again
        assert watched.summary()["restarts"] == 1
        assert first(watched, Mode) == Mode("score", "start")
        assert isinstance(first(watched, Health), Health)


@needs_micropython
def test_text_of_a_board_is_harmless(start: Callable[..., VirtualBoard], tmp_path: Path) -> None:
    virtual = start()
    log = tmp_path / "log.jsonl"
    log.write_bytes(b'{"time": "sho')
    with Monitor(virtual.port, log=log) as watched:
        first(watched, Score)
        virtual.feed_garbage('\n\x1b]0;evil\x07\u202e "quoted" \\ µ\r\n'.encode())
        found = first(watched, Log)
        while "evil" not in found.text():
            found = first(watched, Log)
    assert found.text().isprintable()
    raw = log.read_bytes()
    assert raw.isascii()
    cut, *records = raw.splitlines()
    assert cut == b'{"time": "sho'
    assert found.text() in [json.loads(record).get("message") for record in records]


@needs_micropython
def test_a_board_without_a_model_says_so(start: Callable[..., VirtualBoard]) -> None:
    with Monitor(start(model=None).port, seconds=0.2) as watched:
        assert "has no model" in next(iter(watched)).text()


@needs_micropython
def test_a_silent_board_is_told_once(start: Callable[..., VirtualBoard], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_module, "_SILENCE", 0.1)
    monkeypatch.setattr(monitor_module, "_TURN", 0.05)
    virtual = start()
    run_first(virtual, lose_lines(SCORE="True", HEALTH="True"))
    with Monitor(virtual.port, seconds=1.0) as watched:
        silences = [event for event in watched if isinstance(event, Silence)]
    assert len(silences) == 1


# --- what cannot be done ---


def test_no_such_port_leaves_no_log(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such port"):
        Monitor("/dev/there-is-none", log=tmp_path / "log.jsonl")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="not a length of time"):
        Monitor("/dev/there-is-none", seconds=0.0)


@needs_micropython
def test_logs_that_cannot_be_written(start: Callable[..., VirtualBoard], tmp_path: Path) -> None:
    virtual = start()
    with pytest.raises(InputError, match="log cannot be opened"):
        Monitor(virtual.port, log=tmp_path)
    with Monitor(virtual.port, log="/dev/full") as watched, pytest.raises(InputError, match="/dev/full: cannot be"):
        list(watched)
