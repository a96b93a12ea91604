"""Looks at the samples of a window before it is scored: is a channel clipped, or stuck? The rule is that of quality."""

from array import array

from .kernels import VIPER
from .quality import CLIPPED, FIT, LIMITS, STUCK, clipped, must_move_in

if VIPER:
    from .examination_viper import ends
else:
    from .examination_bytecode import ends

_MOVES = 1 << 15


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
