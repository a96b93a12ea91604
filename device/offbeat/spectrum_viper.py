"""Power spectrum of a normalised window in viper. Rules: kernels_viper.py; arithmetic: docs/pipeline.md.

Samples, and the complex points that they become (real and imaginary part side by side), are + 32768 each.
"""

import micropython


@micropython.viper
def weigh(x: int, w: int, samples: ptr16, sine: ptr16):
    """Hann window and first stage of the transform, in place, before the points are put in order.

    x: window; w: a quarter of it.
    """
    by_four = x
    while by_four > 8:
        by_four >>= 2
    by_four &= 8
    left = w >> 2
    quarter_bytes = 2 * w
    up = ptr16(int(sine) + 0)
    down = ptr16(int(sine) + quarter_bytes)
    a = ptr16(int(samples) + 0)
    b = ptr16(int(a) + quarter_bytes)
    c = ptr16(int(b) + quarter_bytes)
    d = ptr16(int(c) + quarter_bytes)
    while left:
        left -= 1
        down = ptr16(int(down) - 8)
        w = 16384 - down[4]
        x = (((a[0] - 32768) * w) >> 15) + 32768
        w = 32768 - w
        w = ((c[0] - 32768) * w) >> 15
        ar = x + w
        br = x - w
        w = up[0] + 16384
        x = ((b[0] - 32768) * w) >> 15
        w = 32768 - w
        w = ((d[0] - 32768) * w) >> 15
        cr = x + w
        dr = x - w
        w = 16384 - down[3]
        x = (((a[1] - 32768) * w) >> 15) + 32768
        w = 32768 - w
        w = ((c[1] - 32768) * w) >> 15
        ai = x + w
        bi = x - w
        w = up[1] + 16384
        x = ((b[1] - 32768) * w) >> 15
        w = 32768 - w
        w = ((d[1] - 32768) * w) >> 15
        if by_four:
            c[0] = br + x - w
            d[0] = br - x + w
            x = x + w
            a[1] = ai + x
            b[1] = ai - x
            x = cr
            w = dr
            a[0] = ar + x
            b[0] = ar - x
            c[1] = bi - w
            d[1] = bi + w
        else:
            a[0] = ar + ar - 32768
            a[1] = ai + ai - 32768
            b[0] = cr + cr + 32768
            b[1] = x + w + x + w + 32768
            c[0] = br + br - 32768
            c[1] = bi + bi - 32768
            d[0] = dr + dr + 32768
            d[1] = x - w + x - w + 32768
        w = 16384 - down[2]
        x = (((a[2] - 32768) * w) >> 15) + 32768
        w = 32768 - w
        w = ((c[2] - 32768) * w) >> 15
        ar = x + w
        br = x - w
        w = up[2] + 16384
        x = ((b[2] - 32768) * w) >> 15
        w = 32768 - w
        w = ((d[2] - 32768) * w) >> 15
        cr = x + w
        dr = x - w
        w = 16384 - down[1]
        x = (((a[3] - 32768) * w) >> 15) + 32768
        w = 32768 - w
        w = ((c[3] - 32768) * w) >> 15
        ai = x + w
        bi = x - w
        w = up[3] + 16384
        x = ((b[3] - 32768) * w) >> 15
        w = 32768 - w
        w = ((d[3] - 32768) * w) >> 15
        if by_four:
            c[2] = br + x - w
            d[2] = br - x + w
            x = x + w
            a[3] = ai + x
            b[3] = ai - x
            x = cr
            w = dr
            a[2] = ar + x
            b[2] = ar - x
            c[3] = bi - w
            d[3] = bi + w
        else:
            a[2] = ar + ar - 32768
            a[3] = ai + ai - 32768
            b[2] = cr + cr + 32768
            b[3] = x + w + x + w + 32768
            c[2] = br + br - 32768
            c[3] = bi + bi - 32768
            d[2] = dr + dr + 32768
            d[3] = x - w + x - w + 32768
        up = ptr16(int(up) + 8)
        a = ptr16(int(a) + 8)
        b = ptr16(int(b) + 8)
        c = ptr16(int(c) + 8)
        d = ptr16(int(d) + 8)


@micropython.viper
def reorder(x: int, j: int, samples: ptr16):
    """Put complex points into bit-reversed order, in place. x: how many; j: 0.

    For an even place below half, with j its reverse, three more pairs follow without reversing again.
    """
    half = x >> 1
    left = x >> 2
    points_bytes = 2 * x
    p = ptr16(int(samples) + 0)
    while left:
        left -= 1
        q = ptr16(int(samples) + j + j)
        r = ptr16(int(q) + points_bytes)
        x = ptr32(p)[1]
        ptr32(p)[1] = ptr32(r)[0]
        ptr32(r)[0] = x
        if int(p) < int(q):
            x = ptr32(p)[0]
            ptr32(p)[0] = ptr32(q)[0]
            ptr32(q)[0] = x
            q = ptr16(int(p) + points_bytes)
            x = ptr32(q)[1]
            ptr32(q)[1] = ptr32(r)[1]
            ptr32(r)[1] = x
        p = ptr16(int(p) + 8)
        x = half
        while j & x:
            j ^= x
            x >>= 1
        j ^= x


@micropython.viper
def transform(x: int, y: int, samples: ptr16, sine: ptr16):
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
        span_bytes = 2 * (half + half)
        turn = step + step
        start = ptr16(int(samples) + 0)
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
            following = start
            left = step
            while left:
                left -= 1
                a = following
                y = span_bytes
                b = ptr16(int(a) + y)
                c = ptr16(int(b) + y)
                d = ptr16(int(c) + y)
                following = ptr16(int(d) + y)
                if t:
                    x = c[0] - 32768
                    y = c[1] - 32768
                    cr = (c1 * x + s1 * y) >> 16
                    ci = (c1 * y - s1 * x) >> 16
                    x = b[0] - 32768
                    y = b[1] - 32768
                    br = (c2 * x + s2 * y) >> 16
                    bi = (c2 * y - s2 * x) >> 16
                    x = d[0] - 32768
                    y = d[1] - 32768
                    dr = (c3 * x + s3 * y) >> 16
                    y = (c3 * y - s3 * x) >> 16
                    x = dr
                else:
                    cr = (c[0] - 32768) >> 2
                    ci = (c[1] - 32768) >> 2
                    br = (b[0] - 32768) >> 2
                    bi = (b[1] - 32768) >> 2
                    x = (d[0] - 32768) >> 2
                    y = (d[1] - 32768) >> 2
                sr = cr + x
                tr = cr - x
                si = ci + y
                ti = ci - y
                x = (a[0] + 98304) >> 2
                y = br
                ar = x + y
                x = x - y
                y = sr
                a[0] = ar + y + 2
                c[0] = ar - y
                y = ti
                b[0] = x + y
                d[0] = x - y
                x = (a[1] + 98304) >> 2
                y = bi
                ar = x + y
                x = x - y
                y = si
                a[1] = ar + y + 2
                c[1] = ar - y
                y = tr
                b[1] = x - y
                d[1] = x + y
            start = ptr16(int(start) + 4)
            x = t
            t = turn + x
        half <<= 2
        step >>= 2


@micropython.viper
def power(x: int, y: int, samples: ptr16, sine: ptr16):
    """Replace each complex point k by its bin's power, low 16 bits at 2k and high 16 bits at 2k + 1.

    x: window; y: a quarter of it.
    """
    down = ptr16(int(sine) + 2 * y)
    up = ptr16(int(sine) + 0)
    p = ptr16(int(samples) + 0)
    q = ptr16(int(samples) + 2 * x)
    left = y >> 1
    while left:
        left -= 1
        q = ptr16(int(q) - 8)
        down = ptr16(int(down) - 4)
        x = p[2]
        y = q[2]
        ar = x + y - 65536
        br = x - y
        x = p[3]
        y = q[3]
        ai = x - y
        y = x + y - 65536
        x = br
        br = up[1] * y + down[1] * x
        x = (down[1] * y - up[1] * x + (ar << 14) + 16384) >> 15
        y = ((ai << 14) - br + 16384) >> 15
        br = x * x + y * y
        x = ar - x
        y = ai - y
        x = x * x + y * y
        ptr32(q)[1] = x
        ptr32(p)[1] = br
        x = p[4]
        y = q[0]
        ar = x + y - 65536
        br = x - y
        x = p[5]
        y = q[1]
        ai = x - y
        y = x + y - 65536
        x = br
        br = up[2] * y + down[0] * x
        x = (down[0] * y - up[2] * x + (ar << 14) + 16384) >> 15
        y = ((ai << 14) - br + 16384) >> 15
        br = x * x + y * y
        x = ar - x
        y = ai - y
        x = x * x + y * y
        ptr32(q)[0] = x
        ptr32(p)[2] = br
        p = ptr16(int(p) + 8)
        up = ptr16(int(up) + 4)


@micropython.viper
def band(samples: ptr16, total: int, first: int, bins: int) -> int:
    """Sum of the power of some bins, after power(). total: 0."""
    samples = ptr16(int(samples) + 4 * first)
    left = bins >> 2  # unrolled
    while left:  # unrolled
        left -= 1
        total = ptr32(samples)[0] + total
        total = ptr32(samples)[1] + total
        total = ptr32(samples)[2] + total
        total = ptr32(samples)[3] + total
        samples = ptr16(int(samples) + 16)
    bins &= 3  # unrolled
    while bins:
        bins -= 1
        total = ptr32(samples)[0] + total
        samples = ptr16(int(samples) + 4)
    return total
