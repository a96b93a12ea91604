"""The inner loops of k-means in viper. The rules are those of kernels_viper.py; arithmetic: docs/pipeline.md.

`p` and `parameters`: the whole section as words: 0 clusters, 1 count; then reduce and gain of each cluster; then the
centroids, row by row.
"""

import micropython


@micropython.viper
def nearest_centroid(x: int, distance: int, p: ptr16, vector: ptr16) -> int:
    """Score of the x standard scores; the index of the nearest centroid goes to vector[2 * x].

    The square of a difference limited to +-2047 is 2047**2 plus its product with 4094 more, once 2047 is added to it;
    where the limit is reached, that is 2047**2 alone. The standard scores + 2047 go to vector[x:].
    """
    clusters = p[0]
    count = x
    scales = ptr16(int(p) + 4)
    p = ptr16(int(scales) + 4 * clusters)
    v = ptr16(int(vector) + 0)
    offset = ptr16(int(vector) + x + x)
    u = offset
    x = (x + 1) >> 1
    while x:
        x -= 1
        u[0] = v[0] + 2047
        u[1] = v[1] + 2047
        u = ptr16(int(u) + 4)
        v = ptr16(int(v) + 4)
    eights = count >> 3  # unrolled
    rest = count & 7  # rest
    farthest = 4190209 * count
    best = 1 << 29
    nearest = 0
    i = 0
    while i ^ clusters:
        u = offset
        distance = farthest
        left = eights  # unrolled
        while left:  # unrolled
            left -= 1
            x = (u[0] - p[0]) & 0xFFFF
            if x < 4095:
                distance = (x - 4094) * x + distance
            x = (u[1] - p[1]) & 0xFFFF
            if x < 4095:
                distance = (x - 4094) * x + distance
            x = (u[2] - p[2]) & 0xFFFF
            if x < 4095:
                distance = (x - 4094) * x + distance
            x = (u[3] - p[3]) & 0xFFFF
            if x < 4095:
                distance = (x - 4094) * x + distance
            x = (u[4] - p[4]) & 0xFFFF
            if x < 4095:
                distance = (x - 4094) * x + distance
            x = (u[5] - p[5]) & 0xFFFF
            if x < 4095:
                distance = (x - 4094) * x + distance
            x = (u[6] - p[6]) & 0xFFFF
            if x < 4095:
                distance = (x - 4094) * x + distance
            x = (u[7] - p[7]) & 0xFFFF
            if x < 4095:
                distance = (x - 4094) * x + distance
            u = ptr16(int(u) + 16)
            p = ptr16(int(p) + 16)
        left = rest
        while left:
            left -= 1
            x = (u[0] - p[0]) & 0xFFFF
            if x < 4095:
                distance = (x - 4094) * x + distance
            u = ptr16(int(u) + 2)
            p = ptr16(int(p) + 2)
        x = distance >> scales[0]
        if x >> 15:
            x = 32767
        x = (x * scales[1] + 16384) >> 15
        if x < best:
            best = x
            nearest = i
        scales = ptr16(int(scales) + 4)
        i += 1
    vector[count + count] = nearest
    return best


@micropython.viper
def centroid_differences(parameters: ptr16, count: int, vector: ptr16):
    """After nearest_centroid(): the limited differences to the nearest centroid, to vector[count:]."""
    at = 2 + 2 * parameters[0] + count * vector[count + count]
    j = 0
    while j < count:
        x = (vector[j] ^ 0x8000) - (parameters[at + j] ^ 0x8000)
        if x > 2047:
            x = 2047
        if x < -2047:
            x = -2047
        vector[count + j] = x
        j += 1
