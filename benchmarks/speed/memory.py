"""Memory of a process and of all that it started, watched from outside of it."""

from __future__ import annotations

import threading
from pathlib import Path

__all__ = ["Watch"]

_PERIOD = 0.5  # s: the kernel walks all pages for it


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(each for child in children for each in _family(int(child)))]


def _proportional(pid: int) -> int:
    """Bytes of memory of a process; pages that several share count in parts (Pss of smaps_rollup)."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:  # it has ended
        pass
    return 0


class Watch:
    """Follows the memory of a process with its children until it is left; peak: bytes, of all of them at once."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def _follow(self) -> None:
        while not self._over.wait(_PERIOD):
            self.peak = max(self.peak, sum(_proportional(pid) for pid in _family(self._pid)))

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
