"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from autoencoder_viper.py by `make generate`; a test holds the two together. Do not edit.
"""


def reconstruction_error(parameters, vector, second):
    """Squared error of the network's reconstruction of the standard scores.

    parameters: the whole section as bytes. vector: standard scores; places for the inputs of the first layer and the
    outputs of every second one from there, and from `second` on for the outputs of the others, each with room for a
    multiple of four. The errors go to the one where the last layer's inputs are not.
    """
    count = int(parameters[0])
    hidden = int(parameters[2])
    limit = int(parameters[4]) | (int(parameters[5]) << 8)
    start = 0
    j = 0
    while j < count:
        x = (((vector[j] & 0xFFFF) ^ 0x8000) - 0x8000 + 4) >> 3
        if x > 127:
            x = 127
        if x < -127:
            x = -127
        vector[count + j] = x
        if not (j & 1):
            start -= x << 7
        j += 1
    while j & 3:
        vector[count + j] = 0
        j += 1
    distance = 0
    source = count
    target = second
    columns = j
    at = 12 + 4 * (hidden >> 1)
    layer = 0
    while layer <= hidden:
        outputs = count
        if layer < hidden:
            outputs = int(parameters[10 + 2 * layer])
        end = source + columns
        following = 0
        i = 0
        while i < outputs:
            total = start
            k = source
            scale = at + 6 * (i & 3)
            w = at + 24 + 4 * (i & 3)
            while k < end:
                total += int(parameters[w]) * (((vector[k] & 0xFFFF) ^ 0x8000) - 0x8000)
                x = ((vector[k + 1] & 0xFFFF) ^ 0x8000) - 0x8000
                total += x * ((int(parameters[w + 1]) ^ 0x80) - 0x80)
                total += int(parameters[w + 2]) * (((vector[k + 2] & 0xFFFF) ^ 0x8000) - 0x8000)
                x = ((vector[k + 3] & 0xFFFF) ^ 0x8000) - 0x8000
                total += x * ((int(parameters[w + 3]) ^ 0x80) - 0x80)
                w += 16
                k += 4
            total >>= int(parameters[scale + 4])
            total += ((int(parameters[scale]) | (int(parameters[scale + 1]) << 8)) ^ 0x8000) - 0x8000
            total *= int(parameters[scale + 2]) | (int(parameters[scale + 3]) << 8)
            shift = int(parameters[scale + 5])
            total = (total + (1 << (shift - 1))) >> shift
            if layer < hidden:
                if total < 0:
                    total = 0
                if total > 127:
                    total = 127
                if not (i & 1):
                    following -= total << 7
            else:
                total = ((vector[i] & 0xFFFF) ^ 0x8000) - 0x8000 - total
                if total > limit:
                    total = limit
                if total < 0 - limit:
                    total = 0 - limit
                distance += total * total
            vector[target + i] = total
            i += 1
            if not (i & 3):
                at += 24 + (columns << 2)
        if i & 3:
            at += 24 + (columns << 2)
        while i & 3 and layer < hidden:
            vector[target + i] = 0
            i += 1
        columns = (outputs + 3) & 0xFFFC
        start = following
        x = source
        source = target
        target = x
        layer += 1
    return distance
