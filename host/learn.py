"""Has a board learn its model by itself, watches it, and fetches what it learned. ``docs/learning.md``."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from offbeat.device.commissioning import Plan
from offbeat.device.feature_sets import FEATURE_SETS
from offbeat.train.budget import Budget, duration, parse_budget
from offbeat.train.errors import InputError
from offbeat.train.modeldir import require_place

from .board import Board, Line
from .errors import BoardError, Refused, Unplugged
from .fetch import FetchReport, fetch_model
from .hello import Hello

__all__ = ["learn", "stop_learning"]

_Progress = Callable[[str, float], None]

_SILENCE: Final = 12.0  # s without a line of progress, after which the board is asked
_LONGEST: Final = 7 * 86400  # s
_GIVE_UP_AFTER: Final = 30.0  # s that the port may be away
_STAGES: Final = {"learn": "learning", "compute": "computing", "threshold": "setting the threshold"}
_MOSTLY: Final = {
    "lost": ", most because samples were lost: the sensor's rate is too high for the board, or its bus is disturbed",
    "bus": ", most because of errors on the sensor's bus: check the wiring",
    "jitter": ", most because samples came late: use the sensor's FIFO or a timer, or a lower rate",
    "clipped": ", most because a channel stood at an end of the sensor's range: choose a wider range",
    "stuck": ", most because a channel stood still that had moved: is the machine on? --features level takes such too",
}
_ENDED: Final = ("done", "failed", "stopped")


class _Described:
    """A board's sensor, as a Plan wants to know it."""

    def __init__(self, hello: Hello) -> None:
        self.channels = hello.channels
        self.units = hello.units
        self.scales = tuple(map(repr, hello.scales))
        self.sensor = hello.sensor
        self.rate_millihertz = round(1000 * hello.rate)
        self.limits = hello.limits


def learn(
    port: str,
    out: str | Path,
    minutes: float = 10.0,
    budget: str = "1/day",
    *,
    name: str = "",
    features: str = "",
    window: int = 0,
    hop: int = 0,
    progress: _Progress = lambda stage, share: None,
) -> FetchReport:
    """Have the board on a port learn a model from so many minutes of normal running, and fetch it into a directory.

    budget: false alarms that are acceptable; name: of the model, by default the directory's; features: a set of
    FEATURE_SETS, window, hop: samples, "" and 0 for what the board takes by itself; progress: called with a stage and
    the share done, 0 to 1.

    Interrupted, it stops the board's learning, and the board goes on with the model it had; so it does where learning
    fails. Raises InputError, BoardError where the board cannot learn and says why, Unplugged where the port stays away.
    """
    directory = Path(out)
    require_place(directory)
    allowed = parse_budget(budget)
    if not (math.isfinite(minutes) and 0 < minutes <= _LONGEST / 60):
        raise InputError(f"--minutes {minutes:g} is not a length of time; give up to {_LONGEST // 60}, for instance 10")
    seconds = math.ceil(60 * minutes)
    with Board.open(port) as board:
        _check(board.hello, seconds, features, window, hop)
        asked: dict[str, int | str] = {"features": features} if features else {}
        asked |= {key: value for key, value in (("window", window), ("hop", hop)) if value}
        asked |= {"seconds": seconds, "every": _seconds_between(allowed), "budget": allowed.text}
        asked["name"] = (name or directory.resolve().name)[:40]
        _Watch(board, asked, progress).run()
        return fetch_model(board, directory, progress)


def stop_learning(port: str) -> bool:
    """Stop the learning of the board on a port; False where it was not learning."""
    with Board.open(port) as board:
        was = board.hello.mode == "learn"
        _ask(board, stop=1)
        return was


def _seconds_between(budget: Budget) -> int:
    return min(max(round(3600 / budget.per_hour), 1), (1 << 30) - 1)


def _check(hello: Hello, seconds: int, features: str, window: int, hop: int) -> None:
    """Raises InputError for a plan that cannot be, before the board is bothered."""
    described = _Described(hello)
    try:
        Plan(described, seconds, features=features, window=window, hop=hop)
    except ValueError as error:
        why = str(error)
    else:
        return
    if why == "features":
        raise InputError(f"--features {features} is no set of features; choose {', '.join(FEATURE_SETS)}")
    if why == "length":
        raise InputError("--window must be 8 to 1024 samples, and --hop 1 to the window; leave them out for the usual")
    plan = Plan(described, _LONGEST, features=features, window=window, hop=hop)
    samples = 2 * (plan.window + plan.hop * (plan.least_windows() - 1))
    needed = samples / hello.rate
    raise InputError(
        f"{duration(seconds / 3600)} are too short: of {len(plan.features)} features at {hello.rate:g} Hz, the board "
        f"needs {duration(needed / 3600)} at the very least; give --minutes {max(10, math.ceil(needed / 60))}"
    )


def _ask(board: Board, **fields: int | str) -> Line:
    """Send LEARN. Raises BoardError with what a refusal means."""
    try:
        return board.command("LEARN", **fields)
    except Refused as error:
        if error.why == "unknown":
            raise BoardError(
                f"{board.port}: the board cannot learn: C firmware does not, nor does older offbeat; "
                "record and train instead"
            ) from None
        if error.why == "flash":
            raise BoardError(
                f"{board.port}: the board cannot keep a model: main.py names no file for it, or its MicroPython has "
                "no SHA-256; record and train instead"
            ) from None
        if error.why in ("short", "length", "features"):
            raise BoardError(
                f"{board.port}: the board refuses to learn so ({error.why}); "
                "copy its files from this version of offbeat"
            ) from None
        raise


class _Watch:
    """The learning of a board, from the command to its end."""

    def __init__(self, board: Board, asked: dict[str, int | str], progress: _Progress) -> None:
        self._board = board
        self._asked = asked
        self._progress = progress
        self._before = board.hello.model
        self._ended: Line | None = None

    def run(self) -> None:
        """Begin, and wait for the end. Raises BoardError where it fails."""
        board = self._board
        board.on_line = self._note
        try:
            _ask(board, **self._asked)
            self._wait()
        except KeyboardInterrupt:
            _ask(board, stop=1)
            raise
        finally:
            board.on_line = None

    def _wait(self) -> None:
        board = self._board
        heard = time.monotonic()
        while self._ended is None:
            try:
                line = board.read_line(1.0)
                if line is not None and self._see(line):
                    heard = time.monotonic()
                elif time.monotonic() - heard > _SILENCE:
                    heard = time.monotonic()
                    self._look()
            except Unplugged:
                self._return()
        stage, why = self._ended.fields.get("stage", ""), self._ended.fields.get("why", "")
        if stage != "done":
            raise BoardError(f"{board.port}: {self._reason(stage, why, self._ended)}")

    def _note(self, line: Line) -> None:
        self._see(line)

    def _see(self, line: Line) -> bool:
        """Take note of a line of progress; False for any other."""
        if line.kind == "HELLO" and self._board.hello.mode != "learn":
            raise self._restarted()
        if line.kind != "LEARN":
            return False
        stage = line.fields.get("stage", "")
        if stage in _ENDED:
            self._ended = line
        else:
            done, all_of_it = line.integer("n"), max(line.integer("of"), 1)
            share = 1.0 if stage == "compute" else min(done / all_of_it, 1.0)
            self._progress(_STAGES.get(stage, "learning"), share)
        return True

    def _look(self) -> None:
        """No line for a while: is it still learning, or was the line lost that said how it ended?"""
        board = self._board
        hello = board.command("HELLO")
        if hello.fields.get("mode") == "learn":
            return
        if hello.fields.get("model") == self._before:
            raise BoardError(f"{board.port}: learning ended, and the board's last word was lost; learn again")
        self._ended = Line("LEARN", -1, {"stage": "done"}, "")

    def _return(self) -> None:
        board = self._board
        try:
            board.reconnect(_GIVE_UP_AFTER)
        except Unplugged as error:
            raise Unplugged(f"{error}; if the board has power it goes on learning: `offbeat fetch` later") from None
        if board.hello.mode != "learn" and board.hello.model == self._before:
            raise self._restarted()

    def _restarted(self) -> BoardError:
        return BoardError(
            f"{self._board.port}: the board started again while it learned, and runs what it ran before; was it "
            "without power? Learn again"
        )

    def _reason(self, stage: str, why: str, line: Line) -> str:
        skipped, mostly = line.fields.get("skipped", "0"), line.fields.get("mostly", "")
        return {
            "still": "no channel of the sensor moved; check its wiring, and that the machine runs",
            "few": f"too few windows were fit to learn from, {skipped} were not{_MOSTLY.get(mostly, '')}",
            "began": "a channel that had not moved began to in the second half; let the machine run from the beginning",
            "silent": "the sensor sent no sample for a while; check its wiring",
            "memory": "the board has too little memory for so many features; choose --features motion or less --window",
            "flash": "the model does not fit the board's flash, or it cannot be written; remove files there",
            "stopped": "the learning was stopped, the board goes on with what it ran before",
        }.get(why, f"learning {stage}: {why!r}")
