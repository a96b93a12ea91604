"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from autoencoder_viper.py by `make generate`; a test holds the two together. Do not edit.
"""


def reconstruction_error(parameters, vector):
    """Squared error of the network's reconstruction of the standard scores; the errors go to vector[count:].

    parameters: the whole section as bytes. vector: standard scores, then places for the network's inputs and for
    what each hidden layer gives, an even number of words for each.
    """
    count = int(parameters[0])
    hidden = int(parameters[2])
    limit = int(parameters[4]) | (int(parameters[5]) << 8)
    j = 0
    while j < count:
        x = (((vector[j] & 0xFFFF) ^ 0x8000) - 0x8000 + 4) >> 3
        if x > 127:
            x = 127
        if x < -127:
            x = -127
        vector[count + j] = x
        j += 1
    distance = 0
    source = count
    inputs = count
    at = 10 + 2 * hidden
    layer = 0
    while layer <= hidden:
        target = source + ((inputs + 1) & 0xFFFE)
        outputs = int(parameters[10 + 2 * layer])
        if layer == hidden:
            target = count
            outputs = count
        i = 0
        while i < outputs:
            row = at
            at += 6
            total = 0
            k = source
            end = source + inputs
            while k < end:
                x = ((vector[k] & 0xFFFF) ^ 0x8000) - 0x8000
                total += x * ((int(parameters[at]) ^ 0x80) - 0x80)
                at += 1
                k += 1
            at += inputs & 1
            total >>= int(parameters[row + 4])
            total += ((int(parameters[row]) | (int(parameters[row + 1]) << 8)) ^ 0x8000) - 0x8000
            total *= int(parameters[row + 2]) | (int(parameters[row + 3]) << 8)
            shift = int(parameters[row + 5])
            total = (total + (1 << (shift - 1))) >> shift
            if layer < hidden:
                if total < 0:
                    total = 0
                if total > 127:
                    total = 127
            else:
                total = ((vector[i] & 0xFFFF) ^ 0x8000) - 0x8000 - total
                if total > limit:
                    total = limit
                if total < 0 - limit:
                    total = 0 - limit
                distance += total * total
            vector[target + i] = total
            i += 1
        source = target
        inputs = outputs
        layer += 1
    return distance
