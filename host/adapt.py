"""Slow adaptation of a board: switched on and off, and replayed from its journal. ``docs/learning.md``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from offbeat.device.adaptation import adapted
from offbeat.device.modelfile import parse
from offbeat.train.errors import InputError
from offbeat.train.learned import write_learned_directory
from offbeat.train.modeldir import require_place
from offbeat.train.modelfile import read_model

from .board import Board
from .errors import BoardError, Refused
from .fetch import FetchReport

__all__ = ["adaptation_of", "adapted_model", "replay_adaptation", "switch_adaptation"]

_MOST = 8191  # 1/128 standard deviations


def adaptation_of(port: str) -> dict[str, object]:
    """Whether the board on a port adapts, and how far normal running has gone: on, alarm, score."""
    return _ask(port)


def switch_adaptation(port: str, on: bool) -> dict[str, object]:
    """Switch a board's slow adaptation on or off; off, the board scores as it was commissioned. Returns as above."""
    return _ask(port, on=int(on))


def _ask(port: str, **fields: int) -> dict[str, object]:
    with Board.open(port) as board:
        try:
            answer = board.command("ADAPT", **fields)
        except Refused as error:
            raise _refusal(port, error) from None
    is_on = answer.fields.get("on") == "1"
    return {
        "on": is_on,
        "alarm": answer.fields.get("alarm") == "1",
        "score": answer.integer("s") if is_on else 0,
    }


def _refusal(port: str, error: Refused) -> BoardError:
    reasons = {
        "unknown": "the board cannot adapt: C firmware does not, nor does older offbeat",
        "model": "the board has no model that fits its sensor; teach it one with `offbeat learn`",
        "family": "the centres of this model cannot follow: it remembers windows, or a C module scores it",
        "flash": "the board cannot write to its flash; remove files there",
    }
    return BoardError(f"{port}: {reasons[error.why]}") if error.why in reasons else error


def replay_adaptation(model: str | Path, journal: str | Path, out: str | Path) -> FetchReport:
    """Write the directory of the model as a board's journal says that it has moved.

    model: directory or file, as commissioned; journal: JSON lines of `offbeat journal`. The file is, bit for bit, what
    the board runs: `offbeat fetch --adapted` brings the same. Raises InputError.
    """
    require_place(Path(out))
    data = adapted_model(model, journal)
    summary = write_learned_directory(data, Path(out))
    return FetchReport(Path(out), parse(data).identity, "", tuple(summary["warnings"]), summary)


def adapted_model(model: str | Path, journal: str | Path) -> bytes:
    """The model file of replay_adaptation(), as bytes."""
    commissioned = read_model(model)
    path = Path(model)
    drift = [0] * len(commissioned.features)
    found = False
    for row in _rows(Path(journal)):
        if row.get("kind") != "drift" or row.get("model") != commissioned.identity:
            continue
        first, moved = row.get("first"), row.get("drift")
        if not (isinstance(first, int) and isinstance(moved, list) and 0 <= first <= len(drift) - len(moved)):
            raise InputError(f"{journal}: a record of drift is of another model than {model}; fetch the journal again")
        if not all(isinstance(each, int) and -_MOST <= each <= _MOST for each in moved):
            raise InputError(f"{journal}: a record of drift holds no numbers of drift; fetch the journal again")
        drift[first : first + len(moved)] = moved
        found = True
    if not found:
        raise InputError(
            f"{journal} has no record of drift of model {commissioned.identity}: it has not moved, or this is another "
            "model; `offbeat adapt --port PORT` says whether the board adapts"
        )
    file = path / "model.beat" if path.is_dir() else path
    return adapted(file.read_bytes(), drift)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Records of a file of `offbeat journal`, in order."""
    if path.suffix.lower() == ".csv":
        raise InputError(f"{path}: CSV leaves drift out; fetch the journal into a file that ends in .jsonl")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; `offbeat journal --port PORT -o {path}` makes it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); name a file of `offbeat journal`") from None
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: this is no file of `offbeat journal`; name another")
        yield row
