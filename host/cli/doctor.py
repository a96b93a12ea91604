"""`offbeat doctor`: what is installed, what is missing, and the command that brings it."""

from __future__ import annotations

import typer

from .options import Json
from .output import print_json, say, table

__all__ = ["command"]

EXAMPLE = "offbeat doctor"
NEEDS_ARGUMENTS = False


def command(json: Json = False) -> None:
    """Check what offbeat needs, and say which command brings what is missing.

    Exit code 1 when something that the base installation needs is missing or broken.
    """
    from offbeat.host.doctor import examine

    findings = examine()
    if json:
        print_json([finding.as_dict() for finding in findings])
    else:
        rows = [(f.name, "ok" if f.found else "missing", f.detail, f.mend) for f in findings]
        table("", ("what", "", "found", "to get it"), rows)
    if any(finding.needed and not finding.found for finding in findings):
        if not json:
            say("the installation is not complete", style="red")
        raise typer.Exit(1)
