"""`offbeat simulate`: a rotating machine's vibration as a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json
from .output import print_json, progress, say

__all__ = ["command"]

EXAMPLE = "offbeat simulate fan.csv --machine fan --seconds 120 --fault bearing_outer@90"
NEEDS_ARGUMENTS = True


def command(
    out: Annotated[Path, typer.Argument(help="CSV file to write.", show_default=False)],
    machine: Annotated[str, typer.Option(help="fan, pump, gearbox or motor.")] = "fan",
    seconds: Annotated[float, typer.Option(help="Length of the recording.")] = 60.0,
    rate: Annotated[float, typer.Option(help="Samples a second.")] = 400.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="NAME@SECOND, or NAME@SECOND+GROWTH in seconds; may be given more than once."),
    ] = None,
    sensor: Annotated[str, typer.Option(help="LIS3DH, ADXL345, MPU-6050, MSA301 or MMA8653.")] = "LIS3DH",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same recording.")] = 0,
    json: Json = False,
) -> None:
    """Simulate a rotating machine seen by a 3-axis accelerometer, with faults that are labelled.

    The physics, the faults and their sources: docs/simulator.md.
    """
    from offbeat.train.errors import InputError
    from offbeat.train.simulate import SimulatedStream, parse_fault, write_csv

    faults = tuple(parse_fault(text) for text in fault or ())
    for text, each in zip(fault or (), faults, strict=True):
        if each.start >= seconds:
            raise InputError(f"--fault {text} begins behind the end; --seconds {seconds:g} is shorter")
    stream = SimulatedStream(machine=machine, rate=rate, faults=faults, seed=seed, sensor=sensor)
    with progress(json) as show:
        write_csv(stream, out, seconds=seconds, progress=lambda done, total: show("simulating", done / max(total, 1)))
    rows = round(seconds * rate)
    if json:
        print_json({"path": str(out), "rows": rows, "machine": machine, "sensor": sensor, "rate": rate, "seed": seed,
                    "faults": fault or []})  # fmt: skip
    else:
        say(f"{out}: {rows} samples of a {machine}, {seconds:g} s at {rate:g} Hz")
