"""Distance to the nearest typical windows, or a one-class kernel machine on them. Arithmetic: docs/pipeline.md.

Parameter section, 16-bit words: prototypes, count, one for kernels, neighbours, limit of a difference, reduce, gain;
with kernels: reduce and gain of the exponent, largest distance (int32), reach (int32), shift, far gain, and a weight
for each prototype; then the step of each feature (uint8) and the coordinates by rows (int8), each row padded to words.
"""

import struct
from array import array

from ..kernels import VIPER
from . import scaled

if VIPER:
    from .prototypes_viper import prototype_sums
else:
    from .prototypes_bytecode import prototype_sums

# min(round(2**15 * 2**(-i / 64)), 32767), i = 0 .. 64
POWERS = array("h", (
    32767, 32415, 32066, 31720, 31379, 31041, 30706, 30376, 30048, 29725, 29405, 29088, 28774, 28464, 28158, 27855,
    27554, 27258, 26964, 26674, 26386, 26102, 25821, 25543, 25268, 24995, 24726, 24460, 24196, 23936, 23678, 23423,
    23170, 22921, 22674, 22430, 22188, 21949, 21713, 21479, 21247, 21019, 20792, 20568, 20347, 20127, 19911, 19696,
    19484, 19274, 19066, 18861, 18658, 18457, 18258, 18061, 17867, 17674, 17484, 17296, 17109, 16925, 16743, 16562,
    16384,
))  # fmt: skip

_PLAIN = 14
_WEIGHTS = 30
_LARGEST = 0x3FFFFFFF
_LONGEST_WEIGHTS = 32000


def _even(count):
    return (count + 1) // 2 * 2


def _far(beyond, gain):
    """beyond * gain >> 15, without leaving small integers."""
    return (beyond >> 15) * gain + (((beyond & 32767) * gain) >> 15)


def _check_kernels(parameters, prototypes, longest):
    reduce, gain, largest, reach, shift, far_gain = struct.unpack_from("<HHiiHH", parameters, _PLAIN)
    if reduce > 30 or gain > 16383 or shift > 30 or far_gain > 32767:
        return "the scale of the prototypes' kernels is out of range"
    if not 0 <= largest <= _LARGEST or not 0 <= reach <= _LARGEST:
        return "the largest distance of the prototypes' kernels or their reach is out of range"
    total = 0
    for i in range(prototypes):
        total += abs(struct.unpack_from("<h", parameters, _WEIGHTS + 2 * i)[0])
    if total > _LONGEST_WEIGHTS:
        return "the weights of the prototypes could overflow"
    if largest + (total * 32767 >> shift) + 2 + _far(longest, far_gain) > _LARGEST:
        return "the distance of the prototypes could overflow"
    return ""


def check(parameters, count):
    """Why these parameters cannot be scored with, or an empty string."""
    if len(parameters) < _PLAIN:
        return "the prototypes are cut short"
    prototypes, own, kernels, neighbours, limit, reduce, gain = struct.unpack_from("<7H", parameters, 0)
    if own != count or not 1 <= prototypes <= 255 or kernels > 1:
        return "the number of prototypes or of their features, or their mode, is out of range"
    if not 1 <= neighbours <= min(prototypes, 1 if kernels else 3):
        return "the number of neighbours among the prototypes is out of range"
    if len(parameters) != (_WEIGHTS + 2 * prototypes if kernels else _PLAIN) + (1 + prototypes) * _even(count):
        return "the prototypes have a wrong length"
    if reduce > 30 or gain > 32767 or limit > 32767 or neighbours * count * limit * limit > _LARGEST:
        return "the scale of the prototypes is out of range"
    if kernels:
        return _check_kernels(parameters, prototypes, count * limit * limit)
    return ""


class Scorer:
    """Scores standardized features; the vector holds them, the nearest prototype, and the sum of the kernels."""

    def __init__(self, parameters, count):
        self.count = count
        prototypes, _, self.kernels, _, self.limit, self.reduce, self.gain = struct.unpack_from("<7H", parameters, 0)
        self.steps = _WEIGHTS + 2 * prototypes if self.kernels else _PLAIN
        if self.kernels:
            self.largest, self.reach, self.shift, self.far_gain = struct.unpack_from("<iiHH", parameters, _PLAIN + 4)
        self.parameters = parameters
        self.latest = 0
        self.total = 0
        self.own_shift = 0

    def room(self):
        """Words that the vector needs."""
        return self.count + 3

    def score(self, vector):
        """Score of the standardized features vector[:count]; the first of equally near prototypes is the nearest."""
        distance = prototype_sums(self.parameters, self.count, vector, POWERS)
        if self.kernels:
            beyond = distance - self.reach
            kernels = (vector[self.count + 2] << 16) + (vector[self.count + 1] & 0xFFFF)
            distance = self.largest - (kernels >> self.shift)
            if distance < 0:
                distance = 0
            if beyond > 0:
                distance += _far(beyond, self.far_gain)
        self.latest = scaled(distance, self.reduce, self.gain)
        return self.latest

    def _square(self, vector, j):
        """Of the saturated difference of feature j to the nearest prototype."""
        at = self.steps + (1 + vector[self.count]) * _even(self.count) + j
        difference = vector[j] - ((self.parameters[at] ^ 0x80) - 0x80) * self.parameters[self.steps + j]
        difference = max(min(difference, self.limit), -self.limit)
        return difference * difference

    def explain(self, vector):
        """Prepare contribution() for the window scored last."""
        total = 0
        for j in range(self.count):
            total += self._square(vector, j)
        self.own_shift = 0
        while total > 32767:
            total >>= 1
            self.own_shift += 1
        self.total = total

    def contribution(self, vector, j):
        """What feature j adds to the score: its share of the squared distance to the nearest prototype."""
        if self.total == 0:
            return 0
        return (self.latest * (self._square(vector, j) >> self.own_shift) + (self.total >> 1)) // self.total
