"""Features of the window that lies in a ring of frames. Arithmetic: docs/pipeline.md.

Nothing is allocated after construction.
"""

from array import array

from . import tables
from .kernels import (
    band,
    correlate,
    log2_q10,
    normalise,
    power,
    reorder,
    scan,
    square_root,
    standardize,
    transform,
    typed,
    weigh,
    without_baseline,
)  # fmt: skip

try:
    from micropython import const
except ImportError:

    def const(value):  # type: ignore[misc]
        return value


_START, _CAPACITY, _CHANNELS, _CHANNEL, _WINDOW = const(0), const(1), const(2), const(3), const(4)
_HIGHEST, _LOWEST, _DIFFERENCES = const(5), const(6), const(7)
_MEAN, _UP, _DOWN = const(8), const(9), const(10)
_CROSSINGS, _ENERGY, _FOURTH, _PEAK = const(11), const(12), const(14), const(16)
_STATES = const(17)
_PRODUCT, _NEGATIVE = const(5), const(7)
_BAND, _CORRELATION, _CHANGE = const(7), const(8), const(9)
_FLOOR = const(-20480)


class Features:
    """Computes the features of a model.

    values: array('i') [F], the features of the window computed last;
    vector: array('h'), their standard scores in Q7 after standardize(), then room for the family.
    """

    def __init__(self, model, room):
        self.window = model.window
        self.channels = model.channels
        self.count = len(model.features)
        self.descriptors = array("H")
        for feature in model.features:
            self.descriptors.extend(array("H", feature))
        self.sine = typed(model.sine)
        self.scales = typed(model.standardize)
        self.values = array("i", [0] * self.count)
        self.vector = array("h", [0] * max(room, self.count))
        self._samples = array("h", [0] * self.window)
        self._state = self._new_state()
        self._other_samples = array("h")
        self._other_state = array("i")
        for feature in model.features:
            if feature[0] >= _CORRELATION and not len(self._other_state):
                self._other_state = self._new_state()
            if feature[0] == _CORRELATION and not len(self._other_samples):
                self._other_samples = array("h", [0] * self.window)
        self._slew = typed(model.baseline)
        self._baseline = array("i", [0] * (len(model.baseline) // 2))
        self._log_window = log2_q10(0, self.window, tables.LOG2)
        self._log_steps = log2_q10(0, self.window - 1, tables.LOG2)
        self._mean = 0
        self._exponent = 0
        self._silent = False
        self._height = 0
        self._log_energy = 0

    def _new_state(self):
        state = array("i", [0] * _STATES)
        state[_CHANNELS] = self.channels
        state[_WINDOW] = self.window
        return state

    def reset(self):
        """Forget the baseline, as after a restart."""
        for j in range(len(self._baseline)):
            self._baseline[j] = 0

    def compute(self, ring, first, capacity):
        """Features of the window that starts at frame `first` of a ring of `capacity` frames."""
        state = self._state
        state[_START] = first
        state[_CAPACITY] = capacity
        descriptors = self.descriptors
        channel = -1
        spectrum = False
        for i in range(self.count):
            at = 4 * i
            if descriptors[at + 1] != channel:
                channel = descriptors[at + 1]
                spectrum = False
                self._measure(ring, channel)
            if descriptors[at] == _CORRELATION:
                self.values[i] = self._correlation(ring, descriptors[at + 2])
            elif descriptors[at] == _CHANGE:
                self.values[i] = self._change(ring, channel, descriptors[at + 2])
            elif descriptors[at] == _BAND:
                if not spectrum and not self._silent:
                    self._spectrum()
                    spectrum = True
                self.values[i] = self._band(descriptors[at + 2], descriptors[at + 3])
            else:
                self.values[i] = self._feature(descriptors[at])

    def standardize(self):
        """Standard scores of the features less their baseline, into `vector`."""
        standardize(self.values, self.scales, self.vector, self.count)
        if len(self._baseline):
            without_baseline(self.vector, self._slew, self._baseline, self.count)

    def _measure(self, ring, channel):
        """Centre a channel and scale it to 13 bits, into `_samples`."""
        state = self._state
        self._height = self._normalise(ring, channel, state, self._samples)
        self._mean = state[_MEAN] - 524288
        self._exponent = state[_UP] - state[_DOWN]
        self._silent = self._height == 0
        self._log_energy = log2_q10(state[_ENERGY], state[_ENERGY + 1], tables.LOG2)

    def _normalise(self, ring, channel, state, samples):
        """Normalise one channel of the window; returns its peak to peak in 1/16 count."""
        state[_CHANNEL] = channel
        window = self.window
        total = scan(ring, state)
        quotient = total // window
        rest = total - quotient * window
        mean = (quotient - 32768) * 16 + (16 * rest + window // 2) // window
        highest = (state[_HIGHEST] - 32768) * 16 - mean
        lowest = (state[_LOWEST] - 32768) * 16 - mean
        largest = highest if highest > -lowest else -lowest
        bits = 0
        while largest >> bits:
            bits += 1
        exponent = 13 - bits
        state[_MEAN] = mean + 524288
        state[_UP] = exponent if exponent > 0 else 0
        state[_DOWN] = -exponent if exponent < 0 else 0
        normalise(ring, samples, state)
        return highest - lowest

    def _correlation(self, ring, channel):
        """Correlation with another channel, 4096 = 1; the samples must not be a spectrum yet."""
        own, other = self._state, self._other_state
        other[_START] = own[_START]
        other[_CAPACITY] = own[_CAPACITY]
        other[_WINDOW] = self.window
        height = self._normalise(ring, channel, other, self._other_samples)
        if self._silent or height == 0:
            return 0
        own_half = _halvings(own)
        other_half = _halvings(other)
        roots = square_root(_quartered(own, own_half)) * square_root(_quartered(other, other_half))
        correlate(self._samples, self._other_samples, other)
        down = own_half + other_half
        size = (other[_PRODUCT] << (16 - down)) | (other[_PRODUCT + 1] >> down)
        value = size // (roots >> 12)
        if value > 4096:
            value = 4096
        return -value if other[_NEGATIVE] else value

    def _spectrum(self):
        samples, sine, window = self._samples, self.sine, self.window
        weigh(samples, sine, window)
        reorder(samples, window >> 1)
        transform(samples, sine, window)
        power(samples, sine, window)

    def _change(self, ring, channel, count):
        """Mean of the last samples less that of as many before, in 1/16 count."""
        other = self._other_state
        other[_CAPACITY] = self._state[_CAPACITY]
        other[_CHANNEL] = channel
        other[_WINDOW] = count
        difference = 0
        for before in range(2):
            at = self._state[_START] + self.window - (1 + before) * count
            other[_START] = at - other[_CAPACITY] if at >= other[_CAPACITY] else at
            total = scan(ring, other)
            difference = difference - total if before else total
        size = difference if difference >= 0 else -difference
        size = (16 * size + count // 2) // count
        return size if difference >= 0 else -size

    def _band(self, first, bins):
        if self._silent:
            return _FLOOR
        total = band(self._samples, first, bins)
        return log2_q10(total >> 16, total & 0xFFFF, tables.LOG2) - 2048 * self._exponent - 11264

    def _feature(self, kind):
        state = self._state
        if kind == 0:
            return self._mean
        if kind == 6:
            return state[_CROSSINGS]
        if kind == 5:
            total = state[_DIFFERENCES]
            if total == 0:
                return _FLOOR
            return log2_q10(total >> 16, total & 0xFFFF, tables.LOG2) - self._log_steps
        if self._silent:
            return _FLOOR if kind < 3 else 0
        if kind == 1:
            return (self._log_energy - self._log_window - 2048 * self._exponent - 8192) >> 1
        if kind == 2:
            return log2_q10(self._height >> 16, self._height & 0xFFFF, tables.LOG2) - 4096
        if kind == 3:
            peak = log2_q10(0, state[_PEAK], tables.LOG2)
            return peak - ((self._log_energy - self._log_window) >> 1)
        fourth = log2_q10(state[_FOURTH], state[_FOURTH + 1], tables.LOG2)
        return fourth + self._log_window + 24576 - 2 * self._log_energy


def _halvings(state):
    """How often an energy's square root is to be halved to have 14 bits at most."""
    bits = 0
    rest = state[_ENERGY]
    while rest:
        bits += 1
        rest >>= 1
    return (bits + 16 - 27) >> 1 if bits + 16 > 27 else 0


def _quartered(state, half):
    """An energy over 4**half, below 2**28."""
    return (state[_ENERGY] << (16 - 2 * half)) | (state[_ENERGY + 1] >> (2 * half))
