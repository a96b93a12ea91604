"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from autoregressive_viper.py by `make generate`; a test holds the two together. Do not edit.
"""


def residual_distance(p, x, vector, state):
    """Sum of the squared residuals of the x standard scores, which go to the state. p: `parameters`."""
    p_at = 0
    limit = p[p_at + 2]
    places = x * p[p_at + 1]
    left = x
    residuals_at = 2
    start_at = residuals_at + x
    d_at = 0
    p_at = p_at + 10
    distance = 0
    while left:
        left -= 1
        shift = p[p_at + 2] & 0xFF
        row_at = p_at
        p_at = p_at + 3
        x = 1 << shift >> 1
        v_at = start_at
        i = places
        while i:
            i -= 1
            x = state[v_at] * p[p_at] + x
            v_at = v_at + 1
            p_at = p_at + 1
        x = (x >> shift) + p[row_at]
        x = (vector[d_at] << 2) - x
        if x > 32767:
            x = 32767
        if x < -32767:
            x = -32767
        shift = (p[row_at + 2] >> 8) & 0xFF
        x = (x * p[row_at + 1] + (1 << shift >> 1)) >> shift
        if x > limit:
            x = limit
        if x < 0 - limit:
            x = 0 - limit
        state[residuals_at] = x
        distance = x * x + distance
        residuals_at = residuals_at + 1
        d_at = d_at + 1
    return distance


def cusum_distance(parameters, state):
    """After residual_distance(): add the residuals to the sums; the square of the largest, state[1] says whose."""
    count = parameters[0]
    slack = parameters[3]
    reach = parameters[4]
    ceiling = parameters[5]
    upper = 2 + count + count * parameters[1]
    lower = upper + count
    largest = 0
    state[1] = 0
    j = 0
    while j < count:
        x = state[2 + j]
        if x > reach:
            x = reach
        if x < 0 - reach:
            x = 0 - reach
        total = state[upper + j] + x - slack
        if total < 0:
            total = 0
        if total > ceiling:
            total = ceiling
        state[upper + j] = total
        if total > largest:
            largest = total
            state[1] = j + 1
        total = state[lower + j] - x - slack
        if total < 0:
            total = 0
        if total > ceiling:
            total = ceiling
        state[lower + j] = total
        if total > largest:
            largest = total
            state[1] = j + 1
        j += 1
    return largest * largest


def remember(parameters, vector, state):
    """Put the standard scores in front of the history, which drops its oldest ones."""
    count = parameters[0]
    start = 2 + count
    i = start + count * parameters[1] - 1
    while i >= start + count:
        state[i] = state[i - count]
        i -= 1
    while i >= start:
        state[i] = vector[i - start]
        i -= 1
