"""C firmware on emulated boards: validated, monitored and recorded from exactly as a board with MicroPython."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from numpy.typing import NDArray

from offbeat.device import link
from offbeat.host import firmware
from offbeat.host.board import Board, Refused
from offbeat.host.monitor import Alarm, Monitor
from offbeat.host.record import record
from offbeat.host.validate import validate
from offbeat.host.virtual import ArraySource, VirtualBoard
from offbeat.host.virtual_sink import RingSink
from offbeat.train.errors import InputError
from offbeat.train.recording import read_recording
from tests.host.helpers import counting, whole_model
from tests.host.small import CHANNELS, RATE, SCALES, hum, needs_micropython, small_model, source

needs_emulator = pytest.mark.skipif(
    firmware.find_emulator() is None or not firmware.find_compiler(),
    reason="QEMU or a compiler for Arm is missing: apt install qemu-system-arm, and pip install ziglang",
)


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.beat"
    path.write_bytes(small_model())
    return path


@pytest.fixture
def board(model: Path) -> Iterator[VirtualBoard]:
    with VirtualBoard(source(), model=model, firmware="mps2-an386") as virtual:
        yield virtual


@needs_emulator
@pytest.mark.parametrize(
    ("name", "family"),
    [("microbit", "gaussian"), ("mps2-an385", "autoencoder"), ("mps2-an386", "ensemble"), ("mps2-an500", "pca")],
)
def test_each_board_computes_what_numpy_computes(tmp_path: Path, name: str, family: str) -> None:
    path = tmp_path / "model.beat"
    path.write_bytes(whole_model(family))
    with VirtualBoard(source(), model=path, firmware=name) as virtual:
        report = validate(path, virtual.port, windows=60)
    assert report.ok
    assert (report.windows, report.mismatches, report.self_test) == (63, 0, (3, 3))
    assert (report.lost, report.damaged, report.retries) == (0, 0, 0)


@needs_emulator
def test_what_a_score_remembers_is_the_hosts_alone(tmp_path: Path) -> None:
    path = tmp_path / "model.beat"
    path.write_bytes(whole_model("autoregressive", golden=1))  # a golden window is scored from a reset
    with VirtualBoard(source(), model=path, firmware="mps2-an385") as virtual:
        assert validate(path, virtual.port, windows=150).ok


@needs_emulator
@pytest.mark.parametrize("compiler", ["gcc", "zig"])
def test_both_compilers(model: Path, monkeypatch: pytest.MonkeyPatch, compiler: str) -> None:
    monkeypatch.setenv("OFFBEAT_FIRMWARE_COMPILER", compiler)
    if not firmware.find_compiler():
        pytest.skip("a compiler is missing: apt install gcc-arm-none-eabi, and pip install ziglang")
    with VirtualBoard(source(), model=model, firmware="microbit") as virtual:
        assert validate(model, virtual.port, windows=5).ok


def growing() -> NDArray[np.int16]:
    """A hum that becomes four times as strong after two seconds, for two seconds."""
    size = np.ones(round(6.0 * RATE))
    size[round(2.0 * RATE) : round(4.0 * RATE)] = 4.0
    return (hum(6.0, 100.0, seed=3) * size[:, None]).astype(np.int16) * 5


class Gated(ArraySource):
    """Frames that come once somebody listens."""

    def __init__(self, counts: NDArray[np.int16]) -> None:
        super().__init__(counts, RATE, CHANNELS, units=("g", "g"), scales=SCALES, sensor="noise")
        self.gate = Event()

    def read(self, count: int) -> NDArray[np.int16]:
        self.gate.wait()
        return super().read(count)


def told(model: Path, board: str | None, counts: NDArray[np.int16], windows: int) -> list[tuple[str, dict[str, str]]]:
    """SCORE and ALARM lines of a board that sees these counts, without their times."""
    found = []
    gated = Gated(counts)
    with (
        VirtualBoard(gated, model=model, firmware=board, speed=10.0) as virtual,
        Board.open(virtual.port) as open_board,
    ):
        gated.gate.set()
        for line in open_board.lines(timeout=20.0):
            if line.kind in ("SCORE", "ALARM"):
                found.append((line.kind, {key: value for key, value in line.fields.items() if key != "us"}))
            if line.kind == "SCORE" and line.integer("n") == windows - 1:
                break
    return found


@needs_emulator
@needs_micropython
def test_the_same_lines_as_from_micropython(model: Path) -> None:
    windows = (round(6.0 * RATE) - 32) // 16 + 1
    of_micropython, of_firmware = (told(model, board, growing(), windows) for board in (None, "microbit"))
    assert of_firmware == of_micropython
    kinds = [kind for kind, _ in of_firmware]
    assert (kinds.count("SCORE"), kinds.count("ALARM")) == (windows, 2)
    starts = next(fields for kind, fields in of_firmware if kind == "ALARM")
    assert starts["on"] == "1"
    assert starts["names"].startswith(("x.rms", "y.rms"))


@needs_emulator
def test_monitored_until_the_alarm(model: Path) -> None:
    with (
        VirtualBoard(source(growing()), model=model, firmware="mps2-an500") as virtual,
        Monitor(virtual.port, seconds=30.0, until_alarm=True) as monitor,
    ):
        alarms = [event for event in monitor if isinstance(event, Alarm)]
    assert alarms[-1].on
    assert {reason.split(":")[0] for reason in map(str, alarms[-1].reasons)}
    assert monitor.summary()["lost"] == 0


@needs_emulator
def test_recorded_without_a_gap(model: Path, tmp_path: Path) -> None:
    counted = ArraySource(counting(30000), RATE, CHANNELS, units=("g", "g"), scales=SCALES, sensor="noise", loop=True)
    with VirtualBoard(counted, model=model, firmware="microbit", speed=4.0) as virtual:
        record(virtual.port, tmp_path / "a.csv", seconds=5.0)
    counts = read_recording(tmp_path / "a.csv").counts
    assert len(counts) == 2000
    assert set(np.diff(counts[:, 0].astype(int)).tolist()) <= {1, -29999}


@needs_emulator
def test_garbage_costs_a_counter_and_nothing_else(board: VirtualBoard) -> None:
    with Board.open(board.port) as connection:
        before = connection.command("HEALTH").integer("bad")
        board.feed_garbage(bytes(range(256)) * 4 + b"\n~K 1 *00000000\n" + b"~" + b"x" * 400 + b"\n", to_board=True)
        board.feed_garbage(link.encode("NOPE", 7), to_board=True)
        answer = connection.command("HEALTH")
        assert answer.integer("bad") >= before + 2
        assert connection.restarts == 0
        assert next(line for line in connection.lines(timeout=10.0) if line.kind == "SCORE")


@needs_emulator
@pytest.mark.parametrize(
    ("kind", "fields", "why"),
    [
        ("NOPE", {}, "unknown"),
        ("RECORD", {"seconds": 0}, "field"),
        ("RECORD", {"seconds": 86401}, "field"),
        ("RUN", {"n": 1}, "window"),
        ("RUN", {}, "field"),
        ("BENCH", {}, "window"),
        ("WINDOW", {"o": 1, "d": b"12"}, "field"),
        ("WINDOW", {"o": 126, "d": b"1234"}, "field"),
        ("WINDOW", {"o": 0}, "field"),
    ],
)
def test_commands_that_are_refused(refusing: Board, kind: str, fields: dict[str, int | bytes], why: str) -> None:
    with pytest.raises(Refused) as refusal:
        refusing.command(kind, **fields)
    assert refusal.value.why == why


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    directory = tmp_path_factory.mktemp("refusing")
    (directory / "model.beat").write_bytes(small_model())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(directory))
        with (
            VirtualBoard(source(), model=directory, firmware="mps2-an386") as virtual,
            Board.open(virtual.port) as connection,
        ):
            yield connection


@needs_emulator
def test_the_same_number_scores_once(refusing: Board) -> None:
    for at in range(0, 128, 96):
        refusing.command("WINDOW", o=at, d=bytes(range(min(96, 128 - at))))
    first = refusing.command("RUN", n=5)
    again = refusing.command("RUN", n=5)
    assert {**first.fields, "re": ""} == {**again.fields, "re": ""}
    timed = refusing.command("BENCH")
    assert timed.integer("features") + timed.integer("model") >= 0
    assert timed.integer("taken") == 0


@needs_emulator
def test_reset_and_the_cable(board: VirtualBoard) -> None:
    with Board.open(board.port) as connection:
        board.reset()
        hello = next(line for line in connection.lines(timeout=10.0) if line.kind == "HELLO")
        assert "re" not in hello.fields
        assert next(line for line in connection.lines(timeout=10.0) if line.kind == "SCORE").integer("n") == 0
        assert connection.restarts == 1
    board.unplug()
    assert not Path(board.port).exists()
    board.plug()
    with Board.open(board.port) as connection:
        assert (connection.hello.mode, connection.hello.board, connection.hello.viper) == ("score", "mps2-an386", False)


@needs_emulator
def test_a_sensor_that_does_not_fit_the_model(model: Path) -> None:
    other = ArraySource(hum(), RATE / 2, CHANNELS, units=("g", "g"), scales=SCALES, sensor="noise", loop=True)
    with VirtualBoard(other, model=model, firmware="mps2-an386") as virtual, Board.open(virtual.port) as connection:
        assert connection.hello.mode == "idle"
        with pytest.raises(Refused, match="no model that fits its sensor"):
            connection.command("SELFTEST")


@needs_emulator
def test_more_channels_than_the_model_has(model: Path) -> None:
    names = ("a", "b", "c")
    other = ArraySource(np.zeros((400, 3), np.int16), RATE, names, sensor="noise", loop=True)
    with VirtualBoard(other, model=model, firmware="microbit") as virtual, Board.open(virtual.port) as connection:
        assert (connection.hello.mode, connection.hello.channels) == ("idle", names)


@needs_emulator
def test_it_says_how_much_memory_it_takes(board: VirtualBoard) -> None:
    with Board.open(board.port) as connection:
        first = connection.command("HEALTH")
        assert 1000 < first.integer("alloc") < 16384
        while connection.read_line(5.0).kind != "SCORE":
            pass
        assert connection.command("HEALTH").integer("heap") <= first.integer("heap")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"firmware": "pico"}, "no board that firmware is built for; choose microbit"),
        ({"model": None}, "built around a model"),
        ({"model": "broken"}, "damaged"),
    ],
)
def test_what_cannot_be_built(model: Path, tmp_path: Path, change: dict[str, str | None], message: str) -> None:
    (tmp_path / "broken").write_bytes(model.read_bytes()[:-9])
    asked: dict[str, Path | str | None] = {"firmware": "mps2-an386", "model": model}
    asked |= {key: tmp_path / "broken" if value == "broken" else value for key, value in change.items()}
    if change.get("firmware") is None and firmware.find_emulator() is None:
        pytest.skip("QEMU is missing: apt install qemu-system-arm")
    with pytest.raises(InputError, match=message), VirtualBoard(source(), **asked):  # type: ignore[arg-type]
        pass


@pytest.mark.parametrize(
    ("missing", "message"),
    [("find_emulator", "apt install qemu-system-arm"), ("find_compiler", "pip install ziglang")],
)
def test_what_is_missing_is_named(
    model: Path, monkeypatch: pytest.MonkeyPatch, missing: str, message: str, tmp_path: Path
) -> None:
    monkeypatch.setattr(firmware, "find_emulator", lambda: tmp_path)
    monkeypatch.setattr(firmware, missing, lambda: None)
    with pytest.raises(InputError, match=message), VirtualBoard(source(), model=model, firmware="microbit"):
        pass


@needs_emulator
def test_a_model_too_large_for_the_board(tmp_path: Path) -> None:
    path = tmp_path / "model.beat"
    path.write_bytes(small_model())
    board = firmware.BOARDS["microbit"]
    folder = tmp_path / "build"
    firmware.build_firmware(board, path.read_bytes(), source(), "small", folder)
    script = folder / "microbit.ld"
    script.write_text(script.read_text().replace("256K", "2K"))
    with pytest.raises(InputError, match="does not fit a microbit; train a smaller model"):
        firmware._compile(firmware.find_compiler(), board, folder)


def test_the_ring_waits_for_its_reader(tmp_path: Path) -> None:
    ring = RingSink(tmp_path / "ring", frame=4)
    frames = np.arange(2 * 1500, dtype="<i2").reshape(1500, 2)
    assert ring.write(frames[:1000].tobytes())
    assert not ring.write(frames[1000:1100].tobytes())
    with (tmp_path / "ring").open("r+b") as file:
        file.seek(4)
        file.write((600).to_bytes(4, "little"))
    assert ring.write(frames[1000:1500].tobytes())
    data = (tmp_path / "ring").read_bytes()
    assert int.from_bytes(data[:4], "little") == 1500
    slots = np.frombuffer(data[8:], "<i2").reshape(1024, 2)
    assert (slots[600:1000] == frames[600:1000]).all()
    assert (slots[:476] == frames[1024:]).all()
    ring.empty()
    assert (tmp_path / "ring").read_bytes()[4:8] == data[:4]
    ring.close()
