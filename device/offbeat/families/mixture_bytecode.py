"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from mixture_viper.py by `make generate`; a test holds the two together. Do not edit.
"""


def component_distance(parameters, vector, at, best):
    """Squared distance of the standard scores to a component plus its offset; given up once it is not below `best`.

    The differences to the mean go to vector[count:], the whitened ones to vector[2 * count:].
    """
    count = int(parameters[1])
    full = int(parameters[2])
    limit = int(parameters[3])
    distance = (parameters[at] & 0xFFFF) + ((parameters[at + 1] & 0xFFFF) << 16)
    j = 0
    while j < count:
        x = ((vector[j] & 0xFFFF) ^ 0x8000) - (parameters[at + 2 + j] & 0xFFFF ^ 0x8000)
        vector[count + j] = x
        j += 1
    shifts = at + 2 + count
    weight = shifts + ((count + 1) >> 1)
    i = 0
    while i < count:
        if distance >= best:
            return distance
        total = 0
        j = i
        if full:
            j = 0
        while j <= i:
            x = ((vector[count + j] & 0xFFFF) ^ 0x8000) - 0x8000
            total += x * (((parameters[weight] & 0xFFFF) ^ 0x8000) - 0x8000)
            weight += 1
            j += 1
        shift = (parameters[shifts + (i >> 1)] >> ((i & 1) << 3)) & 0xFF
        total = (total + (1 << (shift - 1))) >> shift
        if total > limit:
            total = limit
        if total < 0 - limit:
            total = 0 - limit
        vector[2 * count + i] = total
        distance += total * total
        i += 1
    return distance


def component_back(parameters, vector, at):
    """After component_distance() with full covariances: the transposed weights times the whitened differences,
    in their place at vector[2 * count:]."""
    count = int(parameters[1])
    shifts = at + 2 + count
    weights = shifts + ((count + 1) >> 1)
    j = 0
    while j < count:
        total = 0
        i = j
        while i < count:
            x = ((vector[2 * count + i] & 0xFFFF) ^ 0x8000) - 0x8000
            w = ((parameters[weights + ((i * (i + 1)) >> 1) + j] & 0xFFFF) ^ 0x8000) - 0x8000
            total += (x * w) >> ((parameters[shifts + (i >> 1)] >> ((i & 1) << 3)) & 0xFF)
            i += 1
        if total > 32767:
            total = 32767
        if total < -32767:
            total = -32767
        vector[2 * count + j] = total
        j += 1
