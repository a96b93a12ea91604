"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from window_viper.py by `make generate`; a test holds the two together. Do not edit.
"""


def scan(p, x, samples, state):
    """Copy one channel's samples + 32768 each; returns their sum.

    p: ring of int16 frames; x: first frame; state: 1 frames in the ring, 2 channels, 3 channel, 4 window;
    out: 5 highest, 6 lowest (both + 32768), 7 sum of absolute differences.
    """
    p_at = 0
    samples_at = 0
    stride = state[2]
    left = state[1] - x
    after = state[4] - left
    if after < 0:
        left = state[4]
        after = 0
    channel = state[3]
    x = x * state[2]
    ring_at = p_at + channel
    p_at = ring_at + x
    x = p[p_at] + 32768
    first = x
    previous = x
    highest = x
    lowest = x
    total = 0
    rises = 0
    while left:
        rest = left
        while rest:
            rest -= 1
            x = p[p_at] + 32768
            samples[samples_at] = x
            total = total + x
            p_at = stride + p_at
            if previous < x:
                rises = rises + x - previous
                if highest < x:
                    highest = x
            elif lowest > x:
                lowest = x
            previous = x
            samples_at = samples_at + 1
        left = after
        after = 0
        p_at = ring_at
    state[5] = highest
    state[6] = lowest
    state[7] = rises + rises + first - previous
    return total


def sum_of(p, x, state):
    """Sum of one channel's samples + 32768 each. p: ring of int16 frames; x: first frame; state: as in scan."""
    p_at = 0
    stride = state[2]
    left = state[1] - x
    after = state[4] - left
    if after < 0:
        left = state[4]
        after = 0
    channel = state[3]
    x = x * state[2]
    ring_at = p_at + channel
    p_at = ring_at + x
    x = 0
    while left:
        while left:
            left -= 1
            x = (p[p_at] + 32768) + x
            p_at = stride + p_at
        left = after
        after = 0
        p_at = ring_at
    return x


def crossings(p, x, state):
    """How often one channel crosses its mean.

    p, x and state: as in scan; state: 8 mean + 524288 (1/16 count).
    """
    p_at = 0
    stride = state[2]
    mean = state[8]
    left = state[1] - x
    after = state[4] - left
    if after < 0:
        left = state[4]
        after = 0
    channel = state[3]
    x = x * state[2]
    ring_at = p_at + channel
    p_at = ring_at + x
    was_below = (((p[p_at] + 32768) << 4) - mean) >> 31
    found = 0
    while left:
        while left:
            left -= 1
            x = (((p[p_at] + 32768) << 4) - mean) >> 31
            found -= x ^ was_below
            was_below = x
            p_at = stride + p_at
        left = after
        after = 0
        p_at = ring_at
    return found


def normalise(p, x, state):
    """Centre one channel, scale it to 13 bits and sum its powers; p: its samples, + 32768 before and after.

    x: how many; state: 6 lowest (+ 32768), 8 mean + 524288 (1/16 count), 9 shift to the left, 10 shift to the right,
    11 shift of the fourth power; out: 12 energy / 2**7, 13 fourth power.
    """
    p_at = 0
    down = state[10]
    lowest = state[6]
    scale = 4096 << state[9] >> down
    offset = ((((lowest << 4) - state[8]) << state[9]) + ((1 << down) >> 1)) + (32768 << down)
    offset = offset << (8 - down)
    shift = state[11]
    part = (64 << shift) + 64
    energy = 0 - x * (part >> 7)
    fourth = 0
    rest = x
    while rest:
        rest -= 1
        x = ((p[p_at] - lowest) * scale + offset) >> 8
        p[p_at] = x
        x -= 32768
        x = (x * x + part) >> 7
        energy = energy + x
        x >>= shift
        fourth = x * x + fourth
        p_at = p_at + 1
    state[12] = energy
    state[13] = fourth


def correlate(p, total, q, window):
    """Sum of total and the products over 2**7 of two windows of normalised samples, + 32768 each."""
    p_at = 0
    q_at = 0
    left = window
    while left:
        left -= 1
        total = (((p[p_at] - 32768) * (q[q_at] - 32768) + 64) >> 7) + total
        p_at = p_at + 1
        q_at = q_at + 1
    return total


def square_root(value):
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
