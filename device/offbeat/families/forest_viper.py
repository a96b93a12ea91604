"""The inner loops of the forest in viper. The rules are those of kernels_viper.py; arithmetic: docs/pipeline.md.

`parameters` is the whole section as words: 0 trees, 1 count, 4 weight, 5 and 6 base (low, high); from 7 on the low
bounds and the high ones; then for each tree how many leaves it has, and its nodes in preorder: a leaf is one word,
its value; an inner node two: feature + 256 * leaves of the left child + 32768, and threshold.
"""

import micropython


@micropython.viper
def forest_distance(p: ptr16, x: int, vector: ptr16) -> int:
    """Sum of the base and of the leaves that the x standard scores come to, at least 0, plus the weighted excess.

    p: `parameters`.
    """
    left = x
    trees = p[0]
    weight = p[4]
    distance = (p[5] & 0xFFFF) + (((p[6] ^ 0x8000) - 0x8000) << 16)
    low = ptr16(int(p) + 14)
    high = ptr16(int(low) + x + x)
    p = ptr16(int(high) + x + x)
    while trees:
        trees -= 1
        x = p[0]
        tree = ptr16(int(p) + 6 * x - 2)
        p = ptr16(int(p) + 2)
        x = p[0] & 0xFFFF
        while x >> 15:
            word = x
            x &= 255
            if (vector[x] ^ 0x8000) > (p[1] ^ 0x8000):
                x = (word >> 8) & 127
                p = ptr16(int(p) + 6 * x)
            else:
                p = ptr16(int(p) + 4)
            x = p[0] & 0xFFFF
        distance = distance + x
        p = tree
    if distance < 0:
        distance = 0
    excess = 0
    v = ptr16(int(vector) + 0)
    while left:
        left -= 1
        x = v[0] ^ 0x8000
        word = low[0] ^ 0x8000
        if word > x:
            excess += word - x
        word = high[0] ^ 0x8000
        if word < x:
            excess += x - word
        v = ptr16(int(v) + 2)
        low = ptr16(int(low) + 2)
        high = ptr16(int(high) + 2)
    return distance + weight * excess


@micropython.viper
def leaf_sum(parameters: ptr16, node: int, leaves: int) -> int:
    """Sum of the leaves of the subtree at that word."""
    parameters = ptr16(int(parameters) + node + node)
    total = 0
    while leaves:
        word = parameters[0] & 0xFFFF
        if word >> 15:
            parameters = ptr16(int(parameters) + 4)
        else:
            parameters = ptr16(int(parameters) + 2)
            leaves -= 1
            total += word
    return total


@micropython.viper
def word_at(parameters: ptr16, at: int) -> int:
    """A word with its sign."""
    return (parameters[at] ^ 0x8000) - 0x8000
