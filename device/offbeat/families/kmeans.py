"""Squared distance to the nearest centroid over its squared radius. Arithmetic: docs/pipeline.md.

Parameter section: clusters, count (uint16 each); reduce and gain of each cluster (uint16 each); the
centroids, row by row (int16).
"""

import struct

from ..kernels import VIPER, typed
from . import scaled

if VIPER:
    from .kmeans_viper import centroid_differences, nearest_centroid
else:
    from .kmeans_bytecode import centroid_differences, nearest_centroid


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
    """Scores standardized features; the vector holds them, room for as many, and the index of the nearest centroid."""

    def __init__(self, parameters, count):
        self.count = count
        self.parameters = typed(parameters)
        clusters = struct.unpack_from("<H", parameters, 0)[0]
        self.reduce = [struct.unpack_from("<H", parameters, 4 + 4 * i)[0] for i in range(clusters)]
        self.gain = [struct.unpack_from("<H", parameters, 6 + 4 * i)[0] for i in range(clusters)]

    def room(self):
        """Words that the vector needs."""
        return 2 * self.count + 1

    def score(self, vector):
        """Score of the standardized features vector[:count]; the first of equally near centroids counts."""
        return nearest_centroid(self.count, 0, self.parameters, vector)

    def explain(self, vector):
        """Prepare contribution() for the window scored last."""
        centroid_differences(self.parameters, self.count, vector)

    def contribution(self, vector, j):
        """What feature j adds to the score."""
        difference = vector[self.count + j]
        nearest = vector[2 * self.count]
        return scaled(difference * difference, self.reduce[nearest], self.gain[nearest])
