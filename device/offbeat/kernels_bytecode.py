"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from kernels_viper.py by `make generate`; a test holds the two together. Do not edit.
"""


def without_baseline(vector, slew, baseline, count):
    """Let each feature's baseline follow its standard score by at most its slew, and subtract it.

    slew: Q15 a window, 0: no baseline; baseline: Q15, updated.
    """
    j = 0
    while j < count:
        step = slew[j] & 0xFFFF
        if step > 0:
            x = vector[j]
            b = baseline[j]
            if b >> 30 > 1:
                wrap = 65536
                b -= wrap * wrap
            move = (x << 8) - b
            if move > step:
                move = step
            if move < 0 - step:
                move = 0 - step
            b += move
            baseline[j] = b
            x -= (b + 128) >> 8
            if x > 8191:
                x = 8191
            if x < -8191:
                x = -8191
            vector[j] = x
        j += 1


def log2_q10(value, table):
    """1024 log2(value), 0 for 0; value below 2**30; table: 33 points."""
    table_at = 0
    start = 29
    if not value >> 14:
        if value == 0:
            return 0
        value <<= 16
        start = 13
    if not value >> 22:
        value <<= 8
        start -= 8
    if not value >> 26:
        value <<= 4
        start -= 4
    if not value >> 28:
        value <<= 2
        start -= 2
    if not value >> 29:
        value <<= 1
        start -= 1
    i = (value >> 24) & 31
    value = (value >> 14) & 1023
    table_at = table_at + i
    return (((table[table_at + 1] - table[table_at]) * value + (table[table_at] << 10) + 8192) >> 14) + (start << 10)


def standardize(p, x, features, vector):
    """Features to standard scores in Q7.

    p: 4 words a feature: centre low and high, multiplier, first shift + 256 * second shift. x: how many features.
    """
    features_at = 0
    vector_at = 0
    p_at = 0
    left = x
    while left:
        left -= 1
        x = features[features_at]
        if x >> 30 > 1:
            wrap = 65536
            x -= wrap * wrap
        x -= (p[p_at] & 0xFFFF) + (p[p_at + 1] << 16)
        shift = p[p_at + 3]
        x >>= shift & 0xFF
        if (x >> 31 ^ x) >> 14:
            if x > 32767:
                x = 32767
            if x < -32767:
                x = -32767
        shift >>= 8
        x = (x * p[p_at + 2] + (1 << shift >> 1)) >> shift
        if (x + 4096) >> 13:
            if x > 8191:
                x = 8191
            if x < -8191:
                x = -8191
        vector[vector_at] = x
        features_at = features_at + 1
        vector_at = vector_at + 1
        p_at = p_at + 4


def mahalanobis(p, x, shifts, vector):
    """Squared length of the whitened vector.

    p: weights, lower triangle by rows; x: how many scores; vector: standard scores, then room for the whitened ones.
    """
    p_at = 0
    shifts_at = 0
    count = x
    limit = 2047
    if count <= 64:
        limit = 4095
    if count <= 16:
        limit = 8191
    white_at = x
    distance = 0
    i = 0
    while i < count:
        i += 1
        x = 0
        v_at = 0
        left = i
        while left:
            left -= 1
            x = vector[v_at] * p[p_at] + x
            v_at = v_at + 1
            p_at = p_at + 1
        shift = shifts[shifts_at]
        x = (x + (1 << shift >> 1)) >> shift
        if x > limit:
            x = limit
        if x < 0 - limit:
            x = 0 - limit
        vector[white_at] = x
        distance = x * x + distance
        shifts_at = shifts_at + 1
        white_at = white_at + 1
    return distance


def whitened_back(weights, shifts, vector, count):
    """After mahalanobis(): the transposed weights times the whitened scores, to vector[2 * count:]."""
    j = 0
    while j < count:
        total = 0
        i = j
        while i < count:
            x = vector[count + i]
            w = weights[((i * (i + 1)) >> 1) + j]
            total += (x * w) >> shifts[i]
            i += 1
        if total > 32767:
            total = 32767
        if total < -32767:
            total = -32767
        vector[2 * count + j] = total
        j += 1


def crc32_of_line(line, length, table, out):
    """CRC-32 (IEEE 802.3, as zlib) of line[1:length], in halves: out[0] low, out[1] high.

    table: the CRC of the 16 nibbles, 16 low halves then 16 high halves.
    """
    low = 0xFFFF
    high = 0xFFFF
    i = 1
    while i < length:
        byte = line[i]
        twice = 0
        while twice < 2:
            n = (low ^ byte) & 15
            low = ((low >> 4) | ((high & 15) << 12)) ^ (table[n] & 0xFFFF)
            high = (high >> 4) ^ (table[n + 16] & 0xFFFF)
            byte >>= 4
            twice += 1
        i += 1
    out[0] = ((low ^ 0xFFFF) ^ 0x8000) - 0x8000
    out[1] = ((high ^ 0xFFFF) ^ 0x8000) - 0x8000
