"""`offbeat validate`: the board computes what the trainer computed, number by number."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Json, Port
from .output import print_json, progress, say, table

if TYPE_CHECKING:
    from offbeat.host.validate import ValidationReport

__all__ = ["command"]

EXAMPLE = "offbeat validate models/fan --port /dev/ttyACM0 --replay normal.csv"
NEEDS_ARGUMENTS = True


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Model directory, or a model file.")],
    port: Port,
    replay: Annotated[Path | None, typer.Option(help="Recording whose windows are sent.")] = None,
    windows: Annotated[int, typer.Option(help="How many windows; 0 sends all of the recording.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the random windows.")] = 0,
    json: Json = False,
) -> None:
    """Send windows to the board and compare features and score with NumPy: equal, not close.

    Without --replay the windows are random and extreme ones. Exit code 1 when any number differs.
    """
    from offbeat.host.validate import validate

    with progress(json) as show:
        report = validate(
            model, port, replay=replay, windows=windows or None, seed=seed,
            progress=lambda done, total: show("windows", done / max(total, 1)),
        )  # fmt: skip
    if json:
        print_json(report.as_dict())
    else:
        _print(report)
    if not report.ok:
        raise typer.Exit(1)


def _print(report: ValidationReport) -> None:
    latency = report.latency()
    passed, total = report.self_test
    rows = [
        ("windows checked", report.windows),
        ("numbers compared", report.numbers),
        ("mismatches", report.mismatches),
        ("self-test", f"{passed} of {total} golden vectors"),
        ("latency on the board", f"{latency['min']} / {latency['median']} / {latency['p99']} us (min, median, p99)"),
        ("bytes sent, received", f"{report.bytes_out}, {report.bytes_in}"),
        ("lines lost, damaged, sent again", f"{report.lost}, {report.damaged}, {report.retries}"),
    ]
    table("", ("", ""), rows)
    if report.examples:
        columns = ("window", "number", "board", "host")
        cells = [(e.window, e.what, e.board, e.host) for e in report.examples]
        table("First mismatches", columns, cells)
    verdict = "the board computes exactly what the trainer computed" if report.ok else "the board differs"
    say(verdict, style="bold green" if report.ok else "bold red")
