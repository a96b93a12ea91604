"""The board's main loop: sample, score, say so; listen in between.

From counts to the line of a window nothing is allocated.
"""

import gc
import os
import sys
import time
from array import array

from . import VERSION, modelfile
from .commands import LINE, Listener
from .detector import Detector, Ring
from .fit import misfit, reason_names
from .kernels import VIPER
from .lines import LineWriter
from .link import quote
from .sampling import Sampler
from .store import recover

_HEALTH_PERIOD = 10000  # ms
_JOURNAL_PERIOD = 1000  # ms
_FRAMES_A_TURN = 64  # frames taken before the input is looked at again
_REASONS = 3


class App:
    """A detector on a board. source: see sensors; model: a parsed model or None; write: see lines; journal: a
    journal.Journal, or None; path: of the model file, where a learned one goes and adaptation is kept beside."""

    def __init__(self, source, model=None, write=None, board="", unique="", why="no_model", journal=None, path=""):
        self.source = source
        self.lines = LineWriter(write or sys.stdout.buffer.write)
        self.board = board
        self.unique = unique
        self.sampler = Sampler(source)
        self.listener = Listener(self)
        self.detector = None
        self.ring = None
        self.windows = 0
        self.model = model
        self.journal = journal
        self.path = path
        self.learning = None
        self.adaptation = None
        self.button = None
        self._recorder = None
        self._deadline = time.ticks_ms()
        self._indices = array("h", [0] * _REASONS)
        self._values = array("i", [0] * _REASONS)
        self._names = []
        self.use(model, why)
        self._last_look = self._last_health = self._last_step = time.ticks_ms()
        self._seconds_up = 0
        self._rest_up = 0

    def use(self, model, why="no_model"):
        """Score with this model from here on, a parsed one that fits the source; with none, idle, and say why."""
        self._why_idle = misfit(model, self.source) if model else why
        self.model = model
        self.detector = self.ring = self.adaptation = None
        self._names = []
        self.listener.forget()
        if model and not self._why_idle:
            self.adaptation = _load_adaptation(self.path, model)
            self.detector = self.adaptation.detector if self.adaptation else Detector(model)
            self.ring = Ring(model.channels, model.window, model.hop)
            self._names = [quote(name).encode() for name in reason_names(model)]

    def start(self):
        """Announce the board; then gather garbage once, so that the heap is whole before sampling."""
        self.hello(-1)
        self._mode(b"score" if self.detector else b"idle", self._why_idle or "start")
        gc.collect()
        self.health(-1)

    def step(self):
        """One turn: some frames, and the window that they may complete. True when a frame was taken."""
        taken = False
        for _ in range(_FRAMES_A_TURN):
            if not self.sampler.sample():
                break
            taken = True
            if self._recorder is not None:
                if self._recorder.take(self.sampler.frame):
                    self.stop_recording("done")
            elif self.learning is not None:
                self.learning.take(self.sampler)
            elif self.ring is not None and self.ring.push(self.sampler.frame):
                self._window(self.detector, self.ring)
        if self.journal is not None and time.ticks_diff(time.ticks_ms(), self._last_step) >= _JOURNAL_PERIOD:
            self._last_step = time.ticks_ms()
            self.journal.step(self.uptime())
        if self.learning is not None:
            self.learning.step()
        if self.adaptation is not None and self.adaptation.due:
            from .adapt_commands import note

            note(self)
        if self.button is not None:
            self.button.step(self)
        if time.ticks_diff(time.ticks_ms(), self._last_health) >= _HEALTH_PERIOD:
            self.health(-1)
        if self._recorder is not None and time.ticks_diff(time.ticks_ms(), self._deadline) >= 0:
            self.stop_recording("time")
        return taken

    def _window(self, detector, ring):
        start = time.ticks_us()
        changed = detector.window(ring)
        if self.adaptation is not None:
            self.adaptation.window()
        spent = time.ticks_diff(time.ticks_us(), start)
        alarm = 1 if detector.decision.alarm else 0
        lines = self.lines
        lines.begin(b"~SCORE ")
        lines.number(b" n=", self.windows)
        lines.number(b" s=", detector.score)
        lines.number(b" a=", alarm)
        lines.number(b" us=", spent)
        lines.end()
        if self.journal is not None:
            self.journal.minute.add(detector.score)
        if changed:
            self._alarm(detector, alarm)
        self.windows = (self.windows + 1) & 0x3FFFFFFF

    def _alarm(self, detector, on):
        lines = self.lines
        lines.begin(b"~ALARM ")
        lines.number(b" n=", self.windows)
        lines.number(b" on=", on)
        lines.number(b" s=", detector.score)
        found = 0
        if on:
            found = detector.reasons(_REASONS, self._indices, self._values)
            key = b" why="
            for i in range(found):
                lines.number(key, self._indices[i])
                lines.append(b":", self._values[i])
                key = b","
            key = b" names="
            for i in range(found):
                if not lines.text(key, self._names[self._indices[i]]):
                    break  # the names that follow would stand in the place of this one
                key = b","
        lines.end()
        if self.journal is not None:
            self._note_alarm(detector.score, on, found)

    def _note_alarm(self, score, on, found):
        if on:
            self.journal.alarm(self.uptime(), self.windows, score, found, self._indices, self._values, self._names)
        else:
            self.journal.alarm_end(self.uptime(), self.windows, score)

    def hello(self, sequence):
        """Say who this board is and what it runs. sequence: of the line answered, or -1."""
        source, model, lines = self.source, self.model, self.lines
        for i in range(len(source.channels)):
            lines.begin(b"~CHANNEL ")
            lines.number(b" i=", i)
            lines.text(b" scale=", quote(source.scales[i]).encode())
            lines.text(b" unit=", quote(source.units[i]).encode())
            lines.text(b" name=", quote(source.channels[i]).encode())
            lines.end()
        lines.begin(b"~HELLO ")
        lines.number(b" v=", 1)
        lines.text(b" fw=", VERSION.encode())
        lines.text(b" model=", (model.identity if model else "none").encode())
        lines.text(b" rate=", self.rate_text().encode())
        lines.number(b" channels=", len(source.channels))
        if model:
            lines.number(b" window=", model.window)
            lines.number(b" hop=", model.hop)
        lines.number(b" line=", LINE)
        lines.number(b" viper=", 1 if VIPER else 0)
        lines.text(b" mode=", self._mode_name())
        if sequence >= 0:
            lines.number(b" re=", sequence)
        # Names are anybody's text: at the end, one that is too long is left out, and nothing else is.
        for key, value in ((b" board=", self.board), (b" id=", self.unique), (b" sensor=", source.sensor)):
            lines.text(key, quote(value).encode())
        lines.end()

    def rate_text(self):
        """The source's sampling rate in Hz, with three decimals."""
        rate = self.source.rate_millihertz
        return "%d.%03d" % (rate // 1000, rate % 1000)

    def uptime(self):
        """Seconds since the start; to be asked every few days at least."""
        now = time.ticks_ms()
        # Seconds and a rest, not milliseconds: those would leave the small integers after twelve days.
        self._rest_up += time.ticks_diff(now, self._last_look)
        self._seconds_up += self._rest_up // 1000
        self._rest_up %= 1000
        self._last_look = now
        return self._seconds_up

    def health(self, sequence):
        """Say how the board is doing. sequence: of the line answered, or -1."""
        self._last_health = time.ticks_ms()
        lines = self.lines
        lines.begin(b"~HEALTH ")
        lines.number(b" up=", self.uptime())
        lines.number(b" heap=", gc.mem_free())
        lines.number(b" alloc=", gc.mem_alloc())
        lines.number(b" windows=", self.windows)
        lines.number(b" lost=", self.ring.lost if self.ring else 0)
        lines.number(b" bad=", self.listener.bad)
        if self.journal is not None:
            lines.number(b" boot=", self.journal.boot)
            lines.number(b" journal_failed=", self.journal.failed)
            lines.number(b" journal_dropped=", self.journal.dropped)
        if sequence >= 0:
            lines.number(b" re=", sequence)
        lines.end()

    def _mode_name(self):
        if self._recorder is not None:
            return b"record"
        if self.learning is not None:
            return b"learn"
        return b"score" if self.detector else b"idle"

    def _mode(self, mode, why):
        self.lines.begin(b"~MODE ")
        self.lines.text(b" mode=", mode)
        self.lines.text(b" why=", quote(why).encode())
        self.lines.end()

    def learn(self, path, **options):
        """Begin to learn a model that goes to `path`, announced; returns a word where that cannot be, else "".

        options: of commissioning.Plan.
        """
        from .learn_session import begin  # only a board that learns needs its code

        self.stop_recording("learn")
        try:
            begin(self, path, **options)
        except ValueError as error:
            return str(error)
        self._mode(b"learn", "asked")
        return ""

    def end_learning(self, why, model=None):
        """Back to scoring: with the model that was learned, or the one before."""
        self.learning = None
        if model is not None:
            self.use(model)
        self._begin_anew()
        self._mode(self._mode_name(), why)

    def _begin_anew(self):
        """An empty ring: the frames before belong to another time."""
        if self.ring is not None:
            self.ring.filled = 0
        if self.detector is not None:
            self.detector.reset()
        gc.collect()

    def flush_recording(self):
        """Send the frames that are held, so that a recording that follows another one leaves none out."""
        if self._recorder is not None:
            self._recorder.flush()

    def record(self, recorder, seconds):
        """Enter recording mode, announced; it ends by itself."""
        self._recorder = recorder
        self._deadline = time.ticks_add(time.ticks_ms(), 1000 * seconds + 10000)
        self._mode(b"record", "asked")

    def stop_recording(self, why):
        """Back to scoring, with an empty ring: the frames before belong to another time."""
        if self._recorder is None:
            return
        self._recorder.flush()
        self._recorder = None
        self._begin_anew()
        self._mode(self._mode_name(), why)


def _load_adaptation(path, model):
    """The model's slow adaptation, where it is on; None otherwise."""
    try:
        os.stat(path + ".drift")
    except OSError:
        return None
    from .adapt_commands import load  # only a board that adapts needs its code

    return load(path, model)


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


def _open_journal(directory, unique, model):
    """The journal, or None without one: not wanted, no file system, or no room for its code."""
    try:
        from .journal import open_journal

        return open_journal(directory, unique, "%s %s" % (model.identity if model else "none", VERSION))
    except (ImportError, MemoryError):
        return None


def run(source, path="model.beat", board="", unique="", journal="journal", button=None):
    """Run for ever on the serial line that is also the REPL: Ctrl-C stops it.

    journal: directory on the board's file system for what is kept there, None to keep nothing; button: a function that
    says whether a button is down: held for three seconds, it makes the board learn its model, docs/learning.md.
    """
    import select

    model, why = load(path)
    kept = None if journal is None else _open_journal(journal, unique, model)
    app = App(source, model, None, board, unique, why, kept, path)
    if button is not None:
        from .learn_session import Button

        app.button = Button(button, path)
    gc.collect()
    poll = select.poll()
    poll.register(sys.stdin, select.POLLIN)
    read = sys.stdin.buffer.readinto
    byte = bytearray(1)
    app.start()
    while True:
        idle = not app.step()
        heard = 0
        while heard < 256:
            ready = False
            for event in poll.ipoll(1 if idle else 0):
                ready = bool(event[1] & select.POLLIN)
            if not ready or not read(byte):
                break
            app.listener.feed(byte[0])
            idle = False
            heard += 1
