"""Brings a new model into service on one board: sent, checked, in the shadow, on probation, confirmed.

The states: ``docs/updates.md``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from offbeat.device import manifest as layout
from offbeat.device.manifest import Manifest
from offbeat.host.board import Board
from offbeat.host.errors import BoardError, Unplugged
from offbeat.train.errors import InputError

from .board_side import About, Declined, Status, about, ask, block_digests, piece_of, status_of
from .compatibility import check_compatible, windows_for
from .delta import Part, Wire, delta, whole
from .keys import Key
from .refusals import end_in_words, refusal_in_words
from .signing import Candidate, check_signature, make_manifest, read_candidate, sign_model

__all__ = ["PushPlan", "PushReport", "push", "revert"]

_DIGEST_BLOCK: Final = 64
_POLL: Final = 0.5  # s
_GIVE_UP_AFTER: Final = 60.0  # s that a port may be away
_MOST_TRIES: Final = 200  # beginnings of a transfer
_STUCK: Final = 60.0  # s
_STEPS: Final = 400  # of checking, about
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class PushPlan:
    """How a model is tried. test, probation: windows, or times such as 10min; alarms: that it may raise more than the
    old model, in either; detach: the board goes on and confirms by its own rule, nobody waits; delta: send only what
    the board has not; downgrade: the model may be older than the one that runs, signed so with a key; device_class,
    version: what is signed for and as, by default no class, and the time. Neither is taken from what the board says."""

    test: str = "100"
    probation: str = "100"
    alarms: int = 0
    detach: bool = False
    delta: bool = True
    downgrade: bool = False
    device_class: str | None = None
    version: int | None = None


@dataclass
class PushReport:
    """What came of it. outcome: confirmed, reverted, detached or unchanged (the board runs it already); why: of a
    revert, in words; size: of the model file; sent: bytes of it that were sent, the others were copied on the board;
    wire: characters both ways until all of it was there; beginnings: how often the transfer began or went on; test,
    probation: windows, and scores as of Status."""

    port: str
    model: str
    version: int
    outcome: str = ""
    why: str = ""
    size: int = 0
    sent: int = 0
    wire: int = 0
    beginnings: int = 0
    seconds: float = 0.0
    test: dict[str, int] = field(default_factory=dict)
    probation: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """The board runs the model, or is about to by its own rule."""
        return self.outcome != "reverted"

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {"ok": self.ok, **self.__dict__}


def push(
    model_dir: str | Path, port: str, *, key: Key | None = None, plan: PushPlan = PushPlan(),
    progress: Progress = lambda stage, share: None, give_up_after: float = _GIVE_UP_AFTER,
) -> PushReport:  # fmt: skip
    """Send a model to the board on a port, and see it into service; survives unplugging.

    model_dir: model directory or file, with ``model.sig`` beside it where it is signed; key: signs it where it is not;
    progress: called with a stage and the share of it that is done; give_up_after: seconds that the port may be away.

    A model that the board reverts is in the report, not an error. Raises InputError before anything is sent where model
    and board do not go together, BoardError where the board refuses it or is silent, Unplugged where it stays away.
    """
    candidate = read_candidate(model_dir)
    with Board.open(port) as board:
        return _Push(board, candidate, key, plan, progress, give_up_after).run()


def revert(port: str) -> str:
    """Let the board on a port give up the model that is on its way into service. Returns the identity of what runs
    then.

    Raises InputError where none is, and as push().
    """
    with Board.open(port) as board:
        if status_of(ask(board)).state == "idle":
            raise InputError(
                f"{port}: no model is on trial there; one that was confirmed stays until another one is pushed, an "
                "older one with --downgrade"
            )
        return status_of(ask(board, "revert")).model


class _Push:
    """One push. Everything that talks goes through _ask, which survives unplugging."""

    def __init__(
        self,
        board: Board,
        candidate: Candidate,
        key: Key | None,
        plan: PushPlan,
        progress: Progress,
        give_up_after: float,
    ) -> None:
        self.board = board
        self.candidate = candidate
        self.key = key
        self.plan = plan
        self.progress = progress
        self.give_up_after = give_up_after
        self.windows = (
            windows_for(plan.test, candidate.model, "--test"),
            windows_for(plan.probation, candidate.model, "--probation"),
        )
        self.report = PushReport(board.port, candidate.model.identity, 0, size=len(candidate.data))
        self.began = time.monotonic()

    def run(self) -> PushReport:
        found = about(self.board, self.candidate.model.family)
        check_compatible(self.board, self.candidate.model, len(self.candidate.data), found)
        status = status_of(ask(self.board))
        if status.model == self.candidate.model.identity and status.state == "idle":
            self.report.version = status.version
            return self._ended("unchanged")
        manifest = self._manifest(found)
        self.report.version = manifest.version
        status = self._send(manifest)
        if self.plan.detach and status.state != "idle":
            return self._ended("detached")
        return self._see_through(status)

    # --- the manifest ---

    def _manifest(self, found: About) -> Manifest:
        """The signature beside the model where there is one, else a new one. Raises InputError."""
        own, key, port, plan = self.candidate.manifest, self.key, self.board.port, self.plan
        self._check_class(plan.device_class, found)
        if found.algorithm == layout.UNSIGNED:
            # a version only counts then; one that was signed elsewhere keeps its own where that is newer
            version = own.version if own is not None and own.version > found.version else found.version + 1
            return make_manifest(self.candidate, None, version, found.device_class)
        if key is not None:
            self._check_key(key, found)
        if own is not None and own.algorithm == found.algorithm and not plan.downgrade and plan.version is None:
            check_signature(own, found, port)
            return own
        if key is None:
            raise InputError(
                f"{port}: the board takes signed models only; sign this one with `offbeat keys sign`, or name the "
                "key, --key"
            )
        return self._signed_anew(key, found)

    def _signed_anew(self, key: Key, found: About) -> Manifest:
        """A new signature. Class and version are the signer's: whoever has the line chooses what the board says."""
        plan = self.plan
        device_class = plan.device_class or ""
        self._check_class(device_class, found)
        version = self._version(key)
        if version <= found.version:
            raise self._not_newer(version, found)
        if key.algorithm == layout.ED25519 and not plan.downgrade:
            manifest = sign_model(self.candidate.path, key, device_class, version)
            check_signature(manifest, found, self.board.port)
            return manifest
        unique = self.board.hello.unique
        return make_manifest(self.candidate, key, version, device_class, unique, plan.downgrade)

    def _version(self, key: Key) -> int:
        if self.plan.version is not None:
            return self.plan.version
        if self.plan.downgrade or key.algorithm == layout.ED25519:
            return int(time.time())
        # by the file's time, so that the same model has the same version when a push is tried again
        return int(self.candidate.path.stat().st_mtime)

    def _not_newer(self, version: int, found: About) -> InputError:
        said = f"{self.board.port}: the model would be signed as version {version}, the board says it has had version"
        if found.version >= int(time.time()):
            return InputError(
                f"{said} {found.version}, which is later than this computer's clock; set the clock if it is wrong, "
                "else something on the line may lie; where you know better, sign a higher one on purpose, --version"
            )
        return InputError(
            f"{said} {found.version}; to go back on purpose, push with --downgrade; or name a higher --version"
        )

    def _check_class(self, wanted: str | None, found: About) -> None:
        if wanted is not None and wanted != found.device_class:
            raise InputError(
                f"{self.board.port}: the board says that it is of device class {found.device_class!r}, the model is "
                f"for class {wanted!r}; name the class that you know the board to be of, --class"
            )

    def _check_key(self, key: Key, found: About) -> None:
        port = self.board.port
        if found.algorithm != key.algorithm:
            have = layout.ALGORITHMS[found.algorithm] if found.algorithm < len(layout.ALGORITHMS) else "another kind"
            raise InputError(
                f"{port}: the board takes signatures of kind {have}, {key.path} makes "
                f"{layout.ALGORITHMS[key.algorithm]}; name the key that the board was provisioned with"
            )
        if found.algorithm == layout.ED25519 and found.key != key.public:
            raise InputError(
                f"{port}: the board was provisioned with another key than {key.path} (its public key is "
                f"{found.key.hex()}); sign with that one"
            )

    # --- sending ---

    def _send(self, manifest: Manifest) -> Status:
        """Until the board has checked it, and has it on trial. Raises Declined."""
        anew = False
        for _ in range(_MOST_TRIES):
            self._transfer(manifest, anew)
            try:
                status = self._checked()
            except Declined as error:
                # what an earlier try had left was damaged, or a block of the same CRC-32 was another one
                if anew or error.why != "digest":
                    raise
                anew = True
                continue
            if status is not None:
                return status
        raise self._too_often()

    def _too_often(self) -> BoardError:
        return BoardError(
            f"{self.board.port}: interrupted {_MOST_TRIES} times; mend the connection, or the board's power, first"
        )

    def _transfer(self, manifest: Manifest, anew: bool) -> None:
        before = self.board.bytes_in + self.board.bytes_out
        for _ in range(_MOST_TRIES):
            self.report.beginnings += 1
            try:
                status = status_of(ask(self.board, "begin", d=manifest.raw, anew=int(anew)))
                if status.state == "receiving":
                    for part in self._parts(status.received, anew):
                        status = self._send_part(part, status)
                    test, probation = self.windows
                    ask(
                        self.board,
                        "commit",
                        test=test,
                        probation=probation,
                        alarms=self.plan.alarms,
                        auto=int(self.plan.detach),
                    )
                self.report.wire = self.board.bytes_in + self.board.bytes_out - before
                return
            except Unplugged:
                self.board.reconnect(self.give_up_after)
            except Declined as error:
                if error.why not in ("begin", "gap"):  # it has started anew meanwhile
                    raise
        raise self._too_often()

    def _send_part(self, part: Part, status: Status) -> Status:
        length = len(part.data)
        done = max(status.received - part.offset, 0)
        if done >= length:
            return status
        if part.origin >= 0:
            place = {"from": part.origin + done}
            line = ask(self.board, "copy", o=part.offset + done, n=length - done, **place)
        else:
            line = ask(self.board, "data", o=part.offset + done, d=part.data[done:])
            self.report.sent += length - done
        status = status_of(line)
        if status.received != part.offset + length:
            raise Declined(f"{self.board.port}: the board lost its place in the transfer; push again", "gap")
        self.progress("sending", (part.offset + length) / len(self.candidate.data))
        return status

    def _parts(self, received: int, anew: bool) -> Sequence[Part]:
        """What is still to be sent: by blocks that the board has, where that is less."""
        wire = Wire(piece_of(self.board))
        data = self.candidate.data
        everything = whole(data, wire, received)
        if not self.plan.delta or anew or wire.cost(everything) < 4 * wire.overhead:
            return everything
        before = self.board.bytes_in + self.board.bytes_out
        by_blocks = [
            part
            for part in delta(data, block_digests(self.board), _DIGEST_BLOCK, wire)
            if part.offset + len(part.data) > received
        ]
        spent = self.board.bytes_in + self.board.bytes_out - before
        return by_blocks if wire.cost(by_blocks) + spent < wire.cost(everything) else everything

    def _checked(self) -> Status | None:
        """Wait until the board has checked the model; None where it has started anew meanwhile. Raises Declined."""
        last, since = -1, time.monotonic()
        while True:
            status = self._poll()
            if status.state == "receiving":
                return None
            if status.state == "idle" and status.model != self.candidate.model.identity:
                if not status.why:
                    return None
                words = refusal_in_words(status.why)
                raise Declined(f"{self.board.port}: the board refuses the model: {words}", status.why)
            if status.state != "checking":
                return status
            if status.done != last:
                last, since = status.done, time.monotonic()
            elif time.monotonic() - since > _STUCK:
                raise BoardError(f"{self.board.port}: the board has been checking for a minute, and gets no further")
            self.progress("checking signature and golden windows", min(status.done / _STEPS, 0.99))
            time.sleep(_POLL / 5)

    # --- test and probation ---

    def _see_through(self, status: Status) -> PushReport:
        """Wait out test and probation, and confirm."""
        stages = {
            "test": ("in the shadow", 0),
            "tested": ("in the shadow", 0),
            "probation": ("on probation", 1),
            "proven": ("on probation", 1),
        }
        while status.state in stages:
            stage, phase = stages[status.state]
            if status.scores:
                setattr(self.report, ("test", "probation")[phase], {"windows": status.done, **status.scores})
            self.progress(
                f"{stage}: new {status.scores.get('new', 0)}, old {status.scores.get('old', 0)}" if False else stage,
                status.done / self.windows[phase],
            )
            try:
                if status.state == "tested":
                    status = status_of(ask(self.board, "probation"))
                elif status.state == "proven":
                    status = status_of(ask(self.board, "confirm"))
                else:
                    time.sleep(_POLL)
                    status = self._poll()
            except Unplugged:
                self.board.reconnect(self.give_up_after)
                status = self._poll()
        if status.model == self.candidate.model.identity:
            return self._ended("confirmed")
        why = status.why or about(self.board, self.candidate.model.family).end
        return self._ended("reverted", end_in_words(why))

    def _poll(self) -> Status:
        while True:
            try:
                return status_of(ask(self.board))
            except Unplugged:
                self.board.reconnect(self.give_up_after)

    def _ended(self, outcome: str, why: str = "") -> PushReport:
        self.report.outcome = outcome
        self.report.why = why
        self.report.seconds = time.monotonic() - self.began
        return self.report
