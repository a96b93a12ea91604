"""A virtual board: the real MicroPython, or C firmware in an emulator, behind a serial port that programs can open.

See ``docs/virtual-board.md``.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import re
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from offbeat.train.errors import InputError
from offbeat.train.resources import folder

from . import microbit
from .ending import end_cleanly
from .errors import BoardError
from .firmware import build_firmware, emulator, firmware_board
from .running import Claim, claim
from .virtual_process import Processor, Program, find_micropython, micropython, need_micropython
from .virtual_relay import Relay
from .virtual_sensor import ArraySource, Feeder, RecordingSource, Source, source_from
from .virtual_sink import PipeSink, RingSink, Sink

__all__ = ["ArraySource", "RecordingSource", "Source", "VirtualBoard", "find_micropython", "source_from"]


class VirtualBoard:
    """A board that is not there. A context manager; start() and close() do the same.

    source: what its sensor measures; model: model file or model directory, None for a board without; name: of its
    port, the first free ttyVIRTUAL0, 1, … by default; speed: times real time, 0 as fast as the board reads; heap:
    of MicroPython, for instance "128K"; bus_powered: pulling the cable switches it off; firmware: instead of
    MicroPython, C firmware on this board of ``firmware.BOARDS`` in QEMU, which needs a model; board: "microbit" for
    MicroPython's firmware for the BBC micro:bit in QEMU with the module exported for it, which needs a model, too.
    """

    port: str
    flash: Path

    def __init__(
        self,
        source: Source,
        model: str | Path | None = None,
        *,
        name: str | None = None,
        speed: float = 1.0,
        heap: str = "2M",
        bus_powered: bool = True,
        firmware: str | None = None,
        board: str | None = None,
    ) -> None:
        if board not in (None, microbit.BOARD):
            raise InputError(f"--board {board} is none that is emulated with MicroPython; choose {microbit.BOARD}")
        if board is not None and firmware is not None:
            raise InputError("--board is for MicroPython, --firmware for C; leave one of them out")
        if not re.fullmatch(r"[1-9][0-9]{0,9}[KMkm]?", heap):
            raise InputError(f"{heap!r} is no size of a heap; give bytes, or something like 128K or 2M")
        if not 0 <= speed <= 1e6:
            raise InputError(f"speed {speed:g} is not between 0 and 1000000; 1 is real time, 0 as fast as possible")
        self._source = source
        self._model = model
        self._name = name
        self._speed = speed
        self._heap = heap
        self._bus_powered = bus_powered
        self._board = board
        self._firmware = None if firmware is None else firmware_board(firmware)
        self._resources = contextlib.ExitStack()
        self._relay: Relay | None = None
        self._feeder: Feeder | None = None

    def start(self) -> Self:
        """Switch the board on, plugged in, and wait until it speaks.

        Raises InputError without MicroPython or, for firmware, without QEMU, a compiler or a model; where the model
        cannot be read or the name is taken; BoardError where the board's program does not run.
        """
        if self._relay is not None:
            raise BoardError(f"{self.port}: this virtual board has started already")
        _check_source(self._source)
        model = _model_bytes(self._model)
        with contextlib.ExitStack() as stack:
            stack.callback(end_cleanly())
            place = claim(self._name)
            stack.callback(place.release)
            self.port, self.flash = str(place.port), place.flash
            program, sink = self._flash_it(place, model)
            feeder = Feeder(self._source, sink, self._speed, self._fail)
            stack.callback(feeder.close)
            processor = Processor(program, place.flash, feeder.switch)
            relay = self._relay = Relay(processor, place.port, self._bus_powered)
            stack.callback(relay.close)
            self._feeder = feeder
            atexit.register(self.close)
            stack.callback(atexit.unregister, self.close)
            feeder.start()
            relay.start()
            self._await_first_words(relay, processor, program)
            self._resources = stack.pop_all()
        return self

    def _flash_it(self, place: Claim, model: bytes | None) -> tuple[Program, Sink]:
        """Give the board its program; returns how to run it, and where its frames go."""
        ring = place.flash / "sensor.ring"
        if self._board is not None:
            if model is None:
                raise InputError(f"--board {self._board} gets a module that is made for a model; name one with --model")
            program = microbit.emulated_microbit(model, _about(place, self._source), place.flash / "offbeat.hex")
            return program, RingSink(ring, 2 * len(self._source.channels))
        if self._firmware is None:
            binary = need_micropython()
            _write_flash(place, self._source, model)
            return micropython(binary, place.flash, self._heap), PipeSink(place.flash / "sensor.pipe")
        program = emulator(self._firmware, place.flash / "firmware" / "firmware.elf")
        if model is None:
            raise InputError("--firmware is built around a model; name one with --model")
        build_firmware(self._firmware, model, self._source, f"virtual-{place.name}", place.flash / "firmware")
        return program, RingSink(ring, 2 * len(self._source.channels))

    def close(self) -> None:
        """Switch off and remove every trace; a second call does nothing."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def dropped(self) -> int:
        """Bytes of the board that no program took, because none had the port open, or it was too slow."""
        return self._running().dropped

    @property
    def frames(self) -> int:
        """Frames that have gone into the sensor's pipe."""
        return self._feeder.frames if self._feeder else 0

    def unplug(self) -> None:
        """Pull the cable: the port vanishes, and programs that have it open get an error."""
        self._running().unplug()

    def plug(self) -> None:
        """Plug the cable in again; the port has the same name."""
        self._running().plug()

    def reset(self) -> None:
        """Press the reset button; nothing happens while the board is off."""
        self._running().reset()

    def feed_garbage(self, data: bytes, to_board: bool = False) -> None:
        """Put bytes on the line to the host, or to the board, as electrical noise does."""
        self._running().feed(data, to_board)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the board ends; False when it still runs after ``timeout`` seconds.

        Raises what ended it: BoardError where the board's program failed again and again, or an error of the source.
        """
        relay = self._running()
        ended = relay.ended.wait(timeout)
        if relay.failure is not None:
            raise relay.failure
        return ended

    def _running(self) -> Relay:
        if self._relay is None:
            raise BoardError("this virtual board has not started; use it in a with statement, or call start()")
        return self._relay

    def _fail(self, error: Exception) -> None:
        self._running().fail(error)

    def _await_first_words(self, relay: Relay, processor: Processor, program: Program) -> None:
        for _ in range(round(program.boot_seconds / 0.05)):
            if relay.said_something.wait(0.05):
                if program.first_words in processor.said:
                    return
                time.sleep(0.05)
            if relay.failure is not None:
                raise relay.failure
        raise BoardError(
            f"{self.port}: the board says nothing for {program.boot_seconds:g} s; `offbeat doctor` tells more"
        )


def _model_bytes(model: str | Path | None) -> bytes | None:
    """The model file as it is, whole or not: what to say of a damaged one is the board's matter."""
    if model is None:
        return None
    file = Path(model)
    if file.is_dir():
        file = file / "model.beat"
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); train a model with `offbeat train`") from None


def _check_source(source: Source) -> None:
    if not (len(source.channels) == len(source.units) == len(source.scales) and 1 <= len(source.channels) <= 32):
        raise InputError("the source of a virtual board needs 1 to 32 channels, with a unit and a scale for each")
    if not 1 <= round(source.rate * 1000) < 1 << 30:
        raise InputError(f"the source of a virtual board has {source.rate:g} Hz; a board takes 0.001 to 1000000 Hz")


def _write_flash(place: Claim, source: Source, model: bytes | None) -> None:
    """Fill the file system of a board with MicroPython, as flashing a real one does."""
    shutil.copytree(folder("device"), place.flash / "offbeat", ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    shutil.copyfile(folder("boards") / "virtual" / "main.py", place.flash / "main.py")
    (place.flash / "about.json").write_text(json.dumps(_about(place, source)))
    if model is not None:
        (place.flash / "model.beat").write_bytes(model)


def _about(place: Claim, source: Source) -> dict[str, object]:
    """What a board with MicroPython is told of its sensor."""
    return {
        "channels": list(source.channels), "units": list(source.units), "sensor": source.sensor,
        "scales": [repr(float(scale)) for scale in source.scales], "rate_millihertz": round(source.rate * 1000),
        "limits": [list(ends) for ends in source.limits], "unique": f"virtual-{place.name}",
    }  # fmt: skip
