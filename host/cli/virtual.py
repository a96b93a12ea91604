"""`offbeat virtual`: a virtual board behind a pseudo-terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Json
from .output import print_json

if TYPE_CHECKING:
    from offbeat.host.virtual import VirtualBoard

__all__ = ["command"]

EXAMPLE = (
    "offbeat virtual --model models/fan --source simulator --fault bearing_outer@60;  "
    "offbeat virtual --board microbit --model models/desk --sensor MMA8653 --rate 50"
)
NEEDS_ARGUMENTS = False

_FIRMWARE_HELP = "C firmware on this board instead of MicroPython: microbit, mps2-an385, mps2-an386, mps2-an500."
_BOARD_HELP = "MicroPython's own firmware for this board in QEMU, instead of the Unix binary: microbit."
_HELP = "reset | unplug [SECONDS] | plug | quit"


def command(
    model: Annotated[Path | None, typer.Option(help="Model directory or file to put on the board.")] = None,
    source: Annotated[str, typer.Option(help="simulator, or a recording to play.")] = "simulator",
    machine: Annotated[str, typer.Option(help="Machine of the simulator.")] = "fan",
    fault: Annotated[list[str] | None, typer.Option(help="Fault of the simulator: NAME@SECOND[+GROWTH].")] = None,
    rate: Annotated[float, typer.Option(help="Samples a second of the simulator.")] = 400.0,
    seed: Annotated[int, typer.Option(help="Seed of the simulator.")] = 0,
    speed: Annotated[float, typer.Option(help="Times real time; 0 is as fast as the board takes it.")] = 1.0,
    loop: Annotated[bool, typer.Option(help="Play the recording again and again.")] = False,
    firmware: Annotated[str | None, typer.Option(help=_FIRMWARE_HELP, show_default=False)] = None,
    board: Annotated[str | None, typer.Option(help=_BOARD_HELP, show_default=False)] = None,
    sensor: Annotated[str, typer.Option(help="Sensor of the simulator; the micro:bit's is MMA8653.")] = "LIS3DH",
    json: Json = False,
) -> None:
    """Start a virtual board, print its port on the first line, and run until interrupted.

    It is the real MicroPython running the very files of device/ or, with --firmware, C firmware that is built
    around the model and run by QEMU, or, with --board, MicroPython's firmware for that board, run by QEMU. Words on
    standard input act on it: reset, unplug [SECONDS], plug, quit.
    """
    from offbeat.host.virtual import VirtualBoard, source_from

    if model is not None:
        from offbeat.train.modelfile import read_model

        read_model(model)  # refused here, or the board would start and say so only to who listens
    frames = source_from(source, machine=machine, faults=fault or (), rate=rate, seed=seed, loop=loop, sensor=sensor)
    with VirtualBoard(model=model, source=frames, speed=speed, firmware=firmware, board=board) as running:
        if json:
            print_json({"port": str(running.port), "flash": str(running.flash)})
        else:
            print(running.port)
            print(f"virtual board is running; Ctrl-C ends it. {_HELP}" if sys.stdin.isatty() else "running")
        sys.stdout.flush()
        try:
            _obey(running)
            running.wait()
        except KeyboardInterrupt:
            return


def _obey(board: VirtualBoard) -> None:
    """Carry out words from standard input until it ends."""
    import time

    for line in sys.stdin:
        words = line.split()
        if words == ["reset"]:
            board.reset()
        elif words[:1] == ["unplug"]:
            board.unplug()
            if len(words) > 1 and words[1].replace(".", "", 1).isdigit():
                time.sleep(float(words[1]))
                board.plug()
        elif words == ["plug"]:
            board.plug()
        elif words == ["quit"]:
            raise KeyboardInterrupt
        elif words:
            print(f"not understood; {_HELP}", file=sys.stderr)
