"""What commands print: tables for people, JSON for machines, progress on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from offbeat.host.lines import printable

__all__ = ["print_json", "progress", "say", "table"]

_console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
_errors = Console(stderr=True, highlight=False)


def print_json(value: object) -> None:
    """One line of JSON on standard output; NaN never appears."""
    print(json.dumps(value, allow_nan=False, sort_keys=False, default=str))


def say(text: str, style: str | None = None) -> None:
    """A line of text of any origin: shown as it is, whole where standard output is no terminal."""
    lines = "\n".join(printable(line) for line in text.split("\n"))
    _console.print(lines, markup=False, style=style, soft_wrap=not _console.is_terminal)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table; cells are text of any origin, so markup in them is shown, not obeyed."""
    shown = Table(title=escape(title), title_justify="left", box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        shown.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        shown.add_row(*(escape(printable(str(cell))) for cell in row))
    _console.print(shown)


@contextmanager
def progress(quiet: bool = False) -> Iterator[Callable[[str, float], None]]:
    """A progress bar on standard error while the block runs; call with a stage and the share done, 0 to 1.

    Without a terminal, or when quiet, nothing is shown.
    """
    if quiet or not _errors.is_terminal:
        yield lambda stage, share: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_errors, transient=True) as bar:
        tasks: dict[str, object] = {}

        def show(stage: str, share: float) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(escape(stage), total=1.0)
            bar.update(tasks[stage], completed=min(share, 1.0))  # type: ignore[arg-type]

        yield show
