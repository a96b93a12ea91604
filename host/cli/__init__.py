"""The `offbeat` command: one module a subcommand, each a thin layer over what Python can call."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from importlib.metadata import version
from types import ModuleType

import typer

from .failures import exit_codes

__all__ = ["COMMANDS", "application", "main"]

COMMANDS = (
    "init",
    "boards",
    "simulate",
    "record",
    "check",
    "train",
    "evaluate",
    "export",
    "profile",
    "deploy",
    "undeploy",
    "learn",
    "fetch",
    "adapt",
    "virtual",
    "validate",
    "monitor",
    "journal",
    "evidence",
    "push",
    "keys",
    "ports",
    "doctor",
    "demo",
)
"""Modules of this package, in the order of the help page; each has `command`, a function, or COMMANDS, several of
them."""


def _version(asked: bool) -> None:
    if asked:
        print(f"offbeat {version('offbeat')}")
        raise typer.Exit


def _root(
    context: typer.Context,
    show: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Anomaly detection that runs on the microcontroller itself.

    Record a machine's normal hum, train a tiny integer model, flash it, and prove over serial that the board
    computes what the trainer computed. Start with: offbeat demo. In a directory with an offbeat.toml, which
    `offbeat init` writes, commands start from what it says.
    """
    from .defaults import take_defaults

    with exit_codes():
        take_defaults(context)


def application() -> typer.Typer:
    """Build the command line with all subcommands."""
    app = typer.Typer(
        name="offbeat",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"max_content_width": 110},
    )
    app.callback()(_root)
    for name in COMMANDS:
        module = import_module(f"{__name__}.{name}")
        if hasattr(module, "COMMANDS"):
            _add_group(app, name, module)
            continue
        register = app.command(name, epilog=f"Example: {module.EXAMPLE}", no_args_is_help=module.NEEDS_ARGUMENTS)
        register(_guarded(module.command))
    return app


def _add_group(app: typer.Typer, name: str, module: ModuleType) -> None:
    group = typer.Typer(no_args_is_help=True)
    app.add_typer(group, name=name, help=module.HELP, epilog=f"Example: {module.EXAMPLE}")
    for word, (command, example) in module.COMMANDS.items():
        group.command(word, epilog=f"Example: {example}", no_args_is_help=True)(_guarded(command))


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with what goes wrong in it turned into a sentence before the framework sees it."""

    @wraps(command)
    def guarded(*words: object, **options: object) -> None:
        with exit_codes():
            command(*words, **options)

    return guarded


def main() -> None:
    """Entry point of the console script."""
    with exit_codes():
        application()(prog_name="offbeat")
