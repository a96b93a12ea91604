"""Two places for models on flash: one holds the confirmed model, the other one takes what is pushed.

See docs/updates.md. Whatever power cut or failure of the flash: at the next start a valid model is chosen.
"""

import os
from binascii import unhexlify

from . import modelfile
from .ledger import ENDS, FACTORY, FIRST, NO_PHASE, NOWHERE, PROBATION, SECOND, TEST, Ledger, sync
from .manifest import SIZE, UNSIGNED, Manifest, ManifestError

BLOCK = 4096
"""Bytes that are written at a time: a block of littlefs, so that an append copies nothing."""

_SPARE = 2  # blocks of the file system that an update leaves to others
_NONE = bytes(8)


class Slots:
    """The models in a directory, and the ledger that says which one counts.

    place: where the model that choose() has found lies; received: bytes of the model that is coming, manifest: its own,
    None where none is.
    """

    def __init__(self, directory):
        self.directory = directory
        self.ledger = Ledger(directory)
        self.place = FACTORY
        self.manifest = None
        self.received = 0
        self._factory = _NONE
        self._written = 0  # bytes of the model that are on flash
        self._buffer = bytearray(0)

    def choose(self, model, why):
        """At a start: the model that counts, and a word why there is none.

        model: the factory model or None, why: there is none. A candidate that was not confirmed before the start is
        reverted. No failure of the file system leaves this method.
        """
        ledger = self.ledger
        ledger.read()
        self._factory = factory = _identity(model)
        reverted = superseded = {}
        if ledger.candidate != NOWHERE:
            reverted = {"candidate": NOWHERE, "phase": NO_PHASE, "end": ENDS.index("reset")}
        if model is not None and ledger.sequence and factory != ledger.factory:
            # deployed, or learned on the board, since: that is newer than whatever was pushed before
            superseded = {"factory": factory, "running": factory, "before": _NONE}
        if reverted or superseded:
            confirmed = FACTORY if superseded else ledger.confirmed
            self._write_somehow(confirmed=confirmed, **reverted, **superseded)
        if ledger.confirmed != FACTORY:
            for slot, identity in ((ledger.confirmed, ledger.running), (1 - ledger.confirmed, ledger.before)):
                found = self._load_if(slot, identity)
                if found is not None:
                    self.place = slot
                    return found, ""
        return model, why

    def _write_somehow(self, **changes):
        """Into the ledger; where the flash fails, it holds until the next start at least."""
        try:
            self.ledger.write(**changes)
        except (OSError, MemoryError):
            for name, value in changes.items():
                setattr(self.ledger, name, value)

    def _load_if(self, slot, identity):
        """The model in a slot where it is valid and this one, else None."""
        try:
            data, _ = self.load(slot)
            model = modelfile.parse(data)
        except (OSError, MemoryError, ManifestError, modelfile.ModelError):
            return None
        return model if _identity(model) == identity else None

    def load(self, slot):
        """(model file, manifest) in a slot, as they are there. Raises OSError, ManifestError, MemoryError."""
        with open(self.path(slot), "rb") as file:
            manifest = Manifest(file.read(SIZE))
            data = bytearray(_size(self.path(slot)) - SIZE)
            if len(data) != manifest.length or file.readinto(data) != len(data):
                raise OSError(5)  # EIO
        return data, manifest

    def takes_only_signed(self):
        """Whether somebody's key counts here."""
        return self.ledger.algorithm != UNSIGNED

    def idle(self):
        """The slot that is free to be written: neither in use, nor confirmed as long as that can be helped."""
        kept = self.ledger.confirmed if self.place == FACTORY else self.place
        return SECOND if kept == FIRST else FIRST

    def room(self):
        """Bytes that a model may have: what the file system has free, with the idle slot's. Raises OSError."""
        self._make_directory()
        status = os.statvfs(self.directory)
        free = (min(status[3], 0x10000) - _SPARE) * status[1] - SIZE
        return max(free + _size(self.path(self.idle())), 0)

    def begin(self, manifest, anew=False):
        """Take a model from its beginning, or from where an earlier try ended; `received` says from where.

        Raises OSError where the file system fails or has no room, MemoryError.
        """
        if self.manifest is not None and self.manifest.raw == manifest.raw and not anew:
            return
        self.finish()
        self._make_directory()
        path = self.path(self.idle())
        self.received = self._written = 0
        if not anew and self._is_begun(path, manifest):
            self.received = self._written = min(_size(path) - SIZE, manifest.length)
        elif self.room() < manifest.length:
            raise OSError(28)  # ENOSPC
        self._buffer = bytearray(min(BLOCK, manifest.length))
        self.manifest = manifest

    def _make_directory(self):
        try:
            os.mkdir(self.directory)
        except OSError:
            pass  # it is there, or the next write says why not

    def _is_begun(self, path, manifest):
        """Whether a file holds the beginning of this very model, in whole blocks."""
        try:
            with open(path, "rb") as file:
                same = file.read(SIZE) == manifest.raw
        except OSError:
            return False
        size = _size(path)
        return same and (size % BLOCK == 0 or size == SIZE + manifest.length)

    def put(self, data):
        """Take the bytes that come next. Raises OSError where they cannot be written; `received` says how far it is."""
        at = 0
        while at < len(data):
            held = self.received - self._written
            count = min(len(data) - at, self._until_full() - held)
            self._buffer[held : held + count] = data[at : at + count]
            self.received += count
            at += count
            if self.received - self._written == self._until_full() or self.received == self.manifest.length:
                self._flush()

    def _until_full(self):
        """Bytes of the model that the next write takes: the first one shares its block with the manifest."""
        return min(len(self._buffer), BLOCK - SIZE if not self._written else BLOCK)

    def _flush(self):
        held = self.received - self._written
        try:
            with open(self.path(self.idle()), "ab" if self._written else "wb") as file:
                if not self._written:
                    _write(file, self.manifest.raw)
                _write(file, memoryview(self._buffer)[:held])
            sync()
        except OSError:
            self.received = self._written = 0  # what is there now is anybody's guess
            self.discard()
            raise
        self._written = self.received

    def discard(self):
        """Give up what is coming, and make room."""
        self.manifest = None
        self._buffer = bytearray(0)
        try:
            os.remove(self.path(self.idle()))
        except OSError:
            pass

    def finish(self):
        """All has come: the buffer is no longer needed."""
        self.manifest = None
        self._buffer = bytearray(0)

    def path(self, slot):
        """Of the file of a slot."""
        return "%s/%s" % (self.directory, "ab"[slot])

    def running_file(self, factory):
        """Where the file of the active model stands: path, and the place where it begins there. factory: path."""
        place = self.ledger.candidate if self.ledger.phase == PROBATION else self.place
        return (factory, 0) if place == FACTORY else (self.path(place), SIZE)

    def supersede(self, model):
        """The factory model is another one now, and active: what was pushed before counts no more."""
        self._factory = factory = _identity(model)
        self.place = FACTORY
        if self.ledger.sequence:
            self._write_somehow(confirmed=FACTORY, factory=factory, running=factory, before=_NONE)

    def trust(self, algorithm, key, device_class):
        """Whose signatures count from now on. Raises OSError."""
        self._make_directory()
        self.ledger.write(algorithm=algorithm, key=key, device_class=device_class, factory=self._factory)

    def test(self, model):
        """Let the model that has come, and was verified, be the candidate. Raises OSError, as the next two do."""
        self.ledger.write(candidate=self.idle(), phase=TEST, tried=_identity(model), factory=self._factory)

    def probation(self):
        """The candidate has become the active model; any start from now on reverts it."""
        self.ledger.write(phase=PROBATION)

    def confirm(self, version):
        """Let the candidate be the model that counts, from now on and at every start. version: of its manifest."""
        ledger = self.ledger
        candidate = ledger.candidate
        ledger.write(
            confirmed=candidate,
            candidate=NOWHERE,
            phase=NO_PHASE,
            end=ENDS.index("confirmed"),
            version=max(ledger.version, version),
            running=ledger.tried,
            before=ledger.running if self.place == ledger.confirmed != FACTORY else _NONE,
        )
        self.place = candidate

    def revert(self, end):
        """Give the candidate up. end: a word of ENDS. Where the flash fails, the next start does the same."""
        self._write_somehow(candidate=NOWHERE, phase=NO_PHASE, end=ENDS.index(end))


def _write(file, data):
    if file.write(data) != len(data):
        raise OSError(28)  # ENOSPC, in every port


def _size(path):
    try:
        return os.stat(path)[6]
    except OSError:
        return 0


def _identity(model):
    return _NONE if model is None else unhexlify(model.identity)


def open_slots(directory):
    """The slots in a directory, or None on a board without a file system."""
    try:
        os.statvfs(os.getcwd())
    except (AttributeError, OSError):
        return None
    return Slots(directory)
