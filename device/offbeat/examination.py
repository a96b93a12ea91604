"""Whether the windows in a ring are fit for a verdict, by the rule of quality.

Nothing is allocated after construction.
"""

from array import array

from . import families
from .detector import Ring
from .kernels import VIPER
from .quality import BUS, CLIPPED, FIT, JITTER, LIMITS, REASONS, STUCK, clipped, must_move_in
from .sensors import BUS as BUS_FLAG
from .sensors import LATE as LATE_FLAG
from .sensors import LOST as LOST_FLAG
from .sensors import RESTARTED as RESTARTED_FLAG

if VIPER:
    from .examination_viper import ends
else:
    from .examination_bytecode import ends

GAP = LOST_FLAG | RESTARTED_FLAG
"""Flags of a frame that does not follow the one before it."""

_MOVES = 1 << 15


class DoubtfulRing(Ring):
    """A ring of which frames can be doubted, for a bus that failed or a sample that came late: no window with one is
    fit for a verdict."""

    def __init__(self, channels, window, hop):
        Ring.__init__(self, channels, window, hop)
        self._doubts = array("i", [0] * len(REASONS))  # for each reason, frames up to the last one doubted for it

    def take(self, sampler):
        """Push the frame that a sampling.Sampler has taken, doubted for what its flags say; True when a window is
        complete. Behind a gap call restart() first."""
        complete = self.push(sampler.frame)
        flags = sampler.flags
        if flags & BUS_FLAG and not flags & GAP:  # else it failed before this frame, with which all begins anew
            self.doubt(BUS)
        if flags & LATE_FLAG:
            self.doubt(JITTER)
        return complete

    def doubt(self, reason):
        """Doubt the frame that was pushed last. reason: a place of quality.REASONS."""
        self._doubts[reason] = self.filled

    def reason(self):
        """For what the oldest window is doubted: a place of quality.REASONS, FIT for nothing."""
        for reason in range(len(REASONS)):
            if self._doubts[reason] > 0:
                return reason
        return FIT

    def advance(self):
        """Go on to the next window."""
        Ring.advance(self)
        for reason in range(len(REASONS)):
            self._doubts[reason] -= self.hop

    def restart(self):
        """Forget the frames: those that follow come after a gap, and no window spans one."""
        self.filled = 0
        for reason in range(len(REASONS)):
            self._doubts[reason] = 0


def remembers(model):
    """Whether the score of a window depends, beside the slow baseline, on the windows before it."""
    return hasattr(families.module(model.family).Scorer, "reset")


def forget(detector):
    """Behind a window without verdict: the next one does not follow the last. The slow baseline stays, and so does the
    decision; where the C runtime scores a family that remembers, it forgets the baseline too."""
    if hasattr(detector.scorer, "reset"):
        detector.scorer.reset()
    else:
        detector.features.reset()


class Examination:
    """Looks at windows in a ring of frames. model: parsed; limits: of the source, (lowest, highest) of each channel.

    channel: where the last window was clipped or stuck, else -1. Nothing is allocated after construction.
    """

    def __init__(self, model, limits):
        self.channel = -1
        self._window = model.window
        self._channels = model.channels
        self._must_move = bytearray(must_move_in(model))
        self._lowest = array("i", [max(low, LIMITS[0]) + 32768 for low, _ in limits])
        self._highest = array("i", [min(high, LIMITS[1]) + 32768 for _, high in limits])
        self._state = array("i", [model.channels, 0, model.window, 0, 0])

    def watch(self, channel):
        """From here on this channel is stuck where it stands still."""
        self._must_move[channel] = 1

    def of(self, frames, first, capacity):
        """CLIPPED, STUCK or FIT: what the samples of the window say that starts at frame `first` of a ring."""
        state = self._state
        stuck = -1
        for channel in range(self._channels):
            state[1] = channel
            state[3] = self._lowest[channel]
            state[4] = self._highest[channel]
            found = ends(first, capacity, frames, state)
            if clipped(found & (_MOVES - 1), self._window):
                self.channel = channel
                return CLIPPED
            if not found & _MOVES and self._must_move[channel] and stuck < 0:
                stuck = channel
        self.channel = stuck
        return FIT if stuck < 0 else STUCK
