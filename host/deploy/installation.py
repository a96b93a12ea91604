"""Carries a plan out: copies beside what runs, reads back, tries, and only then lets main.py start it."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from offbeat.host.board import Board
from offbeat.host.errors import BoardError, Unplugged
from offbeat.host.lines import printable
from offbeat.host.update.board_side import Declined, about, ask, status_of
from offbeat.train.limits import size_in_words

from .plan import Plan, Trial
from .prompt import Prompt, PromptError
from .slots import BACKUP, COPYING, MAIN, MODEL, VERIFIED, digest, manifest_text, read_slot

__all__ = ["Progress", "clear_slot", "confirm", "install", "put_back"]

Progress = Callable[[str, float], None]

_LARGEST_PART: Final = 2048  # bytes in one command; a board needs about three times as much heap for it
_SMALLEST_PART: Final = 128
_TRIAL_SECONDS: Final = 90.0  # a small core compiles viper, opens a sensor, and scores the golden windows
_GREETING_SECONDS: Final = 20.0
_UNTOUCHED: Final = "what ran before is untouched"
_MISFITS: Final = {
    "channels": "it was trained with other channels than this sensor has",
    "rate": "it was trained at another sampling rate than the sensor is set to",
    "range": "it was trained with another range than the sensor is set to",
    "sensor": "it was trained with another sensor",
}


def install(prompt: Prompt, plan: Plan, attempt: bool, progress: Progress) -> Trial | None:
    """Bring the board to the plan's state, main.py last. attempt: try what was copied, before that.

    Raises BoardError, with the board as it was; what a lost connection leaves stands in the slot that does not run.
    """
    trial = None
    try:
        _copy(prompt, plan, progress)
        _verify(prompt, plan, progress)
        if attempt:
            progress("try it on the board", 0.0)
            trial = _try(prompt, plan)
            progress("try it on the board", 1.0)
    except BaseException as error:
        with contextlib.suppress(BoardError, Unplugged):
            _abandon(prompt, plan.slot.name)
        if isinstance(error, PromptError) and error.is_out_of_space:
            raise BoardError(
                f"{plan.port}: the board's flash became full, with about {size_in_words(plan.needed)} to write; "
                f"remove files from it; {_UNTOUCHED}"
            ) from None
        raise
    _switch(prompt, plan)
    return trial


def _abandon(prompt: Prompt, slot: str) -> None:
    """Empty the slot, whatever was going on there."""
    prompt.settle()
    clear_slot(prompt, slot)


def _copy(prompt: Prompt, plan: Plan, progress: Progress) -> None:
    place = plan.slot.name
    for path in plan.remove:
        if path != VERIFIED:
            prompt.run(f"os.remove({_inside(place, path)})")
    if not (plan.slot.files or plan.slot.directories):
        prompt.run(f"if not kind({place!r}): os.mkdir({place!r})")
    _write(prompt, {f"{place}/{COPYING}": manifest_text(plan.content)}, plan.identity.heap, lambda count: None)
    if VERIFIED in plan.remove:
        prompt.run(f"os.remove({_inside(place, VERIFIED)})")
    for directory in plan.directories:
        if directory not in plan.slot.directories:
            prompt.run(f"os.mkdir({_inside(place, directory)})")
    for path in plan.copy:
        assert plan.active is not None  # noqa: S101  where such files come from
        prompt.run(f"copy({_inside(plan.active.name, path)}, {_inside(place, path)})")
    total, done = max(1, plan.sent_bytes), 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        progress("copy", done / total)

    _write(prompt, {f"{place}/{path}": plan.content[path] for path in plan.send}, plan.identity.heap, count)


def _inside(place: str, path: str) -> str:
    """A path on the board, as code for its prompt."""
    return repr(f"{place}/{path}")


def _write(prompt: Prompt, files: Mapping[str, bytes], heap: int, count: Callable[[int], None]) -> None:
    """Write files by their paths on the board, in commands as long as its heap allows."""
    # Not the transport's fs_writefile: it sends repr(), which for compiled code is twice as long as base64.
    most = max(_SMALLEST_PART, min(_LARGEST_PART, heap // 32))
    batch: list[str] = []
    size = 0
    for code, length in _commands(files, most):
        if batch and size + length > most:
            prompt.run("\n".join(batch))
            count(size)
            batch, size = [], 0
        batch.append(code)
        size += length
    prompt.run("\n".join(batch))
    count(size)


def _commands(files: Mapping[str, bytes], most: int) -> Iterator[tuple[str, int]]:
    """Code that writes at most so many bytes each, and how many."""
    for path, data in files.items():
        yield f"f = open({path!r}, 'wb')", 0
        for first in range(0, len(data), most):
            part = data[first : first + most]
            yield f"f.write(binascii.a2b_base64({base64.b64encode(part)!r}))", len(part)
        yield "f.close()", 0


def _verify(prompt: Prompt, plan: Plan, progress: Progress) -> None:
    """Read everything back; a file that differs is sent once more."""
    place = plan.slot.name
    progress("read back", 0.0)
    found = read_slot(prompt, place).files
    for path, data in plan.content.items():
        if found.get(path) == digest(data):
            continue
        _write(prompt, {f"{place}/{path}": data}, plan.identity.heap, lambda count: None)
        if _digest(prompt, place, path) != digest(data):
            raise BoardError(
                f"{plan.port}: {path} reads back from the board's flash other than it was sent, twice; the line or the "
                f"flash is damaged; {_UNTOUCHED}"
            )
    prompt.run(f"os.rename({_inside(place, COPYING)}, {_inside(place, VERIFIED)})")
    progress("read back", 1.0)


def _digest(prompt: Prompt, place: str, path: str) -> str:
    return prompt.text(f"say(digest({_inside(place, path)}))")


def _try(prompt: Prompt, plan: Plan) -> Trial:
    """Run the board's own trial. Raises BoardError saying what would not work."""
    try:
        found = prompt.value(f"try_it({plan.slot.name!r})", _TRIAL_SECONDS)
    except PromptError as error:
        small = f"its heap is too small, {size_in_words(plan.identity.heap)} were free"
        reason = small if error.error.startswith("MemoryError") else f"it says {error.error}"
        raise BoardError(f"{plan.port}: what was copied does not start there: {reason}; {_UNTOUCHED}") from None
    found = found if isinstance(found, dict) else {}
    reason = _reason(found, plan)
    if reason:
        raise BoardError(f"{plan.port}: {reason}; {_UNTOUCHED}")
    passed, of, free = (int(found.get(key, 0)) for key in ("passed", "of", "free"))
    return Trial(passed, of, free, found.get("viper") is True)


def _reason(found: dict[str, Any], plan: Plan) -> str:
    def said(key: str) -> str:
        return printable(str(found.get(key, "")))[:200]

    if said("memory"):
        return (
            f"{said('memory')} does not fit the board's heap, of which {size_in_words(plan.identity.heap)} were free; "
            "train with a shorter window or fewer features, or for this board with --board"
        )
    if said("sensor"):
        return (
            f"the sensor {plan.sensor} cannot be opened: {said('sensor')}; check the wiring with "
            f"`offbeat boards {plan.board} --sensor {plan.sensor}`, or leave the trial out with --untried"
        )
    if plan.model == "none":
        return "" if said("model") == "no_model" else "the board does not say what it tried; reset it"
    if said("model"):
        return f"the board does not take the model: {said('model')}"
    if said("misfit"):
        return f"the model does not fit the sensor: {_MISFITS.get(said('misfit'), said('misfit'))}"
    if found.get("of") != found.get("passed"):
        return (
            f"the board scores {found.get('of', 0)} golden windows, and {found.get('passed', 0)} of them right; "
            "its firmware computes otherwise than it should, flash another version of MicroPython"
        )
    whole = all(isinstance(found.get(key), int) for key in ("passed", "of", "free"))
    return "" if whole else "the board does not say what it tried; reset it"


def _switch(prompt: Prompt, plan: Plan) -> None:
    """Let main.py start the slot: one rename, after which the new state holds."""
    if plan.backup:
        prompt.run(f"copy({MAIN!r}, {BACKUP!r})")
        if prompt.value(f"say(digest({BACKUP!r}) == digest({MAIN!r}))") is not True:
            raise BoardError(f"{plan.port}: {BACKUP} does not read back as main.py; {_UNTOUCHED}")
    prompt.run(f"os.rename({_inside(plan.slot.name, MAIN)}, {MAIN!r})")


def confirm(plan: Plan) -> str:
    """Greet the board that has just been restarted; returns the identity of the model that it runs.

    That is the one that was deployed, or one that was pushed since the same one was deployed before. Raises BoardError
    where it is another one, or the board does not score.
    """
    with Board.open(plan.port, timeout=_GREETING_SECONDS) as board:
        runs = board.hello.model
        if runs != plan.model and not _was_pushed(board, plan):
            raise BoardError(f"{plan.port}: the board runs model {runs}, not {plan.model}")
        if runs != "none" and board.hello.mode == "idle":
            raise BoardError(f"{plan.port}: the board has the model, but does not score")
        return runs


def _was_pushed(board: Board, plan: Plan) -> bool:
    """Whether the board says that its model was pushed and confirmed, and that what is deployed does not end that."""
    runs = board.hello.model
    try:
        status, found = status_of(ask(board)), about(board, 0)
    except Declined:  # it takes no models over the line
        return False
    if runs == "none" or status.model != runs or not found.version:
        return False
    if (found.tried, found.end) == (runs, "confirmed"):
        return True
    # the last one that was tried came to nothing, and the one before runs on: it does as long as the deployed one stays
    deployed = plan.content.get(MODEL)
    return plan.active is not None and plan.active.files.get(MODEL) == (None if deployed is None else digest(deployed))


def put_back(prompt: Prompt, main: bytes | None, heap: int, slot: str) -> None:
    """Undo the switch: main.py as it was, None for none; then empty the slot."""
    if main is None:
        prompt.run(f"os.remove({MAIN!r})")
    else:
        _write(prompt, {f"{slot}/{MAIN}": main}, heap, lambda count: None)
        if _digest(prompt, slot, MAIN) != digest(main):
            raise BoardError(f"{prompt.port}: the old main.py cannot be put back: it does not read back as written")
        prompt.run(f"os.rename({_inside(slot, MAIN)}, {MAIN!r})")
    clear_slot(prompt, slot)


def clear_slot(prompt: Prompt, name: str) -> tuple[list[str], list[str]]:
    """Remove from a slot what deploy put there; returns the paths that went, and those that stay."""
    slot = read_slot(prompt, name)
    # The manifests go last: a cut leaves none of the others unlisted.
    order = sorted(slot.ours, key=lambda path: (path in (VERIFIED, COPYING), path))
    for path in order:
        prompt.run(f"os.remove({_inside(name, path)})")
    made = {str(parent) for path in (*order, *slot.listed) for parent in PurePosixPath(path).parents}
    for directory in sorted(made & {".", *slot.directories}, reverse=True):  # "." is the slot, and sorts first
        with contextlib.suppress(PromptError):  # it is not empty: something there is somebody else's
            prompt.run(f"os.rmdir({name if directory == '.' else f'{name}/{directory}'!r})")
    return [f"{name}/{path}" for path in order], [f"{name}/{path}" for path in slot.strangers]
