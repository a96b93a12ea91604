"""The inner loops in viper: counts to normalised samples, spectrum, standardizing, distances, CRC.

Arithmetic: docs/pipeline.md. This is the only source: kernels_bytecode.py is made from it by
`make generate`, so a line here must mean the same in three places: viper on a 32-bit core, viper on the
64-bit Unix binary, and bytecode over arrays. Hence:

- ptr16 loads are unsigned in viper, signed in bytecode: `((p[i] & 0xFFFF) ^ 0x8000) - 0x8000`.
- ptr32 loads are not sign-extended by 64-bit viper: `if x >> 30 > 1` holds there alone, and mends it.
- No intermediate leaves +-(2**30 - 1), so nothing wraps at 32 bits and bytecode needs no heap.
- Samples and points of the spectrum are stored + 32768 in an array of unsigned words: no sign to extend.
- The first two arguments lie in registers, and what is computed with most uses their names.
- At most four arguments; what does not fit lies in `state`, whose places features.py names.
"""

import micropython


@micropython.viper
def scan(at: int, x: int, ring: ptr16, state: ptr32) -> int:
    """Sum of one channel's samples + 32768 each; leaves highest, lowest (as +32768) and sum of differences.

    at: first frame; x: frames in the ring; ring: int16 frames; state: 2 channels, 3 channel, 4 window;
    out: 5 highest, 6 lowest, 7 sum of absolute differences.
    """
    channels = state[2]
    stop = x * channels
    left = (at + state[4]) * channels
    at = at * channels + state[3]
    x = (ring[at] & 0xFFFF) ^ 0x8000
    first = x
    previous = x
    highest = x
    lowest = x
    total = 0
    rises = 0
    while left > 0:
        if stop > left:
            stop = left
        while at < stop:
            x = (ring[at] & 0xFFFF) ^ 0x8000
            total = x + total
            if x > previous:
                rises = x - previous + rises
                if x > highest:
                    highest = x
            elif x < lowest:
                lowest = x
            previous = x
            at += channels
        left -= stop
        at = state[3]
    state[5] = highest
    state[6] = lowest
    state[7] = rises + rises + first - previous
    return total


@micropython.viper
def crossings(ring: ptr16, state: ptr32) -> int:
    """How often one channel crosses its mean. state: 0 to 4 as in scan, 8 mean + 524288 (1/16 count)."""
    channels = state[2]
    at = state[0] * channels + state[3]
    end = state[1] * channels
    left = state[4]
    mean = state[8]
    found = 0
    was_below = 0
    if ((ring[at] & 0xFFFF) ^ 0x8000) << 4 < mean:
        was_below = 1
    while left > 0:
        below = 0
        if ((ring[at] & 0xFFFF) ^ 0x8000) << 4 < mean:
            below = 1
        found += below ^ was_below
        was_below = below
        at += channels
        if at >= end:
            at -= end
        left -= 1
    return found


@micropython.viper
def normalise(x: int, ring: ptr16, samples: ptr16, state: ptr32):
    """Centre one channel, scale it to 13 bits and sum its powers; samples: normalised, + 32768 each.

    x: first frame; state: 1 frames in the ring, 2, 3, 4 and 6 as in scan, 8 mean + 524288 (1/16 count), 9 shift to
    the left, 10 shift to the right, 11 shift of the fourth power; out: 12 energy / 2**7, 13 fourth power.
    """
    down = state[10]
    lowest = state[6]
    scale = 16 << state[9]
    offset = ((((lowest << 4) - state[8]) << state[9]) + ((1 << down) >> 1)) + (32768 << down)
    lowest -= 32768
    shift = state[11]
    part = (64 << shift) + 64
    channels = state[2]
    at = x * channels + state[3]
    stop = state[1] * channels
    left = (x + state[4]) * channels
    energy = 0 - state[4] * (part >> 7)
    fourth = 0
    i = 0
    while left > 0:
        if stop > left:
            stop = left
        while at < stop:
            x = (((ring[at] - lowest) & 0xFFFF) * scale + offset) >> down
            samples[i] = x
            x -= 32768
            x = (x * x + part) >> 7
            energy = x + energy
            x >>= shift
            fourth = x * x + fourth
            i += 1
            at += channels
        left -= stop
        at = state[3]
    state[12] = energy
    state[13] = fourth


@micropython.viper
def weigh(j: int, x: int, samples: ptr16, sine: ptr16):
    """Hann window and first stage of the transform, in place, before the points are put in order.

    j: window; x: a quarter of it; samples, and the points that they become (real and imaginary part side by
    side): + 32768 each.
    """
    quarter = x
    i = 0
    by_four = 0
    while j > 8:
        j >>= 2
    if j == 8:
        by_four = 1
    while i < quarter:
        j = quarter - i
        w = int(sine[j])
        v = int(sine[j - 1])
        j = i + quarter + quarter
        x = ((samples[i] - 32768) * (16384 - w)) >> 15
        y = ((samples[i + 1] - 32768) * (16384 - v)) >> 15
        p = ((samples[j] - 32768) * (16384 + w)) >> 15
        q = ((samples[j + 1] - 32768) * (16384 + v)) >> 15
        ar = x + p
        ai = y + q
        br = x - p
        bi = y - q
        w = int(sine[i])
        v = int(sine[i + 1])
        j = i + quarter
        x = ((samples[j] - 32768) * (16384 + w)) >> 15
        y = ((samples[j + 1] - 32768) * (16384 + v)) >> 15
        j += quarter + quarter
        p = ((samples[j] - 32768) * (16384 - w)) >> 15
        q = ((samples[j + 1] - 32768) * (16384 - v)) >> 15
        if by_four:
            w = x - p
            v = y - q
            x += p
            y += q
            samples[j] = br - v + 32768
            samples[j + 1] = bi + w + 32768
            j -= quarter
            samples[j] = br + v + 32768
            samples[j + 1] = bi - w + 32768
            j -= quarter
            samples[j] = ar - x + 32768
            samples[j + 1] = ai - y + 32768
            samples[i] = ar + x + 32768
            samples[i + 1] = ai + y + 32768
        else:
            samples[j] = x - p + x - p + 32768
            samples[j + 1] = y - q + y - q + 32768
            j -= quarter
            samples[j] = br + br + 32768
            samples[j + 1] = bi + bi + 32768
            j -= quarter
            samples[j] = x + p + x + p + 32768
            samples[j + 1] = y + q + y + q + 32768
            samples[i] = ar + ar + 32768
            samples[i + 1] = ai + ai + 32768
        i += 2


@micropython.viper
def reorder(samples: ptr16, i: int):
    """Put complex points (real and imaginary part side by side) into bit-reversed order, in place. i: how many.

    For an even place below half, with j its reverse, three more pairs follow without reversing again.
    """
    points = i
    j = 0
    i = 0
    while i < points:
        k = i + 2
        m = j + points
        x = samples[k]
        samples[k] = samples[m]
        samples[m] = x
        k += 1
        m += 1
        x = samples[k]
        samples[k] = samples[m]
        samples[m] = x
        if i < j:
            x = samples[i]
            samples[i] = samples[j]
            samples[j] = x
            x = samples[i + 1]
            samples[i + 1] = samples[j + 1]
            samples[j + 1] = x
            k += points
            m += 2
            x = samples[k]
            samples[k] = samples[m]
            samples[m] = x
            k -= 1
            m -= 1
            x = samples[k]
            samples[k] = samples[m]
            samples[m] = x
        k = points >> 1
        while j & k:
            j ^= k
            k >>= 1
        j ^= k
        i += 4


@micropython.viper
def transform(k: int, x: int, samples: ptr16, sine: ptr16):
    """All stages but the first, of points in bit-reversed order, + 32768 each, in place.

    k: window; x: a quarter of it.
    """
    window = k
    quarter = x
    half = window >> 1
    while half > 4:
        half >>= 2
    while half < window >> 1:
        step = quarter // half
        span = half + half
        j = 0
        t = 0
        while j < span:
            c1 = int(sine[quarter - t])
            s1 = int(sine[t])
            k = t + t
            if k <= quarter:
                c2 = int(sine[quarter - k])
                s2 = int(sine[k])
            else:
                c2 = 0 - int(sine[k - quarter])
                s2 = int(sine[quarter + quarter - k])
            k += t
            if k <= quarter:
                c3 = int(sine[quarter - k])
                s3 = int(sine[k])
            else:
                k -= quarter
                if k <= quarter:
                    c3 = 0 - int(sine[k])
                    s3 = int(sine[quarter - k])
                else:
                    k -= quarter
                    c3 = 0 - int(sine[quarter - k])
                    s3 = 0 - int(sine[k])
            a = j
            while a < window:
                k = a + span + span
                x = samples[k] - 32768
                y = samples[k + 1] - 32768
                cr = (x * c1 + y * s1) >> 16
                ci = (y * c1 - x * s1) >> 16
                k += span
                x = samples[k] - 32768
                y = samples[k + 1] - 32768
                dr = (x * c3 + y * s3) >> 16
                di = (y * c3 - x * s3) >> 16
                k = a + span
                x = samples[k] - 32768
                y = samples[k + 1] - 32768
                br = (x * c2 + y * s2) >> 16
                bi = (y * c2 - x * s2) >> 16
                x = ((samples[a] - 32768) >> 2) + 32768
                y = ((samples[a + 1] - 32768) >> 2) + 32768
                samples[k] = x - br + ci - di
                samples[k + 1] = y - bi - cr + dr
                m = k + span + span
                samples[m] = x - br - ci + di
                samples[m + 1] = y - bi + cr - dr
                m -= span
                samples[m] = x + br - cr - dr
                samples[m + 1] = y + bi - ci - di
                samples[a] = x + br + cr + dr + 2
                samples[a + 1] = y + bi + ci + di + 2
                a = m + span + span
            j += 2
            t += step
        half <<= 2


@micropython.viper
def power(x: int, y: int, samples: ptr16, sine: ptr16):
    """Replace each complex point k by its bin's power, low 16 bits at 2k and high 16 bits at 2k + 1.

    x: window; y: a quarter of it.
    """
    quarter = y
    k = 2
    m = x - 2
    t = 1
    while t <= quarter:
        x = int(samples[k])
        y = int(samples[m])
        ar = x + y - 65536
        br = x - y
        x = int(samples[k + 1])
        y = int(samples[m + 1])
        ai = x - y
        bi = x + y - 65536
        c = int(sine[quarter - t])
        s = int(sine[t])
        x = (bi * c - br * s + (ar << 14) + 16384) >> 15
        y = ((ai << 14) - (br * c + bi * s) + 16384) >> 15
        ar -= x
        ai -= y
        p = ar * ar + ai * ai
        samples[m] = p & 0xFFFF
        samples[m + 1] = p >> 16
        p = x * x + y * y
        samples[k] = p & 0xFFFF
        samples[k + 1] = p >> 16
        k += 2
        m -= 2
        t += 1


@micropython.viper
def band(samples: ptr16, first: int, bins: int) -> int:
    """Sum of the power of some bins, after power()."""
    low = 0
    high = 0
    at = first + first
    bins += bins + at
    while at < bins:
        low += samples[at]
        high += samples[at + 1]
        at += 2
    return (high << 16) + low


@micropython.viper
def correlate(samples: ptr16, other: ptr16, window: int) -> int:
    """Sum of the products over 2**7 of two windows of normalised samples, + 32768 each."""
    total = 0
    i = 0
    while i < window:
        total += ((samples[i] - 32768) * (other[i] - 32768) + 64) >> 7
        i += 1
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
def log2_q10(value: int, table: ptr16) -> int:
    """1024 log2(value), 0 for 0; value below 2**30; table: 33 points."""
    if value == 0:
        return 0
    start = 30
    while value < 0x4000:
        value <<= 16
        start -= 16
    while value < 0x20000000:
        value <<= 1
        start -= 1
    i = (value >> 24) & 31
    fraction = (value >> 14) & 1023
    low = int(table[i])
    return ((start - 1) << 10) + (((low << 10) + (int(table[i + 1]) - low) * fraction + 8192) >> 14)


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
    limit = 2047
    if count <= 64:
        limit = 4095
    if count <= 16:
        limit = 8191
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
        if total > limit:
            total = limit
        if total < 0 - limit:
            total = 0 - limit
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
