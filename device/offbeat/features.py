"""Features of the window that lies in a ring of frames. Arithmetic: docs/pipeline.md.

Nothing is allocated after construction.
"""

from array import array

from . import tables
from .kernels import (
    band,
    correlate,
    crossings,
    log2_q10,
    normalise,
    power,
    reorder,
    scan,
    square_root,
    standardize,
    sum_of,
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
_MEAN, _UP, _DOWN, _SHIFT = const(8), const(9), const(10), const(11)
_ENERGY, _FOURTH, _PEAK = const(12), const(13), const(14)
_STATES = const(15)
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
        self._samples = array("H", [0] * self.window)
        self._state = self._new_state()
        self._other_samples = array("H")
        self._other_state = array("i")
        for feature in model.features:
            if feature[0] >= _CORRELATION and not len(self._other_state):
                self._other_state = self._new_state()
            if feature[0] == _CORRELATION and not len(self._other_samples):
                self._other_samples = array("H", [0] * self.window)
        self._slew = typed(model.baseline)
        self.baseline = array("i", [0] * (len(model.baseline) // 2))
        self._log_window = log2_q10(self.window, tables.LOG2)
        self._log_steps = log2_q10(self.window - 1, tables.LOG2)
        self._mean = 0
        self._exponent = 0
        self._silent = False
        self._height = 0
        self._log_energy = 0

    def _new_state(self):
        state = array("i", [0] * _STATES)
        state[_CHANNELS] = self.channels
        state[_WINDOW] = self.window
        state[_SHIFT] = (_bit_length(self.window - 1) + 10) >> 1
        return state

    def reset(self):
        """Forget the baseline, as after a restart."""
        for j in range(len(self.baseline)):
            self.baseline[j] = 0

    def compute(self, ring, first, capacity):
        """Features of the window that starts at frame `first` of a ring of `capacity` frames."""
        state = self._state
        state[_START] = first
        state[_CAPACITY] = capacity
        descriptors = self.descriptors
        values = self.values
        channel = -1
        spectrum = False
        for i in range(self.count):
            at = 4 * i
            kind = descriptors[at]
            if descriptors[at + 1] != channel:
                channel = descriptors[at + 1]
                spectrum = False
                self._measure(ring, channel)
            if kind < _BAND:
                values[i] = self._feature(ring, kind)
            elif kind == _BAND:
                if not spectrum and not self._silent:
                    self._spectrum()
                    spectrum = True
                values[i] = self._band(descriptors[at + 2], descriptors[at + 3])
            elif kind == _CORRELATION:
                values[i] = self._correlation(ring, descriptors[at + 2])
            elif kind == _CHANGE:
                values[i] = self._change(ring, channel, descriptors[at + 2])

    def standardize(self):
        """Standard scores of the features less their baseline, into `vector`."""
        standardize(self.scales, self.count, self.values, self.vector)
        if len(self.baseline):
            without_baseline(self.vector, self._slew, self.baseline, self.count)

    def _measure(self, ring, channel):
        """Centre a channel and scale it to 13 bits, into `_samples`."""
        state = self._state
        self._height = self._normalise(ring, channel, state, self._samples)
        self._mean = state[_MEAN] - 524288
        self._exponent = state[_UP] - state[_DOWN]
        self._silent = self._height == 0
        self._log_energy = log2_q10(state[_ENERGY], tables.LOG2)

    def _normalise(self, ring, channel, state, samples):
        """Normalise one channel of the window, + 32768 each; returns its peak to peak in 1/16 count."""
        state[_CHANNEL] = channel
        window = self.window
        total = scan(ring, state[_START], samples, state)
        quotient = total // window
        rest = total - quotient * window
        mean = (quotient - 32768) * 16 + (16 * rest + window // 2) // window
        highest = (state[_HIGHEST] - 32768) * 16 - mean
        lowest = (state[_LOWEST] - 32768) * 16 - mean
        largest = highest if highest > -lowest else -lowest
        exponent = 13 - _bit_length(largest)
        up = exponent if exponent > 0 else 0
        down = -exponent if exponent < 0 else 0
        state[_MEAN] = mean + 524288
        state[_UP] = up
        state[_DOWN] = down
        half = (1 << down) >> 1
        above = ((highest << up) + half) >> down
        below = ((lowest << up) + half) >> down
        state[_PEAK] = above if above > -below else -below
        normalise(samples, window, state)
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
        own_up = _doublings(own[_ENERGY])
        other_up = _doublings(other[_ENERGY])
        roots = square_root(_shifted(own[_ENERGY], 2 * own_up)) * square_root(_shifted(other[_ENERGY], 2 * other_up))
        product = correlate(self._samples, 0, self._other_samples, self.window)
        size = _shifted(product if product >= 0 else -product, own_up + other_up)
        value = size // (roots >> 12)
        if value > 4096:
            value = 4096
        return value if product >= 0 else -value

    def _spectrum(self):
        samples, sine, window = self._samples, self.sine, self.window
        quarter = window >> 2
        weigh(window, quarter, samples, sine)
        reorder(window >> 1, 0, samples)
        transform(window, quarter, samples, sine)
        power(window, quarter, samples, sine)

    def _change(self, ring, channel, count):
        """Mean of the last samples less that of as many before, in 1/16 count."""
        other = self._other_state
        capacity = self._state[_CAPACITY]
        other[_CAPACITY] = capacity
        other[_CHANNEL] = channel
        other[_WINDOW] = count
        difference = 0
        for before in range(2):
            at = self._state[_START] + self.window - (1 + before) * count
            total = sum_of(ring, at - capacity if at >= capacity else at, other)
            difference = difference - total if before else total
        size = difference if difference >= 0 else -difference
        size = (16 * size + count // 2) // count
        return size if difference >= 0 else -size

    def _band(self, first, bins):
        if self._silent:
            return _FLOOR
        total = band(self._samples, 0, first, bins)
        return log2_q10(total, tables.LOG2) - 2048 * self._exponent - 13312

    def _feature(self, ring, kind):
        state = self._state
        if kind == 0:
            return self._mean
        if kind == 6:
            return crossings(ring, state[_START], state)
        if kind == 5:
            total = state[_DIFFERENCES]
            if total == 0:
                return _FLOOR
            return log2_q10(total, tables.LOG2) - self._log_steps
        if self._silent:
            return _FLOOR if kind < 3 else 0
        if kind == 1:
            return (self._log_energy - self._log_window - 2048 * self._exponent - 1024) >> 1
        if kind == 2:
            return log2_q10(self._height, tables.LOG2) - 4096
        if kind == 3:
            peak = log2_q10(state[_PEAK], tables.LOG2)
            return peak - ((self._log_energy + 7168 - self._log_window) >> 1)
        fourth = log2_q10(state[_FOURTH], tables.LOG2)
        return fourth + self._log_window + 2048 * state[_SHIFT] - 2 * self._log_energy


def _bit_length(value):
    bits = 0
    while value > 15:
        value >>= 4
        bits += 4
    while value:
        value >>= 1
        bits += 1
    return bits


def _doublings(energy):
    """How often an energy's square root is to be doubled, or halved where negative, to have 14 bits."""
    return (28 - _bit_length(energy)) >> 1


def _shifted(value, up):
    return value << up if up >= 0 else value >> -up
