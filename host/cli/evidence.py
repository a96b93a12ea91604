"""`offbeat evidence`: the raw frames that a board has kept around its alarms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json, Port
from .output import print_json, progress, say, table

__all__ = ["command"]

EXAMPLE = "offbeat evidence --port /dev/ttyACM0 -o alarms"
NEEDS_ARGUMENTS = True


def command(
    port: Port,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Directory that gets a recording for each alarm it lacks.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Label of every sample, for instance bearing_outer.")] = None,
    json: Json = False,
) -> None:
    """Fetch the raw frames around the board's last alarms, each as a recording that the other commands read.

    Raw frames leave a board only when they are asked for; they are in its memory, so a reset forgets them. Without -o
    the alarms are listed and nothing is fetched.
    """
    from offbeat.host.evidence import fetch_evidence
    from offbeat.host.journal_records import time_text

    with progress(json) as show:
        report = fetch_evidence(port, out, label, progress=show)
    if json:
        print_json(report.as_dict())
        return
    if not report.alarms:
        say(
            "no alarm since the board started" if not report.raised else "the frames of the last alarm are still coming"
        )
        return
    rows = [
        (alarm.number, time_text(alarm.time), alarm.window, alarm.score, f"{alarm.frames}, {alarm.after} after it",
         "" if alarm.path is None else f"{alarm.path}{'' if alarm.new else ', there already'}")
        for alarm in report.alarms
    ]  # fmt: skip
    table("", ("alarm", "time (UTC)", "window", "score", "frames", "recording"), rows)
    if out is None:
        say("fetch them with -o DIRECTORY")
