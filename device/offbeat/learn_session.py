"""Learning as something that the board does for a while: it says how far it is, stores the model, and runs it."""

import gc
import time

from . import commissioning, modelfile
from .commissioning import DONE, FAILED, STAGES, Commissioning
from .link import quote
from .quality import BUS, FIT, JITTER
from .sensors import BUS as BUS_FLAG
from .sensors import LATE as LATE_FLAG
from .sensors import LOST as LOST_FLAG
from .sensors import RESTARTED as RESTARTED_FLAG
from .store import store

USUAL_SECONDS = 600

_PERIOD = 2000  # ms between two lines of progress
_SILENCE = 10000  # ms, and three samples' time: without a frame for so long, there is no sensor
_WORDS = tuple([stage.encode() for stage in STAGES])


class LearnSession:
    """What stands in the place of scoring meanwhile. plan: a commissioning.Plan; path: where the model goes.

    The model that ran before waits, and goes on where learning fails or is stopped.
    """

    def __init__(self, app, plan, path):
        self._app = app
        self._path = path
        self.run = Commissioning(plan)
        self._stage = -1
        self._heard = app.sampler.taken
        self._silence = max(_SILENCE, 3000000 // plan.source.rate_millihertz)
        self._said = self._last_frame = time.ticks_ms()

    def take(self, sampler):
        """Take the frame that the sampler holds, with what the source says of it."""
        flags = sampler.flags
        if flags & (LOST_FLAG | RESTARTED_FLAG):
            self.run.interrupt()
        self.run.take(sampler.frame, BUS if flags & BUS_FLAG else JITTER if flags & LATE_FLAG else FIT)

    def step(self):
        """Go on between frames; ends itself, with a line that says how."""
        run = self.run
        now = time.ticks_ms()
        if self._app.sampler.taken != self._heard:
            self._heard = self._app.sampler.taken
            self._last_frame = now
        elif time.ticks_diff(now, self._last_frame) >= self._silence:
            self._end(b"failed", "silent")
            return
        try:
            run.work()
        except MemoryError:
            self._end(b"failed", "memory")
            return
        if run.stage == DONE:
            self._adopt()
        elif run.stage == FAILED:
            self._end(b"failed", run.why)
        elif run.stage != self._stage or time.ticks_diff(now, self._said) >= _PERIOD:
            self._stage = run.stage
            self._said = now
            self.say()

    def say(self):
        """A line of progress; allocates nothing."""
        lines = self._app.lines
        lines.begin(b"~LEARN ")
        lines.text(b" stage=", _WORDS[self.run.stage])
        self._counts(lines)
        lines.end()

    def _counts(self, lines):
        lines.number(b" n=", self.run.windows)
        lines.number(b" of=", self.run.plan.windows)
        lines.number(b" skipped=", self.run.skipped)

    def stop(self):
        """Give up; what was learned so far is gone."""
        self._end(b"stopped", "stopped")

    def _adopt(self):
        """Run the model, and store it; where either fails, the one before goes on, and stays on flash."""
        app, data = self._app, self.run.model
        self.run.model = b""
        old = app.model
        try:
            model = modelfile.parse(data)
            app.use(model)
            store(self._path, data)
        except (OSError, MemoryError, modelfile.ModelError) as error:
            model, data = None, b""  # room for the one before
            self._bring_back(old)
            self._end(b"failed", "flash" if isinstance(error, OSError) else "memory")
            return
        self._end(b"done", model.identity, model)

    def _bring_back(self, old):
        app = self._app
        gc.collect()
        if app.model is old and (app.detector is not None or old is None):
            return
        try:
            app.use(old)
        except MemoryError:
            pass  # idle, and it says so

    def _end(self, stage, why, model=None):
        app, lines = self._app, self._app.lines
        lines.begin(b"~LEARN ")
        lines.text(b" stage=", stage)
        self._counts(lines)
        if why == "few":
            lines.text(b" mostly=", self.run.worst().encode())
        lines.text(b" model=" if model else b" why=", quote(why).encode())
        lines.end()
        app.end_learning("learned" if model else why, model)


def begin(app, path, **options):
    """Begin to learn, with the options of commissioning.Plan; the app has a LearnSession then.

    Raises ValueError with one word where that cannot be.
    """
    app.learning = None
    gc.collect()
    app.learning = LearnSession(app, commissioning.Plan(app.source, **options), path)
    gc.collect()


class Button:
    """Begins to learn when a button is held. pressed(): whether it is down; options: of begin()."""

    def __init__(self, pressed, path, hold=3000, seconds=USUAL_SECONDS):
        self._pressed = pressed
        self._path = path
        self._hold = hold
        self._seconds = seconds
        self._down = False
        self._since = time.ticks_ms()

    def step(self, app):
        """Look at the button, now and then."""
        down = bool(self._pressed())
        now = time.ticks_ms()
        if not down or not self._down:
            self._since = now
        self._down = down
        if down and app.learning is None and time.ticks_diff(now, self._since) >= self._hold:
            self._since = now
            app.learn(self._path, seconds=self._seconds)
