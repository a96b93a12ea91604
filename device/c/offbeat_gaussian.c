/* One Gaussian: squared Mahalanobis distance through an inverse Cholesky factor; docs/pipeline.md.
 *
 * Parameters: count, 0, reduce, gain; shifts of the rows, two to a word; the lower triangle by rows. */
#include "offbeat_internal.h"

static uint8_t shift_of(const int16_t *parameters, uint8_t row)
{
    return (uint8_t)((uint16_t)parameters[4 + (row >> 1)] >> ((row & 1) * 8));
}

static const int16_t *triangle(const int16_t *parameters, uint8_t count)
{
    return parameters + 4 + (count + 3) / 4 * 2;
}

/* Leaves the whitened scores in room[count]. */
static int32_t score(const int16_t *parameters, const int16_t *vector, int16_t *room, uint8_t count)
{
    const int16_t *row = triangle(parameters, count);
    int32_t distance = 0;
    uint8_t i;
    ROLLED
    for (i = 0; i < count; i++) {
        const uint8_t shift = shift_of(parameters, i);
        int32_t total = 1 << (shift - 1);
        int32_t j;
        ROLLED
        for (j = 0; j <= i; j++) {
            total += vector[j] * row[j];
        }
        row += j;
        total = offbeat_clamp(total >> shift, 2047);
        room[i] = (int16_t)total;
        distance += total * total;
    }
    return offbeat_scaled(distance, parameters[2], parameters[3]);
}

static int32_t contribution(const int16_t *parameters, const int16_t *vector, const int16_t *room, uint8_t count,
                            uint8_t j)
{
    const int16_t *const weights = triangle(parameters, count);
    int32_t back = 0;
    uint8_t i;
    ROLLED
    for (i = j; i < count; i++) {
        back += (weights[(int32_t)i * (i + 1) / 2 + j] * room[i]) >> shift_of(parameters, i);
    }
    return offbeat_signed_scaled(vector[j] * offbeat_clamp(back, 32767), parameters[2], parameters[3]);
}

const offbeat_family offbeat_gaussian = {score, contribution};
