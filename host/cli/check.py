"""`offbeat check`: whether recordings are a job for the edge, before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from offbeat.train.errors import InputError

from .options import Channels, Json, Label, Rate, Recordings, ScaleOption, open_all
from .output import print_json, progress, say, table

if TYPE_CHECKING:
    from offbeat.train.check import FitReport
    from offbeat.train.check_report import ChannelFacts

__all__ = ["command"]

EXAMPLE = "offbeat check normal.csv --false-alarms 1/day --flash 16K --ram 4K --latency 5ms"
NEEDS_ARGUMENTS = True

_STYLES = {"good": "green", "care": "yellow", "no": "red"}


def command(
    recordings: Recordings,
    false_alarms: Annotated[str, typer.Option(help="Budget: 1/day, 2/week, 0.5/hour.")] = "1/day",
    window: Annotated[int | None, typer.Option(help="Samples in a window; by default from the rate.")] = None,
    hop: Annotated[int | None, typer.Option(help="Samples from one window to the next.")] = None,
    flash: Annotated[str | None, typer.Option(help="Flash of the board for the detector: 16K.")] = None,
    ram: Annotated[str | None, typer.Option(help="RAM of the board for the detector: 4K.")] = None,
    latency: Annotated[str | None, typer.Option(help="From a window's last sample to its verdict: 5ms.")] = None,
    mhz: Annotated[float, typer.Option(help="Clock of the board's core in MHz.")] = 48.0,
    rate: Rate = None,
    channels: Channels = None,
    label_column: Label = "label",
    scale: ScaleOption = None,
    json: Json = False,
) -> None:
    """Say whether recordings are a job for the edge at all: sampling, sensor, amount of data, board.

    Nothing is trained and nothing written. Exit code 1 when it says "not here".
    """
    from offbeat.train.budget import parse_budget
    from offbeat.train.check import FitOptions, check
    from offbeat.train.limits import parse_duration, parse_size

    if not 0 < mhz <= 1e4:
        raise InputError(f"--mhz {mhz:g} is no clock of a microcontroller; give megahertz, for instance 48")
    options = FitOptions(
        window=window,
        hop=hop,
        budget=parse_budget(false_alarms),
        flash=None if flash is None else parse_size(flash),
        ram=None if ram is None else parse_size(ram),
        latency=None if latency is None else parse_duration(latency),
        clock=mhz * 1e6,
    )
    readers = open_all(
        recordings, rate=rate, channels=channels, label_column=label_column, scale=scale, allow_gaps=True
    )
    with progress(json) as show:
        report = check(readers, options, show)
    if json:
        print_json(report.as_dict())
    else:
        _print(report)
    if not report.fits:
        raise typer.Exit(1)


def _print(report: FitReport) -> None:
    if report.channels:
        columns = ("channel", "verdict", "RMS, counts", "bits", "at its ends", "still windows", "main frequencies")
        table("Channels, over the normal data", columns, [_row(facts) for facts in report.channels])
        say("")
    for finding in report.findings:
        say(f"{finding.verdict:<5} {finding.name}: {finding.sentence}.", style=_STYLES[finding.verdict])
        if finding.advice:
            say(f"      To mend it: {finding.advice}.")
    say("")
    conclusion = report.conclusion
    say(f"{conclusion[0].upper()}{conclusion[1:]}.", style=f"bold {_STYLES[report.verdict]}")


def _row(facts: ChannelFacts) -> tuple[object, ...]:
    lines = ", ".join(f"{frequency:.4g}" for frequency in facts.frequencies)
    return (
        facts.name, facts.verdict, f"{facts.rms:.3g}", f"{facts.bits:.1f}", f"{facts.clipped:.2%}",
        "-" if facts.still is None else f"{facts.still:.0%}", f"{lines} Hz" if lines else "-",
    )  # fmt: skip
