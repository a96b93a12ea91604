"""Does a board compute what the trainer computed? Windows go out, features and scores come back: equal, not close."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from offbeat.train.errors import InputError
from offbeat.train.modelfile import read_model
from offbeat.train.pipeline import Pipeline

from .board import Board, BoardError, Line, Refused, Unplugged
from .sending import check_identity, send_window
from .windows import Window, extreme_windows, golden_windows, recorded_windows

__all__ = ["Mismatch", "ValidationReport", "validate"]

_BATCH: Final = 64  # windows that NumPy computes at once
_RUNS: Final = 3  # times that a window is run until all of its features have come
_EXAMPLES: Final = 5


@dataclass(frozen=True)
class Mismatch:
    """A number that differs. window: its place among those sent; what: a feature's name, or ``score``."""

    window: int
    what: str
    board: int
    host: int


@dataclass
class ValidationReport:
    """What validate() found.

    windows: compared; numbers: features and scores compared; mismatches: of them, those that differ; examples: the
    first five; microseconds: of each window, as the board measured from counts to score; self_test: golden vectors
    that the board itself found right, and how many it has; bytes_out, bytes_in: on the wire; lost, damaged: lines;
    retries: commands sent again, and windows run again.
    """

    model: str
    windows: int = 0
    numbers: int = 0
    mismatches: int = 0
    examples: list[Mismatch] = field(default_factory=list)
    microseconds: list[int] = field(default_factory=list)
    self_test: tuple[int, int] = (0, 0)
    bytes_out: int = 0
    bytes_in: int = 0
    lost: int = 0
    damaged: int = 0
    retries: int = 0

    @property
    def ok(self) -> bool:
        """Numbers were compared, all are equal, and the board's self-test passes."""
        return self.numbers > 0 and self.mismatches == 0 and self.self_test[0] == self.self_test[1]

    def latency(self) -> dict[str, int]:
        """Microseconds from counts to score: min, median and p99 (the nearest above); all 0 without windows."""
        spent = sorted(self.microseconds) or [0]
        low, median, high = np.percentile(spent, [0, 50, 99], method="higher").tolist()
        return {"min": low, "median": median, "p99": high}

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "ok": self.ok,
            "model": self.model,
            "windows": self.windows,
            "numbers": self.numbers,
            "mismatches": self.mismatches,
            "examples": [{"window": e.window, "what": e.what, "board": e.board, "host": e.host} for e in self.examples],
            "latency_us": self.latency(),
            "self_test_passed": self.self_test[0],
            "self_test_total": self.self_test[1],
            "bytes_out": self.bytes_out,
            "bytes_in": self.bytes_in,
            "lost": self.lost,
            "damaged": self.damaged,
            "retries": self.retries,
        }

    def compare(self, names: tuple[str, ...], board: NDArray[np.int64], host: NDArray[np.int64]) -> None:
        """Compare the numbers of the next window, int64 [F + 1] each: the features, then the score."""
        for j in np.flatnonzero(board != host):
            self.mismatches += 1
            if len(self.examples) < _EXAMPLES:
                self.examples.append(Mismatch(self.windows, names[j], int(board[j]), int(host[j])))
        self.windows += 1
        self.numbers += len(host)


def validate(
    model_dir: str | Path,
    port: str,
    replay: str | Path | None = None,
    windows: int | None = 200,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ValidationReport:
    """Send windows to the board on a port, and compare what it finds with NumPy, number by number.

    model_dir: model directory or model file; replay: recording whose windows are sent, evenly spread over it; without
    one, windows are random and extreme ones; windows: how many, None for all of the recording; the model's golden
    windows come before them. progress: called with windows done and windows in all.

    Numbers that differ are in the report, not an error. Raises InputError where the board runs another model, fails
    on the way, or is unplugged.
    """
    model = read_model(model_dir)
    pipeline = Pipeline(model)
    total, chosen = _choose(pipeline, replay, windows, seed)
    try:
        with Board.open(port) as board:
            check_identity(board, model, model_dir)
            comparison = _Comparison(board, pipeline)
            comparison.self_test()
            progress(0, total)
            for _ in comparison.run(chosen):
                progress(comparison.report.windows, total)
            return comparison.finish()
    except Unplugged as error:
        raise InputError(f"{error}, and validate again: this validation is not complete") from None


def _choose(
    pipeline: Pipeline, replay: str | Path | None, windows: int | None, seed: int
) -> tuple[int, Iterable[Window]]:
    """How many windows, and the windows: golden ones first."""
    if windows is not None and windows < 1:
        raise InputError(f"--windows {windows} is not a number of windows; give 1 or more")
    model = pipeline.model
    golden = list(golden_windows(model))
    if replay is not None:
        count, others = recorded_windows(replay, pipeline, windows)
    elif windows is None:
        raise InputError("without a recording there is no last window; name one with --replay, or say --windows 200")
    else:
        count, others = windows, extreme_windows(model.window, model.channels, windows, seed)
    return len(golden) + count, chain(golden, others)


class _Comparison:
    """Sends windows, and compares what comes back. report: so far."""

    def __init__(self, board: Board, pipeline: Pipeline) -> None:
        self.report = ValidationReport(pipeline.model.identity)
        self._board = board
        self._pipeline = pipeline
        self._names = (*pipeline.names, "score")
        self._restarts = board.restarts
        self._run_number = 0
        self._features = np.zeros(len(pipeline.names), dtype=np.int64)
        self._have = np.zeros(len(pipeline.names), dtype=bool)
        board.on_line = self._take

    def self_test(self) -> None:
        """Let the board check itself with its golden vectors."""
        answer = self._board.command("SELFTEST")
        self.report.self_test = (answer.integer("passed"), answer.integer("of"))

    def run(self, windows: Iterable[Window]) -> Iterator[None]:
        """Compare these windows int16 [N, C]; yields after each."""
        rest = iter(windows)
        while batch := list(islice(rest, _BATCH)):
            stacked = np.stack(batch)
            features = self._pipeline.extract(stacked)
            scores = self._pipeline.family.score(self._pipeline.vectors(features))
            expected = np.concatenate([features, scores[:, None]], axis=1).astype(np.int64)
            for number, (window, numbers) in enumerate(zip(batch, expected, strict=True)):
                # A batch is one stretch to a stateful model, here and on the board.
                self.report.compare(self._names, self._find(window, reset=number == 0), numbers)
                yield

    def finish(self) -> ValidationReport:
        """The report, with the counts of the line."""
        board, report = self._board, self.report
        board.on_line = None
        report.bytes_in, report.bytes_out = board.bytes_in, board.bytes_out
        report.lost, report.damaged = board.lost, board.damaged
        report.retries += board.retries
        return report

    def _find(self, window: Window, reset: bool) -> NDArray[np.int64]:
        """What the board finds for a window: int64 [F + 1], the features and the score."""
        try:
            found = self._send_and_run(window, reset)
        except Refused:
            self._check_restarts()
            raise
        self._check_restarts()  # it may have forgotten half of the window
        return found

    def _send_and_run(self, window: Window, reset: bool) -> NDArray[np.int64]:
        send_window(self._board, window)
        self._run_number = self._run_number % 0xFFFF + 1
        self._have[:] = False
        for attempt in range(_RUNS):
            self.report.retries += attempt > 0
            result = self._board.command("RUN", n=self._run_number, reset=int(reset))
            self._check_result(result)
            if self._have.all():
                self.report.microseconds.append(result.integer("us"))
                return np.append(self._features, result.integer("s"))
        raise BoardError(
            f"{self._board.port}: features of window {self.report.windows} were lost {_RUNS} times on the line; "
            "check the cable, and validate again"
        )

    def _check_restarts(self) -> None:
        if self._board.restarts != self._restarts:
            raise BoardError(
                f"{self._board.port}: the board started anew after {self.report.windows} windows; look at what it says "
                "with `offbeat monitor`, and validate again"
            )

    def _check_result(self, result: Line) -> None:
        if result.kind != "RESULT" or result.integer("features") != len(self._features):
            raise BoardError(
                f"{self._board.port}: the board answers RUN with {result.text[:60]!r} where a result of "
                f"{len(self._features)} features is due; copy the board's files from this version of offbeat again"
            )

    def _take(self, line: Line) -> None:
        """Look at a line that came during a command: features of this run are kept."""
        if line.kind != "FEATURES" or line.fields.get("n") != str(self._run_number):
            return
        first = line.integer("o")
        try:
            values = np.frombuffer(base64.b64decode(line.fields["d"], validate=True), "<i4")
        except (KeyError, ValueError):
            return  # as if it had not come: the window is run again
        if 0 <= first <= len(self._features) - len(values):
            self._features[first : first + len(values)] = values
            self._have[first : first + len(values)] = True
