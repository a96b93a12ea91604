/* Power spectrum of a real window by a radix-2 transform of half as many complex points; docs/pipeline.md. */
#include "offbeat_internal.h"

static int16_t low_half(int32_t value)
{
    return (int16_t)((((value & 0xFFFF) ^ 0x8000)) - 0x8000);
}

static void weigh(int16_t *work, const int16_t *sine, int32_t window)
{
    const int32_t quarter = window >> 2;
    const int32_t middle = window >> 1;
    int32_t i;
    for (i = 0; i <= middle; i++) {
        const int32_t cosine = i <= quarter ? sine[quarter - i] : -sine[i - quarter];
        const int32_t weight = (32768 - cosine) >> 1;
        work[i] = (int16_t)((work[i] * weight + 16384) >> 15);
        if (i > 0 && i < middle) {
            work[window - i] = (int16_t)((work[window - i] * weight + 16384) >> 15);
        }
    }
}

static void reorder(int16_t *work, int32_t points)
{
    int32_t i;
    int32_t j = 0;
    for (i = 1; i < points; i++) {
        int32_t bit = points >> 1;
        while ((j & bit) != 0) {
            j ^= bit;
            bit >>= 1;
        }
        j ^= bit;
        if (i < j) {
            const int16_t re = work[2 * i];
            const int16_t im = work[2 * i + 1];
            work[2 * i] = work[2 * j];
            work[2 * i + 1] = work[2 * j + 1];
            work[2 * j] = re;
            work[2 * j + 1] = im;
        }
    }
}

/* Butterflies whose twiddle is exactly 1: (a * 2^15 +- b * 2^15 + 2^15) >> 16 is (a +- b + 1) >> 1. */
static void butterflies_of_one(int16_t *work, int32_t window, int32_t half)
{
    int32_t a;
    for (a = 0; a < window; a += 4 * half) {
        int16_t *const p = work + a;
        int16_t *const q = p + 2 * half;
        const int32_t re = p[0] + 1;
        const int32_t im = p[1] + 1;
        const int32_t x = q[0];
        const int32_t y = q[1];
        p[0] = (int16_t)((re + x) >> 1);
        p[1] = (int16_t)((im + y) >> 1);
        q[0] = (int16_t)((re - x) >> 1);
        q[1] = (int16_t)((im - y) >> 1);
    }
}

/* Butterflies whose twiddle is exactly -j. */
static void butterflies_of_minus_j(int16_t *work, int32_t window, int32_t half)
{
    int32_t a;
    for (a = half; a < window; a += 4 * half) {
        int16_t *const p = work + a;
        int16_t *const q = p + 2 * half;
        const int32_t re = p[0] + 1;
        const int32_t im = p[1] + 1;
        const int32_t x = q[1];
        const int32_t y = -q[0];
        p[0] = (int16_t)((re + x) >> 1);
        p[1] = (int16_t)((im + y) >> 1);
        q[0] = (int16_t)((re - x) >> 1);
        q[1] = (int16_t)((im - y) >> 1);
    }
}

static void butterflies(int16_t *work, int32_t window, int32_t half, int32_t j, int32_t c, int32_t s)
{
    int32_t a;
    for (a = 2 * j; a < window; a += 4 * half) {
        int16_t *const p = work + a;
        int16_t *const q = p + 2 * half;
        const int32_t x = c * q[0] + s * q[1];
        const int32_t y = c * q[1] - s * q[0];
        const int32_t re = p[0] * 32768 + 32768;
        const int32_t im = p[1] * 32768 + 32768;
        p[0] = (int16_t)((re + x) >> 16);
        p[1] = (int16_t)((im + y) >> 16);
        q[0] = (int16_t)((re - x) >> 16);
        q[1] = (int16_t)((im - y) >> 16);
    }
}

static void transform(int16_t *work, const int16_t *sine, int32_t window)
{
    const int32_t quarter = window >> 2;
    int32_t half;
    int32_t step = window >> 1;
    for (half = 1; half < window >> 1; half <<= 1) {
        int32_t j;
        butterflies_of_one(work, window, half);
        for (j = 1; j < half; j++) {
            const int32_t t = j * step;
            if (t == quarter) {
                butterflies_of_minus_j(work, window, half);
            } else if (t < quarter) {
                butterflies(work, window, half, j, sine[quarter - t], sine[t]);
            } else {
                butterflies(work, window, half, j, -sine[t - quarter], sine[2 * quarter - t]);
            }
        }
        step >>= 1;
    }
}

static void power(int16_t *work, const int16_t *sine, int32_t window)
{
    const int32_t points = window >> 1;
    const int32_t quarter = window >> 2;
    int32_t k;
    for (k = 1; k <= quarter; k++) {
        int16_t *const p = work + 2 * k;
        int16_t *const q = work + 2 * (points - k);
        const int32_t ar = p[0] + q[0];
        const int32_t br = p[0] - q[0];
        const int32_t ai = p[1] - q[1];
        const int32_t bi = p[1] + q[1];
        const int32_t c = sine[quarter - k];
        const int32_t s = sine[k];
        const int32_t x = (c * bi - s * br + 16384) >> 15;
        const int32_t y = (c * br + s * bi + 16384) >> 15;
        const int32_t mirrored = (ar - x) * (ar - x) + (ai + y) * (ai + y);
        const int32_t own = (ar + x) * (ar + x) + (ai - y) * (ai - y);
        q[0] = low_half(mirrored);
        q[1] = (int16_t)(mirrored >> 16);
        p[0] = low_half(own);
        p[1] = (int16_t)(own >> 16);
    }
}

void offbeat_spectrum(int16_t *work, const int16_t *sine, uint16_t window)
{
    weigh(work, sine, window);
    reorder(work, window >> 1);
    transform(work, sine, window);
    power(work, sine, window);
}

uint32_t offbeat_band(const int16_t *work, uint16_t first, uint16_t bins)
{
    const int16_t *at = work + 2 * first;
    uint32_t total = 0;
    for (; bins > 0; bins--) {
        total += (uint32_t)(uint16_t)at[0] + ((uint32_t)(uint16_t)at[1] << 16);
        at += 2;
    }
    return total;
}
