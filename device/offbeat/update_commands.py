"""What the host may ask about models: what the board takes, the update itself step by step, and whose signature
counts."""

from binascii import a2b_base64, b2a_base64
from struct import pack

from . import families, modelfile
from .checksum import crc32
from .ledger import ENDS
from .link import unquote
from .manifest import CLASS_SIZE, ED25519, HMAC, UNSIGNED, Manifest, ManifestError, trust_statement
from .trying import Plan
from .updating import Update

DIGEST_BLOCK = 64
"""Bytes of the running model's file that one CRC-32 of `do=blocks` stands for."""

_DIGESTS = 36  # in a line: 192 characters of base64
_MOST_COPIED = 1024  # bytes, of one line
_CHANGES = ("begin", "data", "copy", "commit", "probation", "confirm", "revert", "trust")


def carry_out(app, begin, fields):
    """Answer an UPDATE line. begin(): starts the answer, and returns the lines to go on with.

    Returns a word of refusal, or an empty string. Raises KeyError and ValueError where a field is missing or wrong.
    """
    if app.slots is None:
        return "updates"
    if app.update is None:
        app.update = Update(app, app.slots, app.path)
    if app.learning is not None:
        return "learn"
    update = app.update
    update.heard()
    what = fields.get("do", "")
    if what == "about":
        _about(app, update, begin(), fields)
        return ""
    if what == "blocks":
        return _blocks(update, begin, fields)
    if what:
        if what not in _CHANGES:
            raise ValueError
        try:
            why = _change(app, what, fields)
        except ManifestError as error:
            why = str(error)
        if why:
            return why
    lines = begin()
    update.say(lines)
    lines.end()
    return ""


def _change(app, what, fields):
    update = app.update
    if what == "begin":
        return update.begin(Manifest(a2b_base64(fields["d"])), fields.get("anew") == "1")
    if what == "data":
        return update.put(_number(fields["o"]), a2b_base64(fields["d"]))
    if what == "copy":
        return _copy(update, _number(fields["o"]), _number(fields["from"]), _number(fields["n"], _MOST_COPIED))
    if what == "commit":
        test, probation, alarms = [_number(fields[key]) for key in ("test", "probation", "alarms")]
        return update.commit(Plan(test, probation, alarms, fields["auto"] == "1"))
    if what == "probation":
        return update.go_on()
    if what == "confirm":
        return update.confirm()
    if what == "trust":
        return _trust(app, fields)
    update.revert("host")
    return ""


def _about(app, update, lines, fields):
    """What the board takes, so that a host can tell before it sends anything."""
    ledger = update.slots.ledger
    lines.number(b" format=", modelfile.VERSION)
    lines.number(b" features=", modelfile.CHANGE)
    if "family" in fields:
        lines.number(b" family=", 1 if _has_family(_number(fields["family"])) else 0)
    lines.number(b" room=", min(update.slots.room(), 0x3FFFFFFF))
    lines.number(b" algorithm=", ledger.algorithm)
    if ledger.algorithm == ED25519:
        lines.text(b" key=", b2a_base64(ledger.key).strip())
    lines.text(b" version=", str(ledger.version).encode())
    lines.number(b" failed=", ledger.failed)
    lines.text(b" end=", ENDS[ledger.end].encode() if ledger.end < len(ENDS) else b"unknown")
    lines.text(b" tried=", b"".join([b"%02x" % byte for byte in ledger.tried]))
    lines.text(b" class=", b"".join([b"%02x" % byte for byte in ledger.device_class]))
    lines.end()


def _has_family(number):
    try:
        return families.module(number) is not None
    except MemoryError:
        return False


def _blocks(update, begin, fields):
    """CRC-32 of each whole block of the running model's file, from block `from` on."""
    first = _number(fields["from"])
    path, start = update.slots.running_file(update.factory)
    found = b""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2) - start
            file.seek(min(start + first * DIGEST_BLOCK, size + start))
            for _ in range(_DIGESTS):
                block = file.read(DIGEST_BLOCK)
                if len(block) < DIGEST_BLOCK:
                    break
                found += pack("<I", crc32(block) & 0xFFFFFFFF)
    except OSError:
        return "flash"
    lines = begin()
    lines.number(b" size=", size)
    lines.text(b" d=", b2a_base64(found).strip())
    lines.end()
    return ""


def _copy(update, offset, origin, count):
    """Bytes of the model that the board has already, in its running one."""
    path, start = update.slots.running_file(update.factory)
    try:
        with open(path, "rb") as file:
            file.seek(start + origin)
            data = file.read(count)
    except OSError:
        return "flash"
    if len(data) != count:
        return "gap"
    return update.put(offset, data)


def _trust(app, fields):
    """Set whose signatures count: freely the first time, later only with a signature by the key that counts now."""
    update = app.update
    ledger = update.slots.ledger
    algorithm, key = _number(fields["algorithm"]), a2b_base64(fields["key"])
    name = unquote(fields.get("class", "")).encode()
    if algorithm > HMAC or len(key) != 32 or len(name) > CLASS_SIZE or b"\0" in name:
        raise ValueError
    if update.state:
        return "busy"
    if (algorithm, key, name) == (ledger.algorithm, ledger.key, ledger.device_class):
        return ""
    if ledger.algorithm != UNSIGNED and not _is_handed_over(app, algorithm, key, name, fields):
        return "trust"
    try:
        update.slots.trust(algorithm, key, name)
    except (OSError, MemoryError):
        return "flash"
    return ""


def _is_handed_over(app, algorithm, key, name, fields):
    """Whether the key that counts says so. The main loop goes on between the steps: anybody may ask, and the answer
    takes seconds, in which samples have to be taken and the watchdog is to be fed."""
    from .ed25519 import verifying

    ledger = app.slots.ledger
    if ledger.algorithm != ED25519 or "sig" not in fields:
        return False
    statement = trust_statement(algorithm, key, name, app.unique)
    steps = verifying(ledger.key, statement, a2b_base64(fields["sig"]))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        app.step()


def _number(text, most=0x3FFFFFFF):
    if not text.isdigit() or len(text) > 10 or int(text) > most:
        raise ValueError
    return int(text)
