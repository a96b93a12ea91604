"""Raw frames around alarms, in memory that is taken once: kept on the board until a host asks for them.

Nothing is allocated after construction but by what answers a host.
"""

import gc
from array import array

from .sensors import COUNTER

MOST_KEPT = 2
"""Alarms of which frames are kept where nobody says how many; the oldest makes room."""

_SHARE = 4  # of the free heap, at most one part for what nobody asked for
_STATE, _NUMBER, _WINDOW, _UPTIME, _SCORE, _FIRST, _FRAMES, _AFTER = range(8)
_WORDS = 8
_EMPTY, _ACTIVE, _KEPT = range(3)


class Evidence:
    """Keeps the frames of the last alarms. channels; before, after: frames up to the last one of the window that raised
    the alarm, and behind it; alarms: how many alarms, of which one buffer more is taken, for what comes next.

    Frames of one alarm follow one another without a gap: one that samples are lost in begins, or ends, there.
    """

    def __init__(self, channels, before, after, alarms):
        self.channels = channels
        self.raised = 0
        self._after = after
        self._capacity = before + after
        self._frames = [array("h", bytes(2 * channels * self._capacity)) for _ in range(alarms + 1)]
        self._about = [array("i", [0] * _WORDS) for _ in range(alarms + 1)]
        self._active = 0
        self._at = 0
        self._filled = 0
        self._left = 0

    def is_for(self, model):
        """Whether a window of this model, with what is kept around it, has the size that was taken."""
        size = 3 * model.hop + model.window
        return (model.channels, model.hop, size) == (self.channels, self._after, self._capacity)

    def take(self, frame):
        """Take a frame, array('h') [channels]."""
        buffer = self._frames[self._active]
        at = self._at
        word = at * self.channels
        for value in frame:
            buffer[word] = value
            word += 1
        at += 1
        self._at = at if at < self._capacity else 0
        if self._filled < self._capacity:
            self._filled += 1
        if self._left:
            self._left -= 1
            if not self._left:
                self._keep()

    def gap(self):
        """The next frame does not follow the last one."""
        if self._left:
            self._keep()
        self._filled = 0

    def alarm(self, window, uptime, score):
        """The window that ends with the last frame has raised an alarm; one that comes while the frames behind another
        are being taken is part of that one."""
        if self._left:
            return
        self.raised = (self.raised + 1) & COUNTER
        about = self._about[self._active]
        about[_STATE] = _ACTIVE
        about[_NUMBER] = self.raised
        about[_WINDOW] = window
        about[_UPTIME] = uptime
        about[_SCORE] = score
        self._left = self._after

    def _keep(self):
        about = self._about[self._active]
        about[_STATE] = _KEPT
        about[_FRAMES] = self._filled
        about[_FIRST] = (self._at - self._filled) % self._capacity
        about[_AFTER] = self._after - self._left
        self._left = 0
        self._active = self._active + 1 if self._active + 1 < len(self._about) else 0
        self._about[self._active][_STATE] = _EMPTY
        self._at = 0
        self._filled = 0

    def kept(self):
        """Numbers of the alarms whose frames are kept, in order of time; allocates."""
        return sorted(about[_NUMBER] for about in self._about if about[_STATE] == _KEPT)

    def about(self, number):
        """(window, uptime in s, score, frames, frames behind the alarm's window) of a kept alarm; None of another;
        allocates."""
        slot = self._slot(number)
        if slot < 0:
            return None
        about = self._about[slot]
        return about[_WINDOW], about[_UPTIME], about[_SCORE], about[_FRAMES], about[_AFTER]

    def read(self, number, first, most):
        """Up to `most` frames from number `first` on, as bytes, or None of an alarm that is not kept; allocates."""
        slot = self._slot(number)
        if slot < 0:
            return None
        about, frames = self._about[slot], self._frames[slot]
        count = max(0, min(most, about[_FRAMES] - first))
        at = (about[_FIRST] + first) % self._capacity
        words = array("h")
        for n in range(count):
            word = (at + n) % self._capacity * self.channels
            words.extend(frames[word : word + self.channels])
        return bytes(words)

    def _slot(self, number):
        for slot in range(len(self._about)):
            if self._about[slot][_STATE] == _KEPT and self._about[slot][_NUMBER] == number:
                return slot
        return -1


def evidence_for(model, alarms=None):
    """Evidence for the alarms of a model, or None: of as many alarms as asked for, as far as there is memory, or as a
    quarter of the free heap holds, MOST_KEPT at most.

    Of each there is the alarm's window and two hops before it, one hop behind it.
    """
    before, after = model.window + 2 * model.hop, model.hop
    if alarms is None:
        gc.collect()
        room = gc.mem_free() // _SHARE
        alarms = min(room // (2 * model.channels * (before + after)) - 1, MOST_KEPT)
    while alarms > 0:
        try:
            return Evidence(model.channels, before, after, alarms)
        except MemoryError:
            alarms -= 1
    return None
