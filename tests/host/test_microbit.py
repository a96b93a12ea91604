"""The exported module on MicroPython's own firmware for the BBC micro:bit v1, in QEMU."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from offbeat.device.modelfile import parse
from offbeat.host.board import Board
from offbeat.host.firmware import find_emulator
from offbeat.host.microbit import why_missing
from offbeat.host.validate import validate
from offbeat.host.virtual import ArraySource, VirtualBoard
from offbeat.train.errors import InputError
from offbeat.train.export import microbit
from offbeat.train.export.micro_fit import FREE, RESERVE, heap_needed
from offbeat.train.features import Feature
from offbeat.train.pipeline import Pipeline
from tests.train.export.micro_models import AXES, MOTION, RATE, SCALE, hum, microbit_model

needs_microbit = pytest.mark.skipif(bool(why_missing()), reason=why_missing())
TIME = tuple(
    Feature(kind, channel)
    for channel in range(3)
    for kind in ("rms", "peak_to_peak", "crest", "kurtosis", "mean_abs_difference", "crossings")
)


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def source(loop: bool = True) -> ArraySource:
    return ArraySource(hum(400, seed=5), RATE, AXES, units=("g",) * 3, scales=(SCALE,) * 3, sensor="MMA8653", loop=loop)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.beat"
    path.write_bytes(microbit_model())
    return path


@pytest.fixture
def board(model: Path) -> Iterator[VirtualBoard]:
    with VirtualBoard(source(), model=model, board="microbit") as virtual:
        yield virtual


@needs_microbit
def test_it_computes_what_numpy_computes_and_lives_through_garbage(board: VirtualBoard, model: Path) -> None:
    report = validate(model, board.port, windows=12)
    assert report.ok
    assert report.numbers == 12 * (len(MOTION) + 1)
    noise = bytes(byte for byte in range(256) if byte not in (3, 4))  # those are the prompt's Ctrl-C and Ctrl-D
    board.feed_garbage(8 * noise + b"\n", to_board=True)
    with Board.open(board.port) as connection:
        assert connection.hello.board == "microbit"
        for _ in range(30):  # the firmware holds 63 bytes, what comes faster is lost
            board.feed_garbage(b"~HELLO 1 *00000000\n", to_board=True)
            time.sleep(0.1)
            if connection.command("HEALTH").integer("bad"):
                break
        else:
            pytest.fail("no bad line is counted")


@needs_microbit
def test_live_windows_have_numpy_s_scores(model: Path) -> None:
    pipeline = Pipeline(parse(model.read_bytes()))
    looped = np.concatenate([hum(400, seed=5)] * 2)
    scores = pipeline.score(np.stack([looped[first : first + 32] for first in range(400)])).tolist()
    found: dict[int, int] = {}
    with VirtualBoard(source(), model=model, board="microbit") as virtual, Board.open(virtual.port) as connection:
        deadline = time.monotonic() + 30
        while len(found) < 4 and time.monotonic() < deadline:
            line = connection.read_line(1.0)
            if line is not None and line.kind == "SCORE":
                found[line.integer("n")] = line.integer("s")
        lost = connection.command("HEALTH").integer("lost")
    assert lost == 0
    assert len(found) == 4
    # The frames before the board was ready are gone: which one was the first is all that is open.
    assert list(found.values()) in [[scores[(first + 16 * n) % 400] for n in found] for first in range(400)]


def _heap_after_start(image: str, place: Path) -> int:
    """Free heap that the firmware itself counts, with the micro:bit's own accelerometer."""
    path = place / "offbeat.hex"
    path.write_text(image)
    command = [str(find_emulator()), "-machine", "microbit", "-display", "none", "-monitor", "none"]
    command += ["-serial", "stdio", "-device", f"loader,file={path}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith(b"~HEALTH"):
                    return int(line.split(b"heap=")[1].split()[0])
                assert b"Error" not in line, line
        finally:
            process.kill()
    raise AssertionError("it says nothing of its heap")


@needs_microbit
def test_about_two_kilobytes_of_heap_are_left_and_the_estimate_is_near(tmp_path: Path) -> None:
    firmware = microbit.find_firmware()
    assert firmware is not None
    assert len(MOTION) == 12
    for features, least in ((MOTION, 1984), (TIME, 2048)):  # 2048 is the level for both: docs/small-boards.md
        module = microbit.live_module(microbit_model(features))
        left = _heap_after_start(microbit.flash_image(module, firmware), tmp_path)
        assert left >= least
        assert abs(heap_needed(module) - RESERVE - (FREE - left)) < 450


@needs_microbit
def test_what_does_not_fit_is_said_before_it_starts(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--board nano is none that is emulated with MicroPython; choose microbit"):
        VirtualBoard(source(), model=model, board="nano")
    with pytest.raises(InputError, match="--board is for MicroPython, --firmware for C"):
        VirtualBoard(source(), model=model, board="microbit", firmware="microbit")
    with pytest.raises(InputError, match="gets a module that is made for a model; name one with --model"):
        VirtualBoard(source(), board="microbit").start()
    two = ArraySource(np.zeros((10, 2), np.int16), RATE, ("x", "y"), units=("g", "g"), scales=(SCALE,) * 2)
    with pytest.raises(InputError, match=r"the micro:bit measures x, y and z in 0\.001 g a count, not x, y"):
        VirtualBoard(two, model=model, board="microbit").start()
