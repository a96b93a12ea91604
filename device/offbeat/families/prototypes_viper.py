"""The inner loop of the prototypes in viper. The rules are those of kernels_viper.py; arithmetic: docs/pipeline.md."""

import micropython


@micropython.viper
def prototype_sums(parameters: ptr8, vector: ptr16, powers: ptr16) -> int:
    """Sum of the least squared distances, as many as there are neighbours; the nearest prototype goes to vector[count].

    parameters: the whole section as bytes; powers: 65 points. With kernels their weighted sum goes to the next two
    words, the low one first; without, a prototype is given up once it cannot be one of the nearest.
    """
    count = int(parameters[2])
    kernels = int(parameters[4])
    neighbours = int(parameters[6])
    limit = int(parameters[8]) | (int(parameters[9]) << 8)
    steps = 14 + kernels * (16 + 2 * int(parameters[0]))
    row = steps
    first = 0x3FFFFFFF
    second = first
    third = first
    bound = first
    total = 0
    i = 0
    while i < int(parameters[0]):
        row += (count + 1) & 0xFFFE
        distance = 0
        j = 0
        while j < count:
            x = ((vector[j] & 0xFFFF) ^ 0x8000) - 0x8000
            x -= ((int(parameters[row + j]) ^ 0x80) - 0x80) * int(parameters[steps + j])
            if x > limit:
                x = limit
            if x < 0 - limit:
                x = 0 - limit
            distance += x * x
            j += 1
            if distance >= bound:
                j = count
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
            x = distance >> int(parameters[14])
            if x < 65536:
                x = (x * (int(parameters[16]) | (int(parameters[17]) << 8)) + 8192) >> 14
                if x < 32768:
                    j = (x >> 5) & 63
                    y = int(powers[j])
                    y = ((y << 5) + (int(powers[j + 1]) - y) * (x & 31) + 16) >> 5
                    x >>= 11
                    y = (y + ((1 << x) >> 1)) >> x
                    x = int(parameters[30 + 2 * i]) | (int(parameters[31 + 2 * i]) << 8)
                    total += ((x ^ 0x8000) - 0x8000) * y
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
