"""Squared distance to the nearest centroid over its squared radius. Arithmetic: docs/pipeline.md.

Parameter section: clusters, count (uint16 each); reduce and gain of each cluster (uint16 each); the
centroids, row by row (int16).
"""

import struct

from ..kernels import centroid_distance, typed
from . import scaled


def check(parameters, count):
    """Why these parameters cannot be scored with, or an empty string."""
    if len(parameters) < 4:
        return "the centroids are cut short"
    clusters, own = struct.unpack_from("<HH", parameters, 0)
    if own != count or not 1 <= clusters <= 255:
        return "the number of centroids or of their features is out of range"
    if len(parameters) != 4 + 4 * clusters + 2 * clusters * count:
        return "the centroids have a wrong length"
    for i in range(clusters):
        reduce, gain = struct.unpack_from("<HH", parameters, 4 + 4 * i)
        if reduce > 30 or gain > 32767:
            return "the scale of a centroid is out of range"
    return ""


class Scorer:
    """Scores standardized features; the vector holds them, then their differences to a centroid."""

    def __init__(self, parameters, count):
        self.count = count
        (self.clusters,) = struct.unpack_from("<H", parameters, 0)
        self.centroids = typed(parameters[4 + 4 * self.clusters :])
        self.reduce = [struct.unpack_from("<H", parameters, 4 + 4 * i)[0] for i in range(self.clusters)]
        self.gain = [struct.unpack_from("<H", parameters, 6 + 4 * i)[0] for i in range(self.clusters)]
        self.nearest = 0

    def room(self):
        """Words that the vector needs."""
        return 2 * self.count

    def score(self, vector):
        """Score of the standardized features vector[:count]; the first of equally near centroids counts."""
        best = 1 << 29
        for i in range(self.clusters):
            distance = centroid_distance(self.centroids, vector, i * self.count, self.count)
            score = scaled(distance, self.reduce[i], self.gain[i])
            if score < best:
                best = score
                self.nearest = i
        return best

    def explain(self, vector):
        """Prepare contribution() for the window scored last."""
        centroid_distance(self.centroids, vector, self.nearest * self.count, self.count)

    def contribution(self, vector, j):
        """What feature j adds to the score."""
        difference = vector[self.count + j]
        return scaled(difference * difference, self.reduce[self.nearest], self.gain[self.nearest])
