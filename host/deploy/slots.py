"""The two directories of a board that deployments take turns in, and what is known to be deploy's in each.

A manifest lists what deploy puts into a slot. It is `manifest.new` while files are copied and `manifest.json` once
all of them have been read back; so at every instant each of deploy's files stands in a manifest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from offbeat.host.errors import BoardError

from .prompt import Prompt

__all__ = [
    "BACKUP",
    "COPYING",
    "MAIN",
    "MODEL",
    "SLOTS",
    "VERIFIED",
    "Slot",
    "State",
    "digest",
    "manifest_text",
    "read_slot",
    "read_state",
]

SLOTS: Final = ("offbeat_a", "offbeat_b")
MAIN: Final = "main.py"
VERIFIED: Final = "manifest.json"
COPYING: Final = "manifest.new"
MODEL: Final = "model.beat"
BACKUP: Final = "main.before-offbeat.py"
"""Where a main.py that was there before the first deployment waits for `offbeat undeploy`."""

_PART: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_MOST_FILES: Final = 1000


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal digits, as the board tells it."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Slot:
    """A slot as it is on the board. name: its directory; files: SHA-256 by the path inside, of all that is there;
    directories: paths inside; listed: SHA-256 by path, of what its manifests say that deploy put there; main: that
    of the main.py which starts it, "" without a whole manifest; copying: an interrupted deployment."""

    name: str
    files: Mapping[str, str] = field(default_factory=dict)
    directories: tuple[str, ...] = ()
    listed: Mapping[str, str] = field(default_factory=dict)
    main: str = ""
    copying: bool = False

    @property
    def ours(self) -> dict[str, str]:
        """Files there that deploy put there, as they are: SHA-256 by path."""
        own = {path: found for path, found in self.files.items() if path in (VERIFIED, COPYING)}
        for path, found in self.files.items():
            if path in self.listed and (self.copying or found == self.listed[path]):
                own[path] = found
        return own

    @property
    def strangers(self) -> list[str]:
        """Files there that deploy did not put there, or that somebody has changed since."""
        return sorted(set(self.files) - set(self.ours))


@dataclass(frozen=True)
class State:
    """What is on a board. main: SHA-256 of main.py, "" without one; backup: of the one that was there before;
    slots: by name; active: the slot that main.py starts, None where main.py is not deploy's."""

    main: str
    backup: str
    slots: Mapping[str, Slot]

    @property
    def active(self) -> Slot | None:
        """The slot that main.py starts."""
        return next((slot for slot in self.slots.values() if slot.main and slot.main == self.main), None)


def manifest_text(content: Mapping[str, bytes]) -> bytes:
    """A manifest of what goes into a slot, by the path inside."""
    files = {path: digest(data) for path, data in content.items()}
    return (json.dumps({"files": files}, indent=0, sort_keys=True) + "\n").encode()


def read_state(prompt: Prompt) -> State:
    """Ask the board for it. Raises BoardError where a slot's name belongs to a file."""
    main, backup = (prompt.text(f"say(digest({name!r}))") for name in (MAIN, BACKUP))
    return State(main, backup, {name: read_slot(prompt, name) for name in SLOTS})


def _without_slot(path: str, slot: str) -> str:
    """A path as the board tells it, without the slot's directory. Raises BoardError for what is no path inside."""
    inside = path.removeprefix(f"{slot}/")
    if inside == path or not all(_PART.fullmatch(part) for part in inside.split("/")):
        raise BoardError(f"the board has a file {path!r} in {slot}, which no deployment made; remove it first")
    return inside


def read_slot(prompt: Prompt, name: str) -> Slot:
    """Ask the board for one slot. Raises BoardError as read_state()."""
    there = prompt.text(f"say(kind({name!r}))")
    if there == "file":
        raise BoardError(f"{prompt.port}: {name} on the board is a file; rename it, deploy needs a directory there")
    if not there:
        return Slot(name)
    files, directories = {}, []
    for entry in prompt.ask(f"tree({name!r})"):
        path, found = entry if isinstance(entry, list) and len(entry) == 2 else ("", "")
        inside = _without_slot(str(path), name)
        if found is None:
            directories.append(inside)
        else:
            files[inside] = str(found)
    main, copying = "", COPYING in files
    listed: dict[str, str] = {}
    for manifest in (VERIFIED, COPYING):
        if manifest in files:
            read = _read_manifest(prompt.text(f"say(text({f'{name}/{manifest}'!r}))"))
            listed |= read
            main = read.get(MAIN, "") if manifest == VERIFIED else main
    return Slot(name, files, tuple(directories), listed, "" if copying else main, copying)


def _read_manifest(text: str) -> dict[str, str]:
    """SHA-256 by path; empty for what a cut has left of a manifest: then nothing else has been copied yet."""
    try:
        files = json.loads(text)["files"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    if not isinstance(files, dict) or len(files) > _MOST_FILES:
        return {}
    return {
        path: found
        for path, found in files.items()
        if isinstance(found, str) and all(_PART.fullmatch(part) for part in path.split("/"))
    }
