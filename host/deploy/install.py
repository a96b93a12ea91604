"""Carries a plan out: copies beside what runs, reads back, tries, and only then lets main.py start it."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable
from typing import Any, Final

from offbeat.host.board import Board
from offbeat.host.errors import BoardError, Unplugged
from offbeat.host.lines import printable
from offbeat.train.limits import size_in_words

from .plan import Plan
from .prompt import Prompt, PromptError
from .slots import BACKUP, COPYING, MAIN, VERIFIED, digest, manifest_text, read_state

__all__ = ["Progress", "clear_slot", "confirm", "install", "put_back"]

Progress = Callable[[str, float], None]

_LARGEST_PART: Final = 2048  # bytes in one command; a board needs about three times as much heap for it
_SMALLEST_PART: Final = 128
_TRIAL_SECONDS: Final = 90.0  # a small core compiles viper, opens a sensor, and scores the golden windows
_GREETING_SECONDS: Final = 20.0
_MISFITS: Final = {
    "channels": "it was trained with other channels than this sensor has",
    "rate": "it was trained at another sampling rate than the sensor is set to",
    "range": "it was trained with another range than the sensor is set to",
    "sensor": "it was trained with another sensor",
}


def install(prompt: Prompt, plan: Plan, attempt: bool, progress: Progress) -> None:
    """Bring the board to the plan's state, up to main.py. attempt: try what was copied, too.

    Raises BoardError, with the board as it was; what a lost connection leaves stands in the slot that does not run.
    """
    try:
        _copy(prompt, plan, progress)
        _verify(prompt, plan, progress)
        if attempt:
            progress("try it on the board", 0.0)
            _try(prompt, plan)
            progress("try it on the board", 1.0)
    except BaseException as error:
        with contextlib.suppress(BoardError, Unplugged):
            clear_slot(prompt, plan.slot.name)
        if isinstance(error, PromptError) and error.is_out_of_space:
            raise BoardError(
                f"{plan.port}: the board's flash became full, with about {size_in_words(plan.needed)} to write; "
                "remove files from it; what ran before is untouched"
            ) from None
        raise
    _switch(prompt, plan)


def _copy(prompt: Prompt, plan: Plan, progress: Progress) -> None:
    place = plan.slot.name
    for path in plan.remove:
        if path != VERIFIED:
            prompt.run(f"os.remove({_inside(place, path)})")
    if not (plan.slot.files or plan.slot.directories):
        prompt.run(f"if not kind({place!r}): os.mkdir({place!r})")
    _write(prompt, f"{place}/{COPYING}", manifest_text(plan.content), plan.identity.heap, lambda count: None)
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

    for path in plan.send:
        _write(prompt, f"{place}/{path}", plan.content[path], plan.identity.heap, count)


def _inside(place: str, path: str) -> str:
    """A path on the board, as code for its prompt."""
    return repr(f"{place}/{path}")


def _write(prompt: Prompt, path: str, data: bytes, heap: int, count: Callable[[int], None]) -> None:
    # Not the transport's fs_writefile: it sends repr(), which for compiled code is twice as long as base64.
    part = max(_SMALLEST_PART, min(_LARGEST_PART, heap // 32))
    prompt.run(f"f = open({path!r}, 'wb')")
    try:
        for first in range(0, len(data), part):
            chunk = data[first : first + part]
            prompt.run(f"f.write(binascii.a2b_base64({base64.b64encode(chunk)!r}))")
            count(len(chunk))
    finally:
        with contextlib.suppress(PromptError):
            prompt.run("f.close()")


def _verify(prompt: Prompt, plan: Plan, progress: Progress) -> None:
    """Read everything back; a file that differs is sent once more."""
    place = plan.slot.name
    wanted = {path: digest(data) for path, data in plan.content.items()}
    wrong: list[str] = []
    for number, path in enumerate(plan.content):
        progress("read back", number / len(plan.content))
        if _digest(prompt, place, path) != wanted[path]:
            wrong.append(path)
    for path in wrong:
        _write(prompt, f"{place}/{path}", plan.content[path], plan.identity.heap, lambda count: None)
        if _digest(prompt, place, path) != wanted[path]:
            raise BoardError(
                f"{plan.port}: {path} reads back from the board's flash other than it was sent, twice; the line or the "
                "flash is damaged, what ran before is untouched"
            )
    prompt.run(f"os.rename({_inside(place, COPYING)}, {_inside(place, VERIFIED)})")
    progress("read back", 1.0)


def _digest(prompt: Prompt, place: str, path: str) -> str:
    return prompt.text(f"say(digest({_inside(place, path)}))")


def _try(prompt: Prompt, plan: Plan) -> None:
    """Run the board's own trial. Raises BoardError saying what would not work."""
    try:
        found = prompt.value(f"try_it({plan.slot.name!r})", _TRIAL_SECONDS)
    except PromptError as error:
        reason = "its heap is too small" if error.error.startswith("MemoryError") else f"it says {error.error}"
        raise BoardError(f"{plan.port}: what was copied does not start there: {reason}; {_UNTOUCHED}") from None
    reason = _reason(found if isinstance(found, dict) else {}, plan)
    if reason:
        raise BoardError(f"{plan.port}: {reason}; {_UNTOUCHED}")


_UNTOUCHED: Final = "what ran before is untouched"


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
    return "" if "of" in found else "the board does not say what it tried; reset it"


def _switch(prompt: Prompt, plan: Plan) -> None:
    """Let main.py start the slot: one rename, after which the new state holds."""
    if plan.backup:
        prompt.run(f"copy({MAIN!r}, {BACKUP!r})")
        if prompt.value(f"say(digest({BACKUP!r}) == digest({MAIN!r}))") is not True:
            raise BoardError(f"{plan.port}: {BACKUP} does not read back as main.py; {_UNTOUCHED}")
    prompt.run(f"os.rename({_inside(plan.slot.name, MAIN)}, {MAIN!r})")


def confirm(plan: Plan) -> None:
    """Greet the board that has just been restarted. Raises BoardError where it does not run what was deployed."""
    with Board.open(plan.port, timeout=_GREETING_SECONDS) as board:
        if board.hello.model != plan.model:
            raise BoardError(f"{plan.port}: the board runs model {board.hello.model}, not {plan.model}")
        if plan.model != "none" and board.hello.mode == "idle":
            raise BoardError(f"{plan.port}: the board has the model, but does not score")


def put_back(prompt: Prompt, main: bytes | None, heap: int, slot: str) -> None:
    """Undo the switch: main.py as it was, None for none; then empty the slot."""
    if main is None:
        prompt.run(f"os.remove({MAIN!r})")
    else:
        _write(prompt, f"{slot}/{MAIN}", main, heap, lambda count: None)
        if _digest(prompt, slot, MAIN) != digest(main):
            raise BoardError(f"{prompt.port}: the old main.py cannot be put back: it does not read back as written")
        prompt.run(f"os.rename({_inside(slot, MAIN)}, {MAIN!r})")
    clear_slot(prompt, slot)


def clear_slot(prompt: Prompt, name: str) -> tuple[list[str], list[str]]:
    """Remove from a slot what deploy put there; returns the paths that went, and those that stay."""
    slot = read_state(prompt).slots[name]
    # The manifests go last: a cut leaves none of the others unlisted.
    order = sorted(slot.ours, key=lambda path: (path in (VERIFIED, COPYING), path))
    for path in order:
        prompt.run(f"os.remove({_inside(name, path)})")
    emptied = {path.rsplit("/", count)[0] for path in order for count in range(1, path.count("/") + 1)}
    stays = {path.rsplit("/", count)[0] for path in slot.strangers for count in range(1, path.count("/") + 1)}
    listed = {path.rsplit("/", count)[0] for path in slot.listed for count in range(1, path.count("/") + 1)}
    for directory in sorted((emptied | listed) & set(slot.directories) - stays, reverse=True):
        prompt.run(f"os.rmdir({_inside(name, directory)})")
    if (slot.files or slot.directories or order) and not slot.strangers:
        with contextlib.suppress(PromptError):  # a directory of somebody else's keeps it
            prompt.run(f"os.rmdir({name!r})")
    return [f"{name}/{path}" for path in order], [f"{name}/{path}" for path in slot.strangers]
