"""Squared error of what a small int8 network reconstructs. Arithmetic: docs/pipeline.md.

Parameter section, 16-bit words: count, hidden layers, limit of an error, reduce, gain; widths of hidden layers, and 0
after two; then for each layer, the last one of `count` units, by four units: of each bias, multiplier, shifts (uint8,
the first one in the low byte); their weights, four of each in turn, of even inputs uint8 with 128 added, of odd ones
int8. Units and inputs are padded to multiples of four with zeros; a unit that fills up has a second shift of 1.
"""

import struct

from ..kernels import VIPER
from . import scaled

if VIPER:
    from .autoencoder_viper import reconstruction_error
else:
    from .autoencoder_bytecode import reconstruction_error

_LARGEST = 0x3FFFFFFF


def _fours(count):
    return (count + 3) // 4 * 4


def _halves(count, widths):
    """Inputs and outputs of layers take turns in two places: how many numbers each place holds at most.

    The last layer's outputs, and in their place the errors, go where its inputs are not.
    """
    first = _fours(count)
    second = 0
    for i in range(len(widths)):
        if i % 2:
            first = max(first, _fours(widths[i]))
        else:
            second = max(second, _fours(widths[i]))
    return first, second if len(widths) % 2 else max(second, _fours(count))


def _check_scale(parameters, at):
    """Reason or "" for the bias, multiplier and shifts at that byte."""
    if struct.unpack_from("<H", parameters, at + 2)[0] > 16383:
        return "the scale of a unit of the autoencoder is out of range"
    if parameters[at + 4] > 15 or not 1 <= parameters[at + 5] <= 24:
        return "the scale of a unit of the autoencoder is out of range"
    return ""


def _check_row(parameters, scale, at, inputs, columns):
    """Reason or "" for the weights from byte `at` on of the unit with its scale at byte `scale`."""
    total = 0
    for i in range(columns):
        weight = parameters[at + i % 4 + i // 4 * 16]
        weight = (weight ^ 0x80) - 0x80 if i % 2 else weight - 0x80
        if i >= inputs and weight:
            return "the weights of a unit of the autoencoder do not end with zeros"
        total += abs(weight)
    if (127 * total >> parameters[scale + 4]) + 1 + abs(struct.unpack_from("<h", parameters, scale)[0]) > 32767:
        return "the weights of a unit of the autoencoder could overflow"
    return ""


def _check_layer(parameters, at, inputs, outputs):
    """Reason or "" for the layer at that byte, with the units and inputs that only fill it up."""
    columns = _fours(inputs)
    for i in range(_fours(outputs)):
        scale = at + 6 * (i % 4)
        if i >= outputs:
            inputs = 0
            if struct.unpack_from("<HHBB", parameters, scale) != (0, 0, 0, 1):
                return "a unit that fills up a layer of the autoencoder does something"
        row = at + 24 + 4 * (i % 4)
        reason = _check_scale(parameters, scale) or _check_row(parameters, scale, row, inputs, columns)
        if reason:
            return reason
        if i % 4 == 3:
            at += 24 + 4 * columns
    return ""


def check(parameters, count):
    """Why these parameters cannot be scored with, or an empty string."""
    if len(parameters) < 10:
        return "the autoencoder is cut short"
    own, hidden, limit, reduce, gain = struct.unpack_from("<5H", parameters, 0)
    if own != count or not 1 <= hidden <= 3:
        return "the autoencoder's number of features or of layers is out of range"
    at = 10 + 2 * (hidden + 1 - hidden % 2)
    if len(parameters) < at:
        return "the autoencoder is cut short"
    if reduce > 30 or gain > 32767 or limit > 32767 or count * limit * limit > _LARGEST:
        return "the autoencoder's scale is out of range"
    widths = struct.unpack_from("<%dH" % hidden, parameters, 10)
    if not 1 <= min(widths) or max(widths) > 64 or (hidden == 2 and parameters[14:16] != b"\0\0"):
        return "a layer of the autoencoder is too wide or empty"
    sizes = (count,) + widths + (count,)
    length = at
    for i in range(hidden + 1):
        length += _fours(sizes[i + 1]) * (6 + _fours(sizes[i]))
    if len(parameters) != length:
        return "the autoencoder's parameters have a wrong length"
    for i in range(hidden + 1):
        reason = _check_layer(parameters, at, sizes[i], sizes[i + 1])
        if reason:
            return reason
        at += _fours(sizes[i + 1]) * (6 + _fours(sizes[i]))
    return ""


class Scorer:
    """Scores standardized features.

    The vector holds them, and two places where the inputs and outputs of layers, and last the errors, take turns.
    """

    def __init__(self, parameters, count):
        self.count = count
        _, hidden, _, self.reduce, self.gain = struct.unpack_from("<5H", parameters, 0)
        first, second = _halves(count, struct.unpack_from("<%dH" % hidden, parameters, 10))
        self.second = count + 2 * first
        self.words = self.second + 2 * second + 1  # C has numbers of 32 bits there, from an even word on
        self.errors = count if hidden % 2 else self.second
        self.parameters = parameters

    def room(self):
        """Words that the vector needs."""
        return self.words

    def score(self, vector):
        """Score of the standardized features vector[:count]."""
        return scaled(reconstruction_error(self.parameters, self.second, vector), self.reduce, self.gain)

    def explain(self, vector):
        """Prepare contribution() for the window scored last: score() has left what it needs."""

    def contribution(self, vector, j):
        """What feature j adds to the score."""
        error = vector[self.errors + j]
        return scaled(error * error, self.reduce, self.gain)
