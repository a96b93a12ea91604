"""`offbeat journal`: what a board has kept on its flash while nobody listened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Json, Port
from .output import print_json, progress, say

if TYPE_CHECKING:
    from offbeat.host.journal import Entry, JournalReport

__all__ = ["command"]

EXAMPLE = "offbeat journal --port /dev/ttyACM0 -o fan.jsonl"
NEEDS_ARGUMENTS = True

_FORMAT = "{:20}  {:>5}  {:>14}  {:11}  {}"
_STYLES = {"alarm": "bold red", "drift": "yellow", "alarm_end": "bold green", "boot": "bold"}


def command(
    port: Port,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Append to this file, .csv or JSON lines, what it lacks.")
    ] = None,
    minutes: Annotated[bool, typer.Option("--minutes", help="Show the summary of each minute too.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on fetching until Ctrl-C; needs -o.")] = False,
    json: Json = False,
) -> None:
    """Fetch the board's journal: alarms with reasons, score summaries, resets, from times when nobody listened.

    With -o only what the file does not hold yet is fetched: run it as often as you like, interrupt it where you
    like, nothing comes twice and nothing is lost. Without -o all events are shown and kept nowhere.
    """
    from offbeat.host.journal import RINGS, fetch_journal, follow_journal
    from offbeat.train.errors import InputError

    rings = RINGS if minutes or out is not None or json else ("events",)
    if follow:
        if out is None:
            raise InputError("--follow needs a file to append to; name one with -o")
        try:
            for report in follow_journal(port, out, rings):
                _show(report, minutes, json)
        except KeyboardInterrupt:
            return
        return
    with progress(json) as show:
        report = fetch_journal(port, out, rings, progress=show)
    _show(report, minutes, json)


def _show(report: JournalReport, minutes: bool, json: bool) -> None:
    if json:
        print_json(report.as_dict())
        return
    shown = [entry for entry in report.entries if minutes or entry.record.kind not in ("minute", "clock")]
    # in the order of what happened, across the two rings
    shown.sort(key=lambda entry: (entry.record.boot, entry.record.uptime, entry.ring))
    if shown:
        say(_FORMAT.format("time (UTC)", "boot", "uptime", "what", "details"), style="bold")
    for entry in shown:
        say(_FORMAT.format(*_cells(entry)).rstrip(), style=_STYLES.get(entry.record.kind))
    new = len(report.entries)
    say(f"{new} record{'' if new == 1 else 's'}" + (f" appended to {report.path}" if report.path else ""))
    for ring, count in report.missing.items():
        say(
            f"{count} records of {ring} are no longer on the board: overwritten before they were fetched, or damaged; "
            "fetch more often",
            style="yellow",
        )


def _cells(entry: Entry) -> tuple[object, ...]:
    from offbeat.host.journal_records import time_text

    record = entry.record
    return (time_text(entry.time) or "unknown", record.boot, _span(record.uptime), *_words(record.kind, record.values))


def _span(seconds: int) -> str:
    days, rest = divmod(seconds, 86400)
    return (f"{days} d " if days else "") + f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"


def _words(kind: str, values: dict[str, object]) -> tuple[str, str]:
    """What happened and the rest of it, in words."""
    from offbeat.host.journal_records import time_text

    if kind in ("minute", "hour"):
        alarms = f", {values['alarms']} alarms" if values["alarms"] else ""
        scores = f"score {values['minimum']} / {values['mean']} / {values['maximum']} (min, mean, max), "
        without = f", {values['unjudged']} without verdict" if values["unjudged"] else ""
        return kind, f"{scores if values['windows'] else ''}{values['windows']} windows{without}{alarms}"
    if kind == "boot":
        return "start", f"cause {values['cause']}, model {values['model']}, offbeat {values['firmware']}"
    if kind == "clock":
        return "clock set", f"by a host to {time_text(float(str(values['set_to']))) or 'unknown'}"
    if kind == "drift":
        drift = values["drift"]
        assert isinstance(drift, list)  # noqa: S101  as journal_records makes them
        far = max(map(abs, drift), default=0) / 128
        what = "DRIFT ALARM" if values["alarm"] else "adapted"
        return what, f"score of the drift {values['score']}, centres moved by {far:.2f} deviations at most"
    where = f"window {values['window']}, score {values['score']}"
    if kind == "alarm_end":
        return "alarm ended", where
    reasons = values["reasons"]
    assert isinstance(reasons, list)  # noqa: S101  as journal_records makes them
    named = ", ".join(f"{reason['feature']} {reason['contribution']}" for reason in reasons)
    return "ALARM", where + (f": {named}" if named else "")
