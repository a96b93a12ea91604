/* The base-2 logarithm by a table and straight lines between its points; docs/pipeline.md. */
#include "offbeat_internal.h"

static const uint16_t LOG2_TABLE[33] = {
    0,    727,  1433, 2118,  2784,  3432,  4062,  4676,  5274,  5858,  6428,  6984,  7527,  8059,  8578,  9086,  9584,
    10071, 10549, 11017, 11476, 11926, 12368, 12802, 13228, 13646, 14057, 14461, 14858, 15249, 15634, 16012, 16384};

#ifndef __ARM_FEATURE_CLZ
int32_t offbeat_bit_length(uint32_t value)
{
    int32_t bits = 32;
    if (value == 0) {
        return 0;
    }
    if (value >> 16 == 0) {
        value <<= 16;
        bits -= 16;
    }
    if (value >> 24 == 0) {
        value <<= 8;
        bits -= 8;
    }
    if (value >> 28 == 0) {
        value <<= 4;
        bits -= 4;
    }
    while ((int32_t)value >= 0) {
        value <<= 1;
        bits--;
    }
    return bits;
}
#endif

int32_t offbeat_log2_q10(uint32_t value)
{
    int32_t length;
    uint32_t mantissa;
    const uint16_t *point;
    if (value == 0) {
        return 0;
    }
    length = offbeat_bit_length(value);
    mantissa = value << (32 - length);
    point = LOG2_TABLE + ((mantissa >> 26) & 31U);
    return (length - 1) * 1024
           + ((point[0] * 1024 + (point[1] - point[0]) * (int32_t)((mantissa >> 16) & 1023U) + 8192) >> 14);
}
