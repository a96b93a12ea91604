"""What a board says of itself: who it is, and how it is doing."""

import gc

from . import VERSION
from .kernels import VIPER
from .link import quote
from .quality import REASONS
from .sensors import COUNTER

_COUNTS = tuple(b" %s=" % reason.encode() for reason in REASONS)


def is_in_alarm(detector):
    """Whether the alarm of a detector, or None, has been said and lasts."""
    return detector is not None and detector.decision.alarm


def rate_text(source):
    """A source's sampling rate in Hz, with three decimals."""
    rate = source.rate_millihertz
    return "%d.%03d" % (rate // 1000, rate % 1000)


def say_hello(app, line, sequence):
    """Say who this board is and what it runs. line: longest that it takes; sequence: of the line answered, or -1."""
    source, model, lines = app.source, app.model, app.lines
    for i in range(len(source.channels)):
        lines.begin(b"~CHANNEL ")
        lines.number(b" i=", i)
        lines.number(b" low=", source.limits[i][0])
        lines.number(b" high=", source.limits[i][1])
        lines.text(b" scale=", quote(source.scales[i]).encode())
        lines.text(b" unit=", quote(source.units[i]).encode())
        lines.text(b" name=", quote(source.channels[i]).encode())
        lines.end()
    lines.begin(b"~HELLO ")
    lines.number(b" v=", 1)
    lines.text(b" fw=", VERSION.encode())
    lines.text(b" model=", (model.identity if model else "none").encode())
    lines.text(b" rate=", rate_text(source).encode())
    lines.number(b" channels=", len(source.channels))
    if model:
        lines.number(b" window=", model.window)
        lines.number(b" hop=", model.hop)
    lines.number(b" line=", line)
    lines.number(b" viper=", 1 if VIPER else 0)
    lines.text(b" mode=", app.mode_name())
    if sequence >= 0:
        lines.number(b" re=", sequence)
    # Names are anybody's text: at the end, one that is too long is left out, and nothing else is.
    for key, value in ((b" board=", app.board), (b" id=", app.unique), (b" sensor=", source.sensor)):
        lines.text(key, quote(value).encode())
    lines.end()


def say_health(app, sequence):
    """Say how the board is doing; what stood in the way of verdicts in a line before, where anything did.

    sequence: of the line answered, or -1. Allocates nothing, but for a thermometer that does.
    """
    source, lines = app.source, app.lines
    _say_counts(app)
    lines.begin(b"~HEALTH ")
    lines.number(b" up=", app.uptime())
    lines.number(b" heap=", gc.mem_free())
    lines.number(b" alloc=", gc.mem_alloc())
    lines.number(b" windows=", (app.windows - app.unjudged) & COUNTER)
    lines.number(b" unjudged=", app.unjudged)
    lines.number(b" lost=", (source.lost + (app.ring.lost if app.ring else 0)) & COUNTER)
    lines.number(b" overruns=", source.overruns)
    lines.number(b" jitter=", source.jitter_us)
    source.jitter_us = 0
    lines.number(b" bad=", app.listener.bad)
    if sequence >= 0:
        lines.number(b" re=", sequence)
    if app.thermometer is not None:
        temperature = _temperature(app.thermometer)
        if temperature is not None:
            lines.number(b" temperature=", temperature)
    if app.journal is not None:
        lines.number(b" boot=", app.journal.boot)
        lines.number(b" journal_failed=", app.journal.failed)
        lines.number(b" journal_dropped=", app.journal.dropped)
    lines.end()


def _temperature(thermometer):
    """In 1/100 degC; None where it cannot be told."""
    try:
        return thermometer()
    except OSError:
        return None


def _say_counts(app):
    source, lines = app.source, app.lines
    if not (app.unjudged or source.errors or source.restarts):
        return
    lines.begin(b"~COUNTS ")
    lines.number(b" errors=", source.errors)
    lines.number(b" restarts=", source.restarts)
    for reason in range(len(REASONS)):
        lines.number(_COUNTS[reason], app.reasons[reason])
    lines.end()
