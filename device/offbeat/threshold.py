"""A threshold from the squared distances of normal windows as they come: ranks, as far as counting goes.

docs/thresholds.md has the trainer's rule; docs/learning.md says what a board can do of it.
"""

from array import array

from .learning import root

KEPT = 16
"""Peaks that are kept, the highest: an alarm fewer than these can be allowed for."""

COUNTS = (
    2996, 4744, 6296, 7754, 9154, 10514, 11843, 13149, 14435, 15706, 16963, 18208, 19443, 20669, 21887, 23098,
)  # fmt: skip
"""Upper bounds at 95 % confidence, in thousandths, of the mean of a Poisson count of 0 … 15: half the 95 % quantile of
chi-square with 2, 4, … 32 degrees (F. Garwood, Biometrika 28, 1936), rounded up."""

REACH = 7
"""The tail is followed to rates so many times lower than counting can show."""

REACHES = (
    542, 986, 1245, 1429, 1572, 1551, 1524, 1506, 1494, 1486, 1481, 1478, 1477, 1476, 1477,
)  # fmt: skip
"""How far beyond the lowest of 1 + 1 … 1 + 15 peaks the tail is followed, in 1/256 of the others' mean excess: to a
REACH-th of the rate that counting can show, ln(7 k / 3), times the upper bound at 95 % confidence of an exponential's
scale by the mean of k, 2 k over the 5 % quantile of chi-square with 2 k degrees, which is taken for 2.5 at most."""

_NEVER = -1


class Threshold:
    """Takes the distances of normal windows; allocates nothing.

    decision: (k, n, release, holdoff). windows: how many there were; highest: level, that is the k-th largest of the
    last n distances, at which an alarm would still have started. peaks: the highest levels, each more than n + holdoff
    windows from every other: about one for each alarm of a threshold below.
    """

    def __init__(self, decision):
        self._k, self._n, _, holdoff = decision
        self._apart = self._n + holdoff
        self._last = array("i", [_NEVER] * self._n)
        self._sorted = array("i", [_NEVER] * self._n)
        self._at = 0
        self.windows = 0
        self.found = 0
        self.peaks = array("i", [0] * KEPT)  # largest first
        self._times = array("i", [0] * KEPT)

    def add(self, distance):
        """Take the next window's squared distance, 0 … 2**30 - 1."""
        self._last[self._at] = distance
        self._at = (self._at + 1) % self._n
        level = self._level()
        if level >= 0:
            self._note(level)
        self.windows += 1

    def gap(self):
        """Forget the last windows: those that follow do not follow them."""
        for i in range(self._n):
            self._last[i] = _NEVER
        self.windows += self._apart

    def _level(self):
        """The k-th largest of the last n distances."""
        ordered = self._sorted
        for i in range(self._n):
            value = self._last[i]
            j = i
            while j > 0 and ordered[j - 1] < value:
                ordered[j] = ordered[j - 1]
                j -= 1
            ordered[j] = value
        return ordered[self._k - 1]

    def _note(self, level):
        """Keep a level among the peaks; of those that lie close together, the highest."""
        kept = 0
        for i in range(self.found):
            close = self.windows - self._times[i] <= self._apart
            if close and self.peaks[i] >= level:
                return
            if not close:
                self.peaks[kept] = self.peaks[i]
                self._times[kept] = self._times[i]
                kept += 1
        at = kept
        while at > 0 and self.peaks[at - 1] < level:
            if at < KEPT:
                self.peaks[at] = self.peaks[at - 1]
                self._times[at] = self._times[at - 1]
            at -= 1
        if at < KEPT:
            self.peaks[at] = level
            self._times[at] = self.windows
            kept += 1
        self.found = kept if kept < KEPT else KEPT

    def allowed(self, seconds, every):
        """How many alarms in so many seconds still show, at 95 % confidence, at most one every `every` seconds; -1: not
        even none does."""
        most = _NEVER
        while most + 1 < KEPT and COUNTS[most + 1] * every <= 1000 * seconds:
            most += 1
        return most

    def find(self, seconds, every):
        """The threshold for one false alarm every `every` seconds at most: (squared distance, alarms, by counting).

        seconds: that the windows cover. Where counting does not show so much, it stands above all levels.
        """
        most = self.allowed(seconds, every)
        if most < 0:
            return min(max(self._beyond(), 256), (1 << 30) - 1), 0, False
        if most >= self.found:
            most = max(self.found - 1, 0)
        level = self.peaks[most] if self.found else 0
        return max(level + 1, 256), most, True

    def _beyond(self):
        """Above all levels: 1.2 times the highest, or farther, where their tail leads.

        Distances, that is roots of levels, above a high one are taken for exponential, of which the mean excess is the
        scale (I. Weissman: Estimation of parameters and large quantiles based on the k largest observations, J. of the
        American Statistical Association 73, 1978): the generalised Pareto law of shape 0.
        """
        if not self.found:
            return 0
        others = self.found - 1
        reached = 0
        if others:
            lowest = root(self.peaks[others] << 16)
            excess = sum([root(self.peaks[i] << 16) - lowest for i in range(others)])
            reached = (lowest + excess * REACHES[others - 1] // (256 * others)) ** 2 >> 16
        return max(reached, (12 * self.peaks[0] + 9) // 10) + 1
