"""Running sums of features and of their products: means and covariances of any number of windows, in small integers.

Sums are kept, not means: of integers they are exact, so nothing drifts, and the order of windows does not matter. What
is summed is the difference from the first window's features (T. F. Chan, G. H. Golub, R. J. LeVeque: Algorithms for
computing the sample variance, The American Statistician 37, 1983, "shifted data"), which keeps the numbers small. Where
a difference or a sum of squares grows beyond its word, that feature is summed in units twice as large from there on.
"""

from array import array

from .kernels import VIPER

if VIPER:
    from .moments_viper import add_products
else:
    from .moments_bytecode import add_products

_LARGEST = 32767  # a product of two stays below 2**30
_FULL = 1 << 29  # of a sum of squares' high word: the products of two features are no larger (Cauchy-Schwarz)


class Moments:
    """Sums over windows of `count` features; add() allocates nothing.

    windows: how many there were; least, most: array('i') [F], the extremes of each feature. A sum is
    high * 2**15 + low, in units of 2**shift of its features.
    """

    def __init__(self, count):
        self.count = count
        self.windows = 0
        self.least = array("i", [0] * count)
        self.most = array("i", [0] * count)
        self._first = array("i", [0] * count)
        self._shift = array("i", [0] * count)
        self._difference = array("h", [0] * count)
        self._high = array("i", [0] * count)
        self._low = array("i", [0] * count)
        pairs = count * (count + 1) // 2  # the lower triangle by rows
        self._product_high = array("i", [0] * pairs)
        self._product_low = array("H", [0] * pairs)

    def clear(self):
        """Begin anew; allocates nothing."""
        self.windows = 0
        for j in range(self.count):
            self._shift[j] = self._high[j] = self._low[j] = 0
        for at in range(len(self._product_high)):
            self._product_high[at] = self._product_low[at] = 0

    def add(self, values):
        """Take the features of a window, array('i') [F]."""
        if not self.windows:
            for j in range(self.count):
                self._first[j] = self.least[j] = self.most[j] = values[j]
        difference, first, shifts = self._difference, self._first, self._shift
        for j in range(self.count):
            value = values[j]
            if value < self.least[j]:
                self.least[j] = value
            if value > self.most[j]:
                self.most[j] = value
            value -= first[j]
            shift = shifts[j]
            x = (value + ((1 << shift) >> 1)) >> shift
            while not -_LARGEST <= x <= _LARGEST:
                self._coarsen(j)
                shift += 1
                x = (value + ((1 << shift) >> 1)) >> shift
            difference[j] = x
        self._add_differences()
        add_products(difference, self._product_high, self._product_low, self.count)
        at = 0
        for j in range(self.count):
            at += j
            if self._product_high[at + j] >= _FULL:
                self._coarsen(j)
        self.windows += 1

    def _add_differences(self):
        difference, high, low = self._difference, self._high, self._low
        for j in range(self.count):
            total = low[j] + difference[j]
            low[j] = total & 0x7FFF
            high[j] += total >> 15

    def _coarsen(self, j):
        """Double the unit of feature j."""
        self._shift[j] += 1
        self._low[j] = (self._low[j] >> 1) | ((self._high[j] & 1) << 14)
        self._high[j] >>= 1
        for k in range(self.count):
            a, b = (j, k) if k < j else (k, j)
            at = a * (a + 1) // 2 + b
            for _ in range(2 if k == j else 1):
                self._product_low[at] = (self._product_low[at] >> 1) | ((self._product_high[at] & 1) << 14)
                self._product_high[at] >>= 1

    def unit(self, j):
        """The shift of feature j's unit: its sums are in units of 2**shift."""
        return self._shift[j]

    def centre(self, j):
        """The mean of feature j, rounded half up."""
        total = self._sum(j) << self._shift[j]
        return self._first[j] + (2 * total + self.windows) // (2 * self.windows)

    def scatter(self, j, k):
        """W**2 times the covariance of features j and k over W windows, in their units; a wide integer."""
        if k > j:
            j, k = k, j
        at = j * (j + 1) // 2 + k
        products = (self._product_high[at] << 15) + self._product_low[at]
        return self.windows * products - self._sum(j) * self._sum(k)

    def _sum(self, j):
        return (self._high[j] << 15) + self._low[j]
