"""`offbeat push`: a new model for a board that runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offbeat.train.errors import InputError

from .options import Json, Port
from .output import print_json, progress, say

if TYPE_CHECKING:
    from offbeat.host.update.push import PushReport

__all__ = ["command"]

EXAMPLE = "offbeat push fan_model --port /dev/ttyACM0 --key line3 --class pumps --test 10min --probation 1h"
NEEDS_ARGUMENTS = True


def command(
    port: Port,
    model_dir: Annotated[
        Path | None, typer.Argument(help="Model directory or model file, signed or to be signed.", show_default=False)
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", "-k", help="Sign with this key, see `offbeat keys`.", show_default=False)
    ] = None,
    device_class: Annotated[
        str | None,
        typer.Option(
            "--class",
            help="Device class to sign for, none by default; refused where the board says another one.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[
        int | None,
        typer.Option(help="Version to sign as, higher is newer; by default seconds since 1970.", show_default=False),
    ] = None,
    test: Annotated[
        str, typer.Option(help="In the old model's shadow for so many windows, or 90s, 10min, 2h.")
    ] = "100",
    probation: Annotated[str, typer.Option(help="Then the active one, not confirmed yet, for so long.")] = "100",
    alarms: Annotated[int, typer.Option(min=0, help="Alarms it may raise more than the old one, in either.")] = 0,
    detach: Annotated[
        bool, typer.Option("--detach", help="Go away after the check; the board confirms or reverts by its own rule.")
    ] = False,
    downgrade: Annotated[
        bool,
        typer.Option("--downgrade", help="Go back to an older model on purpose; signs it anew, so it needs --key."),
    ] = False,
    no_delta: Annotated[
        bool, typer.Option("--no-delta", help="Send all of it, whatever the board has already.")
    ] = False,
    revert: Annotated[bool, typer.Option("--revert", help="Give up the model that is on trial on the board.")] = False,
    json: Json = False,
) -> None:
    """Send a model to a board, try it there beside the old one, and confirm it; the board samples all the while.

    The board checks signature, digest and golden windows, then runs the new model in the shadow of the old one, whose
    alarms still count, then on probation. Whatever goes wrong until it is confirmed (a reset, a crash, more alarms
    than the old one, a window that takes too long) brings the old one back. Interrupted, the same command goes on
    where it was.

    Exit code 1 when the board has gone back to the old model.
    """
    from offbeat.host.update.keys import load_key
    from offbeat.host.update.push import PushPlan, push
    from offbeat.host.update.push import revert as give_up

    if revert:
        runs = give_up(port)
        print_json({"model": runs}) if json else say(f"{port}: gave it up; the board runs model {runs}")
        return
    if model_dir is None:
        raise InputError("name a model directory or a model file to push, or say --revert")
    if downgrade and key is None:
        raise InputError("--downgrade signs the model anew; name the key with --key")
    if version is not None and key is None:
        raise InputError("--version is what a model is signed as; name the key with --key")
    signer = None if key is None else load_key(key, _ask)
    plan = PushPlan(test, probation, alarms, detach, not no_delta, downgrade, device_class, version)
    with progress(json) as show:
        report = push(model_dir, port, key=signer, plan=plan, progress=show)
    if json:
        print_json(report.as_dict())
    else:
        _show(report)
    if not report.ok:
        raise typer.Exit(1)


def _ask(question: str) -> str:
    answer = typer.prompt(question, hide_input=True, err=True)
    return str(answer)


def _show(report: PushReport) -> None:
    if report.outcome == "unchanged":
        say(f"{report.port}: the board runs model {report.model} already; nothing was sent")
        return
    say(
        f"{report.port}: model {report.model}, version {report.version}: {report.sent} of {report.size} bytes sent, "
        f"{report.wire} characters on the wire" + (f", in {report.beginnings} goes" if report.beginnings > 1 else "")
    )
    for stage, counts in (("in the shadow", report.test), ("on probation", report.probation)):
        if counts:
            old = "no old model"
            if "old" in counts:
                old = f"old {counts['old_alarms']} alarms, {counts['old_above']} windows above"
            say(
                f"  {stage}: {counts['windows']} windows; new {counts['alarms']} alarms, {counts['above']} windows "
                f"above the threshold; {old}; slowest window {counts['worst']} us"
            )
    if report.outcome == "reverted":
        say(f"The board has gone back to its old model: {report.why}", style="bold red")
    elif report.outcome == "detached":
        say("The board goes on by itself; `offbeat monitor` shows what comes of it, or push again later", style="bold")
    else:
        say(f"Confirmed, in {report.seconds:.0f} s", style="bold green")
