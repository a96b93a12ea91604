"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from mixture_viper.py by `make generate`; a test holds the two together. Do not edit.
"""


def component_distance(p, x, vector, best):
    """Squared distance of the standard scores to a component plus its offset; given up once it is not below `best`.

    p: `parameters`; x: `at`. The differences to the mean go to vector[count:], the whitened ones to vector[2 * count:].
    """
    p_at = 0
    count = p[p_at + 1]
    full = p[p_at + 2]
    limit = p[p_at + 3]
    p_at = p_at + x
    distance = (p[p_at] & 0xFFFF) + ((p[p_at + 1] & 0xFFFF) << 16)
    p_at = p_at + 2
    d_at = 0
    start_at = count
    v_at = start_at
    left = count
    while left:
        left -= 1
        x = (vector[d_at] + 32768) - (p[p_at] + 32768)
        vector[v_at] = x
        d_at = d_at + 1
        v_at = v_at + 1
        p_at = p_at + 1
    white_at = v_at
    v_at = start_at
    shifts_at = p_at
    pairs = (count + 1) >> 1
    p_at = p_at + pairs
    i = 0
    while i < count:
        if distance >= best:
            return distance
        i += 1
        x = 0
        left = 1
        if full:
            v_at = start_at
            left = i
        while left:
            left -= 1
            x = vector[v_at] * p[p_at] + x
            v_at = v_at + 1
            p_at = p_at + 1
        if i & 1:
            shift = p[shifts_at] & 0xFF
        else:
            shift = (p[shifts_at] >> 8) & 0xFF
            shifts_at = shifts_at + 1
        x = (x + (1 << shift >> 1)) >> shift
        if x > limit:
            x = limit
        if x < 0 - limit:
            x = 0 - limit
        vector[white_at] = x
        distance = x * x + distance
        white_at = white_at + 1
    return distance


def component_back(parameters, vector, at):
    """After component_distance() with full covariances: the transposed weights times the whitened differences,
    in their place at vector[2 * count:]."""
    count = parameters[1]
    shifts = at + 2 + count
    weights = shifts + ((count + 1) >> 1)
    j = 0
    while j < count:
        total = 0
        i = j
        while i < count:
            x = vector[2 * count + i]
            w = parameters[weights + ((i * (i + 1)) >> 1) + j]
            total += (x * w) >> ((parameters[shifts + (i >> 1)] >> ((i & 1) << 3)) & 0xFF)
            i += 1
        if total > 32767:
            total = 32767
        if total < -32767:
            total = -32767
        vector[2 * count + j] = total
        j += 1
