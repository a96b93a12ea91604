"""Mahalanobis distance through an integer inverse Cholesky factor. Arithmetic: docs/pipeline.md.

Parameter section: count, reserved, reduce, gain (uint16 each); count shifts (uint8, padded to 4);
the lower triangle of weights by rows (int16).
"""

import struct

from ..kernels import mahalanobis, typed, whitened_back
from . import scaled


def _shifts(count):
    return 8 + (count + 3) // 4 * 4


def check(parameters, count):
    """Why these parameters cannot be scored with, or an empty string."""
    weights = _shifts(count)
    if len(parameters) != weights + count * (count + 1):
        return "the gaussian's parameters have a wrong length"
    own, _, reduce, gain = struct.unpack_from("<HHHH", parameters, 0)
    if own != count or reduce > 30 or gain > 32767:
        return "the gaussian's scale is out of range"
    at = weights
    for i in range(count):
        if not 6 <= parameters[8 + i] <= 24:
            return "a shift of the gaussian is out of range"
        total = 0
        for _ in range(i + 1):
            total += abs(struct.unpack_from("<h", parameters, at)[0])
            at += 2
        if total > 65535:
            return "a row of the gaussian's weights could overflow"
    return ""


class Scorer:
    """Scores standardized features; the vector holds them, then the whitened ones, then room to explain."""

    def __init__(self, parameters, count):
        self.count = count
        _, _, self.reduce, self.gain = struct.unpack_from("<HHHH", parameters, 0)
        self.shifts = parameters[8 : 8 + count]
        self.weights = typed(parameters[_shifts(count) :])

    def room(self):
        """Words that the vector needs."""
        return 3 * self.count

    def score(self, vector):
        """Score of the standardized features vector[:count]."""
        return scaled(mahalanobis(self.weights, self.count, self.shifts, vector), self.reduce, self.gain)

    def explain(self, vector):
        """Prepare contribution() for the window scored last."""
        whitened_back(self.weights, self.shifts, vector, self.count)

    def contribution(self, vector, j):
        """What feature j adds to the score; negative where it takes away."""
        part = vector[j] * vector[2 * self.count + j]
        if part < 0:
            return -scaled(-part, self.reduce, self.gain)
        return scaled(part, self.reduce, self.gain)
