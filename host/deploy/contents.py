"""What goes onto a board: of the package what this model and sensor need, compiled; model, settings and main.py."""

from __future__ import annotations

import ast
import json
import struct
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from offbeat.device.modelfile import Model
from offbeat.train.export.frozen import families_needed
from offbeat.train.export.mpy import compile_module, is_installed
from offbeat.train.resources import folder

from .identity import Identity

__all__ = ["main_of", "package", "settings_text"]

_ROOTS: Final = ("__init__", "app", "commands", "journal_commands", "start", "trial")
# Registries load the one module that is asked for; so their imports are not followed, and that module is named.
_REGISTRIES: Final = ("families/__init__", "sensors/__init__")
_MPY_HEADER: Final = "<BBB"  # "M", version, flags: sub-version in bits 0 and 1, architecture from bit 2 on


def package(model: Model | None, sensor: str, identity: Identity) -> dict[str, bytes]:
    """Files of the package by their place in a slot: .mpy where the board takes what mpy-cross makes, else source."""
    found: dict[str, bytes] = {}
    for name in _needed(model, sensor, identity.architecture != "bytecode"):
        source = (folder("device") / f"{name}.py").read_text(encoding="utf-8")
        compiled = _compiled(source, f"offbeat/{name}.py", identity)
        found[f"offbeat/{name}.{'py' if compiled is None else 'mpy'}"] = compiled or source.encode()
    return found


def _needed(model: Model | None, sensor: str, native: bool) -> list[str]:
    """Modules of device/offbeat that start.py reaches, without the twin of the kernels that this board does not run."""
    root = folder("device")
    families = families_needed(model) if model is not None else []
    waiting = [*_ROOTS, f"sensors/{sensor}", *(f"families/{name}" for name in families)]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found or name.endswith("_bytecode" if native else "_viper"):
            continue
        found.add(name)
        if name not in _REGISTRIES:
            waiting += _imported(root, name)
    return sorted(found)


@cache
def _imported(root: Path, name: str) -> tuple[str, ...]:
    """Modules of the package that a module imports, wherever in it."""
    found = []
    for node in ast.walk(ast.parse((root / f"{name}.py").read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        folders = Path(name).parts[: len(Path(name).parts) - node.level]
        base = Path(*folders, *(node.module.split(".") if node.module else []))
        for candidate in (base, *(base / alias.name for alias in node.names)):
            if (root / candidate).is_dir():
                found.append((candidate / "__init__").as_posix())
            elif (root / candidate.with_suffix(".py")).exists():
                found.append(candidate.as_posix())
    return tuple(found)


def _compiled(source: str, name: str, identity: Identity) -> bytes | None:
    """The module as .mpy, None where the board would not take it: another version, or machine code of another one."""
    if not identity.mpy or not is_installed():
        return None
    made = compile_module(source, name, identity.architecture)
    _, version, flags = struct.unpack_from(_MPY_HEADER, made)
    has_machine_code = flags >> 2 != 0
    if version != identity.mpy & 0xFF or (has_machine_code and flags & 3 != identity.mpy >> 8 & 3):
        return None
    return made


def settings_text(settings: Mapping[str, object]) -> bytes:
    """settings.json; its fields are those of device/offbeat/start.py."""
    return (json.dumps(settings, indent=1, sort_keys=True) + "\n").encode()


def main_of(slot: str) -> bytes:
    """main.py that starts what is in a slot."""
    text = (folder("boards") / "deployed" / "main.py").read_text(encoding="utf-8")
    made = text.replace('SLOT = "offbeat_a"', f'SLOT = "{slot}"')
    assert f'SLOT = "{slot}"' in made  # noqa: S101  the file that ships has that line
    return made.encode()
