/* Power spectrum of a real window by a radix-4 transform of half as many complex points; docs/pipeline.md.
 *
 * A complex point is one word, and one instruction adds both its parts. With DSP instructions the word holds re and im in
 * its halves. Without them it is re + 65536 * im: sums and differences of such words are those of both parts, as long as
 * each part fits 16 bits; then the low half is re, and im is the high half but for what the sign of re has borrowed. */
#include "offbeat_dsp.h"

/* What the first result of a butterfly lacks where all its parts are rounded down; docs/pipeline.md. */
#define ROUNDING 0x20002U

#ifdef OFFBEAT_DSP

#define TWO(instruction)                                  \
    uint32_t result;                                      \
    __asm__(instruction : "=r"(result) : "r"(a), "r"(b)); \
    return result

#define THREE(instruction)                                        \
    uint32_t result;                                              \
    __asm__(instruction : "=r"(result) : "r"(a), "r"(b), "r"(c)); \
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

/* c, and a's low half times b's high one, and the other two. */
static inline uint32_t add_crosswise(uint32_t a, uint32_t b, uint32_t c)
{
    THREE("smladx %0, %1, %2, %3");
}

/* c, and both low halves, and both high ones. */
static inline uint32_t add_sum(uint32_t a, uint32_t b, uint32_t c)
{
    THREE("smlad %0, %1, %2, %3");
}

/* c, and a's low half times b's high one, less the other two. */
static inline uint32_t add_cross_difference(uint32_t a, uint32_t b, uint32_t c)
{
    THREE("smlsdx %0, %1, %2, %3");
}

/* c, and both low halves, less both high ones. */
static inline uint32_t add_difference(uint32_t a, uint32_t b, uint32_t c)
{
    THREE("smlsd %0, %1, %2, %3");
}

/* c, and both low halves; and so on. */
static inline uint32_t add_low_low(uint32_t a, uint32_t b, uint32_t c)
{
    THREE("smlabb %0, %1, %2, %3");
}

static inline uint32_t add_high_high(uint32_t a, uint32_t b, uint32_t c)
{
    THREE("smlatt %0, %1, %2, %3");
}

static inline uint32_t add_low_high(uint32_t a, uint32_t b, uint32_t c)
{
    THREE("smlabt %0, %1, %2, %3");
}

static inline uint32_t add_high_low(uint32_t a, uint32_t b, uint32_t c)
{
    THREE("smlatb %0, %1, %2, %3");
}

static inline uint32_t low_high(uint32_t a, uint32_t b)
{
    TWO("smulbt %0, %1, %2");
}

static inline uint32_t high_low(uint32_t a, uint32_t b)
{
    TWO("smultb %0, %1, %2");
}

static inline uint32_t low_low(uint32_t a, uint32_t b)
{
    TWO("smulbb %0, %1, %2");
}

static inline uint32_t high_high(uint32_t a, uint32_t b)
{
    TWO("smultt %0, %1, %2");
}

/* The low half of a, the high one of b. */
static inline uint32_t halves(uint32_t a, uint32_t b)
{
    TWO("pkhbt %0, %1, %2");
}

/* The high half of a; that of b as the low one. */
static inline uint32_t high_halves(uint32_t a, uint32_t b)
{
    TWO("pkhtb %0, %1, %2, asr #16");
}

/* The high half of a; that of 2 * b as the low one. */
static inline uint32_t high_and_doubled(uint32_t a, uint32_t b)
{
    TWO("pkhtb %0, %1, %2, asr #15");
}

#undef TWO
#undef THREE

static inline uint32_t quarter_of(uint32_t z)
{
    return half_sum(half_sum(z, 0), 0);
}

/* Two sines, wherever they lie. */
static inline uint32_t sines_at(const int16_t *sine)
{
    return (uint32_t)offbeat_pair_at(sine);
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
static inline uint32_t under(uint32_t samples, int32_t even, int32_t odd)
{
    return joined(((int16_t)samples * even) >> 15, (((int32_t)samples >> 16) * odd) >> 15);
}

#endif

/* Four points under their twiddles to their places. */
static inline void butterfly(offbeat_pair *z, offbeat_pair *later, int32_t half, uint32_t a, uint32_t b, uint32_t c,
                             uint32_t d)
{
    const uint32_t sum = plus(a, b);
    const uint32_t other_sum = plus(c, d);
    const uint32_t difference = minus(a, b);
    const uint32_t other_difference = minus(c, d);
    z[0] = plus(plus(sum, other_sum), ROUNDING);
    z[half] = minus_j_times(difference, other_difference);
    later[0] = minus(sum, other_sum);
    later[half] = plus_j_times(difference, other_difference);
}

#ifdef OFFBEAT_DSP
/* One stage, of transforms of `half` points; twiddles: every step-th three are of this stage. The butterflies without
 * twiddles first; compilers run out of registers in the others. */
static APART void stage(offbeat_pair *z, const offbeat_pair *end, const uint32_t *twiddles, int32_t half, int32_t step)
{
    const int32_t one = 4 * half;
    const int32_t three = 3 * one;
    const int32_t bytes = 12 * step;
    const uint32_t *const start = twiddles + 3 * (step - 1);
    ROLLED
    while (z != end) {
        const offbeat_pair *const next = z + half;
        const uint32_t *w = start;
        offbeat_pair *const later = z + 2 * half;
        butterfly(z, later, half, quarter_of(z[0]), quarter_of(z[half]), quarter_of(later[0]), quarter_of(later[half]));
        z++;
        do {
            uint32_t a, b, c, d, s, t;
            __asm__("ldr %[b], [%[z], %[one]]\n\t"
                    "ldr %[c], [%[z], %[one], lsl #1]\n\t"
                    "ldr %[d], [%[z], %[three]]\n\t"
                    "ldrd %[s], %[t], [%[w]]\n\t"
                    "smusdx %[a], %[s], %[b]\n\t"
                    "smuad %[b], %[s], %[b]\n\t"
                    "ldr %[s], [%[w], #8]\n\t"
                    "add %[w], %[w], %[bytes]\n\t"
                    "pkhtb %[b], %[a], %[b], asr #16\n\t"
                    "smusdx %[a], %[t], %[c]\n\t"
                    "smuad %[c], %[t], %[c]\n\t"
                    "pkhtb %[c], %[a], %[c], asr #16\n\t"
                    "smusdx %[a], %[s], %[d]\n\t"
                    "smuad %[d], %[s], %[d]\n\t"
                    "pkhtb %[d], %[a], %[d], asr #16\n\t"
                    "ldr %[a], [%[z]]\n\t"
                    "shadd16 %[a], %[a], %[zero]\n\t"
                    "shadd16 %[a], %[a], %[zero]\n\t"
                    "sadd16 %[s], %[a], %[b]\n\t"
                    "ssub16 %[a], %[a], %[b]\n\t"
                    "sadd16 %[t], %[c], %[d]\n\t"
                    "ssub16 %[c], %[c], %[d]\n\t"
                    "ssub16 %[d], %[s], %[t]\n\t"
                    "sadd16 %[s], %[s], %[t]\n\t"
                    "sadd16 %[s], %[s], %[rounding]\n\t"
                    "ssax %[b], %[a], %[c]\n\t"
                    "sasx %[a], %[a], %[c]\n\t"
                    "str %[d], [%[z], %[one], lsl #1]\n\t"
                    "str %[b], [%[z], %[one]]\n\t"
                    "str %[a], [%[z], %[three]]\n\t"
                    "str %[s], [%[z]], #4"
                    : [z] "+&r"(z), [w] "+&r"(w), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d), [s] "=&r"(s),
                      [t] "=&r"(t)
                    : [one] "r"(one), [three] "r"(three), [bytes] "r"(bytes), [zero] "r"(0), [rounding] "r"(ROUNDING)
                    : "memory");
        } while (z != next);
        z += 3 * half;
    }
}
#else
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
            butterfly(z, later, half, a, b, c, d);
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
#endif

/* A counter of so many values, a power of two, and back to 0; each value has its bits in reverse order. */
#ifdef OFFBEAT_REVERSES
static inline uint32_t reverse_of(uint32_t counter)
{
    uint32_t value;
    __asm__("rbit %0, %1" : "=r"(value) : "r"(counter));
    return value;
}

static inline uint32_t unit_of(uint32_t values)
{
    return reverse_of(values >> 1);
}

static inline uint32_t next_of(uint32_t counter, uint32_t unit)
{
    return counter + unit;
}

/* Whether the value is odd, as it is from half of the count on. */
static inline int is_odd(uint32_t counter)
{
    return (int32_t)counter < 0;
}
#else
static inline uint32_t reverse_of(uint32_t counter)
{
    return counter;
}

static inline uint32_t unit_of(uint32_t values)
{
    return values >> 1;
}

static inline uint32_t next_of(uint32_t counter, uint32_t unit)
{
    ROLLED
    while ((counter & unit) != 0) {
        counter ^= unit;
        unit >>= 1;
    }
    return counter | unit;
}

static inline int is_odd(uint32_t counter)
{
    return (counter & 1U) != 0;
}
#endif

static inline void swap(offbeat_pair *a, offbeat_pair *b)
{
    const uint32_t z = *a;
    *a = *b;
    *b = z;
}

/* Swap i with its reverse j, both even and below half of the points; three more pairs follow without reversing again. */
static inline void swap_around(offbeat_pair *i, offbeat_pair *j, uint32_t half)
{
    swap(i + 1, j + half);
    if (i < j) {
        swap(i, j);
        swap(i + half + 1, j + half + 1);
    }
}

/* Bit-reversed order. The even i below half come in two halves, of which the second has reverses that are 2 more. */
static APART void reorder(offbeat_pair *z, uint32_t points)
{
    const uint32_t half = points >> 1;
    const uint32_t unit = unit_of(half >> 1);
    offbeat_pair *at = z;
    uint32_t counter = 0;
    ROLLED
    do {
        offbeat_pair *const other = z + 2U * reverse_of(counter);
        swap_around(at, other, half);
        swap_around(at + (half >> 1), other + 2, half);
        at += 2;
        counter = next_of(counter, unit);
    } while (!is_odd(counter));
}

/* The four points of a butterfly of the first stage under the Hann window. */
typedef struct {
    uint32_t sum; /* of the first two, and so on */
    uint32_t difference;
    uint32_t other_sum;
    uint32_t other_difference;
} quartet;

/* Samples a quarter of the window apart share two entries of the sine table. */
static inline quartet weighed(const offbeat_pair *z, const int16_t *falling, const int16_t *rising)
{
    quartet result;
#ifdef OFFBEAT_DSP
    /* Twice 1 - sine, which fits 16 bits but where the sine is 0: there its negative does, and the product, rounded up, is
     * subtracted. A sample under 1 + sine is twice the sample less that under 1 - sine; weights are halved in Q16. */
    const uint32_t weights = 0x80008000U - 2U * sines_at(falling - 1);
    const uint32_t negative = 0x80008000U ^ (2U * sines_at(rising));
    const uint32_t up = 65535U;
    const uint32_t a = high_halves(high_low(z[0], weights), low_high(z[0], weights));
    const uint32_t b =
        minus(z[1], high_halves(add_high_low(z[1], weights, up), add_low_high(z[1], weights, up)));
    const uint32_t c = plus(z[2], high_halves(high_high(z[2], negative), low_low(z[2], negative)));
    const uint32_t d = high_halves(add_high_high(z[3], negative, up), add_low_low(z[3], negative, up));
    result.other_sum = minus(c, d);
    result.other_difference = plus(c, d);
#else
    const uint32_t a = under(z[0], 16384 - falling[0], 16384 - falling[-1]);
    const uint32_t b = under(z[1], 16384 + falling[0], 16384 + falling[-1]);
    const uint32_t c = under(z[2], 16384 + rising[0], 16384 + rising[1]);
    const uint32_t d = under(z[3], 16384 - rising[0], 16384 - rising[1]);
    result.other_sum = plus(c, d);
    result.other_difference = minus(c, d);
#endif
    result.sum = plus(a, b);
    result.difference = minus(a, b);
    return result;
}

/* The Hann window and a first stage of radix 4, on samples in bit-reversed order. */
static APART void first_stage(offbeat_pair *z, uint32_t quarter, const int16_t *sine)
{
    const int16_t *const last = sine + quarter;
    const uint32_t unit = unit_of(quarter >> 1);
    uint32_t counter = 0;
    ROLLED
    do {
        const uint32_t at = 2U * reverse_of(counter);
        const quartet found = weighed(z, last - at, sine + at);
        z[0] = plus(found.sum, found.other_sum);
        z[1] = minus_j_times(found.difference, found.other_difference);
        z[2] = minus(found.sum, found.other_sum);
        z[3] = plus_j_times(found.difference, found.other_difference);
        z += 4;
        counter = next_of(counter, unit);
    } while (counter != 0);
}

/* Where the points are no power of four, the first stage is one of radix 2, of twice the points: what the butterflies of
 * radix 4 have added is taken apart. */
static APART void take_apart(offbeat_pair *z, const offbeat_pair *end)
{
    ROLLED
    while (z != end) {
        const uint32_t sum = plus(z[0], z[2]);
        const uint32_t other_sum = minus(z[0], z[2]);
        const uint32_t difference = plus(z[1], z[3]);
        const uint32_t other_difference = plus_j_times(0, minus(z[1], z[3]));
        z[0] = sum;
        z[1] = difference;
        z[2] = other_sum;
        z[3] = other_difference;
        z += 4;
    }
}

#ifdef OFFBEAT_DSP
/* Bin k at *p and its mirror image at *q, in place of their points; w: cosine and sine, in either order. Sums and
 * differences of two points are twice the transform of the even or of the odd samples. As a mean of normalised samples
 * under the Hann window times a cosine, that stays below 0.71 * 32768, but for the middle bin, where it is 1 throughout. */
static inline void two_bins(offbeat_pair *p, offbeat_pair *q, uint32_t w, int c_is_low, uint32_t halves_of_one)
{
    const uint32_t half = 16384U;
    const uint32_t first = *p;
    const uint32_t last = *q;
    const uint32_t ar_bi = plus(first, last);
    const uint32_t br_ai = minus(last, first); /* both negative */
    const uint32_t br_bi = halves(br_ai, ar_bi);
    const uint32_t ar = add_low_low(ar_bi, halves_of_one, half);
    const uint32_t ai = add_high_high(br_ai, halves_of_one, half);
    const uint32_t x = c_is_low ? add_crosswise(w, br_bi, ar) : add_sum(w, br_bi, ar);
    const uint32_t y = c_is_low ? add_difference(w, br_bi, ai) : add_cross_difference(br_bi, w, ai);
    const uint32_t own = high_and_doubled(2U * x, y);
    const uint32_t rest = plus_j_times(halves(ar_bi, br_ai), own);
    *q = product_re(rest, rest);
    *p = product_re(own, own);
}

static APART void power(offbeat_pair *z, const int16_t *sine, uint32_t quarter)
{
    offbeat_pair *p = z;
    offbeat_pair *q = z + 2U * quarter;
    const int16_t *rising = sine + 1;
    const int16_t *falling = sine + quarter;
    const uint32_t middle = product_re(z[quarter], z[quarter]);
    uint32_t halves_of_one = 0xC0004000U;
    ROLLED
    do {
        const uint32_t s = sines_at(rising);
        uint32_t c;
        falling -= 2;
        c = sines_at(falling);
        rising += 2;
        two_bins(p + 1, q - 1, halves(s, c), 0, halves_of_one);
        p += 2;
        q -= 2;
        two_bins(p, q, halves(c, s), 1, halves_of_one);
        KEPT(halves_of_one);
        KEPT(p);
    } while (p != q);
    *p = middle;
}
#else
static inline int32_t real_of(uint32_t z)
{
    return (int16_t)z;
}

static APART void power(offbeat_pair *z, const int16_t *sine, uint32_t quarter)
{
    offbeat_pair *p = z;
    offbeat_pair *q = z + 2U * quarter;
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
#endif

void offbeat_spectrum(int16_t *work, const offbeat_model *model)
{
    offbeat_pair *const z = (offbeat_pair *)(void *)work;
    const uint32_t points = model->window / 2U;
    const uint32_t quarter = points >> 1;
    const int32_t by_four = offbeat_bit_length(points) & 1;
    int32_t half = by_four ? 4 : 2;
    int32_t step = (int32_t)quarter >> (by_four + 2);
    reorder(z, points);
    first_stage(z, quarter, model->sine);
    if (!by_four) {
        take_apart(z, z + points);
    }
    for (; step != 0; step >>= 2) {
        stage(z, z + points, model->twiddles, half, step);
        half *= 4;
    }
    power(z, model->sine, quarter);
}

/* Adds four words at *at, which moves on. */
static inline uint32_t add_four(uint32_t total, const offbeat_pair **at)
{
    const offbeat_pair *from = *at;
#if defined(__thumb__) && !defined(OFFBEAT_PLAIN)
    __asm__(".syntax unified\n\t"
            "ldmia %[from]!, {r2, r3, r4, r5}\n\t"
            "adds %[total], %[total], r2\n\t"
            "adds %[total], %[total], r3\n\t"
            "adds %[total], %[total], r4\n\t"
            "adds %[total], %[total], r5"
            : [from] "+l"(from), [total] "+l"(total)
            :
            : "r2", "r3", "r4", "r5", "cc", "memory");
#else
    total += from[0] + from[1] + from[2] + from[3];
    from += 4;
#endif
    *at = from;
    return total;
}

uint32_t offbeat_band(const int16_t *work, uint16_t first, uint16_t bins)
{
    const offbeat_pair *at = (const offbeat_pair *)(const void *)work + first;
    const offbeat_pair *const single = at + (bins & 3U);
    const offbeat_pair *const end = at + bins;
    uint32_t total = 0;
    ROLLED
    while (at != single) {
        total += *at++;
    }
    ROLLED
    while (at != end) {
        total = add_four(total, &at);
    }
    return total;
}
