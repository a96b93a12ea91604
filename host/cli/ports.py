"""`offbeat ports`: serial ports, and which of them look like a board."""

from __future__ import annotations

from dataclasses import asdict

from .options import Json
from .output import print_json, say, table

__all__ = ["command"]

EXAMPLE = "offbeat ports"
NEEDS_ARGUMENTS = False


def command(json: Json = False) -> None:
    """List serial ports with what is known of the board behind each, and running virtual boards."""
    from offbeat.host.ports import list_ports

    found = list_ports()
    if json:
        print_json([asdict(port) for port in found])
    elif found:
        table("", ("port", "board", "description"), [(p.device, p.board or "-", p.description or "-") for p in found])
    else:
        say("no serial port found; plug a board in, or start a virtual one with `offbeat virtual`")
