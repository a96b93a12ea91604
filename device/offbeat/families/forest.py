"""Forest of threshold trees: the sum of the leaves that a window falls into, and how far it lies out of range.

Arithmetic: docs/pipeline.md. Parameter section, 16-bit words: trees, count, reduce, gain, weight, base (low, high);
low bounds, high bounds; then for each tree how many leaves it has and its nodes in preorder: a leaf is its value, an
inner node feature + 256 * leaves of the left child + 32768, and threshold. The left child follows its node; as n
leaves take 3 n - 2 words, the right one starts 3 * (leaves of the left child) after the node.
"""

import struct
from array import array

from ..kernels import VIPER, typed
from . import scaled

if VIPER:
    from .forest_viper import forest_distance, leaf_sum, word_at
else:
    from .forest_bytecode import forest_distance, leaf_sum, word_at

_HEADER = 14  # bytes
_LARGEST_SUM = 0x2FFF0000


def _excess(parameters, count):
    """The largest possible excess over all features, or -1 where a bound is out of range."""
    total = 0
    for j in range(count):
        low = struct.unpack_from("<h", parameters, _HEADER + 2 * j)[0]
        high = struct.unpack_from("<h", parameters, _HEADER + 2 * (count + j))[0]
        if not -8191 <= low <= high <= 8191:
            return -1
        total += max(8191 - high, low + 8191)
    return total


def _largest_leaf(parameters, count, at, leaves):
    """The largest leaf of a tree of which every walk ends at a leaf inside; -1 where the nodes are no such tree.

    at: of its first node, in bytes. In preorder each right child starts where the last leaf of the left one ends.
    """
    largest = 0
    rights = [at + 6 * leaves - 4]  # where the next leaf has to end; the whole tree at last
    while rights:
        word = struct.unpack_from("<h", parameters, at)[0]
        if word >= 0:
            largest = max(largest, word)
            at += 2
            if rights.pop() != at:
                return -1
        else:
            right = at + 6 * ((word >> 8) & 127)
            if word & 255 >= count or not at + 4 < right < rights[-1]:
                return -1
            rights.append(right)
            at += 4
    return largest


def check(parameters, count):
    """Why these parameters cannot be scored with, or an empty string."""
    if len(parameters) < _HEADER + 4 * count:
        return "the forest is cut short"
    trees, own, reduce, gain, weight, base = struct.unpack_from("<5Hi", parameters, 0)
    if own != count or not 1 <= trees <= 255:
        return "the number of the forest's trees or features is out of range"
    if reduce > 30 or gain > 32767 or weight > 32767 or not -(1 << 28) <= base <= 1 << 28:
        return "the forest's scale is out of range"
    excess = _excess(parameters, count)
    if excess < 0:
        return "a bound of the forest is out of range"
    at = _HEADER + 4 * count
    total = 0
    for _ in range(trees):
        leaves = struct.unpack_from("<H", parameters, at)[0] if at + 2 <= len(parameters) else 0
        if not 1 <= leaves <= 255 or at + 6 * leaves - 2 > len(parameters):
            return "a tree of the forest has a wrong length"
        largest = _largest_leaf(parameters, count, at + 2, leaves)
        if largest < 0:
            return "a tree of the forest has a node out of place"
        total += largest
        at += 6 * leaves - 2
    if at != len(parameters):
        return "the forest has a wrong length"
    if 8 * total + weight * excess > _LARGEST_SUM:
        return "the sum of the forest's leaves could overflow"
    return ""


class Scorer:
    """Scores standardized features; the vector holds nothing but them."""

    def __init__(self, parameters, count):
        self.count = count
        self.trees, _, self.reduce, self.gain, self.weight, self.base = struct.unpack_from("<5Hi", parameters, 0)
        self.parameters = typed(parameters)
        self.shares = array("i", [0] * count)

    def room(self):
        """Words that the vector needs."""
        return self.count

    def score(self, vector):
        """Score of the standardized features vector[:count]."""
        return scaled(forest_distance(self.parameters, self.count, vector), self.reduce, self.gain)

    def explain(self, vector):
        """Prepare contribution() for the window scored last."""
        parameters = self.parameters
        shares = self.shares
        count = self.count
        for j in range(count):
            excess = max(vector[j] - word_at(parameters, 7 + count + j), word_at(parameters, 7 + j) - vector[j], 0)
            shares[j] = self.weight * excess
        at = 7 + 2 * count
        rest = self.base
        for _ in range(self.trees):
            leaves = word_at(parameters, at)
            rest += self._follow(vector, at + 1, leaves)
            at += 3 * leaves - 1
        rest = rest // count if rest >= 0 else -(-rest // count)
        for j in range(count):
            shares[j] += rest

    def _follow(self, vector, node, leaves):
        """Give each change of the mean leaf on the way to the window's own to the feature asked; the tree's mean."""
        parameters = self.parameters
        tree = mean = leaf_sum(parameters, node, leaves) // leaves
        word = word_at(parameters, node)
        while word < 0:
            left = (word >> 8) & 127
            if vector[word & 255] <= word_at(parameters, node + 1):
                node += 2
                leaves = left
            else:
                node += 3 * left
                leaves -= left
            below = leaf_sum(parameters, node, leaves) // leaves
            self.shares[word & 255] += below - mean
            mean = below
            word = word_at(parameters, node)
        return tree

    def contribution(self, vector, j):
        """What feature j adds to the score; negative where it takes away."""
        part = self.shares[j]
        if part < 0:
            return -scaled(-part, self.reduce, self.gain)
        return scaled(part, self.reduce, self.gain)
