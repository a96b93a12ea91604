"""From running sums to a Gaussian's integers, on the board or under CPython: the same integers on both.

Nothing here is a float: boards have floats of 32 or of 64 bits, or none. Integers are as wide as they have to be, which
takes some heap; it runs once, between two periods of learning, a row at a time.
"""

import struct
from array import array

_Q = 40
_ONE = 1 << _Q
_DEVIATION = 8  # bits behind the point of a deviation
_LONGEST_ROW = 65535
_COARSER = 1  # bit: whitened scores in 1/64, as the trainer's


def root(value):
    """Floor of the square root of an integer of any size (Newton's method, from above)."""
    if value < 1:
        return 0
    found = 1
    while found * found <= value:
        found <<= 1
    while True:
        better = (found + value // found) >> 1
        if better >= found:
            return found
        found = better


def reduce_and_gain(threshold):
    """Integer scale that takes a squared distance of `threshold` to a score of 256: (reduce, gain <= 32767).

    reduce leaves 9 to 10 bits of the threshold, so the score resolves about a part in a thousand and saturates at
    32 to 64 times the threshold.
    """
    threshold = max(int(threshold), 256)
    reduce = 0
    while threshold >> reduce > 1023:
        reduce += 1
    return reduce, min(((256 << (15 + reduce)) + threshold // 2) // threshold, 32767)


def sine_section(window):
    """The sine table of a window, as the model file holds it: int16 [window/4 + 1], Q14; by Taylor's series."""
    pi = 884279719003555  # in Q48
    section = b""
    for k in range(window // 4 + 1):
        angle = 2 * pi * k // window
        total = term = angle
        n = 1
        while term:
            term = -((term * angle >> 48) * angle >> 48) // ((n + 1) * (n + 2))
            n += 2
            total += term
            if -2 < term < 2:
                break
        section += struct.pack("<h", (total + (1 << 33)) >> 34)
    return section


class GaussianFit:
    """Scales and whitening of the features whose sums a moments.Moments holds.

    least: the smallest deviation to assume of each feature, in its own unit; wandering: of which features the
    deviation is at least half the range, for they wander slowly and a period shows a part of the way only; hop, window:
    samples, by which windows overlap. Run steps() to its end, after the last window; then there are
    standardize: the section of that name; weights, shifts: of the whitening; parameters(threshold): the section of the
    gaussian.
    """

    def __init__(self, moments, least, wandering, hop, window):
        self._moments = moments
        self._count = moments.count
        self._least = least
        self._wandering = wandering
        self._hop = hop
        self._window = window
        self._multipliers = []
        self._shifts = []
        self.standardize = b""
        count = moments.count
        self._factor = array("q", [0] * (count * (count + 1) // 2))  # Q40, lower triangle by rows
        self.weights = b""
        self.shifts = bytearray((count + 3) // 4 * 4)

    def steps(self):
        """A generator of the work: each turn is a row, milliseconds on a board."""
        count = self._count
        for j in range(count):
            self._scale(j)
        yield
        trace = square = 0
        for i in range(count):
            row = self._row(i)
            trace += row[i]
            square += 2 * sum([x * x >> _Q for x in row]) - (row[i] * row[i] >> _Q)
            yield
        shrinkage = self._shrinkage(trace, square)
        mean = trace // count
        # the floor that the trainer puts under the variances of combinations that never moved
        ridge = (shrinkage * mean >> _Q) + mean // 100000 + _ONE // 1000000
        for i in range(count):
            row = [x * (_ONE - shrinkage) >> _Q for x in self._row(i)]
            row[i] += ridge
            self._whiten(i, row)
            self._quantize(i)
            yield
        del self._moments, self._factor

    def _scale(self, j):
        """The integer scale of a feature: 128 units a standard deviation. Same rule as the trainer's, in integers."""
        moments = self._moments
        windows = moments.windows
        variance = (moments.scatter(j, j) << (2 * (moments.unit(j) + _DEVIATION))) // (windows * windows)
        deviation = max(root(variance), self._least[j] << _DEVIATION)
        if j in self._wandering:
            deviation = max(deviation, (moments.most[j] - moments.least[j]) << (_DEVIATION - 1))
        first = 0
        while first < 15 and deviation > (32767 * 4) << first:
            first += 1
        second = 1
        while second < 15 and 1 << (15 + first + second + 1) <= 16383 * deviation:
            second += 1
        multiplier = min(((1 << (15 + first + second)) + deviation // 2) // deviation, 16383)
        self.standardize += struct.pack("<iHBB", moments.centre(j), multiplier, first, second)
        self._multipliers.append(multiplier)
        self._shifts.append(first + second)

    def _row(self, i):
        """Covariances of the standard scores i with those up to i, in deviations squared, Q40."""
        moments = self._moments
        squared = moments.windows * moments.windows
        row = []
        for j in range(i + 1):
            scatter = moments.scatter(i, j) * self._multipliers[i] * self._multipliers[j]
            up = _Q - 14 + moments.unit(i) + moments.unit(j)
            row.append((scatter << up) // (squared << (self._shifts[i] + self._shifts[j])))
        return row

    def _shrinkage(self, trace, square):
        """Share of a sphere in the covariance, Q40: oracle approximating shrinkage (Y. Chen, A. Wiesel, Y. C. Eldar,
        A. O. Hero: Shrinkage algorithms for MMSE covariance estimation, IEEE Transactions on Signal Processing 58,
        2010, equation 23), which needs nothing beyond the covariance itself. trace, square: of the covariance and of
        its square, Q40."""
        count = self._count
        windows = max(self._moments.windows * self._hop // self._window, 2)  # that do not overlap
        squared_trace = trace * trace >> _Q
        above = (count - 2) * square + count * squared_trace
        below = ((windows + 1) * count - 2) * (square - squared_trace // count)
        if below <= 0 or above >= below:
            return _ONE
        return (above << _Q) // below

    def _whiten(self, i, row):
        """Row i of the inverse Cholesky factor, from its rows before and row i of the covariance."""
        factor = self._factor
        left = []
        rest = row[i]
        at = 0
        for k in range(i):
            total = 0
            for j in range(k + 1):
                total += row[j] * factor[at + j]
            at += k + 1
            total >>= _Q
            left.append(total)
            rest -= total * total >> _Q
        scale = (1 << (2 * _Q)) // root(max(rest, _ONE // 1000000) << _Q)
        for j in range(i):
            total = 0
            for k in range(j, i):
                total += left[k] * factor[k * (k + 1) // 2 + j]
            factor[at + j] = -(total * scale >> (2 * _Q))
        factor[at + i] = scale

    def _quantize(self, i):
        """Row i as int16 and a shift, so that no sum can overflow."""
        at = i * (i + 1) // 2
        row = self._factor[at : at + i + 1]
        largest = total = 0
        for x in row:
            size = -x if x < 0 else x
            total += size
            if size > largest:
                largest = size
        shift = 24 - _COARSER
        while shift > 6 - _COARSER and (
            largest << shift > 32767 << _Q or total << shift > (_LONGEST_ROW - self._count) << _Q
        ):
            shift -= 1
        self.shifts[i] = shift + _COARSER
        for x in row:
            self.weights += struct.pack("<h", ((x << shift) + (_ONE >> 1)) >> _Q)

    def parameters(self, threshold):
        """The gaussian's section of a model file, with score 256 at this squared distance (Q12)."""
        reduce, gain = reduce_and_gain(threshold)
        head = struct.pack("<HHHH", self._count, 0, reduce, gain)
        return head + bytes(self.shifts) + self.weights
