"""The C runtime, where the firmware has it as the user module offbeat_c: the same bits as the kernels, in two calls."""

from array import array

try:
    import offbeat_c  # type: ignore[import-not-found]
except ImportError:  # the usual firmware
    offbeat_c = None

_CORRELATION = 8


def has(family):
    """Whether the firmware's C runtime scores this family."""
    return offbeat_c is not None and 0 < family <= offbeat_c.FAMILIES


class Features:
    """What features.Features is, by offbeat_c. room: words that the vector needs, its standard scores included."""

    def __init__(self, model, room):
        self.count = len(model.features)
        descriptors = array("H")
        work = model.window + 1
        for feature in model.features:
            descriptors.extend(array("H", feature))
            if feature[0] == _CORRELATION:
                work = 2 * model.window + 1
        self.values = array("i", [0] * self.count)
        self.vector = array("h", [0] * (max(room, self.count) + len(model.baseline)))
        self.score = 0
        self.runtime = offbeat_c.Runtime(
            model.family, model.window, model.channels, descriptors, model.sine, model.standardize, model.baseline,
            model.parameters, max(room, self.count) - self.count, array("h", [0] * work), self.vector,
        )  # fmt: skip

    def reset(self):
        """Forget what scores remember of the windows before, that of the family included."""
        self.runtime.reset()

    def compute(self, ring, first, capacity):
        """Features of the window that starts at frame `first` of a ring of `capacity` frames."""
        self.runtime.features(ring, first, capacity, self.values)

    def standardize(self):
        """Standard scores into `vector`; C finds the score in the same call."""
        self.score = self.runtime.score(self.values)


class Scorer:
    """What a family's Scorer is, by the same runtime as the features."""

    def __init__(self, features):
        self._features = features

    def score(self, vector):
        """Score of what Features.standardize() standardized last."""
        return self._features.score

    def explain(self, vector):
        """Prepare contribution(): C has left what it needs."""

    def contribution(self, vector, j):
        """What feature j adds to the score."""
        return self._features.runtime.contribution(j)
