"""A model that is tried, or that another one is tried beside: it takes every frame, and what comes of it is counted."""

import time

from .detector import Detector
from .examination import GAP, DoubtfulRing, Examination, forget, remembers
from .quality import FIT
from .sensors import COUNTER


class Plan:
    """How a model is tried. test, probation: windows of the new model; alarms: that it may raise more than the old one,
    in either; auto: the board goes on and confirms by its own rule, without a host."""

    def __init__(self, test, probation, alarms, auto):
        self.test = test
        self.probation = probation
        self.alarms = alarms
        self.auto = auto


class Running:
    """A model that scores, and what came of it since begin(): windows, alarms that started, windows above the
    threshold, the last score, microseconds of the slowest window. Taking a frame allocates nothing."""

    def __init__(self, model, source, detector=None, ring=None):
        self.model = model
        self.detector = detector or Detector(model)
        self.ring = ring or DoubtfulRing(model.channels, model.window, model.hop)
        self._source = source
        self._remembers = remembers(model)
        self._examination = Examination(model, source.limits)
        # a window must be scored before the next one is due
        self.period = min(1000000000 // model.rate_millihertz * model.hop, COUNTER)
        self.begin()

    def begin(self):
        """Count from here; an alarm that is on already is one of those that started."""
        self.windows = self.above = self.worst = self.score = 0
        self.alarms = 1 if self.detector.decision.alarm else 0
        self.pass_over_losses()

    def pass_over_losses(self):
        """Samples that were lost up to here are not its fault."""
        self._lost = self._source.lost
        self._overruns = self._source.overruns

    def count(self, changed, spent):
        """A window was scored, by `detector`; changed: its alarm began or ended; spent: us."""
        detector = self.detector
        self.score = detector.score
        self.windows = (self.windows + 1) & COUNTER
        if detector.score >= 256:
            self.above = (self.above + 1) & COUNTER
        if changed and detector.decision.alarm:
            self.alarms = (self.alarms + 1) & COUNTER
        if spent > self.worst:
            self.worst = spent

    def take(self, sampler):
        """Take the frame of a Sampler; True when it completed a window fit for a verdict, which is scored then."""
        ring = self.ring
        if sampler.flags & GAP:
            self.gap()
        if not ring.take(sampler):
            return False
        start = time.ticks_us()
        if ring.reason() != FIT or self._examination.of(ring.frames, ring.first, ring.capacity) != FIT:
            ring.advance()
            if self._remembers:
                forget(self.detector)
            return False
        changed = self.detector.window(ring)
        self.count(changed, time.ticks_diff(time.ticks_us(), start))
        return True

    def gap(self):
        """The next frame does not follow the last one."""
        self.ring.restart()
        if self._remembers:
            forget(self.detector)

    def trouble(self):
        """What rules it out, as a word; empty for nothing."""
        if self.worst > self.period:
            return "timing"
        source = self._source
        return "lost" if source.lost != self._lost or source.overruns != self._overruns else ""
