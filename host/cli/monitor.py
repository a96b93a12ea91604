"""`offbeat monitor`: live scores and alarms of a board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Json, Port
from .output import print_json, say

if TYPE_CHECKING:
    from offbeat.host.monitor import Event

__all__ = ["command"]

EXAMPLE = "offbeat monitor --port /dev/ttyACM0 --log fan-live.jsonl"
NEEDS_ARGUMENTS = True

_BAR = 32


def command(
    port: Port,
    log: Annotated[Path | None, typer.Option(help="Append every event to this file, one JSON object a line.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop after so long; without it, Ctrl-C.")] = None,
    until_alarm: Annotated[bool, typer.Option(help="Stop at the first alarm, with exit code 1.")] = False,
    json: Json = False,
) -> None:
    """Show live scores against the threshold, alarms with their reasons, and lost lines."""
    from offbeat.host.monitor import Alarm, Monitor

    alarmed = False
    monitor = Monitor(port, log=log, seconds=seconds, until_alarm=until_alarm)
    try:
        for event in monitor:
            alarmed = alarmed or (isinstance(event, Alarm) and event.on)
            if json:
                print_json(event.as_dict())
            else:
                _show(event)
    except KeyboardInterrupt:
        pass
    finally:
        monitor.close()
    if not json:
        counts = monitor.summary()
        say(
            f"{counts['windows']} windows, {counts['unjudged']} without verdict, {counts['alarms']} alarms, "
            f"{counts['lost']} lines lost, {counts['damaged']} damaged",
        )
    if until_alarm and alarmed:
        raise typer.Exit(1)


def _show(event: Event) -> None:
    from offbeat.host.monitor import Alarm, NoVerdict, Score

    if isinstance(event, Score):
        # Half of the bar is the threshold: one character a sixteenth of it.
        filled = min(event.score * _BAR // 512, _BAR)
        style = "red" if event.alarm else "yellow" if event.score >= 256 else "green"
        bar = "#" * filled + "." * (_BAR - filled)
        say(f"{event.window:8d} {event.score:6d} {bar[: _BAR // 2]}|{bar[_BAR // 2 :]}", style=style)
    elif isinstance(event, NoVerdict):
        say(event.text(), style="magenta")
    elif isinstance(event, Alarm):
        reasons = ", ".join(f"{name} {contribution}" for name, contribution in event.reasons)
        text = f"ALARM at window {event.window}, score {event.score}: {reasons}" if event.on else "alarm ended"
        say(text, style="bold red" if event.on else "bold green")
    else:
        say(event.text(), style="dim")
