"""Slow adaptation as a board keeps it: beside the model file, in the journal, and as the host asks for it."""

import os
import struct

from .adaptation import Adaptation, adapted, can_adapt, restored
from .link import quote
from .loading import may_change_model, model_file
from .records import DRIFT, DRIFT_HEAD, LONGEST, OVERHEAD
from .store import recover, store

SUFFIX = ".drift"
"""Of the file beside the model file that says what was followed; a board adapts where there is one."""

_REASONS = 3
_A_RECORD = (LONGEST - OVERHEAD - struct.calcsize(DRIFT_HEAD)) // 2


def load(path, model):
    """The Adaptation of the model at a path; None where the file beside it is of another model, or damaged."""
    recover(path + SUFFIX, lambda data: restored(model, data) is not None)
    try:
        with open(path + SUFFIX, "rb") as file:
            return restored(model, file.read())
    except OSError:
        return None


def note(app):
    """Look where normal running is, and keep and say what has changed."""
    adaptation = app.adaptation
    if not adaptation.commit():
        return
    _keep(app, adaptation)
    if app.journal is not None:
        for first in range(0, len(adaptation.drift), _A_RECORD):
            part = adaptation.drift[first : first + _A_RECORD]
            identity = bytes([int(adaptation.model.identity[i : i + 2], 16) for i in range(0, 16, 2)])
            head = struct.pack(DRIFT_HEAD, identity, 1 if adaptation.alarm else 0, first, adaptation.score)
            app.journal.note(DRIFT, app.uptime(), head + bytes(part))
    say(app)


def _keep(app, adaptation):
    try:
        store(app.path + SUFFIX, adaptation.saved())
    except OSError:  # counted as the journal's are; the next note has all of it
        if app.journal is not None:
            app.journal.events.failed += 1


def say(app):
    """A line that says how far normal running has gone, and why where that is too far."""
    lines, adaptation = app.lines, app.adaptation
    lines.begin(b"~DRIFT ")
    lines.number(b" n=", app.windows)
    lines.number(b" on=", 1 if adaptation.alarm else 0)
    lines.number(b" s=", adaptation.score)
    if adaptation.alarm:
        found = adaptation.reasons(_REASONS)
        lines.text(b" why=", ",".join(["%d:%d" % (j, part) for part, j, _ in found]).encode())
        lines.text(b" names=", ",".join([quote(name) for _, _, name in found]).encode())
    lines.end()


def adapt(app, begin, fields):
    """Answer an ADAPT line: switch it on or off, or say how it is. Returns a word of refusal, or an empty string.

    Raises ValueError where a field is wrong, OSError where the flash refuses.
    """
    if "on" in fields:
        if app.update is not None and app.update.state:
            return "busy"
        if fields["on"] == "1":
            if app.detector is None:
                return "model"
            if app.adaptation is None and not may_change_model(app):
                return "signed"
            if app.adaptation is None and not can_adapt(app.model, app.detector):
                return "family"
            if app.adaptation is None:
                store(app.path + SUFFIX, Adaptation(app.model).saved())
                app.use(app.model)
        elif fields["on"] == "0":
            try:
                os.remove(app.path + SUFFIX)
            except OSError:
                pass  # there is none
            if app.adaptation is not None:
                app.use(app.model)
        else:
            raise ValueError
    lines = begin()
    lines.number(b" on=", 1 if app.adaptation is not None else 0)
    if app.adaptation is not None:
        lines.number(b" alarm=", 1 if app.adaptation.alarm else 0)
        lines.number(b" s=", app.adaptation.score)
    lines.end()
    return ""


def adapted_file(app):
    """The model file as the board runs it now: bytes. Raises OSError where the file is gone."""
    path, start = model_file(app)
    with open(path, "rb") as file:
        file.seek(start)
        return adapted(file.read(), app.adaptation.drift)
