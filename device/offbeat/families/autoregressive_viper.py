"""The inner loops of the autoregressive family in viper. The rules are those of kernels_viper.py; arithmetic:
docs/pipeline.md.

`parameters` is the whole section as words: 0 count, 1 lags, 2 limit of a residual, 3 slack, 4 reach and 5 ceiling of
the CUSUM, 6 to 9 scales; then for each feature bias, multiplier, shift + 256 * second shift, weights, lag by lag.
`state`: 0 whether the history is filled, 1 the feature whose CUSUM counts + 1, or 0; from 2 on the residuals, the
standard scores of the last windows, latest first, and where there is a ceiling the upper and the lower sums.
"""

import micropython


@micropython.viper
def residual_distance(p: ptr16, x: int, vector: ptr16, state: ptr16) -> int:
    """Sum of the squared residuals of the x standard scores, which go to the state. p: `parameters`."""
    limit = p[2]
    places = x * p[1]
    left = x
    residuals = ptr16(int(state) + 4)
    start = ptr16(int(residuals) + x + x)
    d = ptr16(int(vector) + 0)
    p = ptr16(int(p) + 20)
    distance = 0
    while left:
        left -= 1
        shift = p[2] & 0xFF
        row = p
        p = ptr16(int(p) + 6)
        x = 1 << shift >> 1
        v = start
        i = places >> 2  # unrolled
        while i:  # unrolled
            i -= 1
            x = ((v[0] ^ 0x8000) - 0x8000) * ((p[0] ^ 0x8000) - 0x8000) + x
            x = ((v[1] ^ 0x8000) - 0x8000) * ((p[1] ^ 0x8000) - 0x8000) + x
            x = ((v[2] ^ 0x8000) - 0x8000) * ((p[2] ^ 0x8000) - 0x8000) + x
            x = ((v[3] ^ 0x8000) - 0x8000) * ((p[3] ^ 0x8000) - 0x8000) + x
            v = ptr16(int(v) + 8)
            p = ptr16(int(p) + 8)
        i = places & 3  # rest
        while i:
            i -= 1
            x = ((v[0] ^ 0x8000) - 0x8000) * ((p[0] ^ 0x8000) - 0x8000) + x
            v = ptr16(int(v) + 2)
            p = ptr16(int(p) + 2)
        x = (x >> shift) + ((row[0] ^ 0x8000) - 0x8000)
        x = (((d[0] ^ 0x8000) - 0x8000) << 2) - x
        if x > 32767:
            x = 32767
        if x < -32767:
            x = -32767
        shift = (row[2] >> 8) & 0xFF
        x = (x * row[1] + (1 << shift >> 1)) >> shift
        if x > limit:
            x = limit
        if x < 0 - limit:
            x = 0 - limit
        residuals[0] = x
        distance = x * x + distance
        residuals = ptr16(int(residuals) + 2)
        d = ptr16(int(d) + 2)
    return distance


@micropython.viper
def cusum_distance(parameters: ptr16, state: ptr16) -> int:
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
        x = (state[2 + j] ^ 0x8000) - 0x8000
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


@micropython.viper
def remember(parameters: ptr16, vector: ptr16, state: ptr16):
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
