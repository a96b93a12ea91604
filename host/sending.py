"""Windows on their way to a board that is to score them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offbeat.device.modelfile import Model
from offbeat.train.errors import InputError

from .board import Board, BoardError

__all__ = ["bytes_a_line", "check_identity", "send_window"]


def check_identity(board: Board, model: Model, model_dir: str | Path) -> None:
    """Raises InputError where the board runs another model than this one, of that directory or file."""
    runs = board.hello.model
    if runs == model.identity:
        return
    what = "has no model" if runs == "none" else f"runs model {runs}"
    raise InputError(
        f"{board.port}: the board {what}, {model_dir} holds {model.identity}; copy {Path(model_dir).name}'s model.beat "
        "to the board and reset it, or name the model directory that belongs to what it runs"
    )


def send_window(board: Board, window: NDArray[np.int16]) -> None:
    """Send a window int16 [N, C], in as many lines as it takes. Raises as Board.command() does."""
    raw = window.astype("<i2").tobytes()
    step = bytes_a_line(board.hello.line, len(raw))
    for at in range(0, len(raw), step):
        board.command("WINDOW", o=at, d=raw[at : at + step])


def bytes_a_line(longest: int, size: int) -> int:
    """Bytes of a window that fit a WINDOW line of ``longest`` characters; whole samples.

    Raises BoardError where it is none.
    """
    room = longest - len(f"~WINDOW 65535 o={size} d= *00000000")
    whole = room // 4 * 3 // 6 * 6  # six bytes are three samples, and eight characters without padding
    if whole < 6:
        raise BoardError(f"the board takes lines of {longest} characters, too short for a window; mend its files")
    return whole
