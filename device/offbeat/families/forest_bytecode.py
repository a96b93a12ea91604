"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from forest_viper.py by `make generate`; a test holds the two together. Do not edit.
"""


def forest_distance(p, x, vector):
    """Sum of the base and of the leaves that the x standard scores come to, at least 0, plus the weighted excess.

    p: `parameters`.
    """
    p_at = 0
    left = x
    trees = p[p_at]
    weight = p[p_at + 4]
    distance = (p[p_at + 5] & 0xFFFF) + (p[p_at + 6] << 16)
    low_at = p_at + 7
    high_at = low_at + x
    p_at = high_at + x
    while trees:
        trees -= 1
        x = p[p_at]
        tree_at = p_at + 3 * x - 1
        p_at = p_at + 1
        x = p[p_at] & 0xFFFF
        while x >> 15:
            word = x
            x &= 255
            if (vector[x] + 32768) > (p[p_at + 1] + 32768):
                x = (word >> 8) & 127
                p_at = p_at + 3 * x
            else:
                p_at = p_at + 2
            x = p[p_at] & 0xFFFF
        distance = distance + x
        p_at = tree_at
    if distance < 0:
        distance = 0
    excess = 0
    v_at = 0
    while left:
        left -= 1
        x = vector[v_at] + 32768
        word = p[low_at] + 32768
        if word > x:
            excess += word - x
        word = p[high_at] + 32768
        if word < x:
            excess += x - word
        v_at = v_at + 1
        low_at = low_at + 1
        high_at = high_at + 1
    return distance + weight * excess


def leaf_sum(parameters, node, leaves):
    """Sum of the leaves of the subtree at that word."""
    parameters_at = 0
    parameters_at = parameters_at + node
    total = 0
    while leaves:
        word = parameters[parameters_at] & 0xFFFF
        if word >> 15:
            parameters_at = parameters_at + 2
        else:
            parameters_at = parameters_at + 1
            leaves -= 1
            total += word
    return total


def word_at(parameters, at):
    """A word with its sign."""
    return parameters[at]
