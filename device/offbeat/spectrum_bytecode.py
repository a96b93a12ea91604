"""The inner loops as plain bytecode, for boards without the viper emitter.

Made from spectrum_viper.py by `make generate`; a test holds the two together. Do not edit.
"""


def weigh(x, w, samples, sine):
    """Hann window and first stage of the transform, in place, before the points are put in order.

    x: window; w: a quarter of it.
    """
    by_four = x
    while by_four > 8:
        by_four >>= 2
    by_four &= 8
    left = w >> 2
    quarter = w
    up_at = 0
    down_at = quarter
    a_at = 0
    b_at = a_at + quarter
    c_at = b_at + quarter
    d_at = c_at + quarter
    while left:
        left -= 1
        down_at = down_at - 4
        w = 16384 - sine[down_at + 4]
        x = (((samples[a_at] - 32768) * w) >> 15) + 32768
        w = 32768 - w
        w = ((samples[c_at] - 32768) * w) >> 15
        ar = x + w
        br = x - w
        w = sine[up_at] + 16384
        x = ((samples[b_at] - 32768) * w) >> 15
        w = 32768 - w
        w = ((samples[d_at] - 32768) * w) >> 15
        cr = x + w
        dr = x - w
        w = 16384 - sine[down_at + 3]
        x = (((samples[a_at + 1] - 32768) * w) >> 15) + 32768
        w = 32768 - w
        w = ((samples[c_at + 1] - 32768) * w) >> 15
        ai = x + w
        bi = x - w
        w = sine[up_at + 1] + 16384
        x = ((samples[b_at + 1] - 32768) * w) >> 15
        w = 32768 - w
        w = ((samples[d_at + 1] - 32768) * w) >> 15
        if by_four:
            samples[c_at] = br + x - w
            samples[d_at] = br - x + w
            x = x + w
            samples[a_at + 1] = ai + x
            samples[b_at + 1] = ai - x
            x = cr
            w = dr
            samples[a_at] = ar + x
            samples[b_at] = ar - x
            samples[c_at + 1] = bi - w
            samples[d_at + 1] = bi + w
        else:
            samples[a_at] = ar + ar - 32768
            samples[a_at + 1] = ai + ai - 32768
            samples[b_at] = cr + cr + 32768
            samples[b_at + 1] = x + w + x + w + 32768
            samples[c_at] = br + br - 32768
            samples[c_at + 1] = bi + bi - 32768
            samples[d_at] = dr + dr + 32768
            samples[d_at + 1] = x - w + x - w + 32768
        w = 16384 - sine[down_at + 2]
        x = (((samples[a_at + 2] - 32768) * w) >> 15) + 32768
        w = 32768 - w
        w = ((samples[c_at + 2] - 32768) * w) >> 15
        ar = x + w
        br = x - w
        w = sine[up_at + 2] + 16384
        x = ((samples[b_at + 2] - 32768) * w) >> 15
        w = 32768 - w
        w = ((samples[d_at + 2] - 32768) * w) >> 15
        cr = x + w
        dr = x - w
        w = 16384 - sine[down_at + 1]
        x = (((samples[a_at + 3] - 32768) * w) >> 15) + 32768
        w = 32768 - w
        w = ((samples[c_at + 3] - 32768) * w) >> 15
        ai = x + w
        bi = x - w
        w = sine[up_at + 3] + 16384
        x = ((samples[b_at + 3] - 32768) * w) >> 15
        w = 32768 - w
        w = ((samples[d_at + 3] - 32768) * w) >> 15
        if by_four:
            samples[c_at + 2] = br + x - w
            samples[d_at + 2] = br - x + w
            x = x + w
            samples[a_at + 3] = ai + x
            samples[b_at + 3] = ai - x
            x = cr
            w = dr
            samples[a_at + 2] = ar + x
            samples[b_at + 2] = ar - x
            samples[c_at + 3] = bi - w
            samples[d_at + 3] = bi + w
        else:
            samples[a_at + 2] = ar + ar - 32768
            samples[a_at + 3] = ai + ai - 32768
            samples[b_at + 2] = cr + cr + 32768
            samples[b_at + 3] = x + w + x + w + 32768
            samples[c_at + 2] = br + br - 32768
            samples[c_at + 3] = bi + bi - 32768
            samples[d_at + 2] = dr + dr + 32768
            samples[d_at + 3] = x - w + x - w + 32768
        up_at = up_at + 4
        a_at = a_at + 4
        b_at = b_at + 4
        c_at = c_at + 4
        d_at = d_at + 4


def reorder(x, j, samples):
    """Put complex points into bit-reversed order, in place. x: how many; j: 0.

    For an even place below half, with j its reverse, three more pairs follow without reversing again.
    """
    half = x >> 1
    left = x >> 2
    points = x
    p_at = 0
    while left:
        left -= 1
        q_at = j
        r_at = q_at + points
        x = samples[p_at + 2]
        samples[p_at + 2] = samples[r_at]
        samples[r_at] = x
        x = samples[p_at + 3]
        samples[p_at + 3] = samples[r_at + 1]
        samples[r_at + 1] = x
        if p_at < q_at:
            x = samples[p_at]
            samples[p_at] = samples[q_at]
            samples[q_at] = x
            x = samples[p_at + 1]
            samples[p_at + 1] = samples[q_at + 1]
            samples[q_at + 1] = x
            q_at = p_at + points
            x = samples[q_at + 2]
            samples[q_at + 2] = samples[r_at + 2]
            samples[r_at + 2] = x
            x = samples[q_at + 3]
            samples[q_at + 3] = samples[r_at + 3]
            samples[r_at + 3] = x
        p_at = p_at + 4
        x = half
        while j & x:
            j ^= x
            x >>= 1
        j ^= x


def transform(x, y, samples, sine):
    """All stages but the first, of points in bit-reversed order, in place. x: window; y: a quarter of it."""
    window = x
    quarter = y
    half = window >> 1
    step = 1
    while half > 4:
        half >>= 2
        step <<= 2
    step >>= 2
    while half < window >> 1:
        span = half + half
        turn = step + step
        start_at = 0
        t = 0
        while t ^ quarter:
            if t:
                x = t
                y = quarter - x
                s1 = sine[x]
                c1 = sine[y]
                x = t << 1
                twice = x
                y = quarter - x
                if y >> 31:
                    s2 = sine[quarter + y]
                    c2 = 0 - sine[0 - y]
                else:
                    s2 = sine[x]
                    c2 = sine[y]
                x = twice
                x = t + x
                y = quarter - x
                if y >> 31:
                    y = 0 - y
                    x = quarter - y
                    if x >> 31:
                        s3 = 0 - sine[0 - x]
                        c3 = 0 - sine[quarter + x]
                    else:
                        s3 = sine[x]
                        c3 = 0 - sine[y]
                else:
                    s3 = sine[x]
                    c3 = sine[y]
            following_at = start_at
            left = step
            while left:
                left -= 1
                a_at = following_at
                y = span
                b_at = a_at + y
                c_at = b_at + y
                d_at = c_at + y
                following_at = d_at + y
                if t:
                    x = samples[c_at] - 32768
                    y = samples[c_at + 1] - 32768
                    cr = (c1 * x + s1 * y) >> 16
                    ci = (c1 * y - s1 * x) >> 16
                    x = samples[b_at] - 32768
                    y = samples[b_at + 1] - 32768
                    br = (c2 * x + s2 * y) >> 16
                    bi = (c2 * y - s2 * x) >> 16
                    x = samples[d_at] - 32768
                    y = samples[d_at + 1] - 32768
                    dr = (c3 * x + s3 * y) >> 16
                    y = (c3 * y - s3 * x) >> 16
                    x = dr
                else:
                    cr = (samples[c_at] - 32768) >> 2
                    ci = (samples[c_at + 1] - 32768) >> 2
                    br = (samples[b_at] - 32768) >> 2
                    bi = (samples[b_at + 1] - 32768) >> 2
                    x = (samples[d_at] - 32768) >> 2
                    y = (samples[d_at + 1] - 32768) >> 2
                sr = cr + x
                tr = cr - x
                si = ci + y
                ti = ci - y
                x = (samples[a_at] + 98304) >> 2
                y = br
                ar = x + y
                x = x - y
                y = sr
                samples[a_at] = ar + y + 2
                samples[c_at] = ar - y
                y = ti
                samples[b_at] = x + y
                samples[d_at] = x - y
                x = (samples[a_at + 1] + 98304) >> 2
                y = bi
                ar = x + y
                x = x - y
                y = si
                samples[a_at + 1] = ar + y + 2
                samples[c_at + 1] = ar - y
                y = tr
                samples[b_at + 1] = x - y
                samples[d_at + 1] = x + y
            start_at = start_at + 2
            x = t
            t = turn + x
        half <<= 2
        step >>= 2


def power(x, y, samples, sine):
    """Replace each complex point k by its bin's power, low 16 bits at 2k and high 16 bits at 2k + 1.

    x: window; y: a quarter of it.
    """
    down_at = y
    up_at = 0
    p_at = 0
    q_at = x
    left = y >> 1
    while left:
        left -= 1
        q_at = q_at - 4
        down_at = down_at - 2
        x = samples[p_at + 2]
        y = samples[q_at + 2]
        ar = x + y - 65536
        br = x - y
        x = samples[p_at + 3]
        y = samples[q_at + 3]
        ai = x - y
        y = x + y - 65536
        x = br
        br = sine[up_at + 1] * y + sine[down_at + 1] * x
        x = (sine[down_at + 1] * y - sine[up_at + 1] * x + (ar << 14) + 16384) >> 15
        y = ((ai << 14) - br + 16384) >> 15
        br = x * x + y * y
        x = ar - x
        y = ai - y
        x = x * x + y * y
        samples[q_at + 2] = x & 0xFFFF
        samples[q_at + 3] = x >> 16
        samples[p_at + 2] = br & 0xFFFF
        samples[p_at + 3] = br >> 16
        x = samples[p_at + 4]
        y = samples[q_at]
        ar = x + y - 65536
        br = x - y
        x = samples[p_at + 5]
        y = samples[q_at + 1]
        ai = x - y
        y = x + y - 65536
        x = br
        br = sine[up_at + 2] * y + sine[down_at] * x
        x = (sine[down_at] * y - sine[up_at + 2] * x + (ar << 14) + 16384) >> 15
        y = ((ai << 14) - br + 16384) >> 15
        br = x * x + y * y
        x = ar - x
        y = ai - y
        x = x * x + y * y
        samples[q_at] = x & 0xFFFF
        samples[q_at + 1] = x >> 16
        samples[p_at + 4] = br & 0xFFFF
        samples[p_at + 5] = br >> 16
        p_at = p_at + 4
        up_at = up_at + 2


def band(samples, total, first, bins):
    """Sum of the power of some bins, after power(). total: 0."""
    samples_at = 0
    samples_at = samples_at + 2 * first
    while bins:
        bins -= 1
        total = ((samples[samples_at + 1] << 16) + samples[samples_at]) + total
        samples_at = samples_at + 2
    return total
