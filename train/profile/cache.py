"""Where compiled parts and measurements are kept from one run to the next, and how they get there whole."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from offbeat.train.modelfile import write_atomically

__all__ = ["cache_folder", "digest", "load_json", "save_json"]


@cache
def cache_folder() -> Path:
    """$XDG_CACHE_HOME/offbeat or ~/.cache/offbeat; where that cannot be written, a folder for this process alone."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        folder = Path(base).expanduser() / "offbeat"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, RuntimeError):  # RuntimeError: nobody's home is known
        folder = Path(tempfile.mkdtemp(prefix="offbeat-cache-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return folder


def digest(parts: Iterable[bytes | str]) -> str:
    """32 hex digits that tell apart any two sequences of parts."""
    found = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        found.update(len(raw).to_bytes(8, "little") + raw)
    return found.hexdigest()[:32]


def load_json(name: str) -> Any:
    """What save_json() left under this name; None where there is nothing that can be read."""
    try:
        return json.loads((cache_folder() / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def save_json(name: str, value: Any) -> None:
    """Keep a plain value under this name; where that cannot be done it is computed again another time."""
    place = cache_folder() / name
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, json.dumps(value))
    except OSError:
        return
