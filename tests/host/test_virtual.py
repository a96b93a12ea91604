"""The virtual board: real MicroPython behind a port that can be unplugged, and that leaves nothing behind."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import serial
from numpy.typing import NDArray

from offbeat.host import running, virtual_process
from offbeat.host.board import Board, BoardError, Unplugged
from offbeat.host.ports import list_ports
from offbeat.host.virtual import ArraySource, RecordingSource, VirtualBoard, source_from
from offbeat.train.errors import InputError
from offbeat.train.recording import Recording, write_recording
from tests.host.helpers import until
from tests.host.small import CHANNELS, RATE, SCALES, hum, needs_micropython, small_model, source

pytestmark = needs_micropython


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.beat"
    path.write_bytes(small_model())
    return path


def children(parent: int) -> list[int]:
    """Processes that a process has started and that have not ended."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            name_end = (text := status.read_text()).rindex(")")
        except OSError:
            continue
        state, of, *_ = text[name_end + 2 :].split()
        if int(of) == parent and state != "Z":
            found.append(int(status.parent.name))
    return found


def open_files() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def next_score(board: Board) -> int:
    return next(line.integer("n") for line in board.lines(timeout=10.0) if line.kind == "SCORE")


def talk(port: serial.Serial, send: bytes, until_bytes: bytes) -> bytes:
    """Send bytes, and read until certain bytes have come or three seconds are over."""
    port.write(send)
    heard = b""
    deadline = time.monotonic() + 3.0
    while until_bytes not in heard and time.monotonic() < deadline:
        heard += port.read(4096)
    return heard


def test_control_c_gives_the_prompt_and_control_d_starts_again(model: Path) -> None:
    with VirtualBoard(source=source(), model=model, speed=10.0) as virtual:
        with serial.Serial(virtual.port, timeout=0.02, exclusive=True) as port:
            assert b"~SCORE " in talk(port, b"", b"~SCORE ")  # it runs: while it starts, Ctrl-C ends it for good
            assert b"KeyboardInterrupt" in talk(port, b"\x03", b">>> ")
            assert b"42" in talk(port, b"6*7\r", b"42")
        with pytest.raises(BoardError, match=r"MicroPython prompt.*Ctrl-D"):
            Board.open(virtual.port, timeout=3.0)
        with serial.Serial(virtual.port, timeout=0.02, exclusive=True) as port:
            assert b"~HELLO 2 " in talk(port, b"\r\x04", b"~SCORE ")
        with Board.open(virtual.port) as board:
            assert board.hello.mode == "score"


def test_control_bytes_other_than_control_c_are_just_bytes(model: Path) -> None:
    with VirtualBoard(source=source(), model=model, speed=10.0) as virtual, Board.open(virtual.port) as board:
        virtual.feed_garbage(bytes(code for code in range(256) if code not in (3, 10, 13, 126)), to_board=True)
        virtual.feed_garbage(b"\n", to_board=True)
        assert board.command("HEALTH").kind == "HEALTH"
        assert board.restarts == 0


def test_reset_starts_a_new_life(model: Path) -> None:
    with VirtualBoard(source=source(), model=model, speed=10.0) as virtual, Board.open(virtual.port) as board:
        while next_score(board) < 20:
            pass
        virtual.reset()
        hello = next(line for line in board.lines(timeout=10.0) if line.kind == "HELLO")
        assert "re" not in hello.fields
        assert next_score(board) == 0
        assert board.restarts == 1
        assert (board.lost, board.hello.mode) == (0, "score")


@pytest.mark.parametrize("bus_powered", [True, False])
def test_unplug_and_plug(model: Path, bus_powered: bool) -> None:
    with (
        VirtualBoard(source=source(), model=model, speed=10.0, bus_powered=bus_powered) as virtual,
        Board.open(virtual.port) as board,
    ):
        next_score(board)
        before = children(os.getpid())
        virtual.unplug()
        virtual.unplug()
        assert not os.path.lexists(virtual.port)
        with pytest.raises(Unplugged, match="vanished"):
            for _ in board.lines(timeout=2.0):
                pass
        with pytest.raises(Unplugged, match=r"not back within 0\.2 s.*no such port"):
            board.reconnect(0.2)
        later = threading.Timer(0.3, virtual.plug)
        later.start()
        board.reconnect(10.0)
        later.join()
        assert (children(os.getpid()) == before) == (not bus_powered)
        assert next_score(board) >= 0
        assert board.command("HEALTH").kind == "HEALTH"


def test_unplugged_in_the_middle_of_a_command(model: Path) -> None:
    with VirtualBoard(source=source(), model=model) as virtual, Board.open(virtual.port) as board:
        virtual.unplug()
        with pytest.raises(Unplugged):
            board.command("HEALTH")


def test_a_new_program_gets_fresh_lines(model: Path) -> None:
    with VirtualBoard(source=source(), model=model, speed=20.0) as virtual:
        with Board.open(virtual.port) as board:
            last = next_score(board)
            time.sleep(0.2)  # leaves some hundred lines unread
        dropped = virtual.dropped
        assert until(lambda: virtual.dropped > dropped + 5000)
        with serial.Serial(virtual.port, timeout=0.02) as port:
            heard = talk(port, b"", b"us=").split()
        assert int(heard[heard.index(b"~SCORE") + 2][2:]) > last + 80


def test_a_program_that_does_not_read_does_not_stop_the_board(model: Path) -> None:
    with VirtualBoard(source=source(), model=model, speed=0) as virtual, Board.open(virtual.port) as board:
        assert until(lambda: virtual.dropped > 10000, 30.0)
        assert board.command("HEALTH").integer("windows") > 500
        assert board.lost > 0


def test_a_source_that_ends(model: Path) -> None:
    frames = np.concatenate([hum(2.0), 4 * hum(1.0)])
    with VirtualBoard(source=source(frames, loop=False), model=model, speed=0) as virtual:
        assert until(lambda: virtual.frames == len(frames))
        with Board.open(virtual.port) as board:
            assert until(lambda: board.command("HEALTH").integer("windows") == (len(frames) - 32) // 16 + 1)
            assert not virtual.wait(timeout=0.01)


def test_an_alarm(model: Path) -> None:
    frames = np.concatenate([hum(3.0), 4 * hum(1.0)])
    with (
        VirtualBoard(source=source(frames, loop=False), model=model, speed=5.0) as virtual,
        Board.open(virtual.port) as board,
    ):
        alarm = next(line for line in board.lines(timeout=10.0) if line.kind == "ALARM")
    assert alarm.fields["on"] == "1"
    assert alarm.integer("n") * 16 + 32 > 3.0 * RATE
    assert alarm.integer("s") >= 256
    assert set(alarm.fields["names"].split(",")) <= {"x.rms", "y.rms"}


def test_without_a_model_or_with_a_bad_one_the_board_says_so(tmp_path: Path) -> None:
    with VirtualBoard(source=source()) as virtual, Board.open(virtual.port) as board:
        assert (board.hello.mode, board.hello.model, board.hello.window) == ("idle", "none", 0)
    bad = tmp_path / "bad.beat"
    bad.write_bytes(small_model()[:-1] + b"\0")
    with VirtualBoard(source=source(), model=bad) as virtual, Board.open(virtual.port) as board:
        assert board.hello.mode == "idle"
        virtual.reset()
        mode = next(line for line in board.lines(timeout=10.0) if line.kind == "MODE")
        assert "CRC" in mode.fields["why"]


def test_long_names_of_channels_and_sensors_leave_the_rest_of_the_hello_whole() -> None:
    name = "schöner langer Name " * 12
    frames = ArraySource(hum(), RATE, ("x", name), units=("m/s²", "°C"), scales=SCALES, sensor=name, loop=True)
    with VirtualBoard(source=frames) as virtual, Board.open(virtual.port) as board:
        assert board.hello.channels == ("x", "channel1")
        assert (board.hello.units, board.hello.scales) == (("m/s²", "°C"), SCALES)
        assert (board.hello.rate, board.hello.sensor) == (RATE, "")


def test_a_heap_too_small_is_reported_by_the_board(model: Path) -> None:
    with (
        VirtualBoard(source=source(), model=model, heap="40K") as virtual,
        pytest.raises(BoardError, match="MicroPython prompt"),
    ):
        Board.open(virtual.port, timeout=3.0)


@pytest.mark.parametrize("heap", ["", "2G", "-1", "2M; rm"])
def test_bad_heap(heap: str) -> None:
    with pytest.raises(InputError, match="no size of a heap"):
        VirtualBoard(source=source(), heap=heap)


def test_missing_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.beat: cannot be read"):
        VirtualBoard(source=source(), model=tmp_path / "none.beat").start()


def test_without_micropython(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OFFBEAT_MICROPYTHON", str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"pip install 'offbeat\[virtual\]'.*offbeat doctor"):
        VirtualBoard(source=source()).start()
    assert list(running.running_boards()) == []


def test_a_binary_that_does_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(virtual_process, "_FIRST_PAUSE", 0.001)
    broken = tmp_path / "micropython"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("OFFBEAT_MICROPYTHON", str(broken))
    files = open_files()
    with pytest.raises(BoardError, match=r"ends as soon as it starts \(exit code 3"):
        VirtualBoard(source=source()).start()
    assert open_files() == files
    assert list(running.running_boards()) == []


def test_a_source_that_fails_ends_the_wait(model: Path) -> None:
    class Failing(ArraySource):
        def read(self, count: int) -> NDArray[np.int16]:
            if len(frames := super().read(count)):
                return frames
            raise InputError("recording.csv: row 7 is bad")

    frames = Failing(hum(1.0), RATE, CHANNELS, units=("g", "g"), scales=SCALES, sensor="noise")
    with VirtualBoard(source=frames, model=model) as virtual, pytest.raises(InputError, match="row 7"):
        virtual.wait(10.0)


def test_the_port_is_listed_while_it_runs_and_names_do_not_clash(model: Path, tmp_path: Path) -> None:
    with VirtualBoard(source=source()) as first, VirtualBoard(source=source()) as second:
        assert [Path(board.port).name for board in (first, second)] == ["ttyVIRTUAL0", "ttyVIRTUAL1"]
        listed = {info.device: info for info in list_ports()}
        assert {first.port, second.port} <= set(listed)
        assert "virtual" in listed[first.port].board
        assert stat.S_IMODE(Path(first.port).parent.stat().st_mode) == 0o700
        with pytest.raises(InputError, match="ttyVIRTUAL1 is running already"):
            VirtualBoard(source=source(), name="ttyVIRTUAL1").start()
        first.unplug()
        assert first.port not in {info.device for info in list_ports()}
    assert not {first.port, second.port} & {info.device for info in list_ports()}
    with pytest.raises(InputError, match="cannot be the name"):
        VirtualBoard(source=source(), name="../x").start()


def test_nothing_is_left_behind(model: Path, tmp_path: Path) -> None:
    def work() -> None:
        with VirtualBoard(source=source(), model=model) as virtual:
            with Board.open(virtual.port) as board:
                board.command("HEALTH")
            virtual.unplug()
            virtual.plug()
            virtual.reset()
            raise RuntimeError("the user's own mistake")

    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    with pytest.raises(RuntimeError):
        work()
    files, threads, processes = open_files(), threading.active_count(), children(os.getpid())
    for _ in range(2):
        with pytest.raises(RuntimeError):
            work()
    assert (open_files(), threading.active_count(), children(os.getpid())) == (files, threads, processes)
    assert list((tmp_path / f"offbeat-{os.getuid()}").iterdir()) == []
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == handlers


def test_a_closed_board_says_so(model: Path) -> None:
    with VirtualBoard(source=source(), model=model) as virtual:
        pass
    virtual.close()
    with pytest.raises(Exception, match="has ended"):
        virtual.plug()
    with pytest.raises(BoardError, match="has not started"):
        VirtualBoard(source=source()).reset()


PROGRAM = """
import sys, tempfile, time
tempfile.tempdir = sys.argv[1]
from offbeat.host.virtual import VirtualBoard
from tests.host.small import source
with VirtualBoard(source=source()) as virtual:
    print(virtual.port, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_program_that_is_told_to_end_cleans_up(program: tuple[subprocess.Popen[str], Path], number: int) -> None:
    process, port = program
    (board,) = children(process.pid)
    process.send_signal(number)
    assert process.wait(20) != 0
    assert list(port.parent.iterdir()) == []
    assert until(lambda: board not in children(1) + children(process.pid))


def test_what_a_killed_program_leaves_is_removed_by_the_next(program: tuple[subprocess.Popen[str], Path]) -> None:
    process, port = program
    (board,) = children(process.pid)
    assert list(running.running_boards()) == [port]
    process.kill()
    process.wait(20)
    # The kernel hangs up the board's terminal, which ends it.
    assert until(lambda: not alive(board))
    assert port.is_symlink()
    assert list(running.running_boards()) == []
    assert list(port.parent.iterdir()) == []


def alive(process: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def test_recordings_as_sources(tmp_path: Path) -> None:
    counts = np.stack([np.arange(1000), np.arange(1000, 0, -1)], axis=1).astype(np.int16)
    path = tmp_path / "played.csv"
    write_recording(path, Recording(path, counts, None, CHANNELS, RATE, SCALES, ("g", "g"), "noise"))
    played = RecordingSource(path)
    assert (played.channels, played.units, played.scales) == (CHANNELS, ("g", "g"), SCALES)
    assert (played.rate, played.sensor) == (RATE, "noise")
    parts = []
    while len(part := played.read(333)):
        parts.append(part)
    assert np.array_equal(np.concatenate(parts), counts)
    looped = source_from(str(path), loop=True)
    assert sum(len(looped.read(333)) for _ in range(30)) > 2000
    with pytest.raises(InputError, match="--fault is for the simulator"):
        source_from(str(path), faults=["bearing_outer@3"])


def test_the_simulator_as_a_source() -> None:
    simulated = source_from("simulator", machine="fan", faults=["bearing_outer@3"], rate=400.0, seed=1)
    with VirtualBoard(source=simulated, speed=0) as virtual, Board.open(virtual.port) as board:
        assert board.hello.channels == ("x", "y", "z", "temperature")
        assert board.hello.scales == simulated.scales
        assert board.hello.rate == 400.0
