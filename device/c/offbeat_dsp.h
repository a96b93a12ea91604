/* The loops that take a window's time, as a core does them best; for the runtime's own files, not for users.
 *
 * The compiler's own macros choose: __ARM_FEATURE_DSP (Cortex-M4, M7, M33: two products of 16 bits at once), __ARM_ARCH_6M__
 * (Cortex-M0: few registers, of which compilers run out). Sums are exact, in whatever order they are made, so every path
 * gives the bits of the plain C beside it. OFFBEAT_PLAIN, defined for all files, leaves only the plain C.
 *
 * On a core with the DSP extension, single loads need no alignment (but where a firmware sets UNALIGN_TRP). */
#ifndef OFFBEAT_DSP_H
#define OFFBEAT_DSP_H

#include "offbeat_internal.h"

#if defined(__thumb__) && !defined(OFFBEAT_PLAIN)
#if defined(OFFBEAT_DSP)
#include <arm_acle.h>
#elif defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__)
/* With -Os or -O0, GCC has not the registers on these cores. */
#if defined(__clang__) || (defined(__OPTIMIZE__) && !defined(__OPTIMIZE_SIZE__))
#define OFFBEAT_ARMV6M 1
#endif
#elif defined(__ARM_ARCH_7M__) || defined(__ARM_ARCH_7EM__) || defined(__ARM_ARCH_8M_MAIN__)
#define OFFBEAT_ARMV7M 1
#endif
#endif

#ifdef OFFBEAT_DSP
/* Two samples as one word. */
static inline uint32_t offbeat_paired(int32_t low, int32_t high)
{
    return ((uint32_t)low & 0xFFFFU) | ((uint32_t)high << 16);
}

/* Two words wherever they lie. */
typedef struct OFFBEAT_UNALIGNED {
    int32_t both;
} offbeat_two_words;

static inline int32_t offbeat_pair_at(const int16_t *words)
{
    return ((const offbeat_two_words *)(const void *)words)->both;
}

static inline void offbeat_set_pair(int16_t *words, int32_t both)
{
    ((offbeat_two_words *)(void *)words)->both = both;
}

/* Adds to *first and *second the products of `pairs` (at least 1) pairs of words of the vector with those of two rows. */
static inline void offbeat_add_pairs(const int16_t *row, const int16_t *next, const int16_t *vector, int32_t pairs,
                                     int32_t *first, int32_t *second)
{
    int32_t both;
    int32_t weights;
    __asm__("1:\n\t"
            "ldr %[both], [%[vector]], #4\n\t"
            "ldr %[weights], [%[row]], #4\n\t"
            "subs %[pairs], %[pairs], #1\n\t"
            "smlad %[first], %[both], %[weights], %[first]\n\t"
            "ldr %[weights], [%[next]], #4\n\t"
            "smlad %[second], %[both], %[weights], %[second]\n\t"
            "bne 1b"
            : [row] "+r"(row), [next] "+r"(next), [vector] "+r"(vector), [pairs] "+r"(pairs), [first] "+r"(*first),
              [second] "+r"(*second), [both] "=&r"(both), [weights] "=&r"(weights)
            :
            : "cc", "memory");
}
#endif

#ifdef OFFBEAT_ARMV6M
/* Adds to *first and *second the products of `count` (at least 1) words of the vector with those of two rows. */
static inline void offbeat_add_words(const int16_t *row, const int16_t *next, const int16_t *vector, int32_t count,
                                     int32_t *first, int32_t *second)
{
    int32_t at = 2 * count - 2;
    int32_t word;
    int32_t weight;
    __asm__(".syntax unified\n"
            "1:\n\t"
            "ldrsh %[word], [%[vector], %[at]]\n\t"
            "ldrsh %[weight], [%[row], %[at]]\n\t"
            "muls %[weight], %[word], %[weight]\n\t"
            "add %[first], %[weight]\n\t"
            "ldrsh %[weight], [%[next], %[at]]\n\t"
            "muls %[weight], %[word], %[weight]\n\t"
            "add %[second], %[weight]\n\t"
            "subs %[at], #2\n\t"
            "bpl 1b"
            : [at] "+l"(at), [first] "+h"(*first), [second] "+h"(*second), [word] "=&l"(word), [weight] "=&l"(weight)
            : [row] "l"(row), [next] "l"(next), [vector] "l"(vector)
            : "cc", "memory");
}
#endif

/* Sum of products of so many words. */
int32_t offbeat_product(const int16_t *row, const int16_t *vector, int32_t count);

/* Two sums, the first one in the low half: so they come back in two registers. */
typedef uint64_t offbeat_sums;

/* The same for two rows at once; count at least 1. */
offbeat_sums offbeat_products(const int16_t *row, const int16_t *next, const int16_t *vector, int32_t count);

/* An inverse Cholesky factor: a lower triangle by rows, a shift and a saturation for each. */
typedef struct {
    const int16_t *rows;
    const uint8_t *shifts;
    int32_t count;
    int32_t limit;
} offbeat_triangle;

/* distance plus the squared length of the triangle times vector[count], of which the elements go to whitened[count]; given
 * up once it is not below best. */
int32_t offbeat_mahalanobis(const offbeat_triangle *triangle, const int16_t *vector, int16_t *whitened, int32_t distance,
                            int32_t best);

/* An input of a layer, in room that is words otherwise. */
typedef int32_t OFFBEAT_MAY_ALIAS offbeat_input;

/* A layer of int8 weights, as offbeat_dense.c says: by four units, of each bias, multiplier, shifts (the first one in the
 * low byte), then their weights. Returns where the layer ends. outputs: int32 [count rounded up to a multiple of 4], what
 * the units give, not yet saturated. start: -128 times the sum of the even inputs, or with OFFBEAT_DSP 256 times that.
 * block: aligned to 4 bytes; inputs: int32 [columns], or with OFFBEAT_DSP as offbeat_pack_inputs() leaves them; columns: a
 * multiple of 4. */
const int16_t *offbeat_layer(const int16_t *block, const offbeat_input *inputs, int32_t columns, offbeat_input *outputs,
                             int32_t count, int32_t start);

/* What a hidden unit gives: 0 to 127. */
static inline int32_t offbeat_activation(int32_t value)
{
#ifdef OFFBEAT_SATURATES
    __asm__("usat %0, #7, %0" : "+r"(value));
    return value;
#else
    if (value < 0) {
        return 0;
    }
    return value > 127 ? 127 : value;
#endif
}

/* A standard score (Q7) as an input: Q4, rounded, saturated to -127 .. 127. */
static inline int32_t offbeat_quantized(int32_t score)
{
#ifdef OFFBEAT_SATURATES
    int32_t value;
    __asm__("ssat %0, #8, %1, asr #3" : "=r"(value) : "r"(score + 4));
    return value < -127 ? -127 : value;
#else
    return offbeat_clamp((score + 4) >> 3, 127);
#endif
}

/* Four inputs x (-127 to 127) to their place at *target, which moves on; what they add to the sums' start is returned. */
static inline int32_t offbeat_pack_inputs(offbeat_input **target, const int32_t *x)
{
    offbeat_input *const at = *target;
#ifdef OFFBEAT_DSP
    at[0] = (int32_t)(((uint32_t)(x[0] * 256 - x[1]) & 0xFFFFU) | ((uint32_t)(x[2] * 256 - x[3]) << 16));
    at[1] = (int32_t)(((uint32_t)x[1] & 0xFFFFU) | ((uint32_t)x[3] << 16));
    *target = at + 2;
    return (x[0] + x[2]) * -32768;
#else
    at[0] = x[0];
    at[1] = x[1];
    at[2] = x[2];
    at[3] = x[3];
    *target = at + 4;
    return (x[0] + x[2]) * -128;
#endif
}

#endif
