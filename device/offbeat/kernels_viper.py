"""The inner loops of scoring in viper: logarithm, standard scores, baseline, Mahalanobis distance; and a line's CRC.

Arithmetic: docs/pipeline.md. NAME_viper.py is the only source: NAME_bytecode.py is made from it by `make generate`
(device/twin.py says how), so a line here must mean the same in three places: viper on a 32-bit core, viper on the
64-bit Unix binary, and bytecode over arrays. Hence:

- ptr16 loads are unsigned in viper, signed in bytecode: `(p[i] ^ 0x8000) - 0x8000` is what the twin knows as signed.
- ptr32 loads are not sign-extended by 64-bit viper: `if x >> 30 > 1` holds there alone, and mends it.
- No intermediate leaves +-(2**30 - 1), so nothing wraps at 32 bits and bytecode needs no heap.
- At most four arguments; what does not fit lies in `state`, whose places features.py names.

And, as viper's code generator is simple (py/emitnative.c of MicroPython), for speed:

- The first two arguments lie in registers, whatever is assigned to them; all other variables in memory. So the names of
  these two, `x` and `p` mostly, are used again for what is computed with most, and some only for that: those get a 0.
- A pointer that moves, with a constant index from 0 to 31, is one instruction; an index that is a variable three.
- Products first in a sum, and of two factors the one in memory first, which saves a store and a load.
- A comparison makes a 0 or 1, which is then compared: `while left` and `if x >> 14` take half of `left > 0`.
- Samples and points of the spectrum are stored + 32768 in an array of unsigned words: no sign to extend.
- A loop is unrolled until counting and moving are little beside its work, and no further: code takes the board's heap.
"""

import micropython


@micropython.viper
def without_baseline(vector: ptr16, slew: ptr16, baseline: ptr32, count: int):
    """Let each feature's baseline follow its standard score by at most its slew, and subtract it.

    slew: Q15 a window, 0: no baseline; baseline: Q15, updated.
    """
    j = 0
    while j < count:
        step = slew[j] & 0xFFFF
        if step > 0:
            x = (vector[j] ^ 0x8000) - 0x8000
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


@micropython.viper
def log2_q10(value: int, table: ptr16) -> int:
    """1024 log2(value), 0 for 0; value below 2**30; table: 33 points."""
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
    table = ptr16(int(table) + i + i)
    return (((table[1] - table[0]) * value + (table[0] << 10) + 8192) >> 14) + (start << 10)


@micropython.viper
def standardize(p: ptr16, x: int, features: ptr32, vector: ptr16):
    """Features to standard scores in Q7.

    p: 4 words a feature: centre low and high, multiplier, first shift + 256 * second shift. x: how many features.
    """
    left = x
    while left:
        left -= 1
        x = features[0]
        if x >> 30 > 1:
            wrap = 65536
            x -= wrap * wrap
        x -= (p[0] & 0xFFFF) + (((p[1] ^ 0x8000) - 0x8000) << 16)
        shift = p[3]
        x >>= shift & 0xFF
        if (x >> 31 ^ x) >> 14:
            if x > 32767:
                x = 32767
            if x < -32767:
                x = -32767
        shift >>= 8
        x = (x * p[2] + (1 << shift >> 1)) >> shift
        if (x + 4096) >> 13:
            if x > 8191:
                x = 8191
            if x < -8191:
                x = -8191
        vector[0] = x
        features = ptr32(int(features) + 4)
        vector = ptr16(int(vector) + 2)
        p = ptr16(int(p) + 8)


@micropython.viper
def mahalanobis(p: ptr16, x: int, shifts: ptr8, vector: ptr16) -> int:
    """Squared length of the whitened vector.

    p: weights, lower triangle by rows; x: how many scores; vector: standard scores, then room for the whitened ones.
    """
    count = x
    limit = 2047
    if count <= 64:
        limit = 4095
    if count <= 16:
        limit = 8191
    white = ptr16(int(vector) + x + x)
    distance = 0
    i = 0
    while i < count:
        i += 1
        x = 0
        v = ptr16(int(vector) + 0)
        left = i >> 2  # unrolled
        while left:  # unrolled
            left -= 1
            x = ((v[0] ^ 0x8000) - 0x8000) * ((p[0] ^ 0x8000) - 0x8000) + x
            x = ((v[1] ^ 0x8000) - 0x8000) * ((p[1] ^ 0x8000) - 0x8000) + x
            x = ((v[2] ^ 0x8000) - 0x8000) * ((p[2] ^ 0x8000) - 0x8000) + x
            x = ((v[3] ^ 0x8000) - 0x8000) * ((p[3] ^ 0x8000) - 0x8000) + x
            v = ptr16(int(v) + 8)
            p = ptr16(int(p) + 8)
        left = i & 3  # rest
        while left:
            left -= 1
            x = ((v[0] ^ 0x8000) - 0x8000) * ((p[0] ^ 0x8000) - 0x8000) + x
            v = ptr16(int(v) + 2)
            p = ptr16(int(p) + 2)
        shift = shifts[0]
        x = (x + (1 << shift >> 1)) >> shift
        if x > limit:
            x = limit
        if x < 0 - limit:
            x = 0 - limit
        white[0] = x
        distance = x * x + distance
        shifts = ptr8(int(shifts) + 1)
        white = ptr16(int(white) + 2)
    return distance


@micropython.viper
def whitened_back(weights: ptr16, shifts: ptr8, vector: ptr16, count: int):
    """After mahalanobis(): the transposed weights times the whitened scores, to vector[2 * count:]."""
    j = 0
    while j < count:
        total = 0
        i = j
        while i < count:
            x = (vector[count + i] ^ 0x8000) - 0x8000
            w = (weights[((i * (i + 1)) >> 1) + j] ^ 0x8000) - 0x8000
            total += (x * w) >> shifts[i]
            i += 1
        if total > 32767:
            total = 32767
        if total < -32767:
            total = -32767
        vector[2 * count + j] = total
        j += 1


@micropython.viper
def crc32_of_line(line: ptr8, length: int, table: ptr16, out: ptr16):
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
