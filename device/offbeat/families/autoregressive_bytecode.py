"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from autoregressive_viper.py by `make generate`; a test holds the two together. Do not edit.
"""


def residual_distance(parameters, vector, state):
    """Sum of the squared residuals of the standard scores, which go to the state."""
    count = int(parameters[0])
    limit = int(parameters[2])
    start = 2 + count
    end = start + count * int(parameters[1])
    at = 10
    distance = 0
    j = 0
    while j < count:
        shift = int(parameters[at + 2]) & 0xFF
        total = 1 << (shift - 1)
        row = at
        at += 3
        i = start
        while i < end:
            x = ((state[i] & 0xFFFF) ^ 0x8000) - 0x8000
            total += x * (((parameters[at] & 0xFFFF) ^ 0x8000) - 0x8000)
            at += 1
            i += 1
        total = (total >> shift) + ((parameters[row] & 0xFFFF) ^ 0x8000) - 0x8000
        total = ((((vector[j] & 0xFFFF) ^ 0x8000) - 0x8000) << 2) - total
        if total > 32767:
            total = 32767
        if total < -32767:
            total = -32767
        shift = (int(parameters[row + 2]) >> 8) & 0xFF
        total = (total * int(parameters[row + 1]) + (1 << (shift - 1))) >> shift
        if total > limit:
            total = limit
        if total < 0 - limit:
            total = 0 - limit
        state[2 + j] = total
        distance += total * total
        j += 1
    return distance


def cusum_distance(parameters, state):
    """After residual_distance(): add the residuals to the sums; the square of the largest, state[1] says whose."""
    count = int(parameters[0])
    slack = int(parameters[3])
    reach = int(parameters[4])
    ceiling = int(parameters[5])
    upper = 2 + count + count * int(parameters[1])
    lower = upper + count
    largest = 0
    state[1] = 0
    j = 0
    while j < count:
        x = ((state[2 + j] & 0xFFFF) ^ 0x8000) - 0x8000
        if x > reach:
            x = reach
        if x < 0 - reach:
            x = 0 - reach
        total = int(state[upper + j]) + x - slack
        if total < 0:
            total = 0
        if total > ceiling:
            total = ceiling
        state[upper + j] = total
        if total > largest:
            largest = total
            state[1] = j + 1
        total = int(state[lower + j]) - x - slack
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
    count = int(parameters[0])
    start = 2 + count
    i = start + count * int(parameters[1]) - 1
    while i >= start + count:
        state[i] = state[i - count]
        i -= 1
    while i >= start:
        state[i] = vector[i - start]
        i -= 1
