"""The inner loop of the prototypes in viper. The rules are those of kernels_viper.py; arithmetic: docs/pipeline.md."""

import micropython


@micropython.viper
def prototype_sums(r: ptr8, x: int, vector: ptr16, powers: ptr16) -> int:
    """Sum of the least squared distances, as many as there are neighbours; the nearest prototype goes to vector[count].

    r: the whole section as bytes; x: how many scores; powers: 65 points. With kernels their weighted sum goes to the
    next two words, the low one first; without, a prototype is given up once it cannot be one of the nearest.
    """
    count = x
    prototypes = r[0]
    kernels = r[4]
    neighbours = r[6]
    limit = r[8] | (r[9] << 8)
    scale = ptr8(int(r) + 14)
    weight = ptr8(int(r) + 30)
    r = ptr8(int(r) + 14)
    if kernels:
        r = ptr8(int(weight) + 2 * prototypes)
    steps = r
    even = (count + 1) & 0xFFFE
    row = ptr8(int(r) + even)
    first = 0x3FFFFFFF
    second = first
    third = first
    bound = first
    total = 0
    i = 0
    while i < prototypes:
        r = row
        s = steps
        v = ptr16(int(vector) + 0)
        distance = 0
        left = count >> 2
        while left:
            left -= 1
            x = ((r[0] ^ 0x80) - 0x80) * s[0] - ((v[0] ^ 0x8000) - 0x8000)
            if limit <= (x >> 31 ^ x):
                x = limit
            distance = x * x + distance
            x = ((r[1] ^ 0x80) - 0x80) * s[1] - ((v[1] ^ 0x8000) - 0x8000)
            if limit <= (x >> 31 ^ x):
                x = limit
            distance = x * x + distance
            x = ((r[2] ^ 0x80) - 0x80) * s[2] - ((v[2] ^ 0x8000) - 0x8000)
            if limit <= (x >> 31 ^ x):
                x = limit
            distance = x * x + distance
            x = ((r[3] ^ 0x80) - 0x80) * s[3] - ((v[3] ^ 0x8000) - 0x8000)
            if limit <= (x >> 31 ^ x):
                x = limit
            distance = x * x + distance
            r = ptr8(int(r) + 4)
            s = ptr8(int(s) + 4)
            v = ptr16(int(v) + 8)
            if distance >= bound:
                break
        left = count & 3
        while left:
            left -= 1
            x = ((r[0] ^ 0x80) - 0x80) * s[0] - ((v[0] ^ 0x8000) - 0x8000)
            if limit <= (x >> 31 ^ x):
                x = limit
            distance = x * x + distance
            r = ptr8(int(r) + 1)
            s = ptr8(int(s) + 1)
            v = ptr16(int(v) + 2)
        row = ptr8(int(row) + even)
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
            x = distance >> scale[0]
            if x < 65536:
                x = (x * (scale[2] | (scale[3] << 8)) + 8192) >> 14
                if x < 32768:
                    left = (x >> 5) & 63
                    point = ptr16(int(powers) + left + left)
                    y = point[0]
                    y = ((y << 5) + (point[1] - y) * (x & 31) + 16) >> 5
                    x >>= 11
                    y = (y + ((1 << x) >> 1)) >> x
                    x = weight[0] | (weight[1] << 8)
                    total += ((x ^ 0x8000) - 0x8000) * y
            weight = ptr8(int(weight) + 2)
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
