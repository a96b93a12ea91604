"""What the host may ask of learning: begin, how far, stop; and the model file that is on the board."""

from binascii import b2a_base64

from .link import unquote
from .loading import may_change_model, model_file
from .modelfile import sha256

_PART = 120  # bytes of a file in a line: 160 characters of base64


def learn(app, begin, fields):
    """Answer a LEARN line. begin(): starts the answer, and returns the lines to go on with.

    Returns a word of refusal, or an empty string. Raises KeyError and ValueError where a field is missing or wrong.
    """
    if fields.get("stop") == "1":
        if app.learning is not None:
            app.learning.stop()
        begin().end()
        return ""
    if "seconds" in fields:
        if not app.path or sha256 is None:
            return "flash"  # nowhere to put a model, or no way to finish its file
        if not may_change_model(app):
            return "signed"
        seconds = _number(fields["seconds"], 1, 7 * 86400)
        options = {"every": _number(fields["every"], 1, 0x3FFFFFFF), "budget": unquote(fields["budget"])}
        for key in ("window", "hop"):
            options[key] = _number(fields.get(key, "0"), 0, 1024)
        options["features"] = fields.get("features", "")
        if "name" in fields:
            options["name"] = unquote(fields["name"])
        why = app.learn(app.path, seconds=seconds, **options)
        if why:
            return why
    lines = begin()
    if app.learning is not None:
        plan = app.learning.run.plan
        lines.number(b" windows=", plan.windows)
        lines.number(b" window=", plan.window)
        lines.number(b" hop=", plan.hop)
        lines.number(b" features=", len(plan.features))
    lines.end()
    return ""


class ModelFile:
    """Parts of the model file for the host; of an adapted one, which is on no flash, it keeps the bytes meanwhile."""

    def __init__(self):
        self._adapted = b""

    def answer(self, app, begin, fields):
        """Answer a MODEL line: a part of the model file, and its size. Raises as learn() does, OSError without a file.

        adapted=1: of the model as slow adaptation has moved it.
        """
        offset = _number(fields["from"], 0, 0x3FFFFFFF)
        if fields.get("adapted") == "1" and app.adaptation is not None:
            size, part = self._of_adapted(app, offset)
        else:
            path, start = model_file(app)
            with open(path, "rb") as file:
                size = file.seek(0, 2) - start
                file.seek(start + min(offset, size))
                part = file.read(_PART)
        lines = begin()
        lines.number(b" size=", size)
        if part:
            lines.text(b" d=", b2a_base64(part).strip())
        lines.end()

    def _of_adapted(self, app, offset):
        from .adapt_commands import adapted_file

        if not offset or not self._adapted:
            self._adapted = b""
            self._adapted = adapted_file(app)
        size, part = len(self._adapted), self._adapted[offset : offset + _PART]
        if offset + len(part) >= size:
            self._adapted = b""
        return size, part


def _number(text, least, most):
    if not text.isdigit() or len(text) > 10 or not least <= int(text) <= most:
        raise ValueError
    return int(text)
