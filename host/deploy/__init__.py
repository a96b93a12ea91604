"""Brings a detector onto a MicroPython board, and takes it off again. See docs/deploy.md.

What is new is copied beside what runs, read back and tried on the board; then one rename lets main.py start it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from offbeat.device.modelfile import Model
from offbeat.host.errors import BoardError, Unplugged
from offbeat.host.sensors import SensorChoice
from offbeat.train.errors import InputError
from offbeat.train.limits import size_in_words
from offbeat.train.modelfile import read_model

from .contents import main_of, package, settings_text
from .identity import choose_board, identify
from .installation import Progress, clear_slot, confirm, install, put_back
from .plan import Plan, make_plan
from .prompt import Prompt
from .settings import board_settings
from .slots import BACKUP, MAIN, MODEL, SLOTS, read_state

__all__ = ["Plan", "Removal", "deploy", "undeploy"]


@dataclass(frozen=True)
class Removal:
    """What undeploy did, or would do. removed: files of the board; left: files in its directories that are not
    deploy's, or were changed since; restored: the main.py from before the first deployment is back."""

    removed: tuple[str, ...]
    left: tuple[str, ...]
    restored: bool

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {"removed": list(self.removed), "left": list(self.left), "restored": self.restored}


def deploy(
    model: str | Path | None, port: str, *, board: str | None = None, sensor: SensorChoice | None = None,
    run: Mapping[str, object] | None = None, dry_run: bool = False, attempt: bool = True,
    progress: Progress = lambda stage, share: None,
) -> Plan:  # fmt: skip
    """Install package, model, settings and main.py; returns the plan that was carried out.

    model: model directory or file, None for a board that only records; board: a name of train.boards, by default
    what the board says; sensor: by default the one that the model was trained with; run: keywords of app.run on the
    board; dry_run: stop at the plan; attempt: try it on the board before it replaces what runs. Raises InputError,
    BoardError, Unplugged; the board then runs what it ran before.
    """
    parsed, data = _read(model)
    with Prompt.open(port) as prompt:
        identity = identify(prompt)
        name = choose_board(identity, board, port)
        settings = board_settings(prompt, identity, name, sensor, parsed, run or {})
        if data is not None and len(data) > identity.heap:
            raise BoardError(
                f"{port}: the model takes {size_in_words(len(data))}, the board has {size_in_words(identity.heap)} of "
                "heap; train one that fits with --board or --ram"
            )
        content = package(parsed, str(settings["sensor"]), identity)
        content["settings.json"] = settings_text(settings)
        if data is not None:
            content[MODEL] = data
        plan = make_plan(
            port, identity, read_state(prompt), name, str(settings["sensor"]), parsed.identity if parsed else "none",
            content, {slot: main_of(slot) for slot in SLOTS},
        )  # fmt: skip
        plan.check_room()
        if dry_run:
            return plan
        before = _main(prompt)
        plan = replace(plan, trial=install(prompt, plan, attempt, progress))
    if attempt:
        plan = replace(plan, runs=_confirm(plan, before, progress))
    return plan


def undeploy(port: str, *, dry_run: bool = False, progress: Progress = lambda stage, share: None) -> Removal:
    """Take off a board what deploy put there, and nothing else; a main.py from before it comes back.

    The journal and everything else that was not copied by deploy stays. Raises InputError, BoardError, Unplugged.
    """
    with Prompt.open(port) as prompt:
        identify(prompt)
        state = read_state(prompt)
        removed, left = [], []
        restored = state.active is not None and bool(state.backup)
        if state.active is not None:
            removed.append(MAIN)
        if dry_run:
            for slot in state.slots.values():
                removed += [f"{slot.name}/{path}" for path in slot.ours]
                left += [f"{slot.name}/{path}" for path in slot.strangers]
            return Removal(tuple(removed), tuple(left), restored)
        if restored:
            prompt.run(f"os.rename({BACKUP!r}, {MAIN!r})")
        elif state.active is not None:
            prompt.run(f"os.remove({MAIN!r})")
        for number, name in enumerate(SLOTS):
            progress("remove", number / len(SLOTS))
            gone, stay = clear_slot(prompt, name)
            removed, left = removed + gone, left + stay
        progress("remove", 1.0)
    return Removal(tuple(removed), tuple(left), restored)


def _read(model: str | Path | None) -> tuple[Model | None, bytes | None]:
    if model is None:
        return None, None
    path = Path(model)
    file = path / MODEL if path.is_dir() else path
    parsed = read_model(file)
    return parsed, file.read_bytes()


def _main(prompt: Prompt) -> bytes | None:
    """main.py as it is on the board, None where there is none."""
    if prompt.text(f"say(kind({MAIN!r}))") != "file":
        return None
    return base64.b64decode(prompt.text(f"say(binascii.b2a_base64(open({MAIN!r}, 'rb').read()).decode())"))


def _confirm(plan: Plan, before: bytes | None, progress: Progress) -> str:
    """See the new state run, or put the old one back; returns the identity of the model that runs."""
    progress("start", 0.0)
    try:
        runs = confirm(plan)
    except (BoardError, Unplugged) as error:
        try:
            with Prompt.open(plan.port) as prompt:
                put_back(prompt, before, plan.identity.heap, plan.slot.name)
        except (BoardError, InputError, Unplugged) as second:
            raise BoardError(f"{error}; what ran before could not be put back: {second}") from None
        raise BoardError(f"{error}; what ran before is back") from None
    progress("start", 1.0)
    return runs
