/* One Gaussian: squared Mahalanobis distance through an inverse Cholesky factor; docs/pipeline.md.
 *
 * Parameters: count, 0, reduce, gain; shifts of the rows, two to a word; the lower triangle by rows. */
#include "offbeat_dsp.h"

static const uint8_t *shifts(const int16_t *parameters)
{
    return (const uint8_t *)(parameters + 4);
}

static const int16_t *rows(const int16_t *parameters, uint8_t count)
{
    return parameters + 4 + (count + 3) / 4 * 2;
}

/* Leaves the whitened scores in room[count]. */
static int32_t score(const int16_t *parameters, const int16_t *vector, int16_t *room, uint8_t count)
{
    offbeat_triangle triangle;
    triangle.rows = rows(parameters, count);
    triangle.shifts = shifts(parameters);
    triangle.count = count;
    triangle.limit = count > 64 ? 2047 : count > 16 ? 4095 : 8191;
    return offbeat_scaled(offbeat_mahalanobis(&triangle, vector, room, 0, INT32_MAX), parameters[2], parameters[3]);
}

static int32_t contribution(const int16_t *parameters, const int16_t *vector, const int16_t *room, uint8_t count,
                            uint8_t j)
{
    const int16_t *const weights = rows(parameters, count);
    int32_t back = 0;
    uint8_t i;
    ROLLED
    for (i = j; i < count; i++) {
        back += (weights[(int32_t)i * (i + 1) / 2 + j] * room[i]) >> shifts(parameters)[i];
    }
    return offbeat_signed_scaled(vector[j] * offbeat_clamp(back, 32767), parameters[2], parameters[3]);
}

static int fits(const int16_t *parameters, uint32_t length, uint8_t count)
{
    const uint32_t n = count;
    return parameters[0] == count && length == 4U + (n + 3U) / 4U * 2U + n * (n + 1U) / 2U;
}

const offbeat_family offbeat_gaussian = {1, fits, score, contribution};
