"""What a board finds on its flash at a start: its model, and what slow adaptation has followed."""

import os

from . import modelfile
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


def load_adaptation(path, model):
    """The model's slow adaptation, where it is on; None otherwise."""
    try:
        os.stat(path + ".drift")
    except OSError:
        return None
    from .adapt_commands import load  # only a board that adapts needs its code

    return load(path, model)
