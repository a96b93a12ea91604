"""Fetching a board's journal: what is in the file afterwards is what the board had kept, each record once."""

from __future__ import annotations

import base64
import csv
import errno
import json
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offbeat.device import link, records
from offbeat.device.checksum import crc32
from offbeat.host import board as board_module
from offbeat.host.errors import BoardError, Unplugged
from offbeat.host.journal import JournalReport, fetch_journal, follow_journal
from offbeat.host.journal_file import Entry, JournalFile
from offbeat.host.journal_records import JournalRecord, decode, time_text
from offbeat.host.virtual import VirtualBoard
from offbeat.train.errors import InputError
from tests.host.helpers import lose_lines, run_first, until
from tests.host.small import needs_micropython, small_model, source
from tests.host.test_board import ScriptedDevice

# --- records ---


def record(sequence: int, kind: int = records.MINUTE, payload: bytes = b"", boot: int = 1, uptime: int = 0) -> bytes:
    payload = payload or struct.pack(records.SUMMARY, 100, 3, sequence & 0x3FFF, 300, 0)
    length = records.OVERHEAD + len(payload)
    data = bytearray(struct.pack(records.HEAD, records.MARK, length, kind, boot, 0, uptime) + payload + bytes(4))
    records.seal(data, 0, sequence)
    return bytes(data)


def alarm(sequence: int, reasons: bytes, **about: int) -> bytes:
    return record(sequence, records.ALARM, struct.pack(records.VERDICT, 12, 400) + reasons, **about)


def test_records_are_decoded() -> None:
    data = (
        record(1, records.BOOT, b"\x03abc 0.1.0", 7)
        + alarm(2, b"x.rms:300,unseen%20channel%20z:20,y,comma:5,unseen%20channel%20z:1", boot=7, uptime=90)
        + record(3, records.ALARM_END, struct.pack(records.VERDICT, 13, 2), 7, 95)
        + record(4, records.HOUR, struct.pack(records.SUMMARY, 9000, 1, 2, 3, 4), 7, 3600)
        + record(5, records.MINUTE, struct.pack(records.SUMMARY + "H", 0, 0, 0, 0, 0, 370), 7, 3660)
        + record(9, records.CLOCK, struct.pack("<I", 1_800_000_000), 7, 4000)
    )
    boot, start, end, hour, minute, clock = decode(data, 0)
    assert boot == JournalRecord(1, 7, 0, "boot", {"cause": "watchdog", "model": "abc", "firmware": "0.1.0"})
    assert (start.sequence, start.uptime, start.kind) == (2, 90, "alarm")
    assert start.values == {
        "window": 12, "score": 400,
        "reasons": [
            {"feature": "x.rms", "contribution": 300}, {"feature": "unseen channel z", "contribution": 21},
            {"feature": "y,comma", "contribution": 5},
        ],
    }  # fmt: skip
    assert (end.kind, end.values) == ("alarm_end", {"window": 13, "score": 2})
    assert (hour.kind, hour.values) == (
        "hour", {"windows": 9000, "minimum": 1, "mean": 2, "maximum": 3, "alarms": 4, "unjudged": 0}
    )  # fmt: skip
    assert (minute.kind, minute.values["windows"], minute.values["unjudged"]) == ("minute", 0, 370)
    assert (clock.sequence, clock.values) == (9, {"set_to": 1_800_000_000})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (record(1) + b"junk", "came damaged"),
        (record(2) + record(2), "record 2 after 2"),
        (record(1, records.HOUR, b"short"), "another version"),
        (record(1, records.CLOCK, b"12345"), "another version"),
        (alarm(1, b"bad%ZZ:3"), "another version"),
        (record(1, records.ALARM, b"1"), "another version"),
    ],
)
def test_nonsense_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(BoardError, match=says):
        list(decode(data, 0))


def test_a_strangers_text_is_harmless() -> None:
    (start,) = decode(alarm(1, b"%1B[31mred:5"), 0)
    assert start.values["reasons"] == [{"feature": "\\x1b[31mred", "contribution": 5}]
    (boot,) = decode(record(1, records.BOOT, b"\xff\x1b]0;evil\x07 \xe2\x80\xae"), 0)
    assert boot.values == {"cause": "unknown", "model": "\\x1b]0;evil\\x07", "firmware": "\\u202e"}


@given(st.binary(max_size=200))
def test_random_bytes_raise_what_is_expected(data: bytes) -> None:
    try:
        list(decode(data, 0))
    except BoardError:
        return
    assert data == b""


def test_times_beyond_the_calendar_are_unknown() -> None:
    assert time_text(1_800_000_000) == "2027-01-15T08:00:00Z"
    assert time_text(None) is time_text(1e30) is time_text(-1e15) is None


# --- the file ---


def entry(sequence: int, unique: str = "b1", journal: str = "0000abcd", at: float | None = None) -> Entry:
    values: dict[str, object] = {"windows": 100, "minimum": 1, "mean": 2, "maximum": sequence, "alarms": 0}
    return Entry(unique, journal, "minutes", JournalRecord(sequence, 3, 60 * sequence, "minute", values), at)


@pytest.fixture(params=["jsonl", "csv"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"fan.{request.param}"


def held(path: Path) -> list[dict[str, Any]]:
    """The rows of a file, in order."""
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return [{**row, "sequence": int(row["sequence"])} for row in csv.DictReader(file)]
    return [json.loads(line) for line in path.read_text().splitlines()]


def sequences(path: Path, ring: str = "minutes") -> list[int]:
    return [row["sequence"] for row in held(path) if row["ring"] == ring]


def test_a_file_knows_what_it_holds(path: Path) -> None:
    with JournalFile(path) as file:
        file.append([entry(1), entry(2, at=1_800_000_000.4)])
        file.append([])
        file.append([entry(7, unique="=2+3")])
        assert file.last("b1", "minutes", "0000abcd") == 2
    with JournalFile(path) as file:
        assert (file.last("b1", "minutes", "0000abcd"), file.last("=2+3", "minutes", "0000abcd")) == (2, 7)
        assert file.last("b1", "minutes", "other") == file.last("b1", "events", "0000abcd") == 0
        assert file.start("b1", "0000abcd", 3) == 1_800_000_000 - 120
        assert file.start("b1", "0000abcd", 4) is None
        assert file.records == 3
    assert [row["sequence"] for row in held(path)] == [1, 2, 7]
    assert [row["time"] or "unknown" for row in held(path)] == ["unknown", "2027-01-15T08:00:00Z", "unknown"]
    assert held(path)[2]["board"] == ("'=2+3" if path.suffix == ".csv" else "=2+3"), "no formula for a spreadsheet"


def test_wherever_a_write_was_cut_short_the_file_goes_on(path: Path) -> None:
    with JournalFile(path) as file:
        file.append([entry(1), entry(2)])
    whole = path.read_bytes()
    after_first = whole.index(b"\n", whole.index(b"\n") + 1) + 1 if path.suffix == ".csv" else whole.index(b"\n") + 1
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with JournalFile(path) as file:
            last = file.last("b1", "minutes", "0000abcd")
            only_the_end_is_missing = path.suffix != ".csv" and whole[cut : cut + 1] == b"\n"
            assert last == (cut >= after_first) + only_the_end_is_missing
            file.append([entry(n) for n in range(last + 1, 4)])
        assert [row["sequence"] for row in held(path)] == [1, 2, 3]


def test_a_file_of_somebody_else_stays_as_it_is(path: Path) -> None:
    for text in ("t,x,y\n1,2,3\n", "{}\n", "notes", '{"board": 1, "journal": "x"}\n', "\n", "[" * 100_000, "\xff\xfe"):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(InputError, match=r"is no file of `offbeat journal`.*-o"):
            JournalFile(path)
        assert path.read_bytes() == text.encode("latin-1")


def test_one_program_writes_at_a_time(path: Path) -> None:
    with JournalFile(path), pytest.raises(InputError, match="another `offbeat journal`"):
        JournalFile(path)
    assert not path.exists(), "nothing came, nothing is left"


def test_a_full_disk_leaves_what_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with JournalFile(path) as file:
        file.append([entry(1)])
        before = path.read_bytes()
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(InputError, match="cannot be written"):
                file.append([entry(2)])
        assert path.read_bytes() == before and file.last("b1", "minutes", "0000abcd") == 1
        file.append([entry(2)])
    assert [row["sequence"] for row in held(path)] == [1, 2]


# --- a board that says what it is told to ---

STATUS = {"oldest": 1, "next": 1, "taken": 0, "boot": 2, "up": 100, "id": "0000abcd"}


def scripted(status: dict[str, object], data: Callable[[int], bytes] = lambda at: b"", why: str = "") -> ScriptedDevice:
    def answer(raw: bytes) -> bytes:
        kind, re, fields = link.parse(raw)
        if kind == "HELLO":
            return device.hello(re)
        if why:
            return device.line("NAK", ("re", re), ("why", why))
        if "from" in fields:
            found = data(int(fields["from"]))
            given = [("d", base64.b64encode(found).decode())] if found else []
            return device.line("ACK", ("re", re), ("next", int(fields["from"]) + 1), *given)
        return device.line("ACK", ("re", re), *(status.items() if "ring" in fields else ()))

    device = ScriptedDevice(answer)
    return device


@pytest.mark.parametrize(
    ("why", "says"),
    [
        ("unknown", "keeps no journal.*C firmware does not"),
        ("journal", "keeps no journal"),
        ("flash", "cannot read its"),
    ],
)
def test_a_board_without_a_journal_is_told_so(why: str, says: str, path: Path) -> None:
    with scripted(STATUS, why=why) as device, pytest.raises(BoardError, match=says):
        fetch_journal(device.port, path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("change", "data", "says"),
    [
        ({"id": "../../etc"}, b"", "no id="),
        ({"next": "many"}, b"", "no whole number next="),
        ({"next": 1 << 40}, b"", "has records 1 to 1099511627776; reset"),
        ({"next": 9}, b"garbage", "came damaged"),
        ({"next": 9}, record(0), "record 0 after 0"),
    ],
)
def test_a_board_that_tells_nonsense_is_refused(change: dict[str, object], data: bytes, says: str, path: Path) -> None:
    with scripted({**STATUS, **change}, lambda at: data) as device, pytest.raises(BoardError, match=says):
        fetch_journal(device.port, path)


def test_what_was_overwritten_or_damaged_is_counted(path: Path) -> None:
    with JournalFile(path) as file:
        file.append([entry(n, unique="one") for n in range(1, 6)])
    there = {n: record(n, boot=2, uptime=n) for n in (9, 10, 12)}
    with scripted({**STATUS, "oldest": 9, "next": 13}, lambda at: there.get(at, b"")) as device:
        report = fetch_journal(device.port, path, ("minutes",))
    assert sequences(path) == [1, 2, 3, 4, 5, 9, 10, 12]
    assert report.missing == {"minutes": 4}


# --- a virtual board ---

COUNT = 700


def lay_out(virtual: VirtualBoard, letter: str, all_records: list[bytes], identity: int = 0xABCD) -> None:
    """Write a ring as the board would have written it."""
    folder = virtual.flash / "journal"
    folder.mkdir(exist_ok=True)
    for file in folder.glob(f"{letter}*"):
        file.unlink()
    unique = json.loads((virtual.flash / "about.json").read_text())["unique"]
    owner = struct.pack("<I", crc32(unique.encode()))
    files: list[bytes] = []
    for data in all_records:
        if not files or len(files[-1]) + len(data) > 4096:
            (first,) = struct.unpack_from("<I", data, 7)
            head = struct.pack("<4s4sII", b"OBJ1", owner, identity, first)
            files.append(head + struct.pack("<I", crc32(head)))
        files[-1] += data
    for number, data in enumerate(files):
        (folder / f"{letter}{number:06d}").write_bytes(data)


def until_started(virtual: VirtualBoard) -> None:
    """Wait until the board has written that it started: what is laid out before would be mixed with that."""
    assert until(lambda: any(file.stat().st_size > 20 for file in (virtual.flash / "journal").glob("e*")))
    time.sleep(0.2)


@pytest.fixture
def virtual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualBoard]:
    """A board whose journal holds COUNT minutes of two earlier boots, and a few events."""
    monkeypatch.setitem(board_module._PATIENCE, "JOURNAL", 0.3)
    model = tmp_path / "model.beat"
    model.write_bytes(small_model())
    with VirtualBoard(source(), model) as running:
        until_started(running)
        lay_out(running, "m", [record(n, boot=1 + n // 400, uptime=60 * n) for n in range(1, COUNT + 1)])
        events = [record(1, records.BOOT, b"\x01m 0.1.0", 1), alarm(2, b"x.rms:300,y.rms:20", boot=1, uptime=90)]
        lay_out(running, "e", [*events, record(3, records.BOOT, b"\x03m 0.1.0", 2)])
        run_first(running, "")
        yield running


def assert_whole(path: Path) -> None:
    """Every record once and in order; the board adds one whenever a minute is over, so there may be more."""
    found = sequences(path)
    assert found == list(range(1, len(found) + 1)) and len(found) >= COUNT


@needs_micropython
def test_each_record_comes_once(virtual: VirtualBoard, path: Path) -> None:
    report = fetch_journal(virtual.port, path)
    assert (report.missing, report.boot, report.path) == ({}, 3, path)
    assert_whole(path)
    assert sequences(path, "events") == [1, 2, 3, 4]
    means = [int(row["mean"]) for row in held(path) if row["ring"] == "minutes"]
    assert means[:COUNT] == list(range(1, COUNT + 1))
    before = path.read_bytes()
    again = fetch_journal(virtual.port, path)
    assert [e.record.kind for e in again.entries] in ([], ["clock"])
    assert path.read_bytes().startswith(before)
    virtual.reset()
    third = fetch_journal(virtual.port, path)
    assert [e.record.kind for e in third.entries if e.record.kind != "clock"] == ["boot"]
    assert sorted(set(sequences(path, "events"))) == sequences(path, "events")


@needs_micropython
def test_stopped_in_the_middle_it_goes_on(virtual: VirtualBoard, path: Path) -> None:
    def stop_at(limit: float) -> Callable[[str, float], None]:
        def stop(stage: str, share: float) -> None:
            if stage == "minutes" and share > limit:
                raise KeyboardInterrupt

        return stop

    for limit, most in ((0.1, 0), (0.5, 256), (0.7, 512)):
        with pytest.raises(KeyboardInterrupt):
            fetch_journal(virtual.port, path, progress=stop_at(limit))
        kept = sequences(path)
        assert kept == list(range(1, len(kept) + 1)) and len(kept) >= most
    fetch_journal(virtual.port, path)
    assert_whole(path)


@needs_micropython
def test_lost_lines_are_asked_for_again(virtual: VirtualBoard, path: Path) -> None:
    lay_out(virtual, "m", [record(n, boot=2, uptime=60 * n) for n in range(1, 121)])
    run_first(virtual, lose_lines(ACK="n % 4 == 1"))
    fetch_journal(virtual.port, path)
    assert sequences(path) == list(range(1, 121))


@needs_micropython
def test_a_board_that_restarts_meanwhile_goes_on(virtual: VirtualBoard, path: Path) -> None:
    restarts = [0.2, 0.6]

    def restart(stage: str, share: float) -> None:
        if stage == "minutes" and restarts and share > restarts[0]:
            restarts.pop(0)
            virtual.reset()

    fetch_journal(virtual.port, path, progress=restart)
    assert restarts == []
    assert_whole(path)


@needs_micropython
def test_unplugged_in_the_middle_what_came_is_kept(virtual: VirtualBoard, path: Path) -> None:
    def pull(stage: str, share: float) -> None:
        if stage == "minutes" and share > 0.5:
            virtual.unplug()

    with pytest.raises(Unplugged, match=r"records are in .*goes on from there"):
        fetch_journal(virtual.port, path, progress=pull)
    assert 256 <= len(sequences(path)) < COUNT
    virtual.plug()
    assert until(lambda: Path(virtual.port).exists())
    fetch_journal(virtual.port, path)
    assert_whole(path)


@needs_micropython
def test_times_are_known_as_far_as_they_can_be(virtual: VirtualBoard, path: Path) -> None:
    clock = record(4, records.CLOCK, struct.pack("<I", 1_800_000_000), 2, 1000)
    events = [record(n, records.BOOT, b"\x01m 0.1.0", min(n, 2), n) for n in (1, 2, 3)]
    lay_out(virtual, "e", [*events, clock])
    virtual.reset()
    fetch_journal(virtual.port, path, now=lambda: 1_900_000_000.0)
    times = {(row["ring"], row["sequence"]): row["time"] for row in held(path)}
    unknown = "unknown" if path.suffix == ".csv" else None
    assert times["events", 1] == times["minutes", 399] == unknown, "an earlier boot, and nobody set a clock"
    assert times["events", 2] == "2027-01-15T07:43:22Z"
    assert times["minutes", 400] == time_text(1_800_000_000 + 23_000)
    (start,) = [row for row in held(path) if row["ring"] == "events" and int(row["boot"]) == 3]
    assert start["time"] == time_text(1_900_000_000) or start["time"] == time_text(1_899_999_999)


@needs_micropython
def test_a_clock_that_the_host_set_is_known_to_the_next_host(virtual: VirtualBoard, tmp_path: Path) -> None:
    report = fetch_journal(virtual.port)
    time.sleep(1.5)  # the board writes once a second
    virtual.reset()
    later = fetch_journal(virtual.port, tmp_path / "new.jsonl")
    times = {e.record.boot: e.time for e in later.entries if e.record.kind == "boot"}
    assert times[1] is None and times[report.boot + 1] is not None
    assert abs(times[report.boot] - (time.time() - 3)) < 60


@needs_micropython
def test_an_erased_flash_is_another_journal(virtual: VirtualBoard, path: Path) -> None:
    fetch_journal(virtual.port, path)
    shutil.rmtree(virtual.flash / "journal")
    virtual.reset()
    report = fetch_journal(virtual.port, path)
    assert [(e.record.sequence, e.record.boot, e.record.kind) for e in report.entries] == [(1, 1, "boot")]
    assert report.missing == {} and sequences(path, "events")[-1] == 1


@needs_micropython
def test_follow_brings_what_is_new(virtual: VirtualBoard, path: Path) -> None:
    reports: list[JournalReport] = []
    for report in follow_journal(virtual.port, path, stop=lambda: len(reports) >= 3, period=0.2):
        reports.append(report)
        if len(reports) == 1:
            virtual.unplug()
            virtual.plug()
            assert until(lambda: Path(virtual.port).exists())
        elif len(reports) == 2:
            virtual.reset()
    assert len(reports) == 3
    assert_whole(path)
    assert sequences(path, "events") == list(range(1, len(sequences(path, "events")) + 1))


@needs_micropython
def test_scores_and_alarms_of_a_running_board_are_kept(tmp_path: Path) -> None:
    """On a clock that runs sixty times as fast."""
    model = tmp_path / "model.beat"
    model.write_bytes(small_model())
    with VirtualBoard(source(), model) as virtual:
        run_first(virtual, """
import offbeat.app, time
class Fast:
    ticks_us, ticks_diff, ticks_add = time.ticks_us, time.ticks_diff, time.ticks_add
    def ticks_ms(self):
        return (60 * time.ticks_ms()) & 0x3FFFFFFF
offbeat.app.time = Fast()
""")  # fmt: skip
        time.sleep(4)
        report = fetch_journal(virtual.port)
        minutes = [e.record for e in report.entries if e.ring == "minutes"]
        assert 2 <= len(minutes) <= 30
        assert [m.sequence for m in minutes] == list(range(1, len(minutes) + 1))
        for minute in minutes:
            values = {key: int(str(value)) for key, value in minute.values.items()}
            assert 0 <= values["minimum"] <= values["mean"] <= values["maximum"] < 256 and values["windows"] >= 5
            assert minute.uptime // 60 >= minute.sequence


def offbeat(*words: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("offbeat")), "journal", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@needs_micropython
def test_the_command(virtual: VirtualBoard, tmp_path: Path) -> None:
    shown = offbeat("--port", virtual.port)
    assert shown.returncode == 0, shown.stderr
    text = shown.stdout.splitlines()
    assert text[0].split() == ["time", "(UTC)", "boot", "uptime", "what", "details"]
    assert text[2].split() == (
        ["unknown", "1", "00:01:30", "ALARM", "window", "12,", "score", "400:", "x.rms", "300,", "y.rms", "20"]
    )  # fmt: skip
    assert "cause watchdog, model m, offbeat 0.1.0" in text[3] and text[-1].endswith("records")
    out = tmp_path / "fan.csv"
    kept = offbeat("-p", virtual.port, "-o", str(out), "--json")
    assert kept.returncode == 0, kept.stderr
    report = json.loads(kept.stdout)
    assert [r["sequence"] for r in report["records"] if r["ring"] == "minutes"] == sequences(out)
    assert len(sequences(out)) == COUNT and report["path"] == str(out)
    wrong = offbeat("-p", virtual.port, "--follow")
    assert (wrong.returncode, "-o" in wrong.stderr) == (2, True)
