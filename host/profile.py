"""Times a model on the attached board: microseconds of a window, and what of the MicroPython heap it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from offbeat.train.errors import InputError
from offbeat.train.modelfile import read_model
from offbeat.train.profile import windows_of

from .board import Board, BoardError, Unplugged
from .sending import check_identity, send_window

__all__ = ["BoardTimes", "time_on_board"]

_REPEATS: Final = 5  # of each window: an interrupt or a neighbour's process falls into one of them at most


@dataclass(frozen=True)
class BoardTimes:
    """What a board measured. viper: whether its kernels are machine code; features, model: microseconds of each run;
    taken: bytes that a window took of the heap, the most of all; heap_free, heap_used: bytes, model included;
    windows: different ones."""

    port: str
    board: str
    viper: bool
    features: tuple[int, ...]
    model: tuple[int, ...]
    taken: int
    heap_free: int
    heap_used: int
    windows: int

    @property
    def totals(self) -> list[int]:
        """Microseconds of each run, both parts."""
        return [sum(pair) for pair in zip(self.features, self.model, strict=True)]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        spent = {"features": self.features, "model": self.model, "total": self.totals}
        return {
            "port": self.port,
            "board": self.board,
            "viper": self.viper,
            "windows": self.windows,
            "runs": len(self.features),
            "microseconds": {
                name: {"least": min(each), "median": median(each), "most": max(each)} for name, each in spent.items()
            },
            "heap": {"taken_by_a_window": self.taken, "used": self.heap_used, "free": self.heap_free},
        }


def time_on_board(
    model_dir: str | Path, port: str, progress: Callable[[float], None] = lambda share: None
) -> BoardTimes:
    """Let the board on a port score the windows that the emulator runs, each five times, and time itself.

    model_dir: model directory or model file; the board must run that very model. Sampling goes on between the runs.
    progress: called with the share done. Raises InputError where the board runs another model, is silent, is unplugged,
    or has files of an offbeat that cannot time itself.
    """
    model = read_model(model_dir)
    windows = windows_of(model)
    features, spent, taken = [], [], []
    try:
        with Board.open(port) as board:
            check_identity(board, model, model_dir)
            restarts = board.restarts
            for done, window in enumerate(windows, 1):
                send_window(board, window)
                for _ in range(_REPEATS):
                    answer = board.command("BENCH")
                    features.append(answer.integer("features"))
                    spent.append(answer.integer("model"))
                    taken.append(answer.integer("taken"))
                progress(done / len(windows))
            health = board.command("HEALTH")
            if board.restarts != restarts:
                raise BoardError(f"{port}: the board started anew while it was timed; look at `offbeat monitor`")
            hello = board.hello
    except Unplugged as error:
        raise InputError(f"{error}, and profile again: nothing was measured") from None
    return BoardTimes(
        port=port, board=hello.board, viper=hello.viper, features=tuple(features), model=tuple(spent),
        taken=max(taken), heap_free=health.integer("heap"), heap_used=health.integer("alloc"), windows=len(windows),
    )  # fmt: skip
