"""Squared error of what a small int8 network reconstructs. Arithmetic: docs/pipeline.md.

Parameter section, 16-bit words: count, hidden layers, limit of an error, reduce, gain; width of each hidden layer; then
for each layer, the last one of `count` units, and each unit: bias, multiplier, shifts (uint8, the first one in the
low byte), weights (int8, two to a word, the last one alone with a zero).
"""

import struct

from ..kernels import VIPER
from . import scaled

if VIPER:
    from .autoencoder_viper import reconstruction_error
else:
    from .autoencoder_bytecode import reconstruction_error

_LARGEST = 0x3FFFFFFF


def _even(count):
    return (count + 1) // 2 * 2


def _check_unit(parameters, at, inputs):
    bias, multiplier = struct.unpack_from("<hH", parameters, at)
    first, second = parameters[at + 4], parameters[at + 5]
    if multiplier > 16383 or first > 15 or not 1 <= second <= 24:
        return "the scale of a unit of the autoencoder is out of range"
    total = 0
    for i in range(at + 6, at + 6 + inputs):
        total += abs((parameters[i] ^ 0x80) - 0x80)
    if (127 * total >> first) + 1 + abs(bias) > 32767:
        return "the weights of a unit of the autoencoder could overflow"
    if inputs % 2 and parameters[at + 6 + inputs]:
        return "the weights of a unit of the autoencoder do not end with a zero"
    return ""


def check(parameters, count):
    """Why these parameters cannot be scored with, or an empty string."""
    if len(parameters) < 10:
        return "the autoencoder is cut short"
    own, hidden, limit, reduce, gain = struct.unpack_from("<5H", parameters, 0)
    if own != count or not 1 <= hidden <= 3:
        return "the autoencoder's number of features or of layers is out of range"
    if len(parameters) < 10 + 2 * hidden:
        return "the autoencoder is cut short"
    if reduce > 30 or gain > 32767 or limit > 32767 or count * limit * limit > _LARGEST:
        return "the autoencoder's scale is out of range"
    widths = struct.unpack_from("<%dH" % hidden, parameters, 10) + (count,)
    length = 10 + 2 * hidden
    inputs = count
    for outputs in widths:
        length += outputs * (6 + _even(inputs))
        inputs = outputs
    if not (1 <= min(widths) and max(widths[:-1]) <= 64):
        return "a layer of the autoencoder is too wide or empty"
    if len(parameters) != length:
        return "the autoencoder's parameters have a wrong length"
    at = 10 + 2 * hidden
    inputs = count
    for outputs in widths:
        for _ in range(outputs):
            reason = _check_unit(parameters, at, inputs)
            if reason:
                return reason
            at += 6 + _even(inputs)
        inputs = outputs
    return ""


class Scorer:
    """Scores standardized features.

    The vector holds them, the network's inputs and then the errors in their place, and what the hidden layers give.
    """

    def __init__(self, parameters, count):
        self.count = count
        _, hidden, _, self.reduce, self.gain = struct.unpack_from("<5H", parameters, 0)
        self.words = count + _even(count)
        for width in struct.unpack_from("<%dH" % hidden, parameters, 10):
            self.words += _even(width)
        self.parameters = parameters

    def room(self):
        """Words that the vector needs."""
        return self.words

    def score(self, vector):
        """Score of the standardized features vector[:count]."""
        return scaled(reconstruction_error(self.parameters, vector), self.reduce, self.gain)

    def explain(self, vector):
        """Prepare contribution() for the window scored last: score() has left what it needs."""

    def contribution(self, vector, j):
        """What feature j adds to the score."""
        error = vector[self.count + j]
        return scaled(error * error, self.reduce, self.gain)
