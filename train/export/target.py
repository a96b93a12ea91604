"""What an export target is, and how its files come onto the disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from offbeat.train.modelfile import write_atomically

__all__ = ["Files", "Target", "write_files"]

Files = dict[str, str | bytes]
"""Contents by name relative to the directory that is written, with slashes."""


@dataclass(frozen=True)
class Target:
    """A form that a model can be exported to.

    files: makes them from a model file's bytes and the options; says: what one gets, for --help; options: names of the
    keyword arguments that ``files`` takes.
    """

    files: Callable[..., Files]
    says: str
    options: tuple[str, ...] = ()


def write_files(files: Mapping[str, str | bytes], directory: Path) -> list[Path]:
    """Write files below a directory, each whole or not at all; returns their paths. Raises OSError."""
    written = []
    for name, content in files.items():
        place = directory / name
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, content)
        written.append(place)
    return written
