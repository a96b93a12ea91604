"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from kmeans_viper.py by `make generate`; a test holds the two together. Do not edit.
"""


def nearest_centroid(x, distance, p, vector):
    """Score of the x standard scores; the index of the nearest centroid goes to vector[2 * x].

    The square of a difference limited to +-2047 is 2047**2 plus its product with 4094 more, once 2047 is added to it;
    where the limit is reached, that is 2047**2 alone. The standard scores + 2047 go to vector[x:].
    """
    p_at = 0
    clusters = p[p_at]
    count = x
    scales_at = p_at + 2
    p_at = scales_at + 2 * clusters
    v_at = 0
    offset_at = x
    u_at = offset_at
    x = (x + 1) >> 1
    while x:
        x -= 1
        vector[u_at] = vector[v_at] + 2047
        vector[u_at + 1] = vector[v_at + 1] + 2047
        u_at = u_at + 2
        v_at = v_at + 2
    rest = count
    farthest = 4190209 * count
    best = 1 << 29
    nearest = 0
    i = 0
    while i ^ clusters:
        u_at = offset_at
        distance = farthest
        left = rest
        while left:
            left -= 1
            x = (vector[u_at] - p[p_at]) & 0xFFFF
            if x < 4095:
                distance = (x - 4094) * x + distance
            u_at = u_at + 1
            p_at = p_at + 1
        x = distance >> p[scales_at]
        if x >> 15:
            x = 32767
        x = (x * p[scales_at + 1] + 16384) >> 15
        if x < best:
            best = x
            nearest = i
        scales_at = scales_at + 2
        i += 1
    vector[count + count] = nearest
    return best


def centroid_differences(parameters, count, vector):
    """After nearest_centroid(): the limited differences to the nearest centroid, to vector[count:]."""
    at = 2 + 2 * parameters[0] + count * vector[count + count]
    j = 0
    while j < count:
        x = (vector[j] + 32768) - (parameters[at + j] + 32768)
        if x > 2047:
            x = 2047
        if x < -2047:
            x = -2047
        vector[count + j] = x
        j += 1
