"""A program that is told to end cleans up after itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

__all__ = ["end_cleanly"]

_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def end_cleanly() -> Callable[[], None]:
    """Let SIGTERM and SIGHUP end this program by SystemExit, so that what it has opened is closed.

    Returns a function that undoes it. Signals that the program handles itself stay as they are, and outside of the
    main thread nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    taken = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _exit)

    def undo() -> None:
        for number in taken:
            if signal.getsignal(number) is _exit:
                signal.signal(number, signal.SIG_DFL)

    return undo
