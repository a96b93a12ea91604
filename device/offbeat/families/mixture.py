"""Gaussian mixture: the least over its components of squared Mahalanobis distance plus offset.

Arithmetic: docs/pipeline.md. Parameter section, 16-bit words: components, count, one for full covariances, limit,
reduce, gain; then for each component: offset (low, high), means, shifts (uint8, two to a word), weights by rows:
the lower triangle, or one for each feature.
"""

import struct

from ..kernels import VIPER, typed
from . import scaled

if VIPER:
    from .mixture_viper import component_back, component_distance
else:
    from .mixture_bytecode import component_back, component_distance

_BLOCKS = 6
_FARTHEST = 0x3FFFFFFF


def _block(count, full):
    """Words of a component."""
    return 2 + count + (count + 1) // 2 + (count * (count + 1) // 2 if full else count)


def _check_component(parameters, count, full, limit, at):
    offset = struct.unpack_from("<I", parameters, at)[0]
    if offset > 1 << 28 or offset + count * limit * limit >= _FARTHEST:
        return "an offset of the mixture or its limit is out of range"
    at += 4
    for _ in range(count):
        if abs(struct.unpack_from("<h", parameters, at)[0]) > 8191:
            return "a mean of the mixture is out of range"
        at += 2
    shifts = at
    at += (count + 1) // 2 * 2
    for i in range(count):
        if not 6 <= parameters[shifts + i] <= 24:
            return "a shift of the mixture is out of range"
        total = 0
        for _ in range(i + 1 if full else 1):
            total += abs(struct.unpack_from("<h", parameters, at)[0])
            at += 2
        if total > 65000:
            return "a row of the mixture's weights could overflow"
    return ""


def check(parameters, count):
    """Why these parameters cannot be scored with, or an empty string."""
    if len(parameters) < 2 * _BLOCKS:
        return "the mixture is cut short"
    components, own, full, limit, reduce, gain = struct.unpack_from("<6H", parameters, 0)
    if own != count or not 1 <= components <= 255 or full > 1:
        return "the mixture's number of components or of features, or its covariance, is out of range"
    block = _block(count, full)
    if len(parameters) != 2 * (_BLOCKS + components * block):
        return "the mixture's parameters have a wrong length"
    if reduce > 30 or gain > 32767 or limit > 32767:
        return "the mixture's scale is out of range"
    for k in range(components):
        reason = _check_component(parameters, count, full, limit, 2 * (_BLOCKS + k * block))
        if reason:
            return reason
    return ""


class Scorer:
    """Scores standardized features.

    The vector holds them, their differences to a component's mean, these whitened, and last which one is nearest.
    """

    def __init__(self, parameters, count):
        self.count = count
        self.components, _, self.full, _, self.reduce, self.gain = struct.unpack_from("<6H", parameters, 0)
        self.block = _block(count, self.full)
        shares = []
        for k in range(self.components):
            shares.append(struct.unpack_from("<I", parameters, 2 * (_BLOCKS + k * self.block))[0] // count)
        self.shares = shares  # of a component's offset for each feature
        self.parameters = typed(parameters)

    def room(self):
        """Words that the vector needs."""
        return 3 * self.count + 1

    def score(self, vector):
        """Score of the standardized features vector[:count]; the first of equally near components counts."""
        best = _FARTHEST
        at = _BLOCKS
        for k in range(self.components):
            distance = component_distance(self.parameters, at, vector, best)
            if distance < best:
                best = distance
                vector[3 * self.count] = k
            at += self.block
        return scaled(best, self.reduce, self.gain)

    def explain(self, vector):
        """Prepare contribution() for the window scored last."""
        at = _BLOCKS + vector[3 * self.count] * self.block
        component_distance(self.parameters, at, vector, _FARTHEST)
        if self.full:
            component_back(self.parameters, vector, at)

    def contribution(self, vector, j):
        """What feature j adds to the score; negative where it takes away."""
        part = vector[2 * self.count + j]
        part *= vector[self.count + j] if self.full else part
        part += self.shares[vector[3 * self.count]]
        if part < 0:
            return -scaled(-part, self.reduce, self.gain)
        return scaled(part, self.reduce, self.gain)
