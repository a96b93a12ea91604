/* The base-2 logarithm by a table and straight lines between its points; docs/pipeline.md. */
#include "offbeat_internal.h"

static const uint16_t LOG2_TABLE[33] = {
    0,    727,  1433, 2118,  2784,  3432,  4062,  4676,  5274,  5858,  6428,  6984,  7527,  8059,  8578,  9086,  9584,
    10071, 10549, 11017, 11476, 11926, 12368, 12802, 13228, 13646, 14057, 14461, 14858, 15249, 15634, 16012, 16384};

int32_t offbeat_bit_length(uint32_t value)
{
#ifdef __ARM_FEATURE_CLZ
    return value == 0 ? 0 : 32 - __builtin_clz(value);
#else
    int32_t bits = 0;
    if (value >> 16 != 0) {
        bits = 16;
        value >>= 16;
    }
    if (value >> 8 != 0) {
        bits += 8;
        value >>= 8;
    }
    while (value != 0) {
        bits++;
        value >>= 1;
    }
    return bits;
#endif
}

int32_t offbeat_log2_q10(uint64_t value)
{
    const uint32_t high = (uint32_t)(value >> 32);
    uint32_t rest = (uint32_t)value;
    int32_t length = 0;
    uint32_t mantissa;
    uint32_t i;
    int32_t start;
    int32_t rise;
    if (high != 0) { /* below 2^14, so a word holds the value without 14 bits, which are none of its first 16 */
        rest = (high << 18) | (rest >> 14);
        length = 14;
    }
    if (rest == 0) {
        return 0;
    }
    i = (uint32_t)offbeat_bit_length(rest);
    length += (int32_t)i;
    mantissa = (rest << (32U - i)) >> 16;
    i = (mantissa >> 10) & 31U;
    start = LOG2_TABLE[i];
    rise = LOG2_TABLE[i + 1] - start;
    return (length - 1) * 1024 + ((start * 1024 + rise * (int32_t)(mantissa & 1023U) + 8192) >> 14);
}
