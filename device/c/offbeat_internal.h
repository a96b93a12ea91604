/* Shared by the runtime's own files; not for users. */
#ifndef OFFBEAT_INTERNAL_H
#define OFFBEAT_INTERNAL_H

#include "offbeat.h"

/* OFFBEAT_WITHOUT_BAND, _CORRELATION, _BASELINE and so on leave out what a model does not have:
 * for one generated file, `offbeat export --single-file`, which knows its model. Nothing else defines them. */

/* Before a loop: Clang would unroll it at -O2, which triples the code for a few percent of speed. */
#ifdef __clang__
#define ROLLED _Pragma("clang loop unroll(disable)")
#else
#define ROLLED
#endif

/* Where the core has DSP instructions and the compiler takes GNU's inline assembly; the results are the same bits.
 * OFFBEAT_PLAIN, defined for all files, leaves only the plain C. */
#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_UNALIGNED) && defined(__thumb2__) && defined(__GNUC__) \
    && !defined(OFFBEAT_PLAIN)
#define OFFBEAT_DSP 1
#endif

/* Cortex-M0: eight registers for most instructions, and no load that extends a sign and has its offset within it. */
#if defined(__thumb__) && !defined(__thumb2__)
#define OFFBEAT_THUMB_1
#endif

/* Where the core reverses the bits of a word at once: Cortex-M3 and later. */
#if defined(__thumb2__) && defined(__ARM_ARCH) && __ARM_ARCH >= 7 && !defined(OFFBEAT_PLAIN)
#define OFFBEAT_REVERSES 1
#endif

/* In a loop: the compiler must take the variable as it is and not spread what it derives from it over more registers
 * than the core has. No instruction. */
#if defined(__GNUC__) && !defined(OFFBEAT_THUMB_1)
#define KEPT(variable) __asm__("" : "+r"(variable))
#else
#define KEPT(variable) (void)(variable)
#endif

/* At the end of a conditional block: it shall stay a branch, where a compiler would compute both results and choose. */
#ifdef __GNUC__
#define BRANCH __asm__ volatile("")
#else
#define BRANCH
#endif

/* Before a function with a loop that needs all registers: what the caller keeps in them must not share them. */
#ifdef __GNUC__
#define APART __attribute__((noinline))
#else
#define APART
#endif

/* In a type: what lies in the place of another type, and wherever it lies. */
#ifdef __GNUC__
#define OFFBEAT_MAY_ALIAS __attribute__((may_alias))
#define OFFBEAT_UNALIGNED __attribute__((packed, may_alias))
#else
#define OFFBEAT_MAY_ALIAS
#define OFFBEAT_UNALIGNED
#endif

/* Two samples, or a complex point, read and written as one word: work[2k] in the low half, work[2k + 1] in the high one.
 * The buffer is an array of int16_t, which only a type that may alias it can reach through a word. */
#if defined(__GNUC__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
typedef uint32_t __attribute__((may_alias)) offbeat_pair;
typedef int16_t __attribute__((may_alias)) offbeat_half;
#elif defined(OFFBEAT_NO_ALIAS_ANALYSIS) /* defined by whoever compiles so, for a little-endian core */
typedef uint32_t offbeat_pair;
typedef int16_t offbeat_half;
#else
#error "offbeat reads pairs of int16_t as little-endian words: compile without type-based alias analysis and with OFFBEAT_NO_ALIAS_ANALYSIS"
#endif

/* What the features of one channel share. */
typedef struct {
    int32_t mean;        /* 1/16 count */
    int32_t exponent;    /* normalised = centred * 2^exponent */
    int32_t highest;     /* counts */
    int32_t lowest;      /* counts */
    int32_t differences; /* sum of absolute differences, counts */
    int32_t crossings;   /* where a feature asks for them */
    int32_t peak;        /* of the normalised samples */
    uint32_t energy;     /* sum of the normalised samples' squares, 2^7 */
    uint32_t fourth;     /* sum of their fourth powers, 2^14 * 4^offbeat_fourth_shift() */
} offbeat_channel;

/* Saturate to -limit .. limit. */
static inline int32_t offbeat_clamp(int32_t value, int32_t limit)
{
    if (value > limit) {
        return limit;
    }
    return value < -limit ? -limit : value;
}

#if defined(__thumb2__) && !defined(OFFBEAT_PLAIN)
#define OFFBEAT_SATURATES 1
#endif

/* Saturate to -32767 .. 32767. */
static inline int32_t offbeat_clamp_word(int32_t value)
{
#ifdef OFFBEAT_SATURATES
    __asm__("ssat %0, #16, %0" : "+r"(value));
    return value - ((value + 32767) >> 31); /* -32768 to -32767 */
#else
    return offbeat_clamp(value, 32767);
#endif
}

/* Saturate to the range of a standard score, -8191 .. 8191. */
static inline int32_t offbeat_clamp_score(int32_t value)
{
#ifdef OFFBEAT_SATURATES
    __asm__("ssat %0, #14, %0" : "+r"(value));
    return value - ((value + 8191) >> 31);
#else
    return offbeat_clamp(value, 8191);
#endif
}

/* value / 2^shift, rounded half up; shift 1 to 31. */
static inline int32_t offbeat_rounded_shift(int32_t value, int32_t shift)
{
#if defined(__thumb2__) && !defined(OFFBEAT_PLAIN)
    __asm__("asrs %0, %0, %1\n\tadc %0, %0, #0" : "+r"(value) : "r"(shift) : "cc"); /* the bit that rounds is the carry */
    return value;
#else
    return ((value >> (shift - 1)) + 1) >> 1;
#endif
}

/* A distance (0 to 2^30 - 1) on the score scale, where 256 is the threshold; reduce 0 to 30, gain 0 to 32767. */
int32_t offbeat_scaled(int32_t distance, int16_t reduce, int16_t gain);

/* The same for a part of a distance, which may be negative. */
int32_t offbeat_signed_scaled(int32_t part, int16_t reduce, int16_t gain);

/* Bits of value, 0 for 0. */
#ifdef __ARM_FEATURE_CLZ
static inline int32_t offbeat_bit_length(uint32_t value)
{
    return value == 0 ? 0 : 32 - __builtin_clz(value);
}
#else
int32_t offbeat_bit_length(uint32_t value);
#endif

/* 1024 log2(value), 0 for 0. */
int32_t offbeat_log2_q10(uint32_t value);

/* Copy one channel's window out of the ring into work[window], and find its mean, extremes, differences and exponent. */
void offbeat_scan(const offbeat_state *state, const int16_t *frames, uint16_t first, uint16_t capacity, uint8_t number,
                  int16_t *work, offbeat_channel *channel);

/* How often the counts in work cross their mean (1/16 count). */
int32_t offbeat_crossings(const int16_t *work, uint16_t window, int32_t mean);

/* Correlation of the normalised samples in work and other, 4096 = 1; neither channel is constant. */
int32_t offbeat_correlation(const int16_t *work, const offbeat_channel *channel, const int16_t *other,
                            const offbeat_channel *second, uint16_t window);

/* What squares over 2^7 lose before they are squared once more, so that the sum over a window stays below 2^30. */
int32_t offbeat_fourth_shift(uint16_t window);

/* Counts in work to normalised samples, in place, with their peak, energy and fourth power. Not for a constant channel. */
void offbeat_normalise(int16_t *work, uint16_t window, offbeat_channel *channel);

/* Normalised samples to the power spectrum under a Hann window, in place: afterwards bin k (1 to window/2 - 1) has the
 * low and high halves of its power at work[2k] and work[2k + 1]. */
void offbeat_spectrum(int16_t *work, const offbeat_model *model);

/* Sum of the power of some bins after offbeat_spectrum(). */
uint32_t offbeat_band(const int16_t *work, uint16_t first, uint16_t bins);

#endif
