"""`offbeat undeploy`: takes off a board what `offbeat deploy` put there."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json, Port
from .output import print_json, progress, say

__all__ = ["command"]

EXAMPLE = "offbeat undeploy --port /dev/ttyACM0"
NEEDS_ARGUMENTS = True


def command(
    port: Port,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would go, change nothing.")] = False,
    json: Json = False,
) -> None:
    """Remove from a board what deploy put there, and nothing else; a main.py from before it comes back.

    The journal stays, and so does everything that was changed since, or that somebody else has put there.
    """
    from offbeat.host.deploy import undeploy

    with progress(json) as show:
        removal = undeploy(port, dry_run=dry_run, progress=show)
    if json:
        print_json({**removal.as_dict(), "done": not dry_run})
        return
    if dry_run:
        for path in removal.removed:
            say(path)
    count = len(removal.removed)
    if not count:
        say("there is nothing of deploy's on the board")
    else:
        say(f"{count} files {'would be' if dry_run else ''} removed".replace("  ", " "))
    if removal.restored:
        say("the main.py from before the first deployment " + ("would come back" if dry_run else "is back"))
    for path in removal.left:
        say(f"left: {path} is not deploy's, or was changed since", style="yellow")
