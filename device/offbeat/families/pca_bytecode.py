"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from pca_viper.py by `make generate`; a test holds the two together. Do not edit.
"""


def principal_distance(p, x, vector):
    """T^2 of the standard scores; the principal scores go to vector[count:]. p: `parameters`; x: components."""
    p_at = 0
    count = p[p_at + 1]
    shift = p[p_at + 3]
    limit = p[p_at + 4]
    components = x
    scales_at = p_at + 10
    p_at = scales_at + 2 * components
    scores_at = count
    distance = 0
    while components:
        components -= 1
        x = 1 << shift >> 1
        v_at = 0
        left = count
        while left:
            left -= 1
            x = vector[v_at] * p[p_at] + x
            v_at = v_at + 1
            p_at = p_at + 1
        x >>= shift
        if x > 32767:
            x = 32767
        if x < -32767:
            x = -32767
        vector[scores_at] = x
        own = p[scales_at + 1]
        x = (x * p[scales_at] + (1 << own >> 1)) >> own
        if x > limit:
            x = limit
        if x < 0 - limit:
            x = 0 - limit
        distance = x * x + distance
        scores_at = scores_at + 1
        scales_at = scales_at + 2
    return distance


def residual_distance(p, x, vector):
    """After principal_distance(): Q; residuals go to vector[count + components:]. p: `parameters`; x: components."""
    p_at = 0
    count = p[p_at + 1]
    shift = p[p_at + 3]
    limit = p[p_at + 5]
    components = x
    row = count
    column_at = p_at + 2 * x + 10
    d_at = 0
    scores_at = count
    residuals_at = scores_at + x
    distance = 0
    left = count
    while left:
        left -= 1
        x = 1 << shift >> 1
        p_at = column_at
        v_at = scores_at
        i = components
        while i:
            i -= 1
            x = vector[v_at] * p[p_at] + x
            v_at = v_at + 1
            p_at = row + p_at
        x = vector[d_at] - (x >> shift)
        if x > limit:
            x = limit
        if x < 0 - limit:
            x = 0 - limit
        vector[residuals_at] = x
        distance = x * x + distance
        residuals_at = residuals_at + 1
        d_at = d_at + 1
        column_at = column_at + 1
    return distance


def principal_back(parameters, vector, j):
    """After principal_distance(): feature j of the principal scores over their variances, taken back."""
    components = parameters[0]
    count = parameters[1]
    shift = parameters[3]
    limit = parameters[4]
    total = 1 << (shift - 1)
    at = 10 + 2 * components + j
    i = 0
    while i < components:
        multiplier = parameters[10 + 2 * i]
        own = parameters[11 + 2 * i]
        half = 1 << (own - 1)
        x = vector[count + i]
        x = (x * multiplier + half) >> own
        if x > limit:
            x = limit
        if x < 0 - limit:
            x = 0 - limit
        x = (x * multiplier + half) >> own
        if x > 32767:
            x = 32767
        if x < -32767:
            x = -32767
        total += x * parameters[at]
        at += count
        i += 1
    total >>= shift
    if total > 32767:
        return 32767
    if total < -32767:
        return -32767
    return total
