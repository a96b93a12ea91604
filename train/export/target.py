"""What an export target is, and how its files come onto the disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from errno import EISDIR
from hashlib import sha256
from pathlib import Path

from offbeat.train.modelfile import write_atomically

__all__ = ["LISTING", "Files", "Target", "replace_export", "write_files"]

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


LISTING = ".offbeat-export"
"""Lists what an export wrote into its directory: a line with the SHA-256 and the name of each file."""


def _digest(content: str | bytes) -> str:
    return sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def _untouched(directory: Path) -> list[Path]:
    """What an earlier export wrote there, as far as it lies below the directory and is still as it was written."""
    try:
        lines = (directory / LISTING).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    found = []
    for line in lines:
        digest, _, name = line.partition(" ")
        place = directory / name
        if place.is_file() and place.resolve().is_relative_to(directory.resolve()):
            found += [place] if _digest(place.read_bytes()) == digest else []
    return found


def write_files(files: Mapping[str, str | bytes], directory: Path) -> list[Path]:
    """Write files below a directory, each whole or not at all; returns their paths.

    Raises OSError; where a name is taken by a directory, before anything is written.
    """
    places = {directory / name: content for name, content in files.items()}
    for place in places:
        if place.is_dir():
            raise IsADirectoryError(EISDIR, "a directory has this name", str(place))
    for place, content in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, content)
    return list(places)


def replace_export(files: Mapping[str, str | bytes], directory: Path) -> list[Path]:
    """Write files, and remove code that an earlier export left beside them; returns the files' paths. Raises OSError.

    What somebody has changed since, and model files, stay.
    """
    earlier = _untouched(directory)
    written = write_files(files, directory)
    for place in earlier:
        if place not in written and place.suffix != ".beat":
            place.unlink()
    write_atomically(directory / LISTING, "".join(f"{_digest(content)} {name}\n" for name, content in files.items()))
    return written
