"""`offbeat keys`: keys that sign models, and boards that trust them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Json, Port
from .output import print_json, say

if TYPE_CHECKING:
    from offbeat.host.update.keys import Key

__all__ = ["COMMANDS", "new", "provision", "show", "sign"]

HELP = "Keys that sign models: make them, give them to boards, sign for a fleet."
EXAMPLE = "offbeat keys new line3"

Name = Annotated[
    str, typer.Argument(help="Name in ~/.config/offbeat/keys ($OFFBEAT_KEYS), or a path.", show_default=False)
]
DeviceClass = Annotated[
    str,
    typer.Option(
        "--class",
        help="Device class, at most 16 bytes: boards take models of their own class only; by default none.",
    ),
]


def new(
    name: Name,
    hmac: Annotated[
        bool,
        typer.Option("--hmac", help="HMAC-SHA256 with a secret of each board's own, for boards too small for Ed25519."),
    ] = False,
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="Ask for a passphrase, and encrypt the file with it.")
    ] = False,
    json: Json = False,
) -> None:
    """Make a key. The file is for your eyes only (mode 0600); copy it to a safe place, it is the only one."""
    from offbeat.device.manifest import ED25519, HMAC
    from offbeat.host.update.keys import create_key

    passphrase = ""
    if encrypt:
        passphrase = str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True))
    _say(create_key(name, HMAC if hmac else ED25519, passphrase), json)


def show(name: Name, json: Json = False) -> None:
    """Show the public part of a key: what boards are given, and its fingerprint."""
    _say(_load(name), json)


def provision(
    name: Name,
    port: Port,
    device_class: DeviceClass = "",
    handed_over_by: Annotated[
        str | None, typer.Option("--handed-over-by", help="The key that the board trusts so far.", show_default=False)
    ] = None,
    board_id: Annotated[
        str | None,
        typer.Option(
            "--board-id",
            help="Id of the board, which must be what it says; HMAC needs it, as each secret is made from one.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Tell a board whose signatures count from now on, and its class. Done once, where the board is built.

    A board that trusts a key takes another one only with --handed-over-by. A secret of HMAC-SHA256 goes over the wire
    as it is: provision on a cable, not through a gateway, and name the board's id, from its label
    or your list.
    """
    from offbeat.host.update.trust import provision as give

    before = None if handed_over_by is None else _load(handed_over_by)
    board = give(port, _load(name), device_class, before, board_id)
    if json:
        print_json(board)
    else:
        say(f"{port}: board {board['board']} of class {device_class!r} trusts key {board['fingerprint']} from now on")


def sign(
    model_dir: Annotated[Path, typer.Argument(help="Model directory or model file.", show_default=False)],
    key: Annotated[str, typer.Option("--key", "-k", help="Key to sign with.", show_default=False)],
    device_class: DeviceClass = "",
    version: Annotated[
        int | None, typer.Option(help="Higher is newer; seconds since 1970 by default.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Sign a model for all boards of a class; model.sig goes beside it, and `offbeat push` sends both."""
    from offbeat.host.update.signing import sign_model

    found = sign_model(model_dir, _load(key), device_class, version)
    if json:
        print_json({"version": found.version, "class": found.device_class, "sha256": found.digest.hex()})
    else:
        say(f"{model_dir}: signed as version {found.version} for class {found.device_class!r}")


COMMANDS = {
    "new": (new, "offbeat keys new line3"),
    "show": (show, "offbeat keys show line3"),
    "provision": (provision, "offbeat keys provision line3 --port /dev/ttyACM0 --class pumps"),
    "sign": (sign, "offbeat keys sign fan_model --key line3 --class pumps"),
}
"""Subcommands: function and example."""


def _load(name: str) -> Key:
    from offbeat.host.update.keys import load_key

    return load_key(name, lambda question: str(typer.prompt(question, hide_input=True, err=True)))


def _say(key: Key, json: bool) -> None:
    from offbeat.device.manifest import ALGORITHMS, ED25519

    kind, public = ALGORITHMS[key.algorithm], key.public.hex() if key.algorithm == ED25519 else ""
    if json:
        print_json({"path": str(key.path), "algorithm": kind, "fingerprint": key.fingerprint, "public": public})
        return
    say(f"{key.path}: {kind}, fingerprint {key.fingerprint}" + (f"\npublic key {public}" if public else ""))
