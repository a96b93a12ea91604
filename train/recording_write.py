"""Writes CSV recordings, whole or not at all. Format: ``docs/recordings.md``."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from offbeat.device.quality import LIMITS

from .errors import InputError
from .recording_table import LONGEST_LABEL, positive_number

if TYPE_CHECKING:
    from .recording import Recording

__all__ = ["write_csv_rows"]

_TIME_COLUMN = "t"
_LABEL_COLUMN = "label"
_LINE_ENDS = "\n\r\0"


def write_csv_rows(
    path: Path,
    about: Recording,
    rows: Iterable[tuple[int, NDArray[np.int16], NDArray[np.str_] | None]],
) -> None:
    """Write blocks (first row on the time grid, counts int16 [n, C], labels str [n] or None) to a file.

    about: what the header says; of its labels only whether there are any. Where a block's first row is not the
    one after the block before, time leaps. Raises InputError for what would not be read as it was, and OSError.
    """
    header = _header(about)
    if path.is_dir():
        raise InputError(f"{path} is a directory; name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no directory {path.parent}; make it, or name another")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(header)
            for start, counts, labels in rows:
                if len(counts):
                    file.write(_lines(start, counts, labels, about.rate))
        temporary.chmod(0o644)  # mkstemp keeps its files to their owner
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _header(about: Recording) -> str:
    _check_names(about.channels)
    for name, scale in zip(about.channels, about.scales, strict=True):
        if positive_number(scale) is None:
            raise InputError(f"channel {name!r} cannot be written with the scale {scale}; it must be above zero")
    if positive_number(about.rate) is None:
        raise InputError(f"a recording cannot be written with the rate {about.rate}; it must be above zero")
    lines = ["offbeat recording"]
    if sensor := " ".join(about.sensor.split()):
        lines.append(f"sensor: {sensor}")
    lines.append(f"rate: {_number(about.rate)}")
    units = zip(about.channels, about.units, strict=True)
    if words := [f"{_word(name)}={_word(' '.join(unit.split()))}" for name, unit in units if unit.strip()]:
        lines.append(f"unit: {' '.join(words)}")
    scales = zip(about.channels, about.scales, strict=True)
    lines.append("scale: " + " ".join(f"{_word(name)}={_number(scale)}" for name, scale in scales))
    limits = zip(about.channels, about.limits, strict=False)
    if ends := [f"{_word(name)}={low}:{high}" for name, (low, high) in limits if (low, high) != LIMITS]:
        lines.append("limits: " + " ".join(ends))
    names = [_TIME_COLUMN, *about.channels, *([] if about.labels is None else [_LABEL_COLUMN])]
    return "".join(f"# {line}\n" for line in lines) + ",".join(map(_field, names)) + "\n"


def _check_names(channels: Sequence[str]) -> None:
    for i, name in enumerate(channels):
        if name in (_TIME_COLUMN, _LABEL_COLUMN) or name in channels[:i]:
            raise InputError(f"a recording cannot have two columns named {name!r}; rename the channel")
        if not name or name != name.strip() or any(mark in name for mark in _LINE_ENDS):
            raise InputError(f"a channel cannot be named {name!r}; a name is one line without blanks around it")


def _number(value: float) -> str:
    """The shortest text that is read as the same number."""
    return repr(float(value)).removesuffix(".0")


def _word(text: str) -> str:
    """A name or unit in a comment line: quoted where it would end too early."""
    if any(mark in text for mark in ' "=') or not text.isprintable():
        return '"' + text.replace('"', '""') + '"'
    return text


def _field(text: str) -> str:
    if any(mark in text for mark in ',;"'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _labels(labels: NDArray[np.str_]) -> list[str]:
    words, inverse = np.unique(np.asarray(labels).astype(np.str_), return_inverse=True)
    fields = []
    for word in map(str.strip, words.tolist()):
        if any(mark in word for mark in _LINE_ENDS) or len(word.encode(errors="replace")) > LONGEST_LABEL:
            raise InputError(
                f"the label {word[:40]!r} cannot be written; a label is one line of at most {LONGEST_LABEL} bytes"
            )
        fields.append(_field(word))
    return np.array(fields, dtype=object)[inverse].tolist()


def _lines(start: int, counts: NDArray[np.int16], labels: NDArray[np.str_] | None, rate: float) -> str:
    decimals = max(4, math.ceil(math.log10(rate)) + 3)  # a step of rounded times is within 0.1 % of the period
    times = ((start + np.arange(len(counts))) / rate).tolist()
    columns = [[f"{time:.{decimals}f}" for time in times], *(map(str, column) for column in counts.T.tolist())]
    if labels is not None:
        columns.append(_labels(labels))
    return "\n".join(map(",".join, zip(*columns, strict=True))) + "\n"
