"""`offbeat learn`: a board learns its model by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json, Port
from .output import print_json, progress, say

__all__ = ["command"]

EXAMPLE = (
    "offbeat learn --port /dev/ttyACM0 --minutes 10 -o models/fan; "
    "then: offbeat evaluate models/fan faulty.csv, offbeat export models/fan --to c -o firmware; "
    "give up: offbeat learn --port /dev/ttyACM0 --stop"
)
NEEDS_ARGUMENTS = True

_FEATURES = "A set: motion, vibration, level, trend, slow, time, all; by default what goes with the rate."


def command(
    port: Port,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Model directory to write.")] = None,
    minutes: Annotated[float, typer.Option(help="Of normal running; half to learn, half for the threshold.")] = 10.0,
    false_alarms: Annotated[str, typer.Option(help="Budget: 1/day, 2/week, 0.5/hour.")] = "1/day",
    features: Annotated[str, typer.Option(help=_FEATURES)] = "",
    window: Annotated[int, typer.Option(help="Samples in a window; 0: from the rate.")] = 0,
    hop: Annotated[int, typer.Option(help="Samples from one window to the next; 0: half a window.")] = 0,
    name: Annotated[str, typer.Option(help="Name of the model; by default the directory's.")] = "",
    stop: Annotated[bool, typer.Option("--stop", help="Stop a board that is learning.")] = False,
    json: Json = False,
) -> None:
    """Have a board learn what is normal by itself, with the machine running, and fetch the model it made.

    No recording and no training: the board learns means and covariances of its features, then sets a threshold by
    running that it has not learned from. The model is on the board at once, and in the directory like any other.
    Ctrl-C stops it, and the board goes on with the model it had.
    """
    from offbeat.host.learn import learn, stop_learning
    from offbeat.train.errors import InputError

    if stop:
        was = stop_learning(port)
        if json:
            print_json({"stopped": was})
        else:
            say("stopped; the board goes on with the model it had" if was else "the board was not learning")
        return
    if out is None:
        raise InputError("name a directory for the model with -o, for instance -o models/fan")
    with progress(json) as show:
        report = learn(
            port, out, minutes, false_alarms, name=name, features=features, window=window, hop=hop, progress=show
        )
    if json:
        print_json(report.as_dict())
        return
    say(f"{report.directory}: model {report.identity}, which runs on the board")
    say(report.statement)
    for warning in report.warnings:
        say(warning, style="yellow")
