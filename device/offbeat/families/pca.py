"""Principal components: T^2 inside their subspace and the squared residual Q outside. Arithmetic: docs/pipeline.md.

Parameter section, 16-bit words: components, count, 0 for the larger or 1 for the sum, shift of the loadings, limit of
the principal scores, limit of the residuals, reduce and gain of T^2, reduce and gain of Q; multiplier and shift of
each component; the loadings by rows.
"""

import struct

from ..kernels import VIPER, typed
from . import scaled

if VIPER:
    from .pca_viper import principal_back, principal_distance, residual_distance
else:
    from .pca_bytecode import principal_back, principal_distance, residual_distance

_LARGEST = 0x3FFFFFFF


def _check_loadings(parameters, components, count):
    at = 20
    for _ in range(components):
        multiplier, shift = struct.unpack_from("<HH", parameters, at)
        if multiplier > 32767 or not 1 <= shift <= 16:
            return "the scale of a principal component is out of range"
        at += 4
    columns = [0] * count
    for _ in range(components):
        total = 0
        for j in range(count):
            size = abs(struct.unpack_from("<h", parameters, at)[0])
            total += size
            columns[j] += size
            at += 2
        if total > 131000:
            return "the loadings of a principal component could overflow"
    if max(columns) > 32767:
        return "the loadings of a feature could overflow"
    return ""


def check(parameters, count):
    """Why these parameters cannot be scored with, or an empty string."""
    if len(parameters) < 20:
        return "the principal components are cut short"
    components, own, add, shift, inside, outside, reduce, gain, second_reduce, second_gain = struct.unpack_from(
        "<10H", parameters, 0
    )
    if own != count or not 1 <= components <= count or add > 1:
        return "the number of principal components or of features, or how they combine, is out of range"
    if len(parameters) != 20 + 4 * components + 2 * components * count:
        return "the principal components have a wrong length"
    if reduce > 30 or second_reduce > 30 or gain > 32767 or second_gain > 32767 or not 10 <= shift <= 14:
        return "the scale of the principal components is out of range"
    if inside > 32767 or outside > 32767 or components * inside * inside > _LARGEST:
        return "a limit of the principal components is out of range"
    if count * outside * outside > _LARGEST:
        return "a limit of the principal components is out of range"
    return _check_loadings(parameters, components, count)


class Scorer:
    """Scores standardized features.

    The vector holds them, the principal scores, the residuals, and last whether the residuals count.
    """

    def __init__(self, parameters, count):
        self.count = count
        self.components, _, self.add = struct.unpack_from("<HHH", parameters, 0)
        self.reduce, self.gain, self.residual_reduce, self.residual_gain = struct.unpack_from("<HHHH", parameters, 12)
        self.parameters = typed(parameters)

    def room(self):
        """Words that the vector needs."""
        return 2 * self.count + self.components + 1

    def score(self, vector):
        """Score of the standardized features vector[:count]; T^2 counts where it is as large as Q."""
        inside = scaled(principal_distance(self.parameters, self.components, vector), self.reduce, self.gain)
        outside = residual_distance(self.parameters, self.components, vector)
        outside = scaled(outside, self.residual_reduce, self.residual_gain)
        if self.add:
            return min(inside + outside, 32766)
        vector[2 * self.count + self.components] = outside > inside
        return max(inside, outside)

    def explain(self, vector):
        """Prepare contribution() for the window scored last: score() has left what it needs."""

    def contribution(self, vector, j):
        """What feature j adds to the score; negative where it takes away."""
        residual = vector[self.count + self.components + j]
        outside = scaled(residual * residual, self.residual_reduce, self.residual_gain)
        if vector[2 * self.count + self.components]:
            return outside
        part = vector[j] * principal_back(self.parameters, vector, j)
        if part < 0:
            inside = -scaled(-part, self.reduce, self.gain)
        else:
            inside = scaled(part, self.reduce, self.gain)
        return inside + outside if self.add else inside
