"""From frames to verdicts: ring, features, score, decision. Nothing is allocated after construction."""

from array import array

from . import families, native
from .features import Features


class Decision:
    """k of n windows start an alarm; hysteresis ends it; hold-off keeps the next one away."""

    def __init__(self, k, n, release, holdoff):
        self.k = k
        self.n = n
        self.release = release
        self.holdoff = holdoff
        self.alarm = False
        self._history = 0
        self._quiet = 0
        self._hold = 0

    def update(self, score):
        """Take the next window's score; True when the alarm has just started or ended."""
        self._history = ((self._history << 1) | (score >= 256)) & ((1 << self.n) - 1)
        if self._hold:
            self._hold -= 1
        if self.alarm:
            self._quiet = self._quiet + 1 if score < self.release else 0
            if self._quiet < self.n:
                return False
            self.alarm = False
            self._hold = self.holdoff
            self._history = 0
            return True
        fired = 0
        rest = self._history
        while rest:
            fired += rest & 1
            rest >>= 1
        if fired < self.k or self._hold:
            return False
        self.alarm = True
        self._quiet = 0
        return True


class Ring:
    """Frames of int16 counts, written at the head by sampling and read in windows by the detector.

    It holds a window and one hop more, so that sampling can go on while a window is being scored.
    """

    def __init__(self, channels, window, hop):
        self.channels = channels
        self.window = window
        self.hop = hop
        self.capacity = window + hop
        self.frames = array("h", [0] * (self.capacity * channels))
        self.first = 0
        self.filled = 0
        self.lost = 0

    def push(self, frame):
        """Take one frame, array('h') [channels]; True when a window is complete.

        A full ring drops its oldest hop, and counts it as lost.
        """
        if self.filled == self.capacity:
            self.lost = (self.lost + self.hop) & 0x3FFFFFFF
            self.advance()
        at = self.first + self.filled
        if at >= self.capacity:
            at -= self.capacity
        at *= self.channels
        for i in range(self.channels):
            self.frames[at + i] = frame[i]
        self.filled += 1
        return self.filled >= self.window

    def advance(self):
        """Go on to the next window."""
        self.first += self.hop
        if self.first >= self.capacity:
            self.first -= self.capacity
        self.filled -= self.hop


class Detector:
    """Scores windows with a model, and decides."""

    def __init__(self, model):
        self.model = model
        self.scorer = families.module(model.family).Scorer(model.parameters, len(model.features))
        self.stateful = len(model.baseline) > 0 or hasattr(self.scorer, "reset")
        if native.has(model.family):
            self.features = native.Features(model, self.scorer.room())
            self.scorer = native.Scorer(self.features)
        else:
            self.features = Features(model, self.scorer.room())  # type: ignore[assignment]
        self.decision = Decision(*model.decision)
        self.score = 0

    def reset(self):
        """Forget what a score remembers of the windows before it; the decision stays."""
        self.features.reset()
        if hasattr(self.scorer, "reset"):
            self.scorer.reset()

    def measure(self, frames, first, capacity):
        """Features and score of a window of frames, without a decision; returns the score.

        A stateful model takes it as the one that follows the last."""
        self.features.compute(frames, first, capacity)
        return self.judge()

    def judge(self):
        """Score the features that were computed last; returns the score."""
        self.features.standardize()
        self.score = self.scorer.score(self.features.vector)
        return self.score

    def window(self, ring):
        """Score the ring's oldest window, advance the ring, decide; True when the alarm state changed."""
        self.measure(ring.frames, ring.first, ring.capacity)
        ring.advance()
        return self.decision.update(self.score)

    def reasons(self, most, indices, values):
        """The features with the largest positive contributions to the last score, largest first.

        Fills indices and values (arrays of at least `most` words) and returns how many there are.
        """
        self.scorer.explain(self.features.vector)
        found = 0
        for j in range(self.features.count):
            value = self.scorer.contribution(self.features.vector, j)
            if value <= 0:
                continue
            at = found if found < most else most
            while at > 0 and values[at - 1] < value:
                if at < most:
                    values[at] = values[at - 1]
                    indices[at] = indices[at - 1]
                at -= 1
            if at < most:
                values[at] = value
                indices[at] = j
                if found < most:
                    found += 1
        return found
