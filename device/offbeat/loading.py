"""What a board finds at a start: its model, what slow adaptation has followed, its journal, room
for evidence, its thermometer."""

import gc
import os

from . import VERSION, modelfile
from .store import recover


def _is_whole(data):
    try:
        return modelfile.parse(data) is not None
    except modelfile.ModelError:
        return False


def load(path):
    """The model at `path`, or None and why: (model, "") or (None, reason)."""
    recover(path, _is_whole)
    try:
        return modelfile.load(path), ""
    except OSError:
        return None, "no_model"
    except modelfile.ModelError as error:
        return None, str(error)


def open_models(directory, model, why):
    """Of the factory model and what was pushed since, the one that counts: (slots, model, why there is none).

    slots is None where `directory` is None, on a board without a file system, or without room for their code.
    """
    if directory is None:
        return None, model, why
    try:
        from .slots import open_slots

        slots = open_slots(directory)
        if slots is not None:
            model, why = slots.choose(model, why)
        return slots, model, why
    except (ImportError, MemoryError):
        return None, model, why


def model_file(app):
    """Where the file of the model that an App runs stands: path, and the place where it begins there."""
    if app.slots is None:
        return app.path, 0
    return app.slots.running_file(app.path)


def may_change_model(app):
    """Whether LEARN and ADAPT may put another model in the place of the one that runs: on a board that takes signed
    ones only, where run(learn=True) says so."""
    return app.may_learn or app.slots is None or not app.slots.takes_only_signed()


def load_adaptation(path, model):
    """The model's slow adaptation, where it is on; None otherwise."""
    try:
        os.stat(path + ".drift")
    except OSError:
        return None
    from .adapt_commands import load  # only a board that adapts needs its code

    return load(path, model)


def open_journal(directory, unique, model):
    """The journal, or None without one: not wanted, no file system, or no room for its code."""
    try:
        from . import journal

        return journal.open_journal(directory, unique, "%s %s" % (model.identity if model else "none", VERSION))
    except (ImportError, MemoryError):
        return None


def open_evidence(model, alarms):
    """Room for raw frames around alarms, or None: no memory, or none for its code."""
    try:
        from .evidence import evidence_for

        return evidence_for(model, alarms)
    except (ImportError, MemoryError):
        return None


def fit_evidence(app):
    """Evidence for the model that an App runs now: where its windows have another size, what was kept goes."""
    if app.model is None or app.evidence is not None and app.evidence.is_for(app.model):
        return
    app.evidence = None
    gc.collect()
    app.evidence = None if app.alarms_kept == 0 else open_evidence(app.model, app.alarms_kept)


def board_thermometer():
    """The board's own thermometer, or None."""
    try:
        from .sensors.temperature import thermometer

        return thermometer()
    except (ImportError, OSError):
        return None
