"""Where running virtual boards leave their traces: a directory of this user's, one file and one link a board.

The file is locked as long as its board runs; the kernel drops the lock however the program ends, so what can be
locked is left over from one that died, and is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from offbeat.train.errors import InputError

__all__ = ["Claim", "claim", "running_boards"]

_MOST = 1000


class Claim:
    """A name that is ours until release(): `port` is the link that serial programs open, `flash` a directory."""

    def __init__(self, directory: Path, name: str, handle: int) -> None:
        self.name = name
        self.port = directory / name
        self.flash = directory / f"{name}.flash"
        self._record = directory / f"{name}.json"
        self._handle = handle

    def write(self) -> None:
        """Leave a note for people and for `offbeat ports`."""
        note = json.dumps({"port": str(self.port), "pid": os.getpid(), "flash": str(self.flash)})
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, note.encode(), 0)

    def release(self) -> None:
        """Remove every trace; a second call does nothing."""
        if self._handle >= 0:
            _remove(self.port, self.flash, self._record)
            os.close(self._handle)
            self._handle = -1


def claim(name: str | None = None) -> Claim:
    """Take a name, or the first free one of ttyVIRTUAL0, ttyVIRTUAL1 and so on.

    Raises InputError where the name is taken, or cannot be a file's name.
    """
    directory = _directory()
    if name is not None and (not name or name.startswith(".") or not set(name).isdisjoint("/\0")):
        raise InputError(
            f"{name!r} cannot be the name of a virtual board; take letters and digits, such as ttyVIRTUAL7"
        )
    for candidate in [name] if name else (f"ttyVIRTUAL{i}" for i in range(_MOST)):
        handle = _lock(directory / f"{candidate}.json", create=True)
        if handle is None:
            continue
        found = Claim(directory, candidate, handle)
        try:
            _remove(found.port, found.flash)
            found.flash.mkdir()
            found.write()
        except BaseException:
            found.release()
            raise
        return found
    raise InputError(
        f"a virtual board named {name or 'ttyVIRTUAL0 …'} is running already; choose another name, or end it"
    )


def running_boards() -> Iterator[Path]:
    """Ports of the virtual boards that run now; what dead ones left behind is removed."""
    try:
        directory = _directory()
    except (OSError, InputError):
        return
    for record in sorted(directory.glob("*.json")):
        handle = _lock(record, create=False)
        port = record.with_suffix("")
        if handle is not None:
            _remove(port, port.with_name(f"{port.name}.flash"), record)
            os.close(handle)
        elif port.is_symlink():
            yield port


def _directory() -> Path:
    """The directory, which must be ours alone: others may write where it stands."""
    directory = Path(tempfile.gettempdir()) / f"offbeat-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise InputError(f"{directory} belongs to somebody else; remove it, or set TMPDIR to a directory of yours")
    return directory


def _lock(path: Path, create: bool) -> int | None:
    """A handle of a file that we hold locked; None where another program holds it, or it is gone."""
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if create else 0), 0o600)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_nlink:  # another program may have removed it before we had the lock
                return handle
        except BlockingIOError:
            os.close(handle)
            return None
        os.close(handle)


def _remove(*paths: Path) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
