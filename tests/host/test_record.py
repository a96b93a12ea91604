"""Recording from a board: what arrives in the file is what the sensor measured, and where, whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from offbeat.host import recorder
from offbeat.host.board import Board
from offbeat.host.frame_grid import Clipping, FrameGrid
from offbeat.host.record import _column_names, record
from offbeat.host.virtual import ArraySource, VirtualBoard
from offbeat.train.errors import InputError
from offbeat.train.recording import open_recording, read_recording
from tests.host.helpers import PERIOD, counting, lose_lines, run_first
from tests.host.small import CHANNELS, RATE, SCALES, needs_micropython, small_model, source

# --- the grid ---


@given(st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=60), st.integers(0, 30))
def test_inside_a_session_places_are_exact_and_losses_counted(lines: list[tuple[int, bool]], extra: int) -> None:
    total = sum(count for count, _ in lines) + extra
    grid = FrameGrid(100.0)
    grid.begin(total, continues=True)
    first = 0
    for count, arrives in lines:
        if arrives:
            assert grid.take(first, count, 0.0) == (first, count)
        first += count
    grid.end()
    came = sum(count for count, arrives in lines if arrives)
    missing = [not arrives for _, arrives in lines] + [extra > 0]
    assert (grid.position, grid.frames, grid.lost) == (total, came, total - came)
    assert grid.gaps == sum(now and not before for before, now in zip([False, *missing], missing, strict=False))


def test_a_session_that_continues_leaves_no_gap() -> None:
    grid = FrameGrid(100.0)
    grid.begin(50, continues=False)
    assert grid.take(0, 50, 10.0) == (0, 50)
    grid.begin(50, continues=True)
    assert grid.take(0, 10, 99.0) == (50, 10)
    assert grid.take(20, 10, 99.0) == (70, 10)
    assert (grid.lost, grid.gaps) == (10, 1)


def test_a_session_after_a_break_is_placed_by_the_clock() -> None:
    grid = FrameGrid(100.0)
    grid.begin(1000, continues=False)
    grid.take(0, 10, 10.0)
    grid.begin(1000, continues=False)
    # 2.5 s later the last of 5 frames, of which 3 before it are lost: 250 frames on the grid.
    assert grid.take(3, 5, 12.5) == (10 + 250 - 5, 5)
    assert (grid.position, grid.lost, grid.gaps) == (260, 245, 1)


def test_a_break_that_no_clock_can_see_never_turns_time_back() -> None:
    grid = FrameGrid(100.0)
    grid.begin(1000, continues=False)
    grid.take(0, 100, 10.0)
    grid.begin(1000, continues=False)
    assert grid.take(0, 100, 10.001) == (100, 100)


def test_a_command_that_the_board_heard_twice_begins_anew() -> None:
    grid = FrameGrid(100.0)
    grid.begin(1000, continues=False)
    grid.take(0, 100, 1.0)
    assert grid.take(0, 50, 1.5) == (100, 50)
    assert grid.take(50, 50, 2.0) == (150, 50)
    assert grid.lost == 0


def test_frames_beyond_what_is_wanted_are_left_out() -> None:
    grid = FrameGrid(100.0, most=25)
    grid.begin(1000, continues=False)
    assert grid.take(0, 20, 0.0) == (0, 20)
    assert grid.take(20, 20, 0.2) == (20, 5)
    assert grid.take(100, 20, 0.4) == (100, 0)
    assert (grid.position, grid.frames, grid.lost, grid.gaps) == (25, 25, 0, 0)


@pytest.mark.parametrize(("first", "count"), [(-1, 5), (996, 5), (10**15, 1), (0, 0)])
def test_frames_that_cannot_be_of_this_session_are_refused(first: int, count: int) -> None:
    grid = FrameGrid(100.0)
    grid.begin(1000, continues=False)
    with pytest.raises(ValueError, match="of 1000"):
        grid.take(first, count, 0.0)


def test_clipping_finds_the_limits_of_the_sensor() -> None:
    counts = np.zeros((100, 3), dtype=np.int16)
    counts[:10, 0] = 2047
    counts[10:15, 0] = -2048
    counts[:20, 1] = 32767
    counts[20:40, 1] = -32768
    counts[:, 2] = np.arange(100)
    clipping = Clipping(3)
    assert clipping.share.tolist() == [0, 0, 0]
    for part in np.array_split(counts, 7):
        clipping.see(part)
    assert clipping.share.tolist() == [0.15, 0.4, 0.0]


@given(st.lists(st.text(max_size=6), max_size=6))
def test_names_of_a_stranger_become_names_of_columns(names: list[str]) -> None:
    found = _column_names(tuple(names))
    assert len(set(found)) == len(names)
    assert {"t", "label"}.isdisjoint(found)
    assert not any(set(name) & set(" ,;=\"'#\n\r\t") for name in found)
    assert all(found)


# --- what cannot be done ---


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.csv", {"seconds": 0.0}, "not a length of time"),
        ("a.csv", {"seconds": float("nan")}, "not a length of time"),
        ("a.csv", {"label": "a,b"}, "cannot stand in a CSV file"),
        ("a.csv", {"label": "a\n"}, "cannot stand in a CSV file"),
        ("a.parquet", {}, "written as CSV"),
        (".", {}, "is a directory"),
        ("there/is/none.csv", {}, "no such directory"),
    ],
)
def test_bad_input_is_refused_before_the_board_is_asked(
    tmp_path: Path, name: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        record("/dev/there-is-none", tmp_path / name, **options)


# --- a real board ---


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.beat"
    path.write_bytes(small_model())
    return path


@pytest.fixture
def start(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., VirtualBoard]]:
    """Starts boards whose sensor counts its frames, and ends them."""
    boards: list[VirtualBoard] = []

    def begin(speed: float = 20.0, **options: object) -> VirtualBoard:
        options.setdefault("model", model)
        boards.append(VirtualBoard(source(counting(8 * PERIOD)), speed=speed, **options).start())
        return boards[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("boards")))
        yield begin
        for board in boards:
            board.close()


def places(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of every row: its place on the grid of time, and how many frames the sensor had made since the first row."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    seconds, x, y = np.loadtxt(lines[1:], delimiter=",", usecols=(0, 1, 2), unpack=True)
    assert (y == -x).all()
    steps = np.diff(x).astype(np.int64) % PERIOD
    return np.round(seconds * RATE).astype(np.int64), np.concatenate([[0], np.cumsum(steps)])


def left_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@needs_micropython
def test_the_file_holds_what_the_sensor_measured(start: Callable[..., VirtualBoard], tmp_path: Path) -> None:
    out = tmp_path / "normal.csv"
    out.write_text("an older one")
    stages: list[tuple[str, float]] = []
    summary = record(start().port, out, seconds=30.25, label="ok", progress=lambda *state: stages.append(state))
    found = read_recording(out)
    first = int(found.counts[0, 0])
    assert np.array_equal(found.counts, counting(2 * PERIOD)[first : first + round(30.25 * RATE)])
    assert (found.channels, found.units, found.scales) == (CHANNELS, ("g", "g"), SCALES)
    assert (found.rate, found.sensor) == (RATE, "noise")
    assert found.labels is not None
    assert set(found.labels) == {"ok"}
    assert summary.as_dict() == {
        "path": str(out), "frames": 12100, "seconds": 30.25, "lost_frames": 0, "gaps": 0, "clipped": {"x": 0, "y": 0},
    }  # fmt: skip
    assert left_in(tmp_path) == ["normal.csv"]
    shares = [share for _, share in stages]
    assert {stage for stage, _ in stages} == {"recording"}
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


@needs_micropython
def test_the_board_scores_again_afterwards(start: Callable[..., VirtualBoard], tmp_path: Path) -> None:
    virtual = start()
    end = time.monotonic() + 0.5
    summary = record(virtual.port, tmp_path / "a.csv", stop=lambda: time.monotonic() > end)
    assert summary.frames > 500
    assert summary.lost_frames == 0
    assert summary.seconds == summary.frames / RATE
    with Board.open(virtual.port) as board:
        assert board.hello.mode == "score"


@needs_micropython
def test_a_board_without_a_model_records_too(start: Callable[..., VirtualBoard], tmp_path: Path) -> None:
    summary = record(start(model=None).port, tmp_path / "a.csv", seconds=4.0)
    assert (summary.frames, summary.lost_frames) == (1600, 0)


@needs_micropython
def test_an_earlier_recording_that_nobody_ended_does_not_get_in(
    start: Callable[..., VirtualBoard], tmp_path: Path
) -> None:
    virtual = start()
    with Board.open(virtual.port) as board:
        board.command("RECORD", seconds=1000)
        assert board.read_line(2.0) is not None
    record(virtual.port, tmp_path / "a.csv", seconds=5.0)
    place, made = places(tmp_path / "a.csv")
    assert np.array_equal(place, np.arange(2000))
    assert np.array_equal(made, place)


@needs_micropython
def test_recordings_longer_than_a_board_allows_have_no_seam(
    start: Callable[..., VirtualBoard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "_LONGEST_SESSION", 6)
    monkeypatch.setattr(recorder, "_RENEWAL", 0.5)
    summary = record(start().port, tmp_path / "a.csv", seconds=25.0)
    place, made = places(tmp_path / "a.csv")
    assert (summary.frames, summary.lost_frames, summary.gaps) == (10000, 0, 0)
    assert np.array_equal(made, place)


@needs_micropython
def test_lost_lines_leave_gaps_of_exactly_their_frames(start: Callable[..., VirtualBoard], tmp_path: Path) -> None:
    virtual = start()
    run_first(virtual, lose_lines(RAW="n % 9 in (0, 4, 5)"))
    summary = record(virtual.port, tmp_path / "a.csv", seconds=10.0)
    place, made = places(tmp_path / "a.csv")
    assert np.array_equal(place - place[0], made)
    lines = -(-4000 // 22)
    lost = [n for n in range(lines) if n % 9 in (0, 4, 5)]
    frames = [min(22, 4000 - 22 * n) for n in range(lines)]
    assert summary.lost_frames == sum(frames[n] for n in lost)
    assert summary.frames == 4000 - summary.lost_frames == len(place)
    assert summary.gaps == sum(n - 1 not in lost for n in lost)
    assert summary.seconds == 10.0
    with pytest.raises(InputError, match="a gap"):
        read_recording(tmp_path / "a.csv")
    assert len(read_recording(tmp_path / "a.csv", allow_gaps=True).counts) == summary.frames


@needs_micropython
def test_lost_answers_and_announcements_do_no_harm(start: Callable[..., VirtualBoard], tmp_path: Path) -> None:
    virtual = start()
    # The first ACK is that of RECORD: the board begins twice. MODE tells that it has ended: nothing tells it here.
    run_first(virtual, lose_lines(ACK="n == 0", MODE="n > 0"))
    summary = record(virtual.port, tmp_path / "a.csv", seconds=30.0)
    place, made = places(tmp_path / "a.csv")
    assert (summary.frames, summary.lost_frames) == (12000, 0)
    assert np.array_equal(made, place)


@needs_micropython
def test_unplugging_leaves_a_gap_and_the_recording_goes_on(start: Callable[..., VirtualBoard], tmp_path: Path) -> None:
    # The board has a battery, so its sensor goes on while the cable is out, and tells how long the gap really was.
    virtual = start(speed=1.0, bus_powered=False)
    stages: list[str] = []

    def pull(stage: str, share: float) -> None:
        if stage == "recording" and share > 0 and not stages.count("out"):
            stages.append("out")
            virtual.unplug()
        elif stage.startswith("unplugged"):
            threading.Timer(0.4, virtual.plug).start()
        stages.append(stage)

    summary = record(virtual.port, tmp_path / "a.csv", seconds=3.0, progress=pull)
    place, made = places(tmp_path / "a.csv")
    assert "unplugged, waiting for the port" in stages
    assert summary.gaps == 1
    assert summary.frames == len(place) == 1200 - summary.lost_frames
    assert place[-1] == 1199
    breaks = np.flatnonzero(np.diff(place) > 1)
    assert len(breaks) == 1
    assert summary.lost_frames == np.diff(place)[breaks[0]] - 1 > 0.4 * RATE
    assert np.array_equal(np.diff(place)[: breaks[0]], np.diff(made)[: breaks[0]])
    # Half a second of doubt: how late lines come on a busy computer.
    assert abs(int(np.diff(place)[breaks[0]]) - int(np.diff(made)[breaks[0]])) < 0.5 * RATE


def once_recording(action: Callable[[], object]) -> Callable[[str, float], None]:
    """A progress callback that acts once, when samples have come: however slow the computer is."""
    acted: list[bool] = []

    def progress(stage: str, share: float) -> None:
        if stage == "recording" and share > 0 and not acted:
            acted.append(True)
            action()

    return progress


@needs_micropython
def test_a_restart_leaves_a_gap_and_the_recording_goes_on(start: Callable[..., VirtualBoard], tmp_path: Path) -> None:
    # In real time: the gap is what the host's clock says, and faster samples would run ahead of it.
    virtual = start(speed=1.0)
    summary = record(virtual.port, tmp_path / "a.csv", seconds=3.0, progress=once_recording(virtual.reset))
    place, _ = places(tmp_path / "a.csv")
    assert summary.frames == len(place) == 1200 - summary.lost_frames
    assert summary.lost_frames > 0
    assert np.all(np.diff(place) >= 1)
    assert place[-1] == 1199


@needs_micropython
def test_a_board_that_stays_away_leaves_a_partial_recording(start: Callable[..., VirtualBoard], tmp_path: Path) -> None:
    virtual = start()
    out = tmp_path / "normal.csv"
    out.write_text("an older one")
    with pytest.raises(InputError, match=r"not back within .* samples until then are in .*normal\.partial\.csv"):
        record(virtual.port, out, seconds=1000.0, give_up_after=0.3, progress=once_recording(virtual.unplug))
    assert out.read_text() == "an older one"
    assert left_in(tmp_path) == ["normal.csv", "normal.partial.csv"]
    assert len(read_recording(tmp_path / "normal.partial.csv").counts) > 0


@needs_micropython
def test_a_board_that_comes_back_as_another_one(start: Callable[..., VirtualBoard], tmp_path: Path) -> None:
    virtual = start()
    about = json.loads((virtual.flash / "about.json").read_text())
    (virtual.flash / "about.json").write_text(json.dumps({**about, "scales": ["0.5", "0.5"]}))

    def pull() -> None:
        virtual.unplug()
        threading.Timer(0.2, virtual.plug).start()

    with pytest.raises(InputError, match=r"came back with other scales"):
        record(virtual.port, tmp_path / "normal.csv", seconds=1000.0, progress=once_recording(pull))
    assert left_in(tmp_path) == ["normal.partial.csv"]


@needs_micropython
def test_a_board_that_falls_silent_leaves_a_partial_recording(
    start: Callable[..., VirtualBoard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "_SILENCE", (0.3, 0.3))
    monkeypatch.setattr("offbeat.host.board._PATIENCE", {"HELLO": 0.1})
    virtual = start()
    ctrl_c = once_recording(lambda: virtual.feed_garbage(b"\x03", to_board=True))
    with pytest.raises(InputError, match=r"no answer to HELLO.*normal\.partial\.csv"):
        record(virtual.port, tmp_path / "normal.csv", seconds=1000.0, progress=ctrl_c)
    assert left_in(tmp_path) == ["normal.partial.csv"]


@needs_micropython
def test_a_sensor_that_gives_nothing(
    start: Callable[..., VirtualBoard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path_of := tmp_path / "boards"))
        tmp_path_of.mkdir()
        dead = ArraySource(counting(0), RATE, CHANNELS, scales=SCALES)
        with VirtualBoard(dead) as virtual:
            run_first(virtual, "import offbeat.app\noffbeat.app.App.record = lambda *_: None\n")
            monkeypatch.setattr(recorder, "_SILENCE", (0.1, 0.1))
            with pytest.raises(InputError, match="recording mode 3 times and sent no sample"):
                record(virtual.port, tmp_path / "a.csv", seconds=10.0)
    assert left_in(tmp_path) == ["boards"]


# --- how it ends ---


@needs_micropython
def test_ctrl_c_ends_a_recording_properly(start: Callable[..., VirtualBoard], tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    calls: list[float] = []

    def press(stage: str, share: float) -> None:
        calls.append(share)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)

    summary = record(start().port, tmp_path / "a.csv", progress=press)
    assert signal.getsignal(signal.SIGINT) is before
    place, made = places(tmp_path / "a.csv")
    assert summary.frames == len(place) > 0
    assert np.array_equal(place, made)
    assert left_in(tmp_path) == ["a.csv"]


@needs_micropython
def test_a_second_ctrl_c_gives_everything_up(start: Callable[..., VirtualBoard], tmp_path: Path) -> None:
    def press(stage: str, share: float) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        record(start().port, tmp_path / "a.csv", progress=press)
    assert left_in(tmp_path) == []


@needs_micropython
def test_an_interrupt_before_the_first_sample_leaves_nothing(
    start: Callable[..., VirtualBoard], tmp_path: Path
) -> None:
    def stop() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(InputError, match="nothing was recorded"):
        record(start().port, tmp_path / "a.csv", stop=stop)
    assert left_in(tmp_path) == []


@needs_micropython
@pytest.mark.parametrize(("number", "left"), [(signal.SIGTERM, 0), (signal.SIGINT, 1)])
def test_signals_from_outside(
    start: Callable[..., VirtualBoard], tmp_path: Path, number: signal.Signals, left: int
) -> None:
    code = "import sys; from offbeat.host.record import record; record(sys.argv[1], sys.argv[2])"
    process = subprocess.Popen([sys.executable, "-c", code, start().port, str(tmp_path / "a.csv")])
    try:
        for _ in range(1000):
            if any(path.stat().st_size > 10000 for path in tmp_path.iterdir()):
                break
            time.sleep(0.02)
        assert left_in(tmp_path) != ["a.csv"]
        process.send_signal(number)
        process.wait(10)
    finally:
        process.kill()
    assert left_in(tmp_path) == ["a.csv"] * left


@needs_micropython
def test_a_full_disk_leaves_nothing(
    start: Callable[..., VirtualBoard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    virtual = start()
    make = tempfile.mkstemp

    def full(**where: object) -> tuple[int, str]:
        handle, name = make(**where)
        os.close(handle)
        return os.open("/dev/full", os.O_WRONLY), name

    monkeypatch.setattr(tempfile, "mkstemp", full)
    with pytest.raises(InputError, match="the disk is full"):
        record(virtual.port, tmp_path / "a.csv", seconds=60.0)
    assert left_in(tmp_path) == []
    with Board.open(virtual.port) as board:
        assert board.hello.mode == "score"


@needs_micropython
def test_hostile_names_of_channels(tmp_path: Path, model: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path))
        names = ("a,b\n=1", "label")
        odd = ArraySource(counting(PERIOD), RATE, names, units=("m s", "\x1b[2J"), sensor="x\ny", loop=True)
        with VirtualBoard(odd, speed=20.0) as virtual:
            record(virtual.port, tmp_path / "a.csv", seconds=2.0, label="")
    found = open_recording(tmp_path / "a.csv")
    assert found.channels == ("a_b_x0a_1", "label_2")
    assert found.units == ("m_s", "\\x1b[2J")
    assert sum(len(block.counts) for block in found.blocks()) == 800
