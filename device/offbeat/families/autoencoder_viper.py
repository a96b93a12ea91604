"""The inner loop of the autoencoder in viper. The rules are those of kernels_viper.py; arithmetic: docs/pipeline.md."""

import micropython


@micropython.viper
def reconstruction_error(w: ptr8, x: int, vector: ptr16) -> int:
    """Squared error of the network's reconstruction of the standard scores.

    w: the whole section as bytes. vector: standard scores; places for the inputs of the first layer and the outputs of
    every second one from there, and from x on for the outputs of the others, each with room for a multiple of four.
    The errors go to the one where the last layer's inputs are not.
    """
    target = x
    count = w[0]
    hidden = w[2]
    limit = w[4] | (w[5] << 8)
    widths = ptr8(int(w) + 10)
    v = ptr16(int(vector) + 0)
    k = ptr16(int(vector) + count + count)
    start = 0
    i = 0
    while i < count:
        x = (((v[0] ^ 0x8000) - 0x8000) + 4) >> 3
        if x > 127:
            x = 127
        if x < -127:
            x = -127
        k[0] = x
        if not (i & 1):
            start -= x << 7
        v = ptr16(int(v) + 2)
        k = ptr16(int(k) + 2)
        i += 1
    while i & 3:
        k[0] = 0
        k = ptr16(int(k) + 2)
        i += 1
    distance = 0
    source = count
    columns = i
    pairs = hidden >> 1
    block = ptr8(int(w) + 4 * pairs + 12)
    layer = 0
    while layer <= hidden:
        outputs = count
        if layer < hidden:
            outputs = widths[0]
        widths = ptr8(int(widths) + 2)
        size = 4 * columns + 24
        out = ptr16(int(vector) + target + target)
        v = ptr16(int(vector) + 0)
        following = 0
        i = 0
        while i < outputs:
            x = i & 3
            scale = ptr8(int(block) + 6 * x)
            w = ptr8(int(block) + 4 * x + 24)
            k = ptr16(int(vector) + source + source)
            x = start
            left = columns >> 2
            while left:
                left -= 1
                x = ((k[0] ^ 0x8000) - 0x8000) * w[0] + x
                x = ((k[1] ^ 0x8000) - 0x8000) * ((w[1] ^ 0x80) - 0x80) + x
                x = ((k[2] ^ 0x8000) - 0x8000) * w[2] + x
                x = ((k[3] ^ 0x8000) - 0x8000) * ((w[3] ^ 0x80) - 0x80) + x
                w = ptr8(int(w) + 16)
                k = ptr16(int(k) + 8)
            x >>= scale[4]
            x += ((scale[0] | (scale[1] << 8)) ^ 0x8000) - 0x8000
            x *= scale[2] | (scale[3] << 8)
            left = scale[5]
            x = (x + (1 << left >> 1)) >> left
            if layer < hidden:
                if x < 0:
                    x = 0
                if x > 127:
                    x = 127
                if not (i & 1):
                    following -= x << 7
            else:
                x = (v[0] ^ 0x8000) - 0x8000 - x
                if x > limit:
                    x = limit
                if x < 0 - limit:
                    x = 0 - limit
                distance = x * x + distance
                v = ptr16(int(v) + 2)
            out[0] = x
            out = ptr16(int(out) + 2)
            i += 1
            if not (i & 3):
                block = ptr8(int(block) + size)
        if i & 3:
            block = ptr8(int(block) + size)
        while i & 3 and layer < hidden:
            out[0] = 0
            out = ptr16(int(out) + 2)
            i += 1
        columns = (outputs + 3) & 0xFFFC
        start = following
        x = source
        source = target
        target = x
        layer += 1
    return distance
