"""The inner loops of the principal components in viper. The rules are those of kernels_viper.py; arithmetic:
docs/pipeline.md.

`parameters` is the whole section as words: 0 components, 1 count, 3 shift of the loadings, 4 and 5 limits; from 10 on
multiplier and shift of each component, then the loadings by rows.
"""

import micropython


@micropython.viper
def principal_distance(parameters: ptr16, vector: ptr16) -> int:
    """T^2 of the standard scores; the principal scores go to vector[count:]."""
    components = int(parameters[0])
    count = int(parameters[1])
    shift = int(parameters[3])
    limit = int(parameters[4])
    half = 1 << (shift - 1)
    at = 10 + 2 * components
    distance = 0
    i = 0
    while i < components:
        total = half
        j = 0
        while j < count:
            x = ((vector[j] & 0xFFFF) ^ 0x8000) - 0x8000
            total += x * (((parameters[at] & 0xFFFF) ^ 0x8000) - 0x8000)
            at += 1
            j += 1
        total >>= shift
        if total > 32767:
            total = 32767
        if total < -32767:
            total = -32767
        vector[count + i] = total
        own = int(parameters[11 + 2 * i])
        total = (total * int(parameters[10 + 2 * i]) + (1 << (own - 1))) >> own
        if total > limit:
            total = limit
        if total < 0 - limit:
            total = 0 - limit
        distance += total * total
        i += 1
    return distance


@micropython.viper
def residual_distance(parameters: ptr16, vector: ptr16) -> int:
    """After principal_distance(): Q; the residuals go to vector[count + components:]."""
    components = int(parameters[0])
    count = int(parameters[1])
    shift = int(parameters[3])
    limit = int(parameters[5])
    half = 1 << (shift - 1)
    distance = 0
    j = 0
    while j < count:
        total = half
        at = 10 + 2 * components + j
        i = 0
        while i < components:
            x = ((vector[count + i] & 0xFFFF) ^ 0x8000) - 0x8000
            total += x * (((parameters[at] & 0xFFFF) ^ 0x8000) - 0x8000)
            at += count
            i += 1
        total = ((vector[j] & 0xFFFF) ^ 0x8000) - 0x8000 - (total >> shift)
        if total > limit:
            total = limit
        if total < 0 - limit:
            total = 0 - limit
        vector[count + components + j] = total
        distance += total * total
        j += 1
    return distance


@micropython.viper
def principal_back(parameters: ptr16, vector: ptr16, j: int) -> int:
    """After principal_distance(): feature j of the principal scores over their variances, taken back."""
    components = int(parameters[0])
    count = int(parameters[1])
    shift = int(parameters[3])
    limit = int(parameters[4])
    total = 1 << (shift - 1)
    at = 10 + 2 * components + j
    i = 0
    while i < components:
        multiplier = int(parameters[10 + 2 * i])
        own = int(parameters[11 + 2 * i])
        half = 1 << (own - 1)
        x = ((vector[count + i] & 0xFFFF) ^ 0x8000) - 0x8000
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
        total += x * (((parameters[at] & 0xFFFF) ^ 0x8000) - 0x8000)
        at += count
        i += 1
    total >>= shift
    if total > 32767:
        return 32767
    if total < -32767:
        return -32767
    return total
