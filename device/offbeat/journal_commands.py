"""What the host may ask of the journal: what there is, records from a number on, and that it has taken them."""

from binascii import b2a_base64

from .records import LONGEST


def carry_out(app, begin, fields):
    """Answer a JOURNAL line. begin(): starts the answer, and returns the lines to go on with.

    Raises KeyError and ValueError where a field is missing or wrong, OSError where the flash cannot be read.
    """
    journal = app.journal
    if "time" in fields:
        now = _number(fields["time"], 0xFFFFFFFF)
        journal.clock(app.uptime(), now)
        begin().end()
        return
    ring = {"events": journal.events, "minutes": journal.minutes}[fields["ring"]]
    if "from" in fields:
        found, following = ring.log.read(_number(fields["from"]), LONGEST)
        lines = begin()
        lines.number(b" next=", following)
        if found:
            lines.text(b" d=", b2a_base64(found).strip())
        lines.end()
        return
    if "taken" in fields:
        ring.taken = _number(fields["taken"])
    if not ring.log.ready:
        ring.log.recover()
    lines = begin()
    lines.number(b" oldest=", ring.log.oldest)
    lines.number(b" next=", ring.log.next)
    lines.number(b" taken=", ring.taken)
    lines.number(b" boot=", journal.boot)
    lines.number(b" up=", app.uptime())
    lines.text(b" id=", b"%08x" % ring.log.identity)
    lines.end()


def _number(text, most=0x3FFFFFFF):
    if not text.isdigit() or len(text) > 10 or int(text) > most:
        raise ValueError
    return int(text)
