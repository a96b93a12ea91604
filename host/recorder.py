"""Keeps a board in recording mode for as long as it takes, and gives its raw frames on one grid of time."""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from offbeat.train.errors import InputError

from .board import Board, BoardError, Line, Unplugged
from .frame_grid import Clipping, FrameGrid

__all__ = ["Recorder"]

_LONGEST_SESSION: Final = 86400  # s that one RECORD lasts at most
_RENEWAL: Final = 0.1  # share of a session that is left when the next one is asked for
_TURN: Final = 0.25  # s after which the wish to stop is looked at
_SILENCE: Final = (3.0, 60.0)  # s without a line until the board is asked whether it still records
_FRAMES_IN_A_LINE: Final = 45  # at most
_BLOCK_SECONDS: Final = 1.0
_BLOCK_FRAMES: Final = 4096
_MOST_KEPT: Final = 20000  # lines that Board holds
_MOST_EMPTY: Final = 3

_RECORDING: Final = "recording"
_WAITING: Final = "unplugged, waiting for the port"


class Recorder:
    """Raw frames of a board, in blocks.

    board: open; seconds: None for no end; progress: called with a stage and the share done, 0 to 1; stop: asked
    several times a second whether to end; give_up_after: seconds that the port may be away.
    grid: where the frames belong; clipping: samples at their limits; failure: what ended the recording before its
    time, None where nothing did.
    """

    def __init__(
        self,
        board: Board,
        seconds: float | None,
        progress: Callable[[str, float], None],
        stop: Callable[[], bool],
        give_up_after: float,
    ) -> None:
        self.hello = board.hello
        rate = self.hello.rate
        self.grid = FrameGrid(rate, None if seconds is None else max(1, round(seconds * rate)))
        self.clipping = Clipping(len(self.hello.channels))
        self.failure: InputError | None = None
        self._board = board
        self._progress = progress
        self._stop = stop
        self._give_up_after = give_up_after
        self._silence = min(max(_SILENCE[0], 2 * _FRAMES_IN_A_LINE / rate), _SILENCE[1])
        self._asked = 0  # frames of the session that runs, 0 where none does
        self._sent = 0  # of them, as far as we know
        self._acknowledged: int | None = None  # number of the line after which the session begins, until it has
        self._continues = False
        self._losses = (0, 0)
        self._empty_sessions = 0  # one after another
        self._heard = self._given = time.monotonic()
        self._parts: list[tuple[int, NDArray[np.int16]]] = []

    def blocks(self) -> Iterator[tuple[int, NDArray[np.int16]]]:
        """Frames that follow one another: (index of the first on the grid, counts int16 [n, C]).

        Ends when enough is recorded, when stop() says so, at Ctrl-C, and where the board fails: then with
        ``failure``, after everything that had come.
        """
        self._progress(_RECORDING, 0.0)
        while self._left() > 0:
            try:
                if not self._go_on():
                    break
            except KeyboardInterrupt:
                break
            held = sum(len(counts) for _, counts in self._parts)
            if held >= _BLOCK_FRAMES or time.monotonic() - self._given >= _BLOCK_SECONDS:
                yield from self._give()
        yield from self._give()

    def release(self) -> None:
        """Let the board go back to scoring, if it still listens."""
        if self._asked and self.failure is None:
            self._asked = 0
            try:
                self._board.command("STOP")
            except (InputError, Unplugged):
                return

    def _left(self) -> float:
        """Frames to come."""
        return math.inf if self.grid.most is None else self.grid.most - self.grid.position

    def _share(self) -> float:
        return 0.0 if self.grid.most is None else self.grid.position / self.grid.most

    def _give(self) -> Iterator[tuple[int, NDArray[np.int16]]]:
        """The frames that are held, joined where no gap is between them."""
        parts, self._parts = self._parts, []
        self._given = time.monotonic()
        at = 0
        while at < len(parts):
            start, run = parts[at][0], [parts[at][1]]
            end = start + len(run[0])
            at += 1
            while at < len(parts) and parts[at][0] == end:
                run.append(parts[at][1])
                end += len(parts[at][1])
                at += 1
            counts = np.concatenate(run)
            self.clipping.see(counts)
            yield start, counts
        self._progress(_RECORDING, self._share())

    def _go_on(self) -> bool:
        """A turn; False where the recording ends here."""
        if self._stop():
            return False
        try:
            self._turn()
        except Unplugged:
            return self._wait_for_return()
        except InputError as error:
            self.failure = error
            return False
        return True

    def _turn(self) -> None:
        """The command that is due, and one line of the board."""
        if not self._asked or self._needs_renewal():
            self._ask()
        line = self._board.read_line(_TURN)
        if line is not None:
            self._heard = time.monotonic()
            self._take(line)
        elif time.monotonic() - self._heard >= self._silence:
            self._heard = time.monotonic()
            if self._board.command("HELLO").fields.get("mode") != "record":
                self._take_kept()
                self._lose_session()

    def _needs_renewal(self) -> bool:
        to_come = self._asked - self._sent
        return self._acknowledged is None and to_come <= _RENEWAL * self._asked and to_come < self._left()

    def _ask(self) -> None:
        """Begin a session, or let a running one go over into the next one without losing a frame."""
        if self._empty_sessions >= _MOST_EMPTY:
            raise BoardError(
                f"{self._board.port}: the board went into recording mode {_MOST_EMPTY} times and sent no sample; "
                "check that its sensor is connected, and reset it"
            )
        rate = self.grid.rate
        seconds = max(1, math.ceil(min(self._left() / rate, _LONGEST_SESSION)))
        self._continues = self._asked > 0
        self._losses = (self._board.lost, self._board.restarts)
        self._acknowledged = self._board.command("RECORD", seconds=seconds).sequence
        self._asked = (seconds * round(rate * 1000) + 999) // 1000
        self._empty_sessions += 1

    def _lose_session(self) -> None:
        """The board does not record any more; where its next frame belongs is up to the clock."""
        self._asked = 0
        self._acknowledged = None
        self._continues = False

    def _take_kept(self) -> None:
        """Take the lines that are here already: what was said in a session belongs to it."""
        for _ in range(_MOST_KEPT):
            try:
                line = self._board.read_line(0)
            except Unplugged:
                return
            if line is None:
                return
            self._take(line)

    def _take(self, line: Line) -> None:
        if not line.kind:
            return
        if self._acknowledged is not None and (line.sequence - self._acknowledged) & 0xFFFF < 0x8000:
            unbroken = self._losses == (self._board.lost, self._board.restarts)
            self.grid.begin(self._asked, continues=self._continues and unbroken)
            self._acknowledged = None
            self._sent = 0
        if not self.grid.sessions or not self._asked:
            return
        if line.kind == "RAW":
            if self._acknowledged is None or self._continues:  # else of a RECORD that was sent again
                self._take_frames(line)
        elif line.kind == "MODE" and line.fields.get("mode") != "record":
            self._end_session(line.fields.get("why") == "done")
        elif line.kind in ("SCORE", "NOVERDICT") and self._acknowledged is None:
            self._lose_session()

    def _end_session(self, done: bool) -> None:
        if done:
            self.grid.end()
        if self._acknowledged is None:
            self._lose_session()
        else:
            self._continues = False  # it ended while we asked for the next one

    def _take_frames(self, line: Line) -> None:
        first = line.integer("i")
        try:
            raw = base64.b64decode(line.fields["d"], validate=True)
            counts = np.frombuffer(raw, "<i2").reshape(-1, len(self.hello.channels))
            start, kept = self.grid.take(first, len(counts), time.monotonic())
        except (KeyError, ValueError):
            raise BoardError(
                f"{self._board.port}: the board's line {line.text[:40]!r} has no frames that belong to this "
                "recording; copy the board's files from this version of offbeat again"
            ) from None
        self._sent = first + len(counts)
        self._empty_sessions = 0
        if kept:
            self._parts.append((start, counts[:kept].astype(np.int16)))

    def _wait_for_return(self) -> bool:
        """Wait for the port, and for the board behind it; False where the recording ends here."""
        deadline = time.monotonic() + self._give_up_after
        self._progress(_WAITING, self._share())
        try:
            self._take_kept()
            self._lose_session()
            while not Path(self._board.port).exists() and time.monotonic() < deadline:
                if self._stop():
                    return False
                time.sleep(0.05)
            self._board.reconnect(max(0.0, deadline - time.monotonic()))
            self._check_same()
        except Unplugged as error:
            port = self._board.port
            away = f"{port}: unplugged, and not back within {self._give_up_after:g} s"
            self.failure = InputError(
                f"{error}; reset the board and record again"
                if Path(port).exists()
                else f"{away}; plug the board in again"
            )
            return False
        except InputError as error:
            self.failure = error
            return False
        self._heard = time.monotonic()
        self._progress(_RECORDING, self._share())
        return True

    def _check_same(self) -> None:
        before, now = self.hello, self._board.hello
        for name in ("channels", "rate", "scales", "units", "limits", "sensor"):
            if getattr(before, name) != getattr(now, name):
                raise BoardError(
                    f"{self._board.port}: the board came back with other {name} "
                    f"({getattr(now, name)!r} instead of {getattr(before, name)!r}); begin a new recording"
                )
