"""What commands take from offbeat.toml where an option is not given."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import typer

from offbeat.host.project import FILE, Project, current_project
from offbeat.train.boards import BOARDS, limits_of
from offbeat.train.errors import InputError

__all__ = ["USES", "defaults_of", "take_defaults"]

USES: Final[dict[str, dict[str, str]]] = {
    "simulate": {"rate": "rate"},
    "record": {"port": "port"},
    "check": {"false_alarms": "false_alarms", "flash": "flash", "ram": "ram", "mhz": "mhz"},
    "train": {"out": "model", "name": "machine", "board": "board", "false_alarms": "false_alarms"},
    "evaluate": {"model": "trained"},
    "export": {"model": "trained"},
    "profile": {"model": "trained"},
    "deploy": {"model": "trained", "port": "port", "board": "wired_board"},
    "undeploy": {"port": "port"},
    "virtual": {"model": "trained", "rate": "rate"},
    "validate": {"model": "trained", "port": "port"},
    "monitor": {"port": "port"},
    "journal": {"port": "port"},
    "push": {"model_dir": "trained", "port": "port"},
}
"""By command: its parameter, and the value of ``defaults_of`` that it takes."""

_ITS_OWN: Final = ("init", "keys", "doctor", "demo")  # the first writes the file; none of them needs it


def defaults_of(project: Project) -> dict[str, Any]:
    """Values by name, of what a project says; model: where training writes, trained: where a model stands."""
    values: dict[str, Any] = {
        "port": project.port, "board": project.board, "machine": project.machine,
        "false_alarms": project.false_alarms,
    }  # fmt: skip
    if project.model is not None:
        values["model"] = str(project.model)
        if (project.model / "model.beat").exists():
            values["trained"] = str(project.model)
    if project.sensor is not None:
        values["rate"] = project.sensor.options.get("rate")
    if project.board:
        board = BOARDS[project.board]
        limits = limits_of(board)
        values |= {"flash": str(limits.flash), "ram": str(limits.ram), "mhz": board.clock / 1e6}
        values["wired_board"] = project.board if board.wiring is not None else None
    return {name: value for name, value in values.items() if value not in (None, "")}


def take_defaults(context: typer.Context) -> None:
    """Give the command that is called the values of offbeat.toml in the current directory, where there is one.

    Raises InputError for a file that cannot be used, unless only help is asked for.
    """
    name = context.invoked_subcommand
    if name is None or name in _ITS_OWN or not Path(FILE).exists():
        return
    try:
        project = current_project()
    except InputError:
        if "--help" in sys.argv:
            return
        raise
    assert project is not None  # noqa: S101  the file exists
    values = defaults_of(project)
    taken = {parameter: values[key] for parameter, key in USES.get(name, {}).items() if key in values}
    context.default_map = {name: taken}
    command = context.command.get_command(context, name)  # type: ignore[attr-defined]
    if command is not None and {p.name for p in command.params if p.required} <= set(taken):
        command.no_args_is_help = False  # with the file, no word is missing
