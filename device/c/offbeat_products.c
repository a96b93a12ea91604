/* Inner products of words. They are functions of their own, so that a compiler has all registers for their loops. */
#include "offbeat_dsp.h"

int32_t offbeat_product(const int16_t *row, const int16_t *vector, int32_t count)
{
    return (int32_t)(uint32_t)offbeat_products(row, row, vector, count);
}

APART offbeat_sums offbeat_products(const int16_t *row, const int16_t *next, const int16_t *vector, int32_t count)
{
    int32_t first = 0;
    int32_t second = 0;
#if defined(OFFBEAT_DSP)
    if ((count & 1) != 0) {
        count--;
        first = vector[count] * row[count];
        second = vector[count] * next[count];
    }
    if (count != 0) {
        offbeat_add_pairs(row, next, vector, count >> 1, &first, &second);
    }
#elif defined(OFFBEAT_ARMV6M)
    offbeat_add_words(row, next, vector, count, &first, &second);
#else
    const int16_t *const end = vector + count;
    ROLLED
    while (vector != end) {
        const int32_t x = *vector++;
        first += x * *row++;
        second += x * *next++;
    }
#endif
    return ((uint64_t)(uint32_t)second << 32) | (uint32_t)first;
}

/* Rows are taken in pairs, but for the first one where there is one too many. */
int32_t offbeat_mahalanobis(const offbeat_triangle *triangle, const int16_t *vector, int16_t *whitened, int32_t distance,
                            int32_t best)
{
    const uint8_t *shift = triangle->shifts;
    const int16_t *row = triangle->rows;
    const int32_t limit = triangle->limit;
    int32_t length = 1;
    int32_t value;
    if ((triangle->count & 1) != 0) {
        value = offbeat_clamp(offbeat_rounded_shift(*vector * *row++, *shift++), limit);
        *whitened++ = (int16_t)value;
        distance += value * value;
        length = 2;
    }
    ROLLED
    for (; length <= triangle->count && distance < best; length += 2) {
        const int16_t *const next = row + length;
        const offbeat_sums sums = offbeat_products(row, next, vector, length);
        value = offbeat_clamp(offbeat_rounded_shift((int32_t)(uint32_t)sums, *shift++), limit);
        *whitened++ = (int16_t)value;
        distance += value * value;
        row = next + length;
        value = (int32_t)(sums >> 32) + vector[length] * *row++;
        value = offbeat_clamp(offbeat_rounded_shift(value, *shift++), limit);
        *whitened++ = (int16_t)value;
        distance += value * value;
    }
    return distance;
}
