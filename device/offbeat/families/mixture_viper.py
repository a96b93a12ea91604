"""The inner loops of the mixture in viper. The rules are those of kernels_viper.py; arithmetic: docs/pipeline.md.

`parameters` is the whole section as words: 0 components, 1 count, 2 one for full covariances, 3 limit; `at`
is where a component's block starts: offset (low, high), means, shifts two to a word, weights by rows.
"""

import micropython


@micropython.viper
def component_distance(p: ptr16, x: int, vector: ptr16, best: int) -> int:
    """Squared distance of the standard scores to a component plus its offset; given up once it is not below `best`.

    p: `parameters`; x: `at`. The differences to the mean go to vector[count:], the whitened ones to vector[2 * count:].
    """
    count = p[1]
    full = p[2]
    limit = p[3]
    p = ptr16(int(p) + x + x)
    distance = (p[0] & 0xFFFF) + ((p[1] & 0xFFFF) << 16)
    p = ptr16(int(p) + 4)
    d = ptr16(int(vector) + 0)
    start = ptr16(int(vector) + count + count)
    v = start
    left = count
    while left:
        left -= 1
        x = (d[0] ^ 0x8000) - (p[0] ^ 0x8000)
        v[0] = x
        d = ptr16(int(d) + 2)
        v = ptr16(int(v) + 2)
        p = ptr16(int(p) + 2)
    white = v
    v = start
    shifts = p
    pairs = (count + 1) >> 1
    p = ptr16(int(p) + pairs + pairs)
    i = 0
    while i < count:
        if distance >= best:
            return distance
        i += 1
        x = 0
        left = 1
        if full:
            v = start
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
        if i & 1:
            shift = shifts[0] & 0xFF
        else:
            shift = (shifts[0] >> 8) & 0xFF
            shifts = ptr16(int(shifts) + 2)
        x = (x + (1 << shift >> 1)) >> shift
        if x > limit:
            x = limit
        if x < 0 - limit:
            x = 0 - limit
        white[0] = x
        distance = x * x + distance
        white = ptr16(int(white) + 2)
    return distance


@micropython.viper
def component_back(parameters: ptr16, vector: ptr16, at: int):
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
            x = (vector[2 * count + i] ^ 0x8000) - 0x8000
            w = (parameters[weights + ((i * (i + 1)) >> 1) + j] ^ 0x8000) - 0x8000
            total += (x * w) >> ((parameters[shifts + (i >> 1)] >> ((i & 1) << 3)) & 0xFF)
            i += 1
        if total > 32767:
            total = 32767
        if total < -32767:
            total = -32767
        vector[2 * count + j] = total
        j += 1
