"""Columns that look like labels: so that one of another name is offered, and none is taken for a channel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .recording_table import Source

if TYPE_CHECKING:
    from .recording import RecordingReader

__all__ = ["MOST_LABELS", "label_like", "named_like_labels", "refuse_suspects", "text_column"]

LABEL_WORDS: Final = (
    "label", "anomal", "fault", "failure", "class", "target", "state", "status", "outlier", "changepoint",
    "ground_truth", "attack", "condition",
)  # fmt: skip
MOST_LABELS: Final = 16
_ROWS: Final = 65536
_ENOUGH: Final = 20  # rows; in fewer, a slip among numbers cannot be told from a column of words


def named_like_labels(name: str) -> bool:
    """Whether a column's name says that it holds labels."""
    return any(word in name.lower() for word in LABEL_WORDS)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _words(source: Source, name: str) -> NDArray[np.str_]:
    """The first block of a column as text; none where it cannot be read as such."""
    try:
        table = next(iter(source.tables(_ROWS, [], name)), None)
    except InputError:
        return np.zeros(0, dtype=np.str_)
    return np.zeros(0, dtype=np.str_) if table is None or table.labels is None else table.labels


def _few(words: NDArray[np.str_]) -> list[str]:
    """The different words of a column, the most frequent first; none where there are too many to be labels."""
    found, counts = np.unique(words, return_counts=True)
    return found[np.argsort(-counts, kind="stable")].tolist() if 0 < len(found) <= MOST_LABELS else []


def label_like(source: Source, names: Iterable[str]) -> list[str]:
    """Those of the columns that look like labels: few different values, and words, or a name that says so."""
    found = []
    for name in names:
        words = _few(_words(source, name))
        if words and (named_like_labels(name) or not all(map(_is_number, words))):
            found.append(name)
    return found


def text_column(source: Source, name: str, others: Sequence[str], has_labels: bool) -> str:
    """What is to be said of a channel that holds words where numbers belong; "" where it is an odd field of many
    numbers. others: channels; has_labels: whether there is a column of labels already."""
    words = _words(source, name)
    if len(words) < _ENOUGH or np.mean([_is_number(word) for word in words[:1000].tolist()]) > 0.5:
        return ""
    shown = ", ".join(word[:20] or "''" for word in (_few(words) or words.tolist())[:4])
    rest = ",".join(others)
    leave = f"leave it out with --channels {rest}" if rest else "leave it out with --channels"
    if _few(words) and not has_labels:
        leave = f"if these are labels, name it with --label-column {name}, else {leave}"
    return f"{source.path}: column {name!r} holds words ({shown}), not numbers; {leave}"


def refuse_suspects(readers: Sequence[RecordingReader]) -> None:
    """Raise InputError where a channel that nobody chose looks like labels: it would give the answer away."""
    for reader in readers:
        if not reader.suspects:
            continue
        name, rest = reader.suspects[0], [name for name in reader.channels if name not in reader.suspects]
        offer = "" if reader.has_labels else f"name it with --label-column {name}, or "
        raise InputError(
            f"{reader.path}: column {name!r} looks like labels, and as a channel it would give the answer away; "
            f"{offer}choose the channels with --channels {','.join(rest) or name}"
        )
