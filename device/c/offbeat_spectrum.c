/* Power spectrum of a real window by a radix-4 transform of half as many complex points; docs/pipeline.md.
 *
 * A complex point is one word, and one instruction adds both its parts. With DSP instructions the word holds re and im in
 * its halves. Without them it is re + 65536 * im: sums and differences of such words are those of both parts, as long as
 * each part fits 16 bits; then the low half is re, and im is the high half but for what the sign of re has borrowed. */
#include "offbeat_internal.h"

/* What the first result of a butterfly lacks where all its parts are rounded down; docs/pipeline.md. */
#define ROUNDING 0x20002U

#ifdef OFFBEAT_DSP

#define TWO(instruction)                              \
    uint32_t result;                                  \
    __asm__(instruction : "=r"(result) : "r"(a), "r"(b)); \
    return result

static inline uint32_t plus(uint32_t a, uint32_t b)
{
    TWO("sadd16 %0, %1, %2");
}

static inline uint32_t minus(uint32_t a, uint32_t b)
{
    TWO("ssub16 %0, %1, %2");
}

static inline uint32_t half_sum(uint32_t a, uint32_t b)
{
    TWO("shadd16 %0, %1, %2");
}

/* a - j * b */
static inline uint32_t minus_j_times(uint32_t a, uint32_t b)
{
    TWO("ssax %0, %1, %2");
}

/* a + j * b */
static inline uint32_t plus_j_times(uint32_t a, uint32_t b)
{
    TWO("sasx %0, %1, %2");
}

/* Of both low halves and both high ones, the sum. */
static inline uint32_t product_re(uint32_t a, uint32_t b)
{
    TWO("smuad %0, %1, %2");
}

/* a's low half times b's high one less the other two. */
static inline uint32_t product_im(uint32_t a, uint32_t b)
{
    TWO("smusdx %0, %1, %2");
}

static inline uint32_t high_halves(uint32_t a, uint32_t b)
{
    TWO("pkhtb %0, %1, %2, asr #16");
}

static inline uint32_t low_halves(uint32_t a, uint32_t b)
{
    TWO("pkhbt %0, %1, %2, lsl #16");
}

/* a times b's low half, 2^-16. */
static inline uint32_t times_low(uint32_t a, uint32_t b)
{
    TWO("smulwb %0, %1, %2");
}

/* a times b's high half, 2^-16. */
static inline uint32_t times_high(uint32_t a, uint32_t b)
{
    TWO("smulwt %0, %1, %2");
}

#undef TWO

static inline int32_t imaginary_of(uint32_t z)
{
    return (int32_t)z >> 16;
}

static inline uint32_t quarter_of(uint32_t z)
{
    return half_sum(half_sum(z, 0), 0);
}

/* A quarter of z times c - j * s, Q14; w: c and s. */
static inline uint32_t turned(uint32_t z, const uint32_t *w)
{
    return high_halves(product_im(*w, z), product_re(*w, z));
}

/* Two samples under their weights, Q15. */
static inline uint32_t weighed(uint32_t samples, uint32_t even, uint32_t odd)
{
    return low_halves(times_low(2U * even, samples), times_high(2U * odd, samples));
}

#else

static inline uint32_t joined(int32_t re, int32_t im)
{
    return (uint32_t)re + ((uint32_t)im << 16);
}

static inline int32_t imaginary_of(uint32_t z)
{
    const int32_t re = (int16_t)z;
    return (int32_t)(z - (uint32_t)re) >> 16;
}

static inline uint32_t plus(uint32_t a, uint32_t b)
{
    return a + b;
}

static inline uint32_t minus(uint32_t a, uint32_t b)
{
    return a - b;
}

static inline uint32_t j_times(uint32_t z)
{
    return joined(-imaginary_of(z), (int16_t)z);
}

static inline uint32_t minus_j_times(uint32_t a, uint32_t b)
{
    return a - j_times(b);
}

static inline uint32_t plus_j_times(uint32_t a, uint32_t b)
{
    return a + j_times(b);
}

/* The low part is made positive, so that what the high part's shift leaves in it is two bits that nothing else uses. */
static inline uint32_t quarter_of(uint32_t z)
{
    return ((uint32_t)((int32_t)(z + 0x8000U) >> 2) & 0xFFFF3FFFU) - 0x2000U;
}

/* A quarter of z times c - j * s, Q14; w: c and s. */
static inline uint32_t turned(uint32_t z, const uint32_t *w)
{
    const int32_t re = (int16_t)z;
    const int32_t im = imaginary_of(z);
#ifdef OFFBEAT_THUMB_1
    const int32_t c = (int16_t)*w;
    const int32_t s = (int32_t)*w >> 16;
#else
    const int32_t c = ((const offbeat_half *)(const void *)w)[0];
    const int32_t s = ((const offbeat_half *)(const void *)w)[1];
#endif
    const int32_t x = c * re + s * im;
    const int32_t y = c * im - s * re;
    return (uint32_t)(x >> 16) + ((uint32_t)y & 0xFFFF0000U);
}

/* Two samples under their weights, Q15. */
static inline uint32_t weighed(uint32_t samples, uint32_t even, uint32_t odd)
{
    return joined(((int16_t)samples * (int32_t)even) >> 15, (((int32_t)samples >> 16) * (int32_t)odd) >> 15);
}

#endif

static inline int32_t real_of(uint32_t z)
{
    return (int16_t)z;
}

/* One stage, of transforms of `half` points; twiddles: every step-th three are of this stage. */
static APART void stage(offbeat_pair *z, const offbeat_pair *end, const uint32_t *twiddles, int32_t half, int32_t step)
{
    ROLLED
    while (z != end) {
        offbeat_pair *const next = z + half;
        offbeat_pair *later = next + half;
        const uint32_t *w = twiddles + 3 * (step - 1);
        uint32_t a = quarter_of(z[0]);
        uint32_t b = quarter_of(z[half]);
        uint32_t c = quarter_of(later[0]);
        uint32_t d = quarter_of(later[half]);
        for (;;) {
            const uint32_t sum = plus(a, b);
            const uint32_t other_sum = plus(c, d);
            const uint32_t difference = minus(a, b);
            const uint32_t other_difference = minus(c, d);
            z[0] = plus(plus(sum, other_sum), ROUNDING);
            z[half] = minus_j_times(difference, other_difference);
            later[0] = minus(sum, other_sum);
            later[half] = plus_j_times(difference, other_difference);
            z++;
            later++;
            if (z == next) {
                break;
            }
            KEPT(half);
            KEPT(later);
            c = turned(later[0], w + 1);
            d = turned(later[half], w + 2);
            b = turned(z[half], w);
            a = quarter_of(z[0]);
            w += 3 * step;
        }
        z += 3 * half;
    }
}

/* The Hann window and the first stage. Samples a quarter of the window apart share two entries of the sine table, and
 * their points are those of one butterfly, which has no twiddles; its results go where the bit-reversed order looks for
 * them. Where the points are no power of four this is a stage of radix 2, of twice the points. */
static APART void first_stage(offbeat_pair *z, int32_t quarter, const int16_t *sine, int32_t by_four)
{
    const uint16_t *rising = (const uint16_t *)sine;
    const uint16_t *falling = rising + quarter;
    const uint16_t *const end = falling;
    int32_t eighth = quarter >> 1;
    ROLLED
    while (rising != end) {
        offbeat_pair *const later = z + quarter;
        const uint32_t a = weighed(z[0], 16384U - falling[0], 16384U - falling[-1]);
        const uint32_t b = weighed(later[0], 16384U + falling[0], 16384U + falling[-1]);
        const uint32_t c = weighed(z[eighth], 16384U + rising[0], 16384U + rising[1]);
        const uint32_t d = weighed(later[eighth], 16384U - rising[0], 16384U - rising[1]);
        const uint32_t sum = plus(a, b);
        const uint32_t other_sum = plus(c, d);
        const uint32_t difference = minus(a, b);
        const uint32_t other_difference = minus(c, d);
        KEPT(eighth);
        if (by_four) {
            z[0] = plus(sum, other_sum);
            z[eighth] = minus(sum, other_sum);
            later[0] = minus_j_times(difference, other_difference);
            later[eighth] = plus_j_times(difference, other_difference);
        } else {
            z[0] = plus(sum, sum);
            z[eighth] = plus(other_sum, other_sum);
            later[0] = plus(difference, difference);
            later[eighth] = plus(other_difference, other_difference);
        }
        z++;
        falling -= 2;
        rising += 2;
    }
}

static inline void swap(offbeat_pair *a, offbeat_pair *b)
{
    const uint32_t z = *a;
    *a = *b;
    *b = z;
}

/* Bit-reversed order. For even i below half, with j its reverse, three more pairs follow without reversing again. */
static APART void reorder(offbeat_pair *z, uint32_t points)
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

static APART void power(offbeat_pair *z, const int16_t *sine, int32_t quarter)
{
    offbeat_pair *p = z;
    offbeat_pair *q = z + 2 * quarter;
    const uint16_t *rising = (const uint16_t *)sine;
    const uint16_t *falling = rising + quarter;
    ROLLED
    do {
        const uint32_t first = *++p;
        const uint32_t last = *--q;
        const int32_t c = *--falling;
        const int32_t s = *++rising;
        const int32_t ar = real_of(first) + real_of(last);
        const int32_t br = real_of(first) - real_of(last);
        const int32_t ai = imaginary_of(first) - imaginary_of(last);
        const int32_t bi = imaginary_of(first) + imaginary_of(last);
        int32_t part = ((ar + 1) * 16384 + c * bi - s * br) >> 15;
        int32_t rest = ar - part;
        uint32_t own = (uint32_t)(part * part);
        uint32_t mirrored = (uint32_t)(rest * rest);
        part = ((ai + 1) * 16384 - c * br - s * bi) >> 15;
        rest = ai - part;
        own += (uint32_t)(part * part);
        mirrored += (uint32_t)(rest * rest);
        *q = mirrored;
        *p = own;
        KEPT(p);
    } while (p != q);
}

void offbeat_spectrum(int16_t *work, const offbeat_model *model)
{
    offbeat_pair *const z = (offbeat_pair *)(void *)work;
    const int32_t points = model->window >> 1;
    const int32_t quarter = points >> 1;
    const int32_t by_four = offbeat_bit_length((uint32_t)points) & 1;
    int32_t half = by_four ? 4 : 2;
    int32_t step = quarter >> 1;
    first_stage(z, quarter, model->sine, by_four);
    reorder(z, (uint32_t)points);
    for (step >>= by_four + 1; step != 0; step >>= 2) {
        stage(z, z + points, model->twiddles, half, step);
        half *= 4;
    }
    power(z, model->sine, quarter);
}

uint32_t offbeat_band(const int16_t *work, uint16_t first, uint16_t bins)
{
    const offbeat_pair *at = (const offbeat_pair *)(const void *)work + first;
    const offbeat_pair *const end = at + bins;
    uint32_t total = 0;
    if ((bins & 1U) != 0) {
        total = *at++;
    }
    ROLLED
    while (at != end) {
        total += at[0];
        total += at[1];
        at += 2;
    }
    return total;
}
