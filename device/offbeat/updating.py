"""A model on its way into service: it comes in pieces, is checked, runs in the shadow, then on probation.

The states: docs/updates.md. Sampling goes on all the while: what takes long is done a few milliseconds at a time,
between frames.
"""

import gc
import time
from array import array

from . import modelfile
from .fit import misfit
from .ledger import NOWHERE
from .loading import fit_evidence
from .manifest import ED25519, SIZE, UNSIGNED
from .sha2 import hmac256, new256, same
from .trying import Running

IDLE, RECEIVING, CHECKING, TEST, TESTED, PROBATION, PROVEN = 0, 1, 2, 3, 4, 5, 6
STATES = ("idle", "receiving", "checking", "test", "tested", "probation", "proven")

RESERVE = 2048
"""Bytes of the heap that have to be free beside both models, after a collection of garbage."""

_PIECE = 256  # bytes that are hashed at a time
_AT_ONCE = 4  # ms of work between looks at the sensor
_GRACE = 8  # windows that the old model has to raise an alarm too
_SILENCE = 600000  # ms after which a host that was to decide is taken to be gone


class RejectedError(Exception):
    """A model that is not taken; the message is one word."""


class Update:
    """The update of a board. state: of STATES; why: the last model was refused, one word; shadow: the model that runs
    beside the active one, a Running, or None. factory: path of the model file that the board was deployed with."""

    def __init__(self, app, slots, factory):
        self._app = app
        self.slots = slots
        self.factory = factory
        self.state = IDLE
        self.why = ""
        self.shadow = None
        self.done = 0  # of the phase: steps of checking, or windows
        self._plan = None
        self._manifest = None
        self._job = None
        self._active = None  # the active model as a Running, None without one
        self._before = None  # of the old model while the new one is active
        self._adaptation = None  # of the old model
        self._idle_model = None  # what the board had, if that does not score
        self._excess = -1  # windows of the new model when it had too many alarms, -1: it has not
        self._heard = time.ticks_ms()

    # --- what a host asks for; each returns a word of refusal, or an empty string ---

    def heard(self):
        """A host is there."""
        self._heard = time.ticks_ms()

    def begin(self, manifest, anew):
        """Take a model, from where it ended before."""
        if self.state > RECEIVING:
            return "" if self._manifest is not None and self._manifest.raw == manifest.raw else "busy"
        why = self._objection(manifest)
        if why:
            return why
        try:
            self.slots.begin(manifest, anew)
        except (OSError, MemoryError) as error:  # what came before is not gone on with either
            self._reject("memory" if isinstance(error, MemoryError) else self._flash_or_room(manifest))
            return self.why
        self._manifest = manifest
        self.why = ""
        self._enter(RECEIVING)
        return ""

    def _objection(self, manifest):
        ledger = self.slots.ledger
        if manifest.device_class.encode() != ledger.device_class:
            return "class"
        if ledger.algorithm != UNSIGNED and manifest.algorithm != ledger.algorithm:
            return "unsigned" if manifest.algorithm == UNSIGNED else "algorithm"
        if manifest.version <= ledger.version:
            return "version"
        gc.collect()
        if manifest.length + RESERVE > gc.mem_free():
            return "memory"
        return ""

    def put(self, offset, data):
        """Bytes of the model; those before `received` have come already."""
        if self.state != RECEIVING:
            return "" if self.state > RECEIVING else "begin"
        slots = self.slots
        if offset > slots.received or offset + len(data) > self._manifest.length:
            return "gap"
        try:
            slots.put(memoryview(data)[slots.received - offset :] if offset + len(data) > slots.received else b"")
        except OSError:
            self._reject(self._flash_or_room(self._manifest))
            return self.why
        return ""

    def _flash_or_room(self, manifest):
        try:
            return "room" if self.slots.room() < manifest.length else "flash"
        except OSError:
            return "flash"

    def commit(self, plan):
        """All has come: check it, and try it."""
        if self.state > RECEIVING:
            return ""
        if self.state == IDLE or self.slots.received < self._manifest.length:
            return "begin"
        self._plan = plan
        self.slots.finish()
        self._job = self._check(self._manifest)
        self._enter(CHECKING)
        return ""

    def go_on(self):
        """The test was long enough: let the new model be the active one."""
        if self.state in (PROBATION, PROVEN):
            return ""
        if self.state != TESTED:
            return "early"
        return self._to_probation()

    def confirm(self):
        """The probation was long enough: keep the new model."""
        slots = self.slots
        if self.state == IDLE and slots.ledger.end == 1:
            return ""
        if self.state != PROVEN:
            return "early"
        try:
            slots.confirm(self._manifest.version)
        except (OSError, MemoryError):
            return "flash"
        self._leave()
        fit_evidence(self._app)
        return ""

    def revert(self, end):
        """Back to the old model. end: a word of ledger.ENDS."""
        if self.state in (RECEIVING, CHECKING):
            self._reject(end)
            self.slots.discard()
            return
        if self.state == IDLE:
            return
        old = self._before
        if self.state >= PROBATION:
            if old is not None:
                self._app.exchange(old.model, old.detector, old.ring, self._adaptation)
            else:
                self._app.exchange(self._idle_model, None, None)
        self.slots.revert(end)
        self.why = end
        self._leave()

    # --- what the main loop tells ---

    def take(self, sampler):
        """The active model has taken the frame of the Sampler; the one in the shadow takes it too."""
        shadow = self.shadow
        if shadow is None:
            return
        try:
            if shadow.take(sampler) and self._app.is_said():
                self._say_score(shadow)
        except Exception:  # whatever it is, the active model goes on
            self.why = "error"

    def gap(self):
        """The frames before belonged to something else."""
        if self.shadow is not None:
            self.shadow.ring.restart()
            self.shadow.detector.reset()
        for running in (self.shadow, self._active):
            if running is not None:
                running.pass_over_losses()

    def judged(self, changed, spent):
        """The active model has scored a window."""
        if self._active is not None:
            self._active.count(changed, spent)

    def crashed(self):
        """The main loop has failed; True where it goes on, with the old model."""
        if self.state < PROBATION:
            return False
        self.revert("error")
        return True

    def step(self):
        """Once a turn of the main loop: work that waits, and what follows from the windows that were scored."""
        if self.state == IDLE:
            return
        if self._job is not None:
            self._work(self._job)
        elif self.state >= TEST:
            self._look()

    # --- checking ---

    def _work(self, job):
        start = time.ticks_ms()
        try:
            while time.ticks_diff(time.ticks_ms(), start) < _AT_ONCE:
                next(job)
                self.done += 1
        except StopIteration:
            self._job = None
        except RejectedError as error:
            self._reject(error.args[0])
            self.slots.discard()
        except MemoryError:
            self._reject("memory")
        except OSError:  # what cannot be read is not to be gone on with
            self._reject("digest")
            self.slots.discard()
        except modelfile.ModelError:
            self._reject("model")

    def _reject(self, why):
        self.why = why
        self.shadow = self._job = self._manifest = None
        gc.collect()
        self._enter(IDLE)

    def _check(self, manifest):
        """Everything that speaks against the model, cheap things first; then it is the candidate."""
        app = self._app
        data = bytearray(manifest.length)
        yield from self._read(data, manifest.digest)
        if not (yield from self._is_signed(manifest)):
            raise RejectedError("signature")
        model = modelfile.parse(data)
        yield
        why = misfit(model, app.source)
        if why:
            raise RejectedError(why)
        shadow = Running(model, app.source)
        yield
        yield from _golden(shadow.detector)
        gc.collect()
        if gc.mem_free() < RESERVE:
            raise RejectedError("memory")
        yield
        try:
            self.slots.test(model)
        except OSError:
            raise RejectedError("flash")
        shadow.begin()
        self.shadow = shadow
        self._active = None
        if app.detector is not None:
            self._active = Running(app.model, app.source, app.detector, app.ring)
        self._heard = time.ticks_ms()
        self._enter(TEST)

    def _read(self, data, expected):
        digest = new256()
        view = memoryview(data)
        with open(self.slots.path(self.slots.idle()), "rb") as file:
            file.seek(SIZE)
            at = 0
            while at < len(data):
                got = file.readinto(view[at : at + _PIECE])
                if not got:
                    raise RejectedError("digest")
                digest.update(view[at : at + got])
                at += got
                yield
        if digest.digest() != expected:
            raise RejectedError("digest")

    def _is_signed(self, manifest):
        ledger = self.slots.ledger
        if ledger.algorithm == UNSIGNED:
            return True
        if ledger.algorithm == ED25519:
            from .ed25519 import verifying  # only a board with such a key needs its code

            return (yield from verifying(ledger.key, manifest.signed(), manifest.signature))
        yield
        return same(hmac256(ledger.key, manifest.signed()), manifest.signature[:32])

    # --- shadow and probation ---

    def _look(self):
        candidate = self._active if self.state >= PROBATION else self.shadow
        other = self.shadow if self.state >= PROBATION else self._active
        self.done = candidate.windows
        if self.why:
            self.revert(self.why)
            return
        trouble = "alarms" if self._has_too_many_alarms(candidate, other) else candidate.trouble()
        if trouble:
            self.revert(trouble)
        elif not self._plan.auto and time.ticks_diff(time.ticks_ms(), self._heard) >= _SILENCE:
            self.revert("silence")
        elif self._excess >= 0:
            return
        elif self.state == TEST and candidate.windows >= self._plan.test:
            self._end_of(TESTED, self._to_probation)
        elif self.state == PROBATION and candidate.windows >= self._plan.probation:
            self._end_of(PROVEN, self.confirm)

    def _has_too_many_alarms(self, candidate, other):
        """More than the old model, and it has not followed within some windows: a fault may be found by one before the
        other."""
        if candidate.alarms <= self._plan.alarms + (other.alarms if other is not None else 0):
            self._excess = -1
            return False
        if self._excess < 0:
            self._excess = candidate.windows
        return candidate.windows - self._excess >= _GRACE

    def _end_of(self, state, follows):
        gc.collect()
        if gc.mem_free() < RESERVE:
            self.revert("heap")
            return
        self._enter(state)
        if self._plan.auto and follows():
            self.revert("flash")

    def _to_probation(self):
        try:
            self.slots.probation()
        except (OSError, MemoryError):
            return "flash"
        new, self._before, self._idle_model = self.shadow, self._active, self._app.model
        self._active, self.shadow = new, self._before
        for running in (new, self._before):
            if running is not None:
                running.begin()
        self._adaptation = self._app.adaptation
        self._app.exchange(new.model, new.detector, new.ring)
        self._enter(PROBATION)
        return ""

    def _leave(self):
        self.shadow = self._active = self._before = self._adaptation = self._manifest = None
        gc.collect()
        self._enter(IDLE)

    def _enter(self, state):
        self.state = state
        self._excess = -1
        if state != PROVEN and state != TESTED:
            self.done = 0
        if state >= CHECKING or state == IDLE:
            lines = self._app.lines
            lines.begin(b"~UPDATE ")
            self.say(lines)
            lines.end()

    # --- what it says ---

    def _say_score(self, shadow):
        lines = self._app.lines
        lines.begin(b"~SHADOW ")
        lines.number(b" n=", shadow.windows - 1)
        lines.number(b" s=", shadow.score)
        lines.number(b" a=", 1 if shadow.detector.decision.alarm else 0)
        lines.number(b" us=", shadow.worst)
        lines.end()

    def say(self, lines):
        """Add how it stands to a line."""
        ledger = self.slots.ledger
        lines.text(b" state=", STATES[self.state].encode())
        lines.number(b" done=", self.done)
        model = self._app.model
        lines.text(b" model=", (model.identity if model else "none").encode())
        lines.text(b" version=", str(ledger.version).encode())  # no small integer on a 32-bit board
        if self.state == RECEIVING:
            lines.number(b" at=", self.slots.received)
        if ledger.candidate != NOWHERE:
            self._say_scores(lines)
        if self.why:
            lines.text(b" why=", self.why.encode())

    def _say_scores(self, lines):
        new, old = (self._active, self.shadow) if self.state >= PROBATION else (self.shadow, self._active)
        for running, keys in (
            (new, (b" new=", b" alarms=", b" above=")),
            (old, (b" old=", b" old_alarms=", b" old_above=")),
        ):
            if running is not None:
                lines.number(keys[0], running.score)
                lines.number(keys[1], running.alarms)
                lines.number(keys[2], running.above)
        if new is not None:
            lines.number(b" worst=", new.worst)


def _golden(detector):
    """The model's golden windows, one a step."""
    detector.reset()
    for features, score, window in detector.model.golden_windows():
        detector.reset()
        found = detector.measure(array("h", bytes(window)), 0, detector.model.window)
        if found != score or bytes(detector.features.values) != bytes(features):
            raise RejectedError("golden")
        yield
    detector.reset()
