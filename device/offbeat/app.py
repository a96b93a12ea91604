"""The board's main loop: sample, judge, say so; listen in between.

From counts to the line of a window nothing is allocated.
"""

import gc
import sys
import time
from array import array

from .announcements import is_in_alarm, say_health, say_hello
from .commands import LINE, Listener
from .detector import Detector
from .examination import GAP, DoubtfulRing, Examination, forget, remembers
from .fit import misfit, reason_names
from .lines import LineWriter
from .link import quote
from .loading import board_thermometer, load, load_adaptation, open_evidence, open_journal, open_models
from .quality import BUS, CLIPPED, FIT, LOST, REASONS, SILENT
from .sampling import Sampler
from .sensors import BUS as BUS_FLAG
from .sensors import COUNTER
from .sensors import LOST as LOST_FLAG

_JOURNAL_PERIOD = 1000  # ms
_FRAMES_A_TURN = 64  # frames taken before the input is looked at again
_REASONS = 3
_WORDS = tuple(reason.encode() for reason in REASONS)
_SILENT_PERIODS = 3


class App:
    """A detector on a board.

    source: see sensors; model: a parsed model or None, and why there is none; write: see lines; board, unique: its kind
    and its id; journal: a journal.Journal, or None. scores: of so many windows one is said, alarms are said always;
    heartbeat: seconds between two lines of health; evidence: alarms of which raw frames are kept, None: as memory
    allows, 0: none; alarm_pin: an outputs.AlarmPin; thermometer: a function that gives the board's temperature in
    1/100 degC; path: of the model file, where a learned one goes, and what adaptation follows beside it.
    """

    def __init__(
        self, source, model=None, write=None, board="", unique="", why="no_model", journal=None, scores=1, heartbeat=10,
        evidence=None, alarm_pin=None, thermometer=None, path="",
    ):  # fmt: skip
        self.source = source
        self.lines = LineWriter(write or sys.stdout.buffer.write)
        self.board = board
        self.unique = unique
        self.sampler = Sampler(source)
        self.listener = Listener(self)
        self.windows = 0  # number of the next one
        self.unjudged = 0
        self.reasons = array("i", [0] * len(REASONS))  # of the unjudged
        self.journal = journal
        self.slots = None  # a slots.Slots where models may be pushed
        self.update = None  # an updating.Update as soon as a host has asked for one
        self.thermometer = thermometer
        self.path = path
        self.detector = self.learning = None
        self.may_learn = False  # also where models have to be signed
        self.adaptation = None
        self.button = None
        self._scores = scores
        self._heartbeat = int(1000 * heartbeat)
        self._pin = alarm_pin
        self._watchdog = None
        self._recorder = None
        self._deadline = time.ticks_ms()
        self._indices = array("h", [0] * _REASONS)
        self._values = array("i", [0] * _REASONS)
        self._names = []
        self.alarms_kept = evidence
        self.use(model, why)
        self._last_look = self._last_health = self._last_step = self._last_frame = time.ticks_ms()
        # ms without a frame after which a sensor is silent
        self._silence = max(10000, _SILENT_PERIODS * (1000000 // max(source.rate_millihertz, 1)))
        self._heard = 0  # frames taken when that was looked at last
        self._since = 0  # frames since a window was given up aloud
        self._last_reason = FIT
        self._seconds_up = 0
        self._rest_up = 0

    def use(self, model, why="no_model"):
        """Score with this model from here on, a parsed one that fits the source; with none, idle, and say why.

        Raises MemoryError; the board is idle then.
        """
        if self.update is not None:
            self.update.revert("superseded")
        if is_in_alarm(self.detector):
            self._alarm(self.detector, 0)
        self._why_idle = misfit(model, self.source) if model else why
        self.model = model
        self.detector = self.ring = self.evidence = self.adaptation = None
        self._names = []
        self.listener.forget()
        if self._watchdog is not None:
            self._watchdog.follow(model)
        if model and not self._why_idle:
            try:
                self._build(model)
            except MemoryError:
                self.detector = self.ring = self.evidence = self.adaptation = None
                self._why_idle = "memory"
                raise

    def _build(self, model):
        self.adaptation = load_adaptation(self.path, model)
        self.ring = DoubtfulRing(model.channels, model.window, model.hop)
        self._know(model)
        self.detector = self.adaptation.detector if self.adaptation else Detector(model)
        self.evidence = None if self.alarms_kept == 0 else open_evidence(model, self.alarms_kept)

    def _know(self, model):
        """What is asked of a model's windows."""
        self._remembers = remembers(model)
        self._examination = Examination(model, self.source.limits)
        self._names = [quote(name).encode() for name in reason_names(model)]

    def exchange(self, model, detector, ring, adaptation=None):
        """Score with another model from here on, with a detector and a ring that know the frames so far; None: idle."""
        old = self.detector
        self.listener.forget()
        self.model, self.detector, self.ring, self.adaptation = model, detector, ring, adaptation
        self._names = []
        if self._watchdog is not None:
            self._watchdog.follow(model)
        if detector is not None:
            self._know(model)
        if (old is None) != (detector is None):
            self._mode(self.mode_name(), "update")
        if is_in_alarm(detector) != is_in_alarm(old):
            self._alarm(detector or old, 1 if is_in_alarm(detector) else 0)

    def guard(self, watchdog):
        """Feed this outputs.Watchdog from now on."""
        self._watchdog = watchdog
        watchdog.follow(self.model)

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
                self._record_frame(self._recorder)
            elif self.learning is not None:
                self.learning.take(self.sampler)
            else:
                if self.ring is not None:
                    self._take_frame(self.ring)
                if self.update is not None:
                    self.update.take(self.sampler)
        now = time.ticks_ms()
        if self.journal is not None and time.ticks_diff(now, self._last_step) >= _JOURNAL_PERIOD:
            self._last_step = now
            self.journal.step(self.uptime())
        if self.learning is not None:
            self.learning.step()
        if self.adaptation is not None and self.adaptation.due:
            from .adapt_commands import note

            note(self)
        if self.button is not None:
            self.button.step(self)
        if time.ticks_diff(now, self._last_health) >= self._heartbeat:
            self._look_for_silence(now)
            self.health(-1)
        if self._recorder is not None and time.ticks_diff(now, self._deadline) >= 0:
            self.stop_recording("time")
        if self.update is not None:
            self.update.step()
        if self._watchdog is not None:
            self._watchdog.step(self.mode_name() != b"score")
        return taken

    def _record_frame(self, recorder):
        sampler = self.sampler
        ended = bool(sampler.flags & LOST_FLAG) and recorder.skip(max(sampler.missing, 1))
        if ended or recorder.take(sampler.frame):
            self.stop_recording("done")

    def _take_frame(self, ring):
        """Put the frame into the ring, and judge the window that it completes."""
        sampler = self.sampler
        flags = sampler.flags
        if self._since < COUNTER:
            self._since += 1
        if flags & GAP:
            self._give_up(ring)
        if self.evidence is not None:
            self.evidence.take(sampler.frame)
        if ring.take(sampler):
            self._window(self.detector, ring)

    def _give_up(self, ring):
        """Samples are missing: the window under way cannot become whole, and the next one begins behind the gap.

        Of windows that are given up faster than a hop goes by only the first is said, all are counted.
        """
        under_way = ring.filled > 0
        ring.restart()
        if self.evidence is not None:
            self.evidence.gap()
        if under_way:
            aloud = self._since >= ring.hop
            if aloud:
                self._since = 0
            self._no_verdict(self.detector, LOST, -1, aloud)

    def _window(self, detector, ring):
        start = time.ticks_us()
        reason = ring.reason()
        channel = -1
        if reason == FIT:
            reason = self._examination.of(ring.frames, ring.first, ring.capacity)
            channel = self._examination.channel
        if self._watchdog is not None and (reason == FIT or reason >= CLIPPED):
            self._watchdog.judged()
        if reason != FIT:
            ring.advance()
            # a run of such windows is said like scores are: its first one, then one of so many
            self._no_verdict(detector, reason, channel, reason != self._last_reason or self.is_said())
            self._last_reason = reason
            return
        self._last_reason = FIT
        changed = detector.window(ring)
        if self.adaptation is not None:
            self.adaptation.window()
        spent = time.ticks_diff(time.ticks_us(), start)
        alarm = 1 if detector.decision.alarm else 0
        if changed or self.is_said():
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
        if self.update is not None:
            self.update.judged(changed, spent)
        self.windows = (self.windows + 1) & COUNTER

    def is_said(self):
        """Whether the score of the present window is said."""
        return self._scores > 0 and self.windows % self._scores == 0

    def _no_verdict(self, detector, reason, channel, aloud):
        """A window without verdict: what was decided before stays as it is."""
        if self._remembers:
            forget(detector)
        if aloud:
            lines = self.lines
            lines.begin(b"~NOVERDICT ")
            lines.number(b" n=", self.windows)
            lines.number(b" a=", 1 if detector.decision.alarm else 0)
            lines.text(b" why=", _WORDS[reason])
            if channel >= 0:
                lines.number(b" channel=", channel)
            lines.end()
        if self.journal is not None:
            self.journal.minute.skip()
        self.reasons[reason] = (self.reasons[reason] + 1) & COUNTER
        self.unjudged = (self.unjudged + 1) & COUNTER
        self.windows = (self.windows + 1) & COUNTER

    def _look_for_silence(self, now):
        """Say so where no frame has come for a while: no window will show it."""
        if self.sampler.taken != self._heard or self.mode_name() != b"score":
            self._heard = self.sampler.taken
            self._last_frame = now
        elif time.ticks_diff(now, self._last_frame) >= self._silence:
            self._last_frame = now
            self._no_verdict(self.detector, BUS if self.source.flags & BUS_FLAG else SILENT, -1, True)

    def _alarm(self, detector, on):
        lines = self.lines
        if self._pin is not None:
            self._pin.set(on)
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
            if self.evidence is not None:
                self.evidence.alarm(self.windows, self.uptime(), detector.score)
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
        say_hello(self, LINE, sequence)

    def health(self, sequence):
        """Say how the board is doing. sequence: of the line answered, or -1."""
        self._last_health = time.ticks_ms()
        say_health(self, sequence)

    def uptime(self):
        """Seconds since the start; to be asked every few days at least."""
        now = time.ticks_ms()
        # Seconds and a rest, not milliseconds: those would leave the small integers after twelve days.
        self._rest_up += time.ticks_diff(now, self._last_look)
        self._seconds_up += self._rest_up // 1000
        self._rest_up %= 1000
        self._last_look = now
        return self._seconds_up

    def mode_name(self):
        """What the board does, as the protocol says it: bytes."""
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
        if self.update is not None:
            self.update.revert("superseded")
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
            if self.model is not model:
                self.use(model)
            if self.slots is not None:
                self.slots.supersede(model)
        self._begin_anew()
        self._mode(self.mode_name(), why)

    def _begin_anew(self):
        """An empty ring: the frames before belong to another time."""
        if self.ring is not None:
            self.ring.restart()
        if self.evidence is not None:
            self.evidence.gap()
        if self.detector is not None:
            self.detector.reset()
        if self.update is not None:
            self.update.gap()
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
        self._mode(self.mode_name(), why)


def make_app(
    source, path="model.beat", board="", unique="", journal="journal", scores=1, heartbeat=10, evidence=None,
    alarm_pin=None, alarm_level=1, watchdog=None, patience=None, thermometer=None, button=None,
    models="models", learn=False,
):  # fmt: skip
    """The App of a board, started; run() says what the arguments mean."""
    model, why = load(path)
    slots, model, why = open_models(models, model, why)
    kept = None if journal is None else open_journal(journal, unique, model)
    pin = None
    if alarm_pin is not None:
        from .outputs import AlarmPin, open_pin

        pin = AlarmPin(open_pin(alarm_pin), alarm_level)
    own = board_thermometer() if thermometer is None else thermometer
    app = App(source, model, None, board, unique, why, kept, scores, heartbeat, evidence, pin, own or None, path)
    app.slots = slots
    app.may_learn = bool(learn)
    if button is not None:
        from .learn_session import Button

        app.button = Button(button, path)
    gc.collect()
    if watchdog is not None:  # last: from here on it must be fed
        from .outputs import Watchdog, open_watchdog

        app.guard(Watchdog(open_watchdog(watchdog), int(1000 * (patience or 0))))
    app.start()
    return app


def _turn(app):
    """App.step(); a model on probation that fails there is given up, and the old one goes on."""
    try:
        return app.step()
    except Exception:
        if app.update is None or not app.update.crashed():
            raise
        return True


def run(source, path="model.beat", board="", unique="", journal="journal", **options):
    """Run for ever on the serial line that is also the REPL: Ctrl-C stops it.

    source: a sensor, see sensors; path: of the model file; board, unique: kind of the board and its id, as the host
    shows them; journal: directory on the board's file system for what is kept there, None to keep nothing. options:
        scores       say the score of one window in so many, 1: of each, 0: of none; alarms are said always
        heartbeat    seconds between two lines of health, 10
        evidence     alarms of which raw frames are kept in memory, 0: of none; without it as many as there is room for
        alarm_pin    number of a pin, or a machine.Pin that is an output, which follows the alarm; alarm_level: 0 where
                     an alarm draws it low
        watchdog     ms, for machine.WDT, or an object with feed(): it is fed while windows are judged; patience:
                     seconds without one after which it is fed no more; without it a window and 8 hops, at least 30 s
        button       a function that says whether a button is down: held for three seconds, it makes the board learn its
                     model, docs/learning.md
        thermometer  a function that gives 1/100 degC, False for none; without it the board's own, where it has one
        models       directory for models that are pushed, "models"; None to take none, docs/updates.md
        learn        True: a host may have the board learn or adapt although models have to be signed, docs/security.md

    serve() is the same for asyncio.
    """
    from .console import Console

    app = make_app(source, path, board, unique, journal, **options)
    console = Console(app.listener)
    idle = False
    while True:
        heard = console.listen(1 if idle else 0)
        idle = not _turn(app) and not heard


async def serve(source, path="model.beat", board="", unique="", journal="journal", **options):
    """run() as a coroutine of asyncio: other tasks run while no frame is due."""
    import asyncio

    from .console import Console

    app = make_app(source, path, board, unique, journal, **options)
    console = Console(app.listener)
    while True:
        heard = console.listen(0)
        idle = not _turn(app) and not heard
        await asyncio.sleep(0.001 if idle else 0)
