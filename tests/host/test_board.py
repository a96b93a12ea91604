"""One connection to a board: lines, counts, commands, and what it says when something is wrong."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial
from hypothesis import given, settings
from hypothesis import strategies as st

from offbeat.device import link
from offbeat.host import board as board_module
from offbeat.host import opening
from offbeat.host.board import Board, BoardError, Refused, Unplugged, printable
from offbeat.host.lines import LONGEST, Line, LineReader, LossCounter
from offbeat.host.virtual import VirtualBoard
from offbeat.host.virtual_process import open_terminal
from offbeat.train.errors import InputError
from tests.host.small import CHANNELS, HOP, RATE, SCALES, WINDOW, hum, needs_micropython, small_model, source

# --- lines ---


def test_printable_escapes_whatever_a_terminal_might_obey() -> None:
    assert printable("3 µm/s² ok") == "3 µm/s² ok"
    assert printable("\x1b[31m\r\x07\x9b") == "\\x1b[31m\\x0d\\x07\\x9b"
    assert printable("a\u202eb\u2028\U000e0001") == "a\\u202eb\\u2028\\U000e0001"


def test_line_reader_returns_records_and_plain_lines() -> None:
    reader = LineReader()
    record = link.encode("SCORE", 7, [("n", 3), ("name", link.quote("a b\x1b"))])
    found = reader.feed(b"hello \xff\x1b[2J\r\n" + record + b"\r\n")
    assert [line.kind for line in found] == ["", "SCORE"]
    assert found[0].text == "hello \\xff\\x1b[2J"
    assert found[1].sequence == 7
    assert found[1].fields == {"n": "3", "name": "a b\\x1b"}
    assert found[1].integer("n") == 3
    with pytest.raises(BoardError, match="no whole number us="):
        found[1].integer("us")


def test_line_reader_finds_a_record_behind_noise_without_line_end() -> None:
    record = link.encode("SCORE", 1, [("n", 3)])
    reader = LineReader()
    assert [line.kind for line in reader.feed(b">>> " + record)] == ["", "SCORE"]
    assert reader.damaged == 0
    assert [line.kind for line in reader.feed(record[:9] + record)] == ["SCORE"]
    assert reader.damaged == 1


def test_line_reader_counts_damaged_and_overlong_lines_and_goes_on() -> None:
    record = link.encode("SCORE", 1, [("n", 3)])
    reader = LineReader()
    assert reader.feed(record.replace(b"n=3", b"n=4")) == []
    assert reader.damaged == 1
    for _ in range(50):
        assert reader.feed(b"x" * LONGEST) == []
    assert reader.damaged == 2
    assert len(reader.rest) == 0
    assert [line.kind for line in reader.feed(b"\n" + record)] == ["SCORE"]


@given(st.lists(st.binary(max_size=300) | st.just(link.encode("ACK", 9, [("re", 1)])), max_size=8), st.data())
@settings(max_examples=60, deadline=None)
def test_line_reader_does_not_care_how_bytes_are_cut(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    whole = LineReader()
    expected = whole.feed(stream)
    pieces = LineReader()
    found: list[Line] = []
    at = 0
    while at < len(stream):
        step = data.draw(st.integers(1, 400))
        found += pieces.feed(stream[at : at + step])
        at += step
    assert found == expected
    assert (pieces.damaged, pieces.rest) == (whole.damaged, whole.rest)
    assert all(line.text.isprintable() for line in found)


# --- counting lost lines ---


@given(st.integers(0, 65535), st.lists(st.integers(0, 400), max_size=200))
def test_lost_lines_are_counted_exactly(first: int, gaps: list[int]) -> None:
    counter = LossCounter()
    counter.start_after(first)
    sequence = first
    for gap in gaps:
        sequence = (sequence + gap + 1) & 0xFFFF
        assert not counter.see("SCORE", sequence, {})
    assert counter.lost == sum(gaps)
    assert counter.restarts == 0


@given(st.integers(40, 65534), st.integers(1, 32), st.data())
def test_a_restart_is_no_loss_but_what_is_missing_after_it_is(last: int, channels: int, data: st.DataObject) -> None:
    opening_lines = [("CHANNEL", i, {"i": str(i)}) for i in range(channels)]
    opening_lines += [("HELLO", channels, {"channels": str(channels)}), ("MODE", channels + 1, {})]
    first_heard = data.draw(st.integers(0, channels))
    kept = [first_heard, *sorted(data.draw(st.sets(st.integers(first_heard + 1, channels + 1))))]
    counter = LossCounter()
    counter.start_after(last - 1)
    counter.see("SCORE", last, {})
    for number in kept:
        counter.see(*opening_lines[number])
    assert counter.restarts == 1
    assert counter.lost == kept[-1] + 1 - len(kept)


def test_an_answered_hello_is_no_restart() -> None:
    counter = LossCounter()
    counter.start_after(99)
    for sequence, i in ((100, "0"), (101, "1")):
        assert not counter.see("CHANNEL", sequence, {"i": i})
    assert not counter.see("HELLO", 102, {"channels": "2", "re": "5"})
    assert (counter.lost, counter.restarts) == (0, 0)


# --- ports that cannot be opened, boards that are none ---


def test_wrong_port_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such port; (the ports there are|no serial port is to be seen)"):
        Board.open(str(tmp_path / "ttyNONE"))


def test_a_file_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="not a serial port"):
        Board.open(str(tmp_path / "file"))
    with pytest.raises(InputError, match="not a serial port"):
        Board.open(str(tmp_path))


def test_permission_denied_names_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(errno.EACCES, "could not open port")

    monkeypatch.setattr(opening.serial, "Serial", refuse)
    with pytest.raises(InputError, match="usermod -aG dialout"):
        Board.open("/dev/ttyACM0")


class ScriptedDevice:
    """A device on a pseudo-terminal that answers as told: answer(line) returns bytes. A context manager."""

    def __init__(self, answer: Callable[[bytes], bytes], channels: int = 1) -> None:
        self._answer = answer
        self._ours, self._other = open_terminal()
        self.port = os.ttyname(self._other)
        self.sequence = 0
        self.heard: list[bytes] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> ScriptedDevice:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        os.close(self._ours)
        os.close(self._other)

    def line(self, kind: str, *fields: tuple[str, object]) -> bytes:
        """The next line of the device."""
        self.sequence += 1
        return link.encode(kind, self.sequence - 1, fields)

    def hello(self, re: int, version: int = 1, unique: str = "one") -> bytes:
        """A whole announcement."""
        return self.line("CHANNEL", ("i", 0), ("name", "x%1B"), ("unit", ""), ("scale", "")) + self.line(
            "HELLO", ("v", version), ("id", unique), ("rate", "10.000"), ("channels", 1), ("line", 250), ("re", re)
        )

    def _run(self) -> None:
        rest = b""
        while not self._stopping.is_set():
            try:
                rest += os.read(self._ours, 4096)
            except BlockingIOError:
                time.sleep(0.002)
            *lines, rest = rest.split(b"\r\n")
            for raw in lines:
                self.heard.append(raw)
                os.write(self._ours, self._answer(raw))


def test_silent_board() -> None:
    with (
        ScriptedDevice(lambda raw: b"kernel panic \x1b[0m\n") as device,
        pytest.raises(BoardError, match=r"no answer to hello within 0.6 s; is offbeat .*it said: kernel panic \\x1b"),
    ):
        Board.open(device.port, timeout=0.6)
    assert len(device.heard) == 2


def test_board_at_the_prompt() -> None:
    def echo(raw: bytes) -> bytes:
        return raw + b"\r\nTraceback (most recent call last):\r\nSyntaxError: invalid syntax\r\n>>> "

    with (
        ScriptedDevice(echo) as device,
        pytest.raises(BoardError, match=r"MicroPython prompt.*Ctrl-D.*SyntaxError: invalid syntax"),
    ):
        Board.open(device.port, timeout=0.3)


def test_other_protocol_version() -> None:
    device = ScriptedDevice(lambda raw: device.hello(link.parse(raw)[1], version=2))
    with device, pytest.raises(BoardError, match="speaks protocol 2"):
        Board.open(device.port, timeout=1.0)


def test_names_and_scales_of_a_stranger_are_harmless() -> None:
    device = ScriptedDevice(lambda raw: device.hello(link.parse(raw)[1]))
    with device, Board.open(device.port, timeout=2.0) as board:
        assert board.hello.channels == ("x\\x1b",)
        assert board.hello.scales == (1.0,)
        assert (board.hello.window, board.hello.model, board.hello.viper) == (0, "none", False)


def test_a_whole_number_of_a_board_has_64_bits() -> None:
    def line(value: str) -> Line:
        return Line("HEALTH", 1, {"up": value}, f"~HEALTH 1 up={value}")

    for value in (0, -7, 2**63 - 1, -(2**63)):
        assert line(str(value)).integer("up") == value
    for text in (str(2**63), str(-(2**63) - 1), "9" * 400, "9" * 900, "1e3", "", "nan"):
        with pytest.raises(BoardError, match="has no whole number up="):
            line(text).integer("up")


@pytest.mark.parametrize("rate", ["1e308", "4294968", "1e-320", "0.0001"])
def test_a_rate_beyond_all_sensors_is_refused(rate: str) -> None:
    def answer(raw: bytes) -> bytes:
        fields = {"v": 1, "id": "one", "rate": rate, "channels": 1, "line": 250, "re": link.parse(raw)[1]}
        return device.line("CHANNEL", ("i", 0), ("name", "x")) + device.line("HELLO", *fields.items())

    device = ScriptedDevice(answer)
    with device, pytest.raises(BoardError, match=r"sampling rate that is not between 0\.001 and 4294967 Hz"):
        Board.open(device.port, timeout=2.0)


def test_lines_that_come_with_the_answer_to_hello_are_kept_and_those_before_it_are_not() -> None:
    def answer(raw: bytes) -> bytes:
        scores = [device.line("SCORE", ("n", n)) for n in range(3)]
        return scores[0] + device.hello(link.parse(raw)[1]) + device.line("SCORE", ("n", 3)) + b"print\n"

    device = ScriptedDevice(answer)
    with device, Board.open(device.port, timeout=2.0) as board:
        assert [line.text[:8] for line in board.lines(timeout=0.05)] == ["~SCORE 5", "print"]
        assert board.lost == 0


def test_a_command_is_sent_again_and_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(board_module._PATIENCE, "STOP", 0.05)
    device = ScriptedDevice(lambda raw: device.hello(link.parse(raw)[1]) if b"HELLO" in raw else b"")
    with device, Board.open(device.port, timeout=2.0) as board:
        with pytest.raises(BoardError, match="no answer to STOP, sent 4 times"):
            board.command("STOP")
        assert board.retries == 3
        assert len({raw for raw in device.heard if b"STOP" in raw}) == 1


def test_a_line_that_the_board_heard_damaged_goes_out_again_at_once() -> None:
    def answer(raw: bytes) -> bytes:
        re = link.parse(raw)[1]
        if b"HELLO" in raw:
            return device.hello(re)
        if len(device.heard) == 2:
            return device.line("NAK", ("re", 0), ("why", "crc"))
        return device.line("SCORE", ("n", 1)) + device.line("ACK", ("re", re)) + device.line("SCORE", ("n", 2))

    device = ScriptedDevice(answer)
    with device, Board.open(device.port, timeout=2.0) as board:
        began = time.monotonic()
        assert board.command("STOP").kind == "ACK"
        assert time.monotonic() - began < 1.0  # did not wait for its patience to end
        kept = [board.read_line(1.0), board.read_line(1.0)]
        assert [line.integer("n") for line in kept if line] == [1, 2]
        assert (board.retries, board.lost) == (1, 0)


def test_lines_during_a_command_go_to_the_callback() -> None:
    def answer(raw: bytes) -> bytes:
        re = link.parse(raw)[1]
        if b"HELLO" in raw:
            return device.hello(re)
        return device.line("FEATURES", ("n", 1)) + device.line("RESULT", ("re", re))

    device = ScriptedDevice(answer)
    with device, Board.open(device.port, timeout=2.0) as board:
        seen: list[Line] = []
        board.on_line = seen.append
        assert board.command("RUN", n=1).kind == "RESULT"
        assert [line.kind for line in seen] == ["FEATURES"]
        assert board.read_line(0) is None


def test_nobody_fetches_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_module, "_KEPT_LINES", 5)

    def answer(raw: bytes) -> bytes:
        re = link.parse(raw)[1]
        if b"HELLO" in raw:
            return device.hello(re)
        return b"".join(device.line("SCORE", ("n", n)) for n in range(12)) + device.line("ACK", ("re", re))

    device = ScriptedDevice(answer)
    with device, Board.open(device.port, timeout=2.0) as board:
        board.command("STOP")
        assert board.dropped == 7
        assert [line.integer("n") for line in board.lines(timeout=0)] == [7, 8, 9, 10, 11]


def test_another_board_comes_back() -> None:
    device = ScriptedDevice(lambda raw: device.hello(link.parse(raw)[1], unique=f"board{len(device.heard)}"))
    with device, Board.open(device.port, timeout=2.0) as board:
        with pytest.raises(BoardError, match="another board came back"):
            board.reconnect(2.0)
        with pytest.raises(Unplugged, match="closed"):
            board.read_line(0)


def test_commands_longer_than_the_board_takes_are_refused_here() -> None:
    device = ScriptedDevice(lambda raw: device.hello(link.parse(raw)[1]))
    with device, Board.open(device.port, timeout=2.0) as board, pytest.raises(InputError, match="send shorter parts"):
        board.command("WINDOW", o=0, d=bytes(300))


# --- a real one ---


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualBoard]:
    directory = tmp_path_factory.mktemp("board")
    model = directory / "model.beat"
    model.write_bytes(small_model())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(directory))
        with VirtualBoard(source=source(), model=model, speed=20.0) as virtual:
            yield virtual


@needs_micropython
def test_hello_says_who_it_is(running: VirtualBoard) -> None:
    with Board.open(running.port) as board:
        hello = board.hello
        assert (hello.version, hello.board, hello.mode, hello.sensor) == (1, "virtual", "score", "noise")
        assert (hello.channels, hello.units, hello.scales) == (CHANNELS, ("g", "g"), SCALES)
        assert (hello.rate, hello.window, hello.hop, hello.line) == (RATE, WINDOW, HOP, 250)
        assert hello.unique == "virtual-ttyVIRTUAL0"


@needs_micropython
def test_every_score_line_arrives(running: VirtualBoard) -> None:
    with Board.open(running.port) as board:
        scores = []
        for line in board.lines(timeout=5.0):
            if line.kind == "SCORE":
                scores.append(line.integer("n"))
            if len(scores) == 100:
                break
        assert scores == list(range(scores[0], scores[0] + 100))
        assert (board.lost, board.damaged, board.restarts) == (0, 0, 0)
        assert board.bytes_in > 3000
        assert board.bytes_out > 10


@needs_micropython
def test_commands_of_the_protocol(running: VirtualBoard) -> None:
    with Board.open(running.port) as board:
        assert board.command("HEALTH").integer("heap") > 10000
        assert board.command("SELFTEST").fields["of"] == "0"
        window = hum(1.0)[:WINDOW].tobytes()
        for at in range(0, len(window), 120):
            board.command("WINDOW", o=at, d=window[at : at + 120])
        result = board.command("RUN", n=5)
        assert (result.kind, result.fields["n"], result.fields["features"]) == ("RESULT", "5", "2")
        with pytest.raises(Refused, match="RECORD missing or out of range") as refused:
            board.command("RECORD", seconds=0)
        assert refused.value.why == "field"
        with pytest.raises(Refused, match="does not know SING"):
            board.command("SING")


@needs_micropython
def test_garbage_to_the_host_costs_no_line_after_it(running: VirtualBoard) -> None:
    with Board.open(running.port) as board:
        board.read_line(5.0)
        running.feed_garbage(b"\x00\xff\xfe~~~\x1b[31m" * 20 + b"\n")
        running.feed_garbage(b"A" * 3000)
        running.feed_garbage(b"\n~SCORE 12 n=1 *00000000\n")
        for _ in range(60):
            line = board.read_line(5.0)
            assert line is not None
            assert line.text.isprintable()
        # A noise block may fall into the middle of a line and spoil it; the line before it and those after count.
        assert 2 <= board.damaged <= 5
        assert board.lost <= 3
        assert board.command("HEALTH").kind == "HEALTH"


@needs_micropython
def test_garbage_to_the_board_is_counted_and_answered(running: VirtualBoard) -> None:
    with Board.open(running.port) as board:
        before = board.command("HEALTH").integer("bad")
        running.feed_garbage(b"\x00\xff~~~\xfe" * 100 + b"\n~HEALTH 5 *00000000\n\n\n", to_board=True)
        complaint = next(line for line in board.lines(timeout=5.0) if line.kind == "NAK")
        assert complaint.fields["re"] == "0"
        assert board.command("HEALTH").integer("bad") == before + 2


@needs_micropython
def test_busy_port(running: VirtualBoard) -> None:
    with Board.open(running.port), pytest.raises(InputError, match="another program has the port open"):
        Board.open(running.port)


@needs_micropython
def test_wrong_port_names_the_virtual_board(running: VirtualBoard) -> None:
    with pytest.raises(InputError, match=f"the ports there are: .*{running.port}"):
        Board.open(running.port + "x")
