"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from prototypes_viper.py by `make generate`; a test holds the two together. Do not edit.
"""


def prototype_sums(r, x, vector, powers):
    """Sum of the least squared distances, as many as there are neighbours; the nearest prototype goes to vector[count].

    r: the whole section as bytes; x: how many scores; powers: 65 points. With kernels their weighted sum goes to the
    next two words, the low one first; without, a prototype is given up once it cannot be one of the nearest.
    """
    r_at = 0
    count = x
    prototypes = r[r_at]
    kernels = r[r_at + 4]
    neighbours = r[r_at + 6]
    limit = r[r_at + 8] | (r[r_at + 9] << 8)
    scale_at = r_at + 14
    weight_at = r_at + 30
    r_at = r_at + 14
    if kernels:
        r_at = weight_at + 2 * prototypes
    steps_at = r_at
    even = (count + 1) & 0xFFFE
    row_at = r_at + even
    first = 0x3FFFFFFF
    second = first
    third = first
    bound = first
    total = 0
    i = 0
    while i < prototypes:
        r_at = row_at
        s_at = steps_at
        v_at = 0
        distance = 0
        left = count >> 2
        while left:
            left -= 1
            x = ((r[r_at] ^ 0x80) - 0x80) * r[s_at] - vector[v_at]
            if limit <= (x >> 31 ^ x):
                x = limit
            distance = x * x + distance
            x = ((r[r_at + 1] ^ 0x80) - 0x80) * r[s_at + 1] - vector[v_at + 1]
            if limit <= (x >> 31 ^ x):
                x = limit
            distance = x * x + distance
            x = ((r[r_at + 2] ^ 0x80) - 0x80) * r[s_at + 2] - vector[v_at + 2]
            if limit <= (x >> 31 ^ x):
                x = limit
            distance = x * x + distance
            x = ((r[r_at + 3] ^ 0x80) - 0x80) * r[s_at + 3] - vector[v_at + 3]
            if limit <= (x >> 31 ^ x):
                x = limit
            distance = x * x + distance
            r_at = r_at + 4
            s_at = s_at + 4
            v_at = v_at + 4
            if distance >= bound:
                break
        left = count & 3
        while left:
            left -= 1
            x = ((r[r_at] ^ 0x80) - 0x80) * r[s_at] - vector[v_at]
            if limit <= (x >> 31 ^ x):
                x = limit
            distance = x * x + distance
            r_at = r_at + 1
            s_at = s_at + 1
            v_at = v_at + 1
        row_at = row_at + even
        if distance < first:
            third = second
            second = first
            first = distance
            vector[count] = i
        elif distance < second:
            third = second
            second = distance
        elif distance < third:
            third = distance
        if kernels:
            x = distance >> r[scale_at]
            if x < 65536:
                x = (x * (r[scale_at + 2] | (r[scale_at + 3] << 8)) + 8192) >> 14
                if x < 32768:
                    left = (x >> 5) & 63
                    point_at = left
                    y = powers[point_at]
                    y = ((y << 5) + (powers[point_at + 1] - y) * (x & 31) + 16) >> 5
                    x >>= 11
                    y = (y + ((1 << x) >> 1)) >> x
                    x = r[weight_at] | (r[weight_at + 1] << 8)
                    total += ((x ^ 0x8000) - 0x8000) * y
            weight_at = weight_at + 2
        else:
            bound = first
            if neighbours == 2:
                bound = second
            if neighbours == 3:
                bound = third
        i += 1
    vector[count + 1] = ((total & 0xFFFF) ^ 0x8000) - 0x8000
    vector[count + 2] = total >> 16
    if neighbours > 1:
        first += second
    if neighbours > 2:
        first += third
    return first
