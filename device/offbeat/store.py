"""Small files that are replaced whole: after a power cut there is the old one or the new one, never half of either."""

import os

_BESIDE = ".new"
_PIECE = 256  # bytes that are compared at a time


def store(path, data):
    """Write a file whole. Raises OSError or MemoryError; the old file stands then.

    littlefs renames over the old file in one step. FAT does not: there the old one goes first, and recover() finds the
    new one where power fails between the two.
    """
    beside = path + _BESIDE
    try:
        with open(beside, "wb") as file:
            if file.write(data) != len(data):
                raise OSError(28)  # ENOSPC: the file system took a part only
        _sync()
        _compare(beside, data)
    except (OSError, MemoryError):
        _remove(beside)
        raise
    _rename(beside, path)
    _sync()


def _compare(path, data):
    """Raises OSError where a file holds anything but these bytes."""
    with open(path, "rb") as file:
        for at in range(0, len(data) + 1, _PIECE):
            if file.read(_PIECE) != bytes(data[at : at + _PIECE]):
                raise OSError(5)  # EIO


def recover(path, is_whole):
    """At a start: finish what a power cut interrupted. is_whole(data): whether the bytes are a whole file."""
    beside = path + _BESIDE
    try:
        with open(beside, "rb") as file:
            data = file.read()
    except (OSError, MemoryError):
        return
    try:
        if _exists(path) or not is_whole(data):
            os.remove(beside)
        else:
            os.rename(beside, path)
    except OSError:
        pass  # nothing is worse than before


def _rename(beside, path):
    try:
        os.rename(beside, path)
    except OSError:
        if not _exists(path):
            raise
        os.remove(path)
        os.rename(beside, path)


def _exists(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def _remove(path):
    try:
        os.remove(path)
    except OSError:
        pass


def _sync():
    if hasattr(os, "sync"):
        os.sync()  # ports that hold back what is written to their flash
