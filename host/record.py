"""Raw samples from a board into a CSV recording that is whole or not there."""

from __future__ import annotations

import errno
import math
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from offbeat.train.errors import InputError
from offbeat.train.recording import Recording
from offbeat.train.recording_csv import write_csv_rows

from .board import Board
from .ending import end_cleanly
from .hello import Hello
from .recorder import Recorder

__all__ = ["RecordSummary", "check_label", "record", "recording_about", "unwritable"]

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_GIVE_UP_AFTER: Final = 60.0  # s


@dataclass(frozen=True)
class RecordSummary:
    """What a recording holds.

    frames: rows of the file; seconds: of the time it spans; lost_frames: samples of that time that did not come, in
    ``gaps`` places; clipped: share of each channel's samples at its sensor's limits, as far as counts show them.
    """

    path: Path
    frames: int
    seconds: float
    lost_frames: int
    gaps: int
    clipped: dict[str, float]

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "path": str(self.path),
            "frames": self.frames,
            "seconds": round(self.seconds, 6),
            "lost_frames": self.lost_frames,
            "gaps": self.gaps,
            "clipped": {name: round(share, 6) for name, share in self.clipped.items()},
        }


def record(
    port: str,
    out_path: str | Path,
    seconds: float | None = None,
    label: str | None = None,
    progress: Callable[[str, float], None] = lambda stage, share: None,
    stop: Callable[[], bool] = lambda: False,
    give_up_after: float = _GIVE_UP_AFTER,
) -> RecordSummary:
    """Record raw samples of the board on a port as CSV, ``docs/recordings.md``.

    seconds: length, None until stop() returns True or Ctrl-C is pressed, which both end a recording properly; label:
    of every row; progress: called with a stage and the share done, 0 to 1 (0 without a length); give_up_after:
    seconds that the port may be away.

    Row i of an undisturbed recording has t = i / rate. Lost lines leave a gap in t of exactly the frames they held;
    after unplugging, the recording goes on, and the gap is what the host's clock says. Nothing is filled in.

    The file appears under ``out_path`` when it is complete, and not otherwise. Where the board fails or stays away
    in the middle, what had been recorded is kept as NAME.partial.csv beside it (normal.csv: normal.partial.csv), and
    the error says so; a full disk, a second Ctrl-C or a kill leaves no file.
    Raises InputError, and Unplugged where the port vanishes before the recording has begun.
    """
    out = Path(out_path)
    _check(out, seconds, label)
    undo = end_cleanly()
    try:
        with Board.open(port) as board, _ctrl_c() as pressed:
            recorder = Recorder(board, seconds, progress, lambda: pressed() or stop(), give_up_after)
            try:
                return _write(recorder, out, label)
            finally:
                recorder.release()
    finally:
        undo()


def check_label(label: str | None) -> None:
    """Raise InputError for a label that cannot stand in a recording."""
    if label is not None and not (label.isprintable() and set(label).isdisjoint(',;"') and label == label.strip()):
        raise InputError(f"label {label!r} cannot stand in a CSV file; use letters, digits, - and _")


def _check(out: Path, seconds: float | None, label: str | None) -> None:
    if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
        raise InputError(f"--seconds {seconds:g} is not a length of time; give a positive number, or leave it out")
    check_label(label)
    if out.suffix.lower() in (".parquet", ".pq"):
        raise InputError(f"{out}: a recording of a board is written as CSV; name it {out.with_suffix('.csv').name}")
    if out.is_dir():
        raise InputError(f"{out} is a directory; name a CSV file")
    if not out.parent.is_dir():
        raise InputError(f"{out.parent}: there is no such directory; make it first")


def _write(recorder: Recorder, out: Path, label: str | None) -> RecordSummary:
    about = recording_about(recorder.hello, out, label)
    partial = out.with_name(f"{out.stem}.partial.csv")
    written = out.with_name(f".{out.name}.written")
    try:
        write_csv_rows(written, about, _rows(recorder, label))
        failure = recorder.failure
        if recorder.grid.frames == 0:
            raise failure or InputError(f"{out}: nothing was recorded, no sample came; record longer")
        written.replace(partial if failure else out)
    except OSError as error:
        raise unwritable(out, error) from None
    finally:
        written.unlink(missing_ok=True)
    grid = recorder.grid
    if failure:
        raise InputError(f"{failure}; the {grid.frames} samples until then are in {partial}")
    clipped = dict(zip(about.channels, recorder.clipping.share.tolist(), strict=True))
    return RecordSummary(out, grid.frames, grid.position / grid.rate, grid.lost, grid.gaps, clipped)


def unwritable(out: Path, error: OSError) -> InputError:
    """Why a recording could not be written, as an error that says so."""
    if error.errno in _FULL:
        return InputError(f"{out}: the disk is full, nothing was kept; free some room and record again")
    return InputError(f"{out}: cannot be written ({error.strerror or error}); choose another place")


def _rows(recorder: Recorder, label: str | None) -> Iterator[tuple[int, NDArray[np.int16], NDArray[np.str_] | None]]:
    for start, counts in recorder.blocks():
        yield start, counts, None if label is None else np.full(len(counts), label)


def recording_about(hello: Hello, out: Path, label: str | None) -> Recording:
    """What the header of a recording of this board says, as a recording without samples."""
    return Recording(
        path=out,
        counts=np.zeros((0, len(hello.channels)), dtype=np.int16),
        labels=None if label is None else np.zeros(0, dtype=str),
        channels=_column_names(hello.channels),
        rate=hello.rate,
        scales=hello.scales,
        units=tuple("_".join(unit.split()) for unit in hello.units),
        sensor=hello.sensor,
        limits=hello.limits,
    )


def _column_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of a stranger as names of columns: without separators, each once, none that means something else."""
    taken = {"t", "label"}
    result = []
    for name in names:
        plain = re.sub(r"[^\w.:/+-]+", "_", name) or "channel"
        unique, number = plain, 2
        while unique in taken:
            unique, number = f"{plain}_{number}", number + 1
        taken.add(unique)
        result.append(unique)
    return tuple(result)


@contextmanager
def _ctrl_c() -> Iterator[Callable[[], bool]]:
    """Inside, the first Ctrl-C only makes the yielded function return True; the second interrupts as usual."""
    before = signal.getsignal(signal.SIGINT)
    ours = threading.current_thread() is threading.main_thread()
    if not ours or before in (None, signal.SIG_IGN):
        yield lambda: False
        return
    pressed = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
