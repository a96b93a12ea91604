"""The inner loops of the principal components in viper. The rules are those of kernels_viper.py; arithmetic:
docs/pipeline.md.

`parameters` is the whole section as words: 0 components, 1 count, 3 shift of the loadings, 4 and 5 limits; from 10 on
multiplier and shift of each component, then the loadings by rows.
"""

import micropython


@micropython.viper
def principal_distance(p: ptr16, x: int, vector: ptr16) -> int:
    """T^2 of the standard scores; the principal scores go to vector[count:]. p: `parameters`; x: components."""
    count = p[1]
    shift = p[3]
    limit = p[4]
    components = x
    scales = ptr16(int(p) + 20)
    p = ptr16(int(scales) + 4 * components)
    scores = ptr16(int(vector) + count + count)
    distance = 0
    while components:
        components -= 1
        x = 1 << shift >> 1
        v = ptr16(int(vector) + 0)
        left = count >> 2  # unrolled
        while left:  # unrolled
            left -= 1
            x = ((v[0] ^ 0x8000) - 0x8000) * ((p[0] ^ 0x8000) - 0x8000) + x
            x = ((v[1] ^ 0x8000) - 0x8000) * ((p[1] ^ 0x8000) - 0x8000) + x
            x = ((v[2] ^ 0x8000) - 0x8000) * ((p[2] ^ 0x8000) - 0x8000) + x
            x = ((v[3] ^ 0x8000) - 0x8000) * ((p[3] ^ 0x8000) - 0x8000) + x
            v = ptr16(int(v) + 8)
            p = ptr16(int(p) + 8)
        left = count & 3  # rest
        while left:
            left -= 1
            x = ((v[0] ^ 0x8000) - 0x8000) * ((p[0] ^ 0x8000) - 0x8000) + x
            v = ptr16(int(v) + 2)
            p = ptr16(int(p) + 2)
        x >>= shift
        if x > 32767:
            x = 32767
        if x < -32767:
            x = -32767
        scores[0] = x
        own = scales[1]
        x = (x * scales[0] + (1 << own >> 1)) >> own
        if x > limit:
            x = limit
        if x < 0 - limit:
            x = 0 - limit
        distance = x * x + distance
        scores = ptr16(int(scores) + 2)
        scales = ptr16(int(scales) + 4)
    return distance


@micropython.viper
def residual_distance(p: ptr16, x: int, vector: ptr16) -> int:
    """After principal_distance(): Q; residuals go to vector[count + components:]. p: `parameters`; x: components."""
    count = p[1]
    shift = p[3]
    limit = p[5]
    components = x
    row_bytes = 2 * count
    column = ptr16(int(p) + 4 * x + 20)
    d = ptr16(int(vector) + 0)
    scores = ptr16(int(vector) + count + count)
    residuals = ptr16(int(scores) + x + x)
    distance = 0
    left = count
    while left:
        left -= 1
        x = 1 << shift >> 1
        p = column
        v = scores
        i = components
        while i:
            i -= 1
            x = ((v[0] ^ 0x8000) - 0x8000) * ((p[0] ^ 0x8000) - 0x8000) + x
            v = ptr16(int(v) + 2)
            p = ptr16(row_bytes + int(p))
        x = (d[0] ^ 0x8000) - 0x8000 - (x >> shift)
        if x > limit:
            x = limit
        if x < 0 - limit:
            x = 0 - limit
        residuals[0] = x
        distance = x * x + distance
        residuals = ptr16(int(residuals) + 2)
        d = ptr16(int(d) + 2)
        column = ptr16(int(column) + 2)
    return distance


@micropython.viper
def principal_back(parameters: ptr16, vector: ptr16, j: int) -> int:
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
        x = (vector[count + i] ^ 0x8000) - 0x8000
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
        total += x * ((parameters[at] ^ 0x8000) - 0x8000)
        at += count
        i += 1
    total >>= shift
    if total > 32767:
        return 32767
    if total < -32767:
        return -32767
    return total
