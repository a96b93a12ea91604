"""Fetches the model file that is on a board, whole, and writes its model directory."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from offbeat.device.modelfile import ModelError, parse
from offbeat.train.learned import golden_holds, write_learned_directory
from offbeat.train.modeldir import require_place
from offbeat.train.pipeline import Pipeline

from .board import Board
from .errors import BoardError, Refused

__all__ = ["FetchReport", "fetch", "fetch_model"]

_LARGEST: Final = 1 << 20  # bytes; no board holds a larger model


@dataclass(frozen=True)
class FetchReport:
    """What came. directory: that was written; identity: of the model; statement: what its threshold promises, "" where
    the file does not say; warnings: one sentence each; summary: the content of summary.json."""

    directory: Path
    identity: str
    statement: str
    warnings: tuple[str, ...]
    summary: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {"directory": str(self.directory), **self.summary}


def fetch(
    port: str,
    out: str | Path,
    progress: Callable[[str, float], None] = lambda stage, share: None,
    adapted: bool = False,
) -> FetchReport:
    """Fetch the model of the board on a port into a model directory, which is written whole or not at all.

    adapted: as slow adaptation has moved it, where the board adapts; else as it was commissioned.

    Raises InputError; BoardError where the board has no model, or sends a damaged one; Unplugged.
    """
    require_place(Path(out))
    with Board.open(port) as board:
        return fetch_model(board, Path(out), progress, adapted)


def fetch_model(board: Board, out: Path, progress: Callable[[str, float], None], adapted: bool = False) -> FetchReport:
    """As fetch(), over an open board."""
    data = _file(board, progress, {"adapted": 1} if adapted else {})
    try:
        pipeline = Pipeline(parse(data))
    except ModelError as error:
        raise BoardError(
            f"{board.port}: the board's model file cannot be used: {error}; train or learn a model, and bring it there"
        ) from None
    if not golden_holds(pipeline):
        raise BoardError(
            f"{board.port}: the board computes other features or scores than NumPy in the model's golden vectors; "
            "copy the board's files from this version of offbeat again, and learn anew"
        )
    summary = write_learned_directory(data, out)
    learned = summary["learned"]
    statement = learned["statement"] if learned else ""
    return FetchReport(out, pipeline.model.identity, statement, tuple(summary["warnings"]), summary)


def _file(board: Board, progress: Callable[[str, float], None], which: dict[str, int]) -> bytes:
    """The model file's bytes, part by part."""
    data = b""
    size = -1
    while size != len(data):
        try:
            answer = board.command("MODEL", **{"from": len(data)}, **which)
        except Refused as error:
            raise _no_model(board, error) from None
        said = answer.integer("size")
        part = _decoded(answer.fields.get("d", ""), board.port)
        if not 0 < said <= _LARGEST or size not in (-1, said) or not 0 < len(part) <= said - len(data):
            raise BoardError(f"{board.port}: the board's model file changed while it was fetched; fetch it again")
        size = said
        data += part
        progress("model", len(data) / size)
    return data


def _no_model(board: Board, error: Refused) -> BoardError:
    if error.why == "model":
        return BoardError(
            f"{board.port}: the board has no model file; teach it one with `offbeat learn`, or copy a trained one there"
        )
    if error.why == "unknown":
        return BoardError(f"{board.port}: the board cannot send its model: C firmware does not, nor does older offbeat")
    return error


def _decoded(text: str, port: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise BoardError(f"{port}: the board sends no base64; copy its files from this version of offbeat") from None
