"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from forest_viper.py by `make generate`; a test holds the two together. Do not edit.
"""


def forest_distance(parameters, vector):
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


def leaf_sum(parameters, node, leaves):
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


def word_at(parameters, at):
    """A word with its sign."""
    return ((parameters[at] & 0xFFFF) ^ 0x8000) - 0x8000
