"""The inner loops in viper: counts to normalised samples, spectrum, standardizing, distances, CRC.

Arithmetic: docs/pipeline.md. This is the only source: kernels_bytecode.py is made from it by
`make generate`, so a line here must mean the same in three places: viper on a 32-bit core, viper on the
64-bit Unix binary, and bytecode over arrays. Hence:

- ptr16 loads are unsigned in viper, signed in bytecode: `((p[i] & 0xFFFF) ^ 0x8000) - 0x8000`.
- ptr32 loads are not sign-extended by 64-bit viper: `if x >> 30 > 1` holds there alone, and mends it.
- No intermediate leaves +-(2**30 - 1), so nothing wraps at 32 bits and bytecode needs no heap.
- At most four arguments; what does not fit lies in `state`, whose places features.py names.
"""

import micropython


@micropython.viper
def scan(ring: ptr16, state: ptr32) -> int:
    """Sum of one channel's samples + 32768 each; leaves highest, lowest (as +32768) and sum of differences.

    ring: int16 frames; state: 0 first frame, 1 frames in the ring, 2 channels, 3 channel, 4 window;
    out: 5 highest, 6 lowest, 7 sum of absolute differences.
    """
    channels = state[2]
    at = state[0] * channels + state[3]
    end = state[1] * channels
    left = state[4]
    total = 0
    differences = 0
    previous = (ring[at] & 0xFFFF) ^ 0x8000
    highest = previous
    lowest = previous
    while left > 0:
        x = (ring[at] & 0xFFFF) ^ 0x8000
        total += x
        step = x - previous
        if step < 0:
            step = 0 - step
        differences += step
        previous = x
        if x > highest:
            highest = x
        if x < lowest:
            lowest = x
        at += channels
        if at >= end:
            at -= end
        left -= 1
    state[5] = highest
    state[6] = lowest
    state[7] = differences
    return total


@micropython.viper
def normalise(ring: ptr16, normalised: ptr16, state: ptr32):
    """Centre one channel, scale it to 13 bits, and sum its powers.

    state: 0 to 4 as in scan, 8 mean + 524288 (1/16 count), 9 shift to the left, 10 shift to the right;
    out: 11 crossings of the mean, 12 and 13 energy (high, low), 14 and 15 fourth power, 16 peak.
    """
    channels = state[2]
    at = state[0] * channels + state[3]
    end = state[1] * channels
    window = state[4]
    mean = state[8]
    up = state[9]
    down = state[10]
    half = 0
    if down > 0:
        half = 1 << (down - 1)
    crossings = 0
    was_below = 0
    energy_high = 0
    energy_low = 0
    fourth_high = 0
    fourth_low = 0
    peak = 0
    i = 0
    while i < window:
        x = (((ring[at] & 0xFFFF) ^ 0x8000) << 4) - mean
        below = 0
        if x < 0:
            below = 1
        if i > 0:
            crossings += below ^ was_below
        was_below = below
        if down > 0:
            x = (x + half) >> down
        else:
            x = x << up
        normalised[i] = x
        square = x * x
        energy_low += square & 0xFFFF
        energy_high += square >> 16
        square >>= 12
        square *= square
        fourth_low += square & 0xFFFF
        fourth_high += square >> 16
        if x < 0:
            x = 0 - x
        if x > peak:
            peak = x
        at += channels
        if at >= end:
            at -= end
        i += 1
    state[11] = crossings
    state[12] = energy_high + (energy_low >> 16)
    state[13] = energy_low & 0xFFFF
    state[14] = fourth_high + (fourth_low >> 16)
    state[15] = fourth_low & 0xFFFF
    state[16] = peak


@micropython.viper
def weigh(samples: ptr16, sine: ptr16, window: int):
    """Multiply a window of normalised samples by the Hann window, in place."""
    quarter = window >> 2
    middle = window >> 1
    i = 0
    while i <= middle:
        if i <= quarter:
            weight = (32768 - sine[quarter - i]) >> 1
        else:
            weight = (32768 + sine[i - quarter]) >> 1
        x = ((samples[i] & 0xFFFF) ^ 0x8000) - 0x8000
        samples[i] = (x * weight + 16384) >> 15
        if i > 0:
            if i < middle:
                x = ((samples[window - i] & 0xFFFF) ^ 0x8000) - 0x8000
                samples[window - i] = (x * weight + 16384) >> 15
        i += 1


@micropython.viper
def reorder(samples: ptr16, points: int):
    """Put complex points (real and imaginary part side by side) into bit-reversed order, in place."""
    j = 0
    i = 1
    while i < points:
        bit = points >> 1
        while j & bit:
            j ^= bit
            bit >>= 1
        j ^= bit
        if i < j:
            x = samples[2 * i]
            samples[2 * i] = samples[2 * j]
            samples[2 * j] = x
            x = samples[2 * i + 1]
            samples[2 * i + 1] = samples[2 * j + 1]
            samples[2 * j + 1] = x
        i += 1


@micropython.viper
def transform(samples: ptr16, sine: ptr16, window: int):
    """Fourier transform of window/2 complex points in bit-reversed order, divided by window/2, in place."""
    quarter = window >> 2
    half = 1
    step = window >> 1
    while half < window >> 1:
        j = 0
        t = 0
        while j < half:
            if t <= quarter:
                c = int(sine[quarter - t])
                s = int(sine[t])
            else:
                c = 0 - int(sine[t - quarter])
                s = int(sine[2 * quarter - t])
            if t == 0:
                c = 32768
                s = 0
            if t == quarter:
                c = 0
                s = 32768
            a = 2 * j
            while a < window:
                b = a + 2 * half
                re = ((samples[b] & 0xFFFF) ^ 0x8000) - 0x8000
                im = ((samples[b + 1] & 0xFFFF) ^ 0x8000) - 0x8000
                x = c * re + s * im
                y = c * im - s * re
                re = ((((samples[a] & 0xFFFF) ^ 0x8000) - 0x8000) << 15) + 32768
                im = ((((samples[a + 1] & 0xFFFF) ^ 0x8000) - 0x8000) << 15) + 32768
                samples[a] = (re + x) >> 16
                samples[a + 1] = (im + y) >> 16
                samples[b] = (re - x) >> 16
                samples[b + 1] = (im - y) >> 16
                a += 4 * half
            j += 1
            t += step
        half <<= 1
        step >>= 1


@micropython.viper
def power(samples: ptr16, sine: ptr16, window: int):
    """Replace each complex point k by its bin's power, low 16 bits at 2k and high 16 bits at 2k + 1."""
    points = window >> 1
    quarter = window >> 2
    k = 1
    while k <= quarter:
        m = points - k
        x = ((samples[2 * k] & 0xFFFF) ^ 0x8000) - 0x8000
        y = ((samples[2 * m] & 0xFFFF) ^ 0x8000) - 0x8000
        ar = x + y
        br = x - y
        x = ((samples[2 * k + 1] & 0xFFFF) ^ 0x8000) - 0x8000
        y = ((samples[2 * m + 1] & 0xFFFF) ^ 0x8000) - 0x8000
        ai = x - y
        bi = x + y
        c = int(sine[quarter - k])
        s = int(sine[k])
        x = (c * bi - s * br + 16384) >> 15
        y = (c * br + s * bi + 16384) >> 15
        p = (ar - x) * (ar - x) + (ai + y) * (ai + y)
        samples[2 * m] = ((p & 0xFFFF) ^ 0x8000) - 0x8000
        samples[2 * m + 1] = p >> 16
        p = (ar + x) * (ar + x) + (ai - y) * (ai - y)
        samples[2 * k] = ((p & 0xFFFF) ^ 0x8000) - 0x8000
        samples[2 * k + 1] = p >> 16
        k += 1


@micropython.viper
def band(samples: ptr16, first: int, bins: int) -> int:
    """Sum of the power of some bins, after power()."""
    total = 0
    at = 2 * first
    while bins > 0:
        total += (samples[at] & 0xFFFF) + ((samples[at + 1] & 0xFFFF) << 16)
        at += 2
        bins -= 1
    return total


@micropython.viper
def correlate(samples: ptr16, other: ptr16, state: ptr32):
    """Sum of the products of two windows of normalised samples.

    state: 4 window; out: 5 and 6 the sum's size (high, low), 7 whether it is negative.
    """
    window = state[4]
    high = 0
    low = 0
    i = 0
    while i < window:
        x = ((samples[i] & 0xFFFF) ^ 0x8000) - 0x8000
        x *= ((other[i] & 0xFFFF) ^ 0x8000) - 0x8000
        low += x & 0xFFFF
        high += x >> 16
        i += 1
    high += low >> 16
    low &= 0xFFFF
    negative = 0
    if high < 0:
        negative = 1
        low = (0x10000 - low) & 0xFFFF
        high = 0 - high
        if low > 0:
            high -= 1
    state[5] = high
    state[6] = low
    state[7] = negative


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


@micropython.viper
def without_baseline(vector: ptr16, slew: ptr16, baseline: ptr32, count: int):
    """Let each feature's baseline follow its standard score by at most its slew, and subtract it.

    slew: Q15 a window, 0: no baseline; baseline: Q15, updated.
    """
    j = 0
    while j < count:
        step = int(slew[j]) & 0xFFFF
        if step > 0:
            x = ((vector[j] & 0xFFFF) ^ 0x8000) - 0x8000
            b = int(baseline[j])
            if b >> 30 > 1:
                wrap = 65536
                b -= wrap * wrap
            move = (x << 8) - b
            if move > step:
                move = step
            if move < 0 - step:
                move = 0 - step
            b += move
            baseline[j] = b
            x -= (b + 128) >> 8
            if x > 8191:
                x = 8191
            if x < -8191:
                x = -8191
            vector[j] = x
        j += 1


@micropython.viper
def log2_q10(high: int, low: int, table: ptr16) -> int:
    """1024 log2(high * 65536 + low), 0 for 0; low below 65536, high below 2**30; table: 33 points."""
    if high == 0:
        if low == 0:
            return 0
    top = high
    length = 16
    if high == 0:
        top = low
        length = 0
    bits = 0
    rest = top
    if rest >> 16:
        bits = 16
        rest >>= 16
    if rest >> 8:
        bits += 8
        rest >>= 8
    while rest > 0:
        bits += 1
        rest >>= 1
    length += bits
    if high == 0:
        mantissa = low << (16 - bits)
    else:
        if bits <= 16:
            mantissa = (high << (16 - bits)) | (low >> bits)
        else:
            mantissa = high >> (bits - 16)
    i = (mantissa >> 10) & 31
    start = int(table[i])
    rise = int(table[i + 1]) - start
    return ((length - 1) << 10) + (((start << 10) + rise * (mantissa & 1023) + 8192) >> 14)


@micropython.viper
def standardize(features: ptr32, parameters: ptr16, vector: ptr16, count: int):
    """Features to standard scores in Q7. parameters: 4 words a feature: centre low and high, multiplier,
    first shift + 256 * second shift."""
    j = 0
    while j < count:
        x = int(features[j])
        if x >> 30 > 1:
            wrap = 65536
            x -= wrap * wrap
        p = 4 * j
        x -= (parameters[p] & 0xFFFF) + ((((parameters[p + 1] & 0xFFFF) ^ 0x8000) - 0x8000) << 16)
        x >>= parameters[p + 3] & 0xFF
        if x > 32767:
            x = 32767
        if x < -32767:
            x = -32767
        shift = (parameters[p + 3] >> 8) & 0xFF
        x = (x * int(parameters[p + 2]) + (1 << (shift - 1))) >> shift
        if x > 8191:
            x = 8191
        if x < -8191:
            x = -8191
        vector[j] = x
        j += 1


@micropython.viper
def mahalanobis(weights: ptr16, shifts: ptr8, vector: ptr16, count: int) -> int:
    """Squared length of the whitened vector. weights: lower triangle by rows; vector: standard scores,
    then room for the whitened ones."""
    distance = 0
    at = 0
    i = 0
    while i < count:
        total = 0
        j = 0
        while j <= i:
            x = ((vector[j] & 0xFFFF) ^ 0x8000) - 0x8000
            total += x * (((weights[at] & 0xFFFF) ^ 0x8000) - 0x8000)
            at += 1
            j += 1
        shift = int(shifts[i])
        total = (total + (1 << (shift - 1))) >> shift
        if total > 2047:
            total = 2047
        if total < -2047:
            total = -2047
        vector[count + i] = total
        distance += total * total
        i += 1
    return distance


@micropython.viper
def whitened_back(weights: ptr16, shifts: ptr8, vector: ptr16, count: int):
    """After mahalanobis(): the transposed weights times the whitened scores, to vector[2 * count:]."""
    j = 0
    while j < count:
        total = 0
        i = j
        while i < count:
            x = ((vector[count + i] & 0xFFFF) ^ 0x8000) - 0x8000
            w = ((weights[((i * (i + 1)) >> 1) + j] & 0xFFFF) ^ 0x8000) - 0x8000
            total += (x * w) >> int(shifts[i])
            i += 1
        if total > 32767:
            total = 32767
        if total < -32767:
            total = -32767
        vector[2 * count + j] = total
        j += 1


@micropython.viper
def centroid_distance(centroids: ptr16, vector: ptr16, at: int, count: int) -> int:
    """Squared distance of the standard scores to the centroid at index `at`; the saturated differences go
    to vector[count:]."""
    distance = 0
    j = 0
    while j < count:
        x = ((vector[j] & 0xFFFF) ^ 0x8000) - (centroids[at + j] & 0xFFFF ^ 0x8000)
        if x > 2047:
            x = 2047
        if x < -2047:
            x = -2047
        vector[count + j] = x
        distance += x * x
        j += 1
    return distance


@micropython.viper
def crc32_of_line(line: ptr8, length: int, table: ptr16, out: ptr16):
    """CRC-32 (IEEE 802.3, as zlib) of line[1:length], in halves: out[0] low, out[1] high.

    table: the CRC of the 16 nibbles, 16 low halves then 16 high halves.
    """
    low = 0xFFFF
    high = 0xFFFF
    i = 1
    while i < length:
        byte = int(line[i])
        twice = 0
        while twice < 2:
            n = (low ^ byte) & 15
            low = ((low >> 4) | ((high & 15) << 12)) ^ (table[n] & 0xFFFF)
            high = (high >> 4) ^ (table[n + 16] & 0xFFFF)
            byte >>= 4
            twice += 1
        i += 1
    out[0] = ((low ^ 0xFFFF) ^ 0x8000) - 0x8000
    out[1] = ((high ^ 0xFFFF) ^ 0x8000) - 0x8000
