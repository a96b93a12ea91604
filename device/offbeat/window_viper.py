"""Counts to normalised samples and their sums, in viper. Rules: kernels_viper.py; arithmetic: docs/pipeline.md."""

import micropython


@micropython.viper
def scan(p: ptr16, x: int, samples: ptr16, state: ptr32) -> int:
    """Copy one channel's samples + 32768 each; returns their sum.

    p: ring of int16 frames; x: first frame; state: 1 frames in the ring, 2 channels, 3 channel, 4 window;
    out: 5 highest, 6 lowest (both + 32768), 7 sum of absolute differences.
    """
    stride_bytes = 2 * state[2]
    left = state[1] - x
    after = state[4] - left
    if after < 0:
        left = state[4]
        after = 0
    channel = state[3]
    x = x * state[2]
    ring = ptr16(int(p) + channel + channel)
    p = ptr16(int(ring) + x + x)
    x = p[0] ^ 0x8000
    first = x
    previous = x
    highest = x
    lowest = x
    total = 0
    rises = 0
    while left:
        rest = left & 7  # rest
        left >>= 3  # unrolled
        while left:  # unrolled
            left -= 1
            x = p[0] ^ 0x8000
            samples[0] = x
            p = ptr16(stride_bytes + int(p))
            if previous < x:
                rises = rises + x - previous
                if highest < x:
                    highest = x
            elif lowest > x:
                lowest = x
            previous = x
            x = p[0] ^ 0x8000
            samples[1] = x
            total = previous + x + total
            p = ptr16(stride_bytes + int(p))
            if previous < x:
                rises = rises + x - previous
                if highest < x:
                    highest = x
            elif lowest > x:
                lowest = x
            previous = x
            x = p[0] ^ 0x8000
            samples[2] = x
            p = ptr16(stride_bytes + int(p))
            if previous < x:
                rises = rises + x - previous
                if highest < x:
                    highest = x
            elif lowest > x:
                lowest = x
            previous = x
            x = p[0] ^ 0x8000
            samples[3] = x
            total = previous + x + total
            p = ptr16(stride_bytes + int(p))
            if previous < x:
                rises = rises + x - previous
                if highest < x:
                    highest = x
            elif lowest > x:
                lowest = x
            previous = x
            x = p[0] ^ 0x8000
            samples[4] = x
            p = ptr16(stride_bytes + int(p))
            if previous < x:
                rises = rises + x - previous
                if highest < x:
                    highest = x
            elif lowest > x:
                lowest = x
            previous = x
            x = p[0] ^ 0x8000
            samples[5] = x
            total = previous + x + total
            p = ptr16(stride_bytes + int(p))
            if previous < x:
                rises = rises + x - previous
                if highest < x:
                    highest = x
            elif lowest > x:
                lowest = x
            previous = x
            x = p[0] ^ 0x8000
            samples[6] = x
            p = ptr16(stride_bytes + int(p))
            if previous < x:
                rises = rises + x - previous
                if highest < x:
                    highest = x
            elif lowest > x:
                lowest = x
            previous = x
            x = p[0] ^ 0x8000
            samples[7] = x
            total = previous + x + total
            p = ptr16(stride_bytes + int(p))
            if previous < x:
                rises = rises + x - previous
                if highest < x:
                    highest = x
            elif lowest > x:
                lowest = x
            previous = x
            samples = ptr16(int(samples) + 16)
        while rest:
            rest -= 1
            x = p[0] ^ 0x8000
            samples[0] = x
            total = total + x
            p = ptr16(stride_bytes + int(p))
            if previous < x:
                rises = rises + x - previous
                if highest < x:
                    highest = x
            elif lowest > x:
                lowest = x
            previous = x
            samples = ptr16(int(samples) + 2)
        left = after
        after = 0
        p = ring
    state[5] = highest
    state[6] = lowest
    state[7] = rises + rises + first - previous
    return total


@micropython.viper
def sum_of(p: ptr16, x: int, state: ptr32) -> int:
    """Sum of one channel's samples + 32768 each. p: ring of int16 frames; x: first frame; state: as in scan."""
    stride_bytes = 2 * state[2]
    left = state[1] - x
    after = state[4] - left
    if after < 0:
        left = state[4]
        after = 0
    channel = state[3]
    x = x * state[2]
    ring = ptr16(int(p) + channel + channel)
    p = ptr16(int(ring) + x + x)
    x = 0
    while left:
        while left:
            left -= 1
            x = (p[0] ^ 0x8000) + x
            p = ptr16(stride_bytes + int(p))
        left = after
        after = 0
        p = ring
    return x


@micropython.viper
def crossings(p: ptr16, x: int, state: ptr32) -> int:
    """How often one channel crosses its mean.

    p, x and state: as in scan; state: 8 mean + 524288 (1/16 count).
    """
    stride_bytes = 2 * state[2]
    mean = state[8]
    left = state[1] - x
    after = state[4] - left
    if after < 0:
        left = state[4]
        after = 0
    channel = state[3]
    x = x * state[2]
    ring = ptr16(int(p) + channel + channel)
    p = ptr16(int(ring) + x + x)
    was_below = (((p[0] ^ 0x8000) << 4) - mean) >> 31
    found = 0
    while left:
        while left:
            left -= 1
            x = (((p[0] ^ 0x8000) << 4) - mean) >> 31
            found -= x ^ was_below
            was_below = x
            p = ptr16(stride_bytes + int(p))
        left = after
        after = 0
        p = ring
    return found


@micropython.viper
def normalise(p: ptr16, x: int, state: ptr32):
    """Centre one channel, scale it to 13 bits and sum its powers; p: its samples, + 32768 before and after.

    x: how many; state: 6 lowest (+ 32768), 8 mean + 524288 (1/16 count), 9 shift to the left, 10 shift to the right,
    11 shift of the fourth power; out: 12 energy / 2**7, 13 fourth power.
    """
    down = state[10]
    lowest = state[6]
    scale = 4096 << state[9] >> down
    offset = ((((lowest << 4) - state[8]) << state[9]) + ((1 << down) >> 1)) + (32768 << down)
    offset = offset << (8 - down)
    shift = state[11]
    part = (64 << shift) + 64
    energy = 0 - x * (part >> 7)
    fourth = 0
    left = x >> 3  # unrolled
    rest = x & 7  # rest
    while left:  # unrolled
        left -= 1
        x = ((p[0] - lowest) * scale + offset) >> 8
        p[0] = x
        x -= 32768
        x = (x * x + part) >> 7
        energy = energy + x
        x >>= shift
        fourth = x * x + fourth
        x = ((p[1] - lowest) * scale + offset) >> 8
        p[1] = x
        x -= 32768
        x = (x * x + part) >> 7
        energy = energy + x
        x >>= shift
        fourth = x * x + fourth
        x = ((p[2] - lowest) * scale + offset) >> 8
        p[2] = x
        x -= 32768
        x = (x * x + part) >> 7
        energy = energy + x
        x >>= shift
        fourth = x * x + fourth
        x = ((p[3] - lowest) * scale + offset) >> 8
        p[3] = x
        x -= 32768
        x = (x * x + part) >> 7
        energy = energy + x
        x >>= shift
        fourth = x * x + fourth
        x = ((p[4] - lowest) * scale + offset) >> 8
        p[4] = x
        x -= 32768
        x = (x * x + part) >> 7
        energy = energy + x
        x >>= shift
        fourth = x * x + fourth
        x = ((p[5] - lowest) * scale + offset) >> 8
        p[5] = x
        x -= 32768
        x = (x * x + part) >> 7
        energy = energy + x
        x >>= shift
        fourth = x * x + fourth
        x = ((p[6] - lowest) * scale + offset) >> 8
        p[6] = x
        x -= 32768
        x = (x * x + part) >> 7
        energy = energy + x
        x >>= shift
        fourth = x * x + fourth
        x = ((p[7] - lowest) * scale + offset) >> 8
        p[7] = x
        x -= 32768
        x = (x * x + part) >> 7
        energy = energy + x
        x >>= shift
        fourth = x * x + fourth
        p = ptr16(int(p) + 16)
    while rest:
        rest -= 1
        x = ((p[0] - lowest) * scale + offset) >> 8
        p[0] = x
        x -= 32768
        x = (x * x + part) >> 7
        energy = energy + x
        x >>= shift
        fourth = x * x + fourth
        p = ptr16(int(p) + 2)
    state[12] = energy
    state[13] = fourth


@micropython.viper
def correlate(p: ptr16, total: int, q: ptr16, window: int) -> int:
    """Sum of total and the products over 2**7 of two windows of normalised samples, + 32768 each."""
    left = window >> 2  # unrolled
    while left:  # unrolled
        left -= 1
        total = (((p[0] - 32768) * (q[0] - 32768) + 64) >> 7) + total
        total = (((p[1] - 32768) * (q[1] - 32768) + 64) >> 7) + total
        total = (((p[2] - 32768) * (q[2] - 32768) + 64) >> 7) + total
        total = (((p[3] - 32768) * (q[3] - 32768) + 64) >> 7) + total
        p = ptr16(int(p) + 8)
        q = ptr16(int(q) + 8)
    left = window & 3  # rest
    while left:
        left -= 1
        total = (((p[0] - 32768) * (q[0] - 32768) + 64) >> 7) + total
        p = ptr16(int(p) + 2)
        q = ptr16(int(q) + 2)
    return total


@micropython.viper
def square_root(value: int) -> int:
    """Floor of the square root of 0 .. 2**28 - 1, bit by bit."""
    root = 0
    bit = 1 << 26
    while bit > 0:
        if value >= root + bit:
            value -= root + bit
            root = (root >> 1) + bit
        else:
            root >>= 1
        bit >>= 2
    return root
