"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from autoencoder_viper.py by `make generate`; a test holds the two together. Do not edit.
"""


def reconstruction_error(w, x, vector):
    """Squared error of the network's reconstruction of the standard scores.

    w: the whole section as bytes. vector: standard scores; places for the inputs of the first layer and the outputs of
    every second one from there, and from x on for the outputs of the others, each with room for a multiple of four.
    The errors go to the one where the last layer's inputs are not.
    """
    w_at = 0
    target = x
    count = w[w_at]
    hidden = w[w_at + 2]
    limit = w[w_at + 4] | (w[w_at + 5] << 8)
    widths_at = w_at + 10
    v_at = 0
    k_at = count
    start = 0
    i = 0
    while i < count:
        x = (vector[v_at] + 4) >> 3
        if x > 127:
            x = 127
        if x < -127:
            x = -127
        vector[k_at] = x
        if not (i & 1):
            start -= x << 7
        v_at = v_at + 1
        k_at = k_at + 1
        i += 1
    while i & 3:
        vector[k_at] = 0
        k_at = k_at + 1
        i += 1
    distance = 0
    source = count
    columns = i
    pairs = hidden >> 1
    block_at = w_at + 4 * pairs + 12
    layer = 0
    while layer <= hidden:
        outputs = count
        if layer < hidden:
            outputs = w[widths_at]
        widths_at = widths_at + 2
        size = 4 * columns + 24
        out_at = target
        v_at = 0
        following = 0
        i = 0
        while i < outputs:
            x = i & 3
            scale_at = block_at + 6 * x
            w_at = block_at + 4 * x + 24
            k_at = source
            x = start
            left = columns >> 2
            while left:
                left -= 1
                x = vector[k_at] * w[w_at] + x
                x = vector[k_at + 1] * ((w[w_at + 1] ^ 0x80) - 0x80) + x
                x = vector[k_at + 2] * w[w_at + 2] + x
                x = vector[k_at + 3] * ((w[w_at + 3] ^ 0x80) - 0x80) + x
                w_at = w_at + 16
                k_at = k_at + 4
            x >>= w[scale_at + 4]
            x += ((w[scale_at] | (w[scale_at + 1] << 8)) ^ 0x8000) - 0x8000
            x *= w[scale_at + 2] | (w[scale_at + 3] << 8)
            left = w[scale_at + 5]
            x = (x + (1 << left >> 1)) >> left
            if layer < hidden:
                if x < 0:
                    x = 0
                if x > 127:
                    x = 127
                if not (i & 1):
                    following -= x << 7
            else:
                x = vector[v_at] - x
                if x > limit:
                    x = limit
                if x < 0 - limit:
                    x = 0 - limit
                distance = x * x + distance
                v_at = v_at + 1
            vector[out_at] = x
            out_at = out_at + 1
            i += 1
            if not (i & 3):
                block_at = block_at + size
        if i & 3:
            block_at = block_at + size
        while i & 3 and layer < hidden:
            vector[out_at] = 0
            out_at = out_at + 1
            i += 1
        columns = (outputs + 3) & 0xFFFC
        start = following
        x = source
        source = target
        target = x
        layer += 1
    return distance
