/* The base-2 logarithm by a table and straight lines between its points; docs/pipeline.md. */
#include "offbeat_internal.h"

static const uint16_t LOG2_TABLE[33] = {
    0,    727,  1433, 2118,  2784,  3432,  4062,  4676,  5274,  5858,  6428,  6984,  7527,  8059,  8578,  9086,  9584,
    10071, 10549, 11017, 11476, 11926, 12368, 12802, 13228, 13646, 14057, 14461, 14858, 15249, 15634, 16012, 16384};

/* A word that is not 0, shifted until its highest bit is set; by how much. */
static inline uint32_t normalised(uint32_t value, int32_t *shift)
{
#ifdef __ARM_FEATURE_CLZ
    *shift = __builtin_clz(value);
    return value << *shift;
#else
    int32_t shifted = 0;
    if (value >> 16 == 0) {
        value <<= 16;
        shifted = 16;
        BRANCH;
    }
    if (value >> 24 == 0) {
        value <<= 8;
        shifted += 8;
        BRANCH;
    }
    if (value >> 28 == 0) {
        value <<= 4;
        shifted += 4;
        BRANCH;
    }
    if (value >> 30 == 0) {
        value <<= 2;
        shifted += 2;
        BRANCH;
    }
    if (value >> 31 == 0) {
        value <<= 1;
        shifted += 1;
        BRANCH;
    }
    *shift = shifted;
    return value;
#endif
}

#ifndef __ARM_FEATURE_CLZ
int32_t offbeat_bit_length(uint32_t value)
{
    int32_t shift;
    if (value == 0) {
        return 0;
    }
    (void)normalised(value, &shift);
    return 32 - shift;
}
#endif

int32_t offbeat_log2_q10(uint32_t value)
{
    const uint16_t *point;
    uint32_t mantissa;
    int32_t shift;
    if (value == 0) {
        return 0;
    }
    mantissa = normalised(value, &shift);
    point = LOG2_TABLE + ((mantissa >> 26) & 31U);
    mantissa = (mantissa >> 16) & 1023U;
    return (31 - shift) * 1024 + ((point[0] * 1024 + (point[1] - point[0]) * (int32_t)mantissa + 8192) >> 14);
}
