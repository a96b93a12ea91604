"""The inner loops of the forest in viper. The rules are those of kernels_viper.py; arithmetic: docs/pipeline.md.

`parameters` is the whole section as words: 0 trees, 1 count, 4 weight, 5 and 6 base (low, high); from 7 on the low
bounds and the high ones; then for each tree how many leaves it has, and its nodes in preorder: a leaf is one word,
its value; an inner node two: feature + 256 * leaves of the left child + 32768, and threshold.
"""

import micropython


@micropython.viper
def forest_distance(parameters: ptr16, vector: ptr16) -> int:
    """Sum of the base and of the leaves that the standard scores come to, at least 0, plus the weighted excess."""
    trees = int(parameters[0])
    count = int(parameters[1])
    distance = (parameters[5] & 0xFFFF) + ((((parameters[6] & 0xFFFF) ^ 0x8000) - 0x8000) << 16)
    at = 7 + 2 * count
    while trees > 0:
        node = at + 1
        at += 3 * int(parameters[at]) - 1
        word = parameters[node] & 0xFFFF
        while word > 32767:
            x = (vector[word & 255] & 0xFFFF) ^ 0x8000
            if x > (parameters[node + 1] & 0xFFFF) ^ 0x8000:
                node += 3 * ((word >> 8) & 127)
            else:
                node += 2
            word = parameters[node] & 0xFFFF
        distance += word
        trees -= 1
    if distance < 0:
        distance = 0
    excess = 0
    j = 0
    while j < count:
        x = (vector[j] & 0xFFFF) ^ 0x8000
        low = (parameters[7 + j] & 0xFFFF) ^ 0x8000
        high = (parameters[7 + count + j] & 0xFFFF) ^ 0x8000
        if x < low:
            excess += low - x
        if x > high:
            excess += x - high
        j += 1
    return distance + int(parameters[4]) * excess


@micropython.viper
def leaf_sum(parameters: ptr16, node: int, leaves: int) -> int:
    """Sum of the leaves of the subtree at that word."""
    total = 0
    while leaves > 0:
        word = parameters[node] & 0xFFFF
        if word > 32767:
            node += 2
        else:
            node += 1
            leaves -= 1
            total += word
    return total


@micropython.viper
def word_at(parameters: ptr16, at: int) -> int:
    """A word with its sign."""
    return ((parameters[at] & 0xFFFF) ^ 0x8000) - 0x8000
