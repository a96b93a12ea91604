/* From counts to normalised samples and the sums over them; docs/pipeline.md. */
#include "offbeat_dsp.h"

/* Mean of a window whose counts sum to total, and the exponent that takes its extremes to 13 bits. */
static void center(int32_t total, int32_t window, offbeat_channel *channel)
{
    const uint32_t length = (uint32_t)window;
    const uint32_t positive = (uint32_t)(total + 32768 * window);
    /* 16 * positive fits 31 bits: the quotient is that of the two divisions in docs/pipeline.md. Most windows are a power
     * of two, and a small core divides in some hundred instructions. */
    const uint32_t rounded = 16U * positive + length / 2U;
    const uint32_t sixteenths =
        (length & (length - 1U)) == 0 ? rounded >> (offbeat_bit_length(length) - 1) : rounded / length;
    const int32_t mean = (int32_t)sixteenths - 524288;
    const int32_t above = 16 * channel->highest - mean;
    const int32_t below = mean - 16 * channel->lowest;
    channel->mean = mean;
    channel->exponent = 13 - offbeat_bit_length((uint32_t)(above > below ? above : below));
}

#ifdef OFFBEAT_DSP
/* The larger and the smaller ones of two pairs. The greater-or-equal flags are exact, even where a difference is not. */
static inline uint32_t larger(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm__("ssub16 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(result) : "r"(a), "r"(b) : "cc");
    return result;
}

static inline uint32_t smaller(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm__("ssub16 %0, %1, %2\n\tsel %0, %2, %1" : "=&r"(result) : "r"(a), "r"(b) : "cc");
    return result;
}

/* What a scan of counts finds. */
typedef struct {
    int32_t total;
    int32_t upper; /* sum of the larger of each count and the one before */
    int32_t last;
    uint32_t highest; /* two, of which either may be the highest */
    uint32_t lowest;
} tally;

/* Counts at a stride to `to`, up to end, by four. upper adds up the larger of each count and the one before; of these larger
 * ones, every other is enough to find the highest. Compilers run out of registers here. */
static APART void scan_fours(const int16_t *at, int32_t step, int16_t *to, const int16_t *end, tally *result)
{
    tally found = *result;
    const int32_t bytes = 2 * step;
    do {
        uint32_t pair, next, larger_ones, unused;
        __asm__("ldrsh %[pair], [%[at]]\n\t"
                "ldrsh %[next], [%[at], %[bytes]]\n\t"
                "add %[at], %[at], %[bytes], lsl #1\n\t"
                "pkhbt %[before], %[before], %[pair], lsl #16\n\t"
                "pkhbt %[pair], %[pair], %[next], lsl #16\n\t"
                "str %[pair], [%[to]], #4\n\t"
                "smlad %[total], %[pair], %[ones], %[total]\n\t"
                "ssub16 %[unused], %[lowest], %[pair]\n\t"
                "sel %[lowest], %[pair], %[lowest]\n\t"
                "ssub16 %[unused], %[pair], %[before]\n\t"
                "sel %[larger], %[pair], %[before]\n\t"
                "smlad %[upper], %[larger], %[ones], %[upper]\n\t"
                "ldrsh %[pair], [%[at]]\n\t"
                "ldrsh %[before], [%[at], %[bytes]]\n\t"
                "add %[at], %[at], %[bytes], lsl #1\n\t"
                "pkhbt %[next], %[next], %[pair], lsl #16\n\t"
                "pkhbt %[pair], %[pair], %[before], lsl #16\n\t"
                "str %[pair], [%[to]], #4\n\t"
                "smlad %[total], %[pair], %[ones], %[total]\n\t"
                "ssub16 %[unused], %[lowest], %[pair]\n\t"
                "sel %[lowest], %[pair], %[lowest]\n\t"
                "ssub16 %[unused], %[pair], %[next]\n\t"
                "sel %[next], %[pair], %[next]\n\t"
                "smlad %[upper], %[next], %[ones], %[upper]\n\t"
                "pkhtb %[next], %[next], %[larger], asr #16\n\t"
                "ssub16 %[unused], %[highest], %[next]\n\t"
                "sel %[highest], %[highest], %[next]"
                : [at] "+&r"(at), [to] "+&r"(to), [before] "+&r"(found.last), [total] "+&r"(found.total),
                  [upper] "+&r"(found.upper), [highest] "+&r"(found.highest), [lowest] "+&r"(found.lowest),
                  [pair] "=&r"(pair), [next] "=&r"(next), [larger] "=&r"(larger_ones), [unused] "=&r"(unused)
                : [bytes] "r"(bytes), [ones] "r"(0x10001U)
                : "cc", "memory");
    } while (to != end);
    *result = found;
}

/* Fewer than four counts before the end of the ring or of the window are copied together, so that scan_fours() has four: the
 * next ones from the ring's start, or the window's last one again, which changes nothing but the total. */
void offbeat_scan(const offbeat_state *state, const int16_t *frames, uint16_t first, uint16_t capacity, uint8_t number,
                  int16_t *work, offbeat_channel *channel)
{
    const int32_t window = state->model->window;
    const int32_t step = state->model->channels;
    const int16_t *at = frames + first * step + number;
    const int32_t start = *at;
    int32_t ahead = capacity - first;
    int32_t left = window;
    tally found;
    found.total = 0;
    found.upper = 0;
    found.last = start;
    found.highest = offbeat_paired(start, start);
    found.lowest = found.highest;
    do {
        int32_t count = (ahead < left ? ahead : left) & ~3;
        if (count != 0) {
            scan_fours(at, step, work, work + count, &found);
            at += count * step;
            work += count;
            ahead -= count;
            left -= count;
        } else {
            offbeat_pair few[2];
            offbeat_half *const four = (offbeat_half *)few;
            int16_t x = 0;
            ROLLED
            for (; count != 4; count++) {
                if (left != 0) {
                    if (ahead == 0) {
                        at = frames + number;
                        ahead = window;
                    }
                    x = *at;
                    *work++ = x;
                    at += step;
                    ahead--;
                    left--;
                }
                four[count] = x;
            }
            scan_fours(four, 1, four, four + 4, &found);
        }
    } while (left != 0);
    found.highest = larger(found.highest, found.highest << 16);
    found.lowest = smaller(found.lowest, found.lowest << 16);
    channel->highest = (int32_t)found.highest >> 16;
    channel->lowest = (int32_t)found.lowest >> 16;
    /* The larger ones less those before are what rises; what rises and does not show at the end has fallen. */
    channel->differences = 2 * (found.upper - found.total) + found.last - start;
    center(found.total - (-window & 3) * found.last, window, channel);
}
#else
/* What a scan of counts finds, one after the other. */
typedef struct {
    int32_t total;
    int32_t rises; /* sum of the differences upwards */
    int32_t highest;
    int32_t lowest;
} extent;

static inline void follow(extent *found, int32_t previous, int32_t x)
{
    found->total += x;
    if (x > previous) {
        found->rises += x - previous;
        if (x > found->highest) {
            found->highest = x;
        }
    } else if (x < found->lowest) {
        found->lowest = x;
    }
}

#ifdef OFFBEAT_ARMV6M
/* Counts at a stride to `to`, up to stop, by two; returns the last one. Compilers run out of registers here. */
static APART int32_t scan_pairs(const int16_t **from, int32_t step, int16_t *to, const int16_t *stop, int32_t previous,
                                extent *result)
{
    extent found = *result;
    const int16_t *at = *from;
    const int32_t bytes = 2 * step;
    int32_t x, rise;
    __asm__(".syntax unified\n\t"
            "subs %[at], %[bytes]\n"
            "1:\n\t"
            "ldrsh %[x], [%[at], %[bytes]]\n\t"
            "adds %[at], %[bytes]\n\t"
            "strh %[x], [%[to]]\n\t"
            "add %[total], %[x]\n\t"
            "subs %[rise], %[x], %[previous]\n\t"
            "ble 2f\n\t"
            "add %[rises], %[rise]\n\t"
            "cmp %[x], %[highest]\n\t"
            "ble 3f\n\t"
            "mov %[highest], %[x]\n"
            "2:\n\t"
            "cmp %[x], %[lowest]\n\t"
            "bge 3f\n\t"
            "mov %[lowest], %[x]\n"
            "3:\n\t"
            "ldrsh %[previous], [%[at], %[bytes]]\n\t"
            "adds %[at], %[bytes]\n\t"
            "strh %[previous], [%[to], #2]\n\t"
            "adds %[to], #4\n\t"
            "add %[total], %[previous]\n\t"
            "subs %[rise], %[previous], %[x]\n\t"
            "ble 4f\n\t"
            "add %[rises], %[rise]\n\t"
            "cmp %[previous], %[highest]\n\t"
            "ble 5f\n\t"
            "mov %[highest], %[previous]\n"
            "4:\n\t"
            "cmp %[previous], %[lowest]\n\t"
            "bge 5f\n\t"
            "mov %[lowest], %[previous]\n"
            "5:\n\t"
            "cmp %[to], %[stop]\n\t"
            "bne 1b\n\t"
            "adds %[at], %[bytes]"
            : [at] "+&l"(at), [to] "+&l"(to), [previous] "+&l"(previous), [x] "=&l"(x), [rise] "=&l"(rise),
              [total] "+&h"(found.total), [rises] "+&h"(found.rises), [highest] "+&h"(found.highest),
              [lowest] "+&h"(found.lowest)
            : [bytes] "l"(bytes), [stop] "l"(stop)
            : "cc", "memory");
    *from = at;
    *result = found;
    return previous;
}
#endif

void offbeat_scan(const offbeat_state *state, const int16_t *frames, uint16_t first, uint16_t capacity, uint8_t number,
                  int16_t *work, offbeat_channel *channel)
{
    const int32_t window = state->model->window;
    const int32_t step = state->model->channels;
    const int16_t *at = frames + first * step + number;
    int16_t *const end = work + window;
    int16_t *stop = work + (capacity - first < window ? capacity - first : window);
    const int32_t start = *at;
    int32_t previous = start;
    extent found = {0, 0, start, start};
    for (;;) {
        if (((stop - work) & 1) != 0) {
            const int32_t x = *at;
            at += step;
            *work++ = (int16_t)x;
            follow(&found, previous, x);
            previous = x;
        }
#ifdef OFFBEAT_ARMV6M
        if (work != stop) {
            previous = scan_pairs(&at, step, work, stop, previous, &found);
            work = stop;
        }
#else
        ROLLED
        while (work != stop) {
            const int32_t x = at[0];
            const int32_t y = at[step];
            at += 2 * step;
            work[0] = (int16_t)x;
            work[1] = (int16_t)y;
            work += 2;
            follow(&found, previous, x);
            follow(&found, x, y);
            previous = y;
        }
#endif
        if (stop == end) {
            break;
        }
        at = frames + number;
        stop = end;
    }
    channel->highest = found.highest;
    channel->lowest = found.lowest;
    /* What rises and does not show at the end has fallen. */
    channel->differences = 2 * found.rises - (previous - start);
    center(found.total, window, channel);
}
#endif

int32_t offbeat_crossings(const int16_t *work, uint16_t window, int32_t mean)
{
    const int16_t *const end = work + window;
    int32_t previous = 16 * *work - mean;
    uint32_t crossings = 0;
    ROLLED
    while (work != end) {
        const int32_t centred = 16 * *work++ - mean;
        crossings += (uint32_t)(centred ^ previous) >> 31;
        previous = centred;
    }
    return (int32_t)crossings;
}

int32_t offbeat_fourth_shift(uint16_t window)
{
    return (offbeat_bit_length((uint32_t)window - 1U) + 10) >> 1;
}

/* normalised * 2^16 = scale * count + offset, for every exponent that a channel can have which is not constant: -8 to 9.
 * The result fits 30 bits though the product may wrap on the way; hence unsigned. What is below 2^16 is the rounding. */
typedef struct {
    uint32_t scale;
    uint32_t offset;
} line;

static inline int32_t on_line(line way, int32_t count)
{
    return (int32_t)((uint32_t)count * way.scale + way.offset) >> 16;
}

/* Sums over a window, and what they take: half a step of the fourth power and of the energy, and the former's shift. */
typedef struct {
    uint32_t energy;
    uint32_t fourth;
    uint32_t half;
    int32_t shift;
} powers;

#ifndef OFFBEAT_ARMV6M
static inline void add_powers(powers *sums, int32_t y)
{
    uint32_t square = (uint32_t)(y * y) + sums->half;
    sums->energy += square >> 7; /* an addition shifts in passing, but by a constant only */
    square >>= sums->shift;
    sums->fourth += square * square;
}
#endif

#ifdef OFFBEAT_DSP
/* Pairs from at to end, an even number of them: scale * 2^-16 * count + offset, and add_powers(). Compilers run out of
 * registers here. */
static APART void add_pairs(offbeat_pair *at, const offbeat_pair *end, line way, powers *result)
{
    powers sums = *result;
    uint32_t offset = (uint32_t)((int32_t)way.offset >> 16);
    /* Loud: half of the sum of count and offset fits 16 bits, and is divided further below. The offset, minus the mean and a
     * rounding, fits as well: where one of 1024 samples is 8192 counts from the mean, the mean is 8 from the end. */
    if (way.scale < 65536U) {
        offbeat_pair *loud = at;
        offset = (uint32_t)((int32_t)way.offset >> (offbeat_bit_length(way.scale) - 1));
        offset = offbeat_paired((int32_t)offset, (int32_t)offset);
        way.scale <<= 1;
        ROLLED
        do {
            __asm__("shadd16 %0, %0, %1" : "+r"(*loud) : "r"(offset));
            loud++;
        } while (loud != end);
        offset = 0;
    }
    do {
        uint32_t x, y, t;
        __asm__("ldrd %[x], %[y], [%[at]]\n\t"
                "smlawt %[t], %[scale], %[x], %[offset]\n\t"
                "smlawb %[x], %[scale], %[x], %[offset]\n\t"
                "pkhbt %[x], %[x], %[t], lsl #16\n\t"
                "smlawt %[t], %[scale], %[y], %[offset]\n\t"
                "smlawb %[y], %[scale], %[y], %[offset]\n\t"
                "pkhbt %[y], %[y], %[t], lsl #16\n\t"
                "strd %[x], %[y], [%[at]], #8\n\t"
                "smlabb %[t], %[x], %[x], %[half]\n\t"
                "smlatt %[x], %[x], %[x], %[half]\n\t"
                "add %[energy], %[energy], %[t], lsr #7\n\t"
                "lsr %[t], %[t], %[shift]\n\t"
                "mla %[fourth], %[t], %[t], %[fourth]\n\t"
                "add %[energy], %[energy], %[x], lsr #7\n\t"
                "lsr %[x], %[x], %[shift]\n\t"
                "mla %[fourth], %[x], %[x], %[fourth]\n\t"
                "smlabb %[t], %[y], %[y], %[half]\n\t"
                "smlatt %[y], %[y], %[y], %[half]\n\t"
                "add %[energy], %[energy], %[t], lsr #7\n\t"
                "lsr %[t], %[t], %[shift]\n\t"
                "mla %[fourth], %[t], %[t], %[fourth]\n\t"
                "add %[energy], %[energy], %[y], lsr #7\n\t"
                "lsr %[y], %[y], %[shift]\n\t"
                "mla %[fourth], %[y], %[y], %[fourth]"
                : [at] "+&r"(at), [energy] "+&r"(sums.energy), [fourth] "+&r"(sums.fourth), [x] "=&r"(x), [y] "=&r"(y),
                  [t] "=&r"(t)
                : [scale] "r"(way.scale), [offset] "r"(offset), [half] "r"(sums.half), [shift] "r"(sums.shift)
                : "memory");
    } while (at != end);
    *result = sums;
}

static void add_window(int16_t *work, const int16_t *end, line way, powers *result)
{
    ROLLED
    while (work != end) {
        const int32_t count = (int32_t)(end - work) & ~3;
        if (count != 0 && ((uintptr_t)work & 2U) == 0) {
            offbeat_pair *const at = (offbeat_pair *)(void *)work;
            add_pairs(at, at + count / 2, way, result);
            work += count;
        } else {
            const int32_t y = on_line(way, *work);
            *work++ = (int16_t)y;
            add_powers(result, y);
        }
    }
}
#else
static APART void add_window(int16_t *work, const int16_t *end, line way, powers *result)
{
    powers sums = *result;
#ifdef OFFBEAT_ARMV6M
    int32_t at = 2 * (int32_t)(end - work) - 2;
    int32_t x;
    __asm__(".syntax unified\n"
            "1:\n\t"
            "ldrsh %[x], [%[work], %[at]]\n\t"
            "muls %[x], %[scale], %[x]\n\t"
            "add %[x], %[offset]\n\t"
            "asrs %[x], %[x], #16\n\t"
            "strh %[x], [%[work], %[at]]\n\t"
            "muls %[x], %[x], %[x]\n\t"
            "add %[x], %[half]\n\t"
            "lsrs %[x], %[x], #7\n\t"
            "add %[energy], %[x]\n\t"
            "lsrs %[x], %[shift]\n\t"
            "muls %[x], %[x], %[x]\n\t"
            "add %[fourth], %[x]\n\t"
            "subs %[at], #2\n\t"
            "bpl 1b"
            : [at] "+&l"(at), [x] "=&l"(x), [energy] "+&h"(sums.energy), [fourth] "+&h"(sums.fourth)
            : [work] "l"(work), [scale] "l"(way.scale), [shift] "l"(sums.shift - 7), [offset] "h"(way.offset),
              [half] "h"(sums.half)
            : "cc", "memory");
#else
    if (((end - work) & 1) != 0) {
        const int32_t y = on_line(way, *work);
        *work++ = (int16_t)y;
        add_powers(&sums, y);
    }
    ROLLED
    while (work != end) {
        int32_t x, y;
        KEPT(way.scale); /* a power of two: it shall be multiplied by all the same, for that adds the offset, too */
        x = on_line(way, work[0]);
        y = on_line(way, work[1]);
        work[0] = (int16_t)x;
        work[1] = (int16_t)y;
        work += 2;
        add_powers(&sums, x);
        add_powers(&sums, y);
    }
#endif
    *result = sums;
}
#endif

void offbeat_normalise(int16_t *work, uint16_t window, offbeat_channel *channel)
{
    const line way = {UINT32_C(1) << (20 + channel->exponent),
                      32768U - ((uint32_t)channel->mean << (16 + channel->exponent))};
    const int32_t highest = on_line(way, channel->highest);
    const int32_t lowest = on_line(way, channel->lowest);
    powers sums;
    sums.energy = 0;
    sums.fourth = 0;
    sums.shift = 7 + offbeat_fourth_shift(window);
    sums.half = (UINT32_C(1) << (sums.shift - 1)) + 64U;
    add_window(work, work + window, way, &sums);
    channel->peak = highest > -lowest ? highest : -lowest;
    channel->energy = sums.energy - (sums.half >> 7) * window;
    channel->fourth = sums.fourth;
}

/* Floor of the square root of 0 to 2^28 - 1. */
static uint32_t square_root(uint32_t value)
{
    uint32_t root = 0;
    uint32_t bit;
    ROLLED
    for (bit = UINT32_C(1) << 26; bit != 0; bit >>= 2) {
        if (value >= root + bit) {
            value -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return root;
}

/* value * 2^up, which fits a word. */
static uint32_t shifted(uint32_t value, int32_t up)
{
    return up >= 0 ? value << up : value >> -up;
}

/* Square root of an energy, doubled or halved so often that it has 14 bits. */
static uint32_t root_of(uint32_t energy, int32_t *doublings)
{
    *doublings = (28 - offbeat_bit_length(energy)) >> 1;
    return square_root(shifted(energy, 2 * *doublings));
}

int32_t offbeat_correlation(const int16_t *work, const offbeat_channel *channel, const int16_t *other,
                            const offbeat_channel *second, uint16_t window)
{
    const int16_t *const end = work + window;
    int32_t product = 0;
    int32_t doublings;
    int32_t other_doublings;
    uint32_t roots;
    uint32_t value;
    ROLLED
    while (work != end) {
        product += (*work++ * *other++ + 64) >> 7;
    }
    roots = root_of(channel->energy, &doublings);
    roots *= root_of(second->energy, &other_doublings);
    value = shifted((uint32_t)(product < 0 ? -product : product), doublings + other_doublings) / (roots >> 12);
    if (value > 4096U) {
        value = 4096U;
    }
    return product < 0 ? -(int32_t)value : (int32_t)value;
}
