/* Power spectrum of a real window by a radix-2 transform of half as many complex points; docs/pipeline.md. */
#include "offbeat_internal.h"

/* A complex point of the transform; in the end the low and high halves of a bin's power. */
typedef struct {
    int16_t re;
    int16_t im;
} point;

static inline void swap(point *a, point *b)
{
    const int16_t re = a->re;
    const int16_t im = a->im;
    a->re = b->re;
    a->im = b->im;
    b->re = re;
    b->im = im;
}

/* Bit-reversed order. For even i below half, with j its reverse, three more pairs follow without reversing again. */
static void reorder(point *z, uint32_t points)
{
    const uint32_t half = points >> 1;
    uint32_t i;
    uint32_t j = 0;
    ROLLED
    for (i = 0; i < half; i += 2) {
        uint32_t bit = half >> 1;
        swap(&z[i + 1], &z[j + half]);
        if (i < j) {
            swap(&z[i], &z[j]);
            swap(&z[i + 1 + half], &z[j + 1 + half]);
        }
        ROLLED
        while ((j & bit) != 0) {
            j ^= bit;
            bit >>= 1;
        }
        j |= bit;
    }
}

/* Sum and difference of a butterfly whose twiddle is exactly 1 or -j: (a * 2^15 +- b * 2^15 + 2^15) >> 16. */
static inline int32_t half_sum(int32_t a, int32_t b)
{
    return (a + 1 + b) >> 1;
}

static inline int32_t half_difference(int32_t a, int32_t b)
{
    return (a + 1 - b) >> 1;
}

/* The stages of 1 and 2 points apart, whose twiddles are all exact. */
static void first_stages(point *z, const point *end)
{
    ROLLED
    do {
        const int32_t ar = half_sum(z[0].re, z[1].re);
        const int32_t br = half_difference(z[0].re, z[1].re);
        const int32_t cr = half_sum(z[2].re, z[3].re);
        const int32_t dr = half_difference(z[2].re, z[3].re);
        int32_t ai, bi, ci, di;
        z[0].re = (int16_t)half_sum(ar, cr);
        z[2].re = (int16_t)half_difference(ar, cr);
        ai = half_sum(z[0].im, z[1].im);
        bi = half_difference(z[0].im, z[1].im);
        ci = half_sum(z[2].im, z[3].im);
        di = half_difference(z[2].im, z[3].im);
        z[0].im = (int16_t)half_sum(ai, ci);
        z[2].im = (int16_t)half_difference(ai, ci);
        z[1].re = (int16_t)half_sum(br, di);
        z[3].re = (int16_t)half_difference(br, di);
        z[1].im = (int16_t)half_difference(bi, dr);
        z[3].im = (int16_t)half_sum(bi, dr);
        z += 4;
    } while (z != end);
}

/* The two butterflies of a group whose twiddles are exact: z[0] with 1, z[turn] with -j. */
static inline void exact(point *z, int32_t turn)
{
    point *const b = z + 2 * turn;
    int32_t re = z->re;
    int32_t im = z->im;
    int32_t x = b->re;
    int32_t y = b->im;
    z->re = (int16_t)half_sum(re, x);
    z->im = (int16_t)half_sum(im, y);
    b->re = (int16_t)half_difference(re, x);
    b->im = (int16_t)half_difference(im, y);
    re = z[turn].re;
    im = z[turn].im;
    x = b[turn].im;
    y = b[turn].re;
    z[turn].re = (int16_t)half_sum(re, x);
    z[turn].im = (int16_t)half_difference(im, y);
    b[turn].re = (int16_t)half_difference(re, x);
    b[turn].im = (int16_t)half_sum(im, y);
}

/* One stage, of points 2 * turn apart. Half a group on, the twiddle is a quarter turn on: it swaps sine and cosine,
 * so two butterflies share each pair of table entries. a * 2^15 - p is written as 2 * (a * 2^15) - (a * 2^15 + p). */
static void stage(point *z, const point *end, const int16_t *sines, int32_t quarter, int32_t turn, int32_t step)
{
    ROLLED
    while (z != end) {
        const int16_t *sine = sines + step;
        const int16_t *cosine = sines + quarter - step;
        exact(z, turn);
        ROLLED
        while (cosine != sines) {
            const int32_t c = *cosine;
            const int32_t s = *sine;
            point *a = ++z;
            point *b = a + 2 * turn;
            int32_t re = a->re * 32768 + 32768;
            int32_t im = a->im * 32768 + 32768;
            int32_t x = re + c * b->re + s * b->im;
            int32_t y = im + c * b->im - s * b->re;
            a->re = (int16_t)(x >> 16);
            a->im = (int16_t)(y >> 16);
            b->re = (int16_t)((2 * re - x) >> 16);
            b->im = (int16_t)((2 * im - y) >> 16);
            a += turn;
            b += turn;
            re = a->re * 32768 + 32768;
            im = a->im * 32768 + 32768;
            x = re + c * b->im - s * b->re;
            y = im - c * b->re - s * b->im;
            a->re = (int16_t)(x >> 16);
            a->im = (int16_t)(y >> 16);
            b->re = (int16_t)((2 * re - x) >> 16);
            b->im = (int16_t)((2 * im - y) >> 16);
            sine += step;
            cosine -= step;
        }
        z += 3 * turn + 1;
    }
}

static void power(point *z, const int16_t *sine, int32_t quarter)
{
    point *p = z + 1;
    point *q = z + 2 * quarter - 1;
    const int16_t *cosine = sine + quarter;
    ROLLED
    while (p <= q) {
        const int32_t ar = p->re + q->re;
        const int32_t br = p->re - q->re;
        const int32_t ai = p->im - q->im;
        const int32_t bi = p->im + q->im;
        const int32_t c = *--cosine;
        const int32_t s = *++sine;
        const int32_t x = (c * bi - s * br + 16384) >> 15;
        const int32_t y = (c * br + s * bi + 16384) >> 15;
        const uint32_t mirrored = (uint32_t)((ar - x) * (ar - x) + (ai + y) * (ai + y));
        const uint32_t own = (uint32_t)((ar + x) * (ar + x) + (ai - y) * (ai - y));
        q->re = (int16_t)(mirrored & 0xFFFFU);
        q->im = (int16_t)(mirrored >> 16);
        p->re = (int16_t)(own & 0xFFFFU);
        p->im = (int16_t)(own >> 16);
        p++;
        q--;
    }
}

void offbeat_spectrum(int16_t *work, const int16_t *sine, uint16_t window)
{
    point *const z = (point *)(void *)work;
    const int32_t points = window >> 1;
    const int32_t quarter = points >> 1;
    int32_t turn;
    int32_t step = quarter >> 1;
    reorder(z, (uint32_t)points);
    first_stages(z, z + points);
    for (turn = 2; turn < quarter; turn <<= 1) {
        stage(z, z + points, sine, quarter, turn, step);
        step >>= 1;
    }
    power(z, sine, quarter);
}

uint32_t offbeat_band(const int16_t *work, uint16_t first, uint16_t bins)
{
    const point *at = (const point *)(const void *)work + first;
    const point *const end = at + bins;
    uint32_t total = 0;
    ROLLED
    while (at != end) {
        total += (uint32_t)(uint16_t)at->re | (uint32_t)(uint16_t)at->im << 16;
        at++;
    }
    return total;
}
