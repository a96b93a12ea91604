"""What a deployment is going to do to a board, before it does anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath

from offbeat.host.errors import BoardError
from offbeat.train.limits import size_in_words

from .identity import Identity
from .slots import BACKUP, COPYING, MAIN, Slot, State, digest, manifest_text

__all__ = ["Plan", "Trial", "make_plan"]

_BLOCKS_OF_A_DIRECTORY = 2  # of littlefs: a pair of metadata blocks


@dataclass(frozen=True)
class Trial:
    """What the board found when it tried the model. passed, of: golden windows scored as they should be; free: bytes
    of heap that are left; viper: kernels are machine code."""

    passed: int
    of: int
    free: int
    viper: bool


@dataclass(frozen=True)
class Plan:
    """A deployment. content: bytes by the path in the slot; slot: as it is now; send, copy, keep: paths that go over
    the line, that the active slot has already, and that the slot itself has; remove: what goes from the slot;
    backup: a main.py of somebody else is kept; needed, free: bytes of the board's file system, in whole blocks; trial:
    None as long as none was made; runs: identity of the model that the board runs since, which is another one than
    `model` where that was superseded by a push, empty as long as nobody asked."""

    port: str
    identity: Identity
    board: str
    sensor: str
    model: str
    content: Mapping[str, bytes]
    slot: Slot
    active: Slot | None
    send: tuple[str, ...]
    copy: tuple[str, ...]
    keep: tuple[str, ...]
    remove: tuple[str, ...]
    backup: bool
    needed: int
    free: int
    trial: Trial | None = None
    runs: str = ""

    @property
    def compiled(self) -> int:
        """How many files are .mpy."""
        return sum(path.endswith(".mpy") for path in self.content)

    @property
    def directories(self) -> list[str]:
        """Directories inside the slot that are needed, the outer ones first."""
        wanted = {str(parent) for path in self.content for parent in PurePosixPath(path).parents if str(parent) != "."}
        return sorted(wanted)

    @property
    def sent_bytes(self) -> int:
        """Bytes that go over the line."""
        return sum(len(self.content[path]) for path in self.send)

    def check_room(self) -> None:
        """Raise BoardError where the board's file system has no room, saying how much is missing."""
        if self.needed <= self.free:
            return
        other = any(self.slot.files) or self.active is not None
        raise BoardError(
            f"{self.port}: no room on the board's flash: {size_in_words(self.needed)} are needed beside what runs now, "
            f"{size_in_words(self.free)} are free, {size_in_words(self.needed - self.free)} are missing; "
            + ("`offbeat undeploy` makes room, without a detector meanwhile" if other else "remove files from it")
        )

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "port": self.port, "board": self.board, "machine": self.identity.machine,
            "micropython": ".".join(map(str, self.identity.version)), "architecture": self.identity.architecture,
            "sensor": self.sensor, "model": self.model, "slot": self.slot.name,
            "files": {path: len(data) for path, data in sorted(self.content.items())},
            "send": list(self.send), "copy": list(self.copy), "keep": list(self.keep), "remove": list(self.remove),
            "backup": BACKUP if self.backup else None, "needed": self.needed, "free": self.free,
            "trial": None if self.trial is None else asdict(self.trial),
            "runs": self.runs or None,
        }  # fmt: skip


def make_plan(
    port: str, identity: Identity, state: State, board: str, sensor: str, model: str, content: Mapping[str, bytes],
    main: Mapping[str, bytes],
) -> Plan:  # fmt: skip
    """Plan a deployment of `content`, by the path in the slot, with the main.py of its slot. Raises BoardError."""
    active = state.active
    slot = next(slot for name, slot in state.slots.items() if active is None or name != active.name)
    content = {**content, MAIN: main[slot.name]}
    for path in content:
        if path in slot.files and path not in slot.listed:
            raise BoardError(f"{port}: {slot.name}/{path} on the board is not deploy's; move it away, or rename it")
    wanted = {path: digest(data) for path, data in content.items()}
    keep = tuple(path for path in content if slot.files.get(path) == wanted[path])
    has = {} if active is None else active.files
    copy = tuple(path for path in content if path not in keep and has.get(path) == wanted[path])
    send = tuple(path for path in content if path not in keep and path not in copy)
    remove = tuple(sorted(path for path in slot.ours if path not in keep and path != COPYING))
    backup = bool(state.main) and active is None and not any(s.main == state.main for s in state.slots.values())
    if backup and state.backup not in ("", state.main):
        raise BoardError(
            f"{port}: neither main.py nor {BACKUP} on the board is deploy's; move one of them away, for instance "
            f"`mpremote connect {port} cp :{BACKUP} .` and then `mpremote connect {port} rm :{BACKUP}`"
        )
    plan = Plan(port, identity, board, sensor, model, content, slot, active, send, copy, keep, remove, backup, 0, 0)
    return replace(plan, needed=_needed(plan), free=identity.free)


def _needed(plan: Plan) -> int:
    """Bytes in whole blocks that are missing at the fullest moment, which is before main.py takes its place."""
    block = plan.identity.block
    sizes = [len(plan.content[path]) for path in (*plan.send, *plan.copy)] + [len(manifest_text(plan.content))]
    directories = [path for path in (".", *plan.directories) if path not in (*plan.slot.directories, ".")]
    fresh = 0 if plan.slot.files or plan.slot.directories else 1
    blocks = sum(-(-size // block) for size in sizes) + _BLOCKS_OF_A_DIRECTORY * (len(directories) + fresh)
    return block * (blocks + (1 if plan.backup else 0))
