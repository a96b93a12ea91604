"""`offbeat adapt`: slow adaptation of a board, and its replay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json
from .output import print_json, say

__all__ = ["command"]

EXAMPLE = (
    "offbeat adapt --port /dev/ttyACM0 --on; how far it has gone: offbeat adapt --port /dev/ttyACM0; "
    "the same model from its journal: offbeat adapt models/fan --journal fan.jsonl -o models/fan-now"
)
NEEDS_ARGUMENTS = True


def command(
    model: Annotated[
        Path | None, typer.Argument(metavar="[MODEL_DIR]", help="With --journal: the model as commissioned.")
    ] = None,
    port: Annotated[str | None, typer.Option("--port", "-p", help="Serial port of the board.")] = None,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Switch adaptation on, or off and back.")] = None,
    journal: Annotated[Path | None, typer.Option(help="Replay what this file of `offbeat journal` tells.")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Model directory to write, with --journal.")] = None,
    json: Json = False,
) -> None:
    """Let a board's model follow slow drift of normal running, see how far it has gone, or replay it on the host.

    Centres of features follow by a tenth of a standard deviation an hour at most, not in an alarm, and no further than
    where the drift itself scores half of the threshold: there the board says DRIFT ALARM.
    """
    from offbeat.host.adapt import adaptation_of, replay_adaptation, switch_adaptation
    from offbeat.train.errors import InputError

    if journal is not None:
        if model is None or out is None or port is not None or on is not None:
            raise InputError(
                "--journal goes with MODEL_DIR and -o, without --port, --on and --off; see offbeat adapt --help"
            )
        report = replay_adaptation(model, journal, out)
        if json:
            print_json(report.as_dict())
        else:
            say(f"{report.directory}: model {report.identity}, as the board runs it")
        return
    if port is None or model is not None or out is not None:
        raise InputError("name the board with --port, or MODEL_DIR, --journal and -o to replay what a board did")
    found = adaptation_of(port) if on is None else switch_adaptation(port, on)
    if json:
        print_json(found)
    elif not found["on"]:
        say("the board does not adapt: it scores as it was commissioned")
    else:
        say(f"the board adapts; score of the drift {found['score']}" + (": DRIFT ALARM" if found["alarm"] else ""))
