/* Gaussian mixture: the least over its components of squared Mahalanobis distance plus offset; docs/pipeline.md.
 *
 * Parameters: components, count, 1 for full covariances, limit, reduce, gain; then for each component offset (low,
 * high), means, shifts two to a word, weights by rows: the lower triangle, or one for each feature.
 * Room: the differences to a component's mean, these whitened, and which component is nearest. */
#include "offbeat_internal.h"

enum { COMPONENTS = 0, FULL = 2, LIMIT = 3, REDUCE = 4, GAIN = 5, BLOCKS = 6, MEANS = 2 };

static const int16_t *block_of(const int16_t *parameters, int32_t count, int32_t component)
{
    const int32_t weights = parameters[FULL] ? count * (count + 1) / 2 : count;
    return parameters + BLOCKS + component * (MEANS + count + (count + 1) / 2 + weights);
}

static int32_t offset_of(const int16_t *block)
{
    return (int32_t)((uint16_t)block[0] | (uint32_t)(uint16_t)block[1] << 16);
}

static uint8_t shift_of(const int16_t *block, uint8_t count, uint8_t row)
{
    return (uint8_t)((uint16_t)block[MEANS + count + (row >> 1)] >> ((row & 1) * 8));
}

static const int16_t *weights_of(const int16_t *block, int32_t count)
{
    return block + MEANS + count + (count + 1) / 2;
}

/* Squared distance to a component plus its offset; given up once it is not below `best`. */
static int32_t component_distance(const int16_t *parameters, const int16_t *block, const int16_t *vector,
                                  int16_t *room, uint8_t count, int32_t best)
{
    const int16_t *weight = weights_of(block, count);
    int16_t *const whitened = room + count;
    int32_t distance = offset_of(block);
    uint8_t i;
    ROLLED
    for (i = 0; i < count; i++) {
        room[i] = (int16_t)(vector[i] - block[MEANS + i]);
    }
    ROLLED
    for (i = 0; i < count && distance < best; i++) {
        const uint8_t shift = shift_of(block, count, i);
        int32_t total = 1 << (shift - 1);
        int32_t j;
        ROLLED
        for (j = parameters[FULL] ? 0 : i; j <= i; j++) {
            total += room[j] * *weight++;
        }
        total = offbeat_clamp(total >> shift, parameters[LIMIT]);
        whitened[i] = (int16_t)total;
        distance += total * total;
    }
    return distance;
}

/* Leaves in room what contribution() needs of the nearest component, the first of equals. */
static int32_t score(const int16_t *parameters, const int16_t *vector, int16_t *room, uint8_t count)
{
    int16_t *const nearest = room + 2 * count;
    int32_t best = 0x3FFFFFFF;
    int16_t k;
    ROLLED
    for (k = 0; k < parameters[COMPONENTS]; k++) {
        const int16_t *const block = block_of(parameters, count, k);
        const int32_t distance = component_distance(parameters, block, vector, room, count, best);
        if (distance < best) {
            best = distance;
            *nearest = k;
        }
    }
    if (*nearest + 1 != k) {
        (void)component_distance(parameters, block_of(parameters, count, *nearest), vector, room, count, INT32_MAX);
    }
    return offbeat_scaled(best, parameters[REDUCE], parameters[GAIN]);
}

static int32_t contribution(const int16_t *parameters, const int16_t *vector, const int16_t *room, uint8_t count,
                            uint8_t j)
{
    const int16_t *const block = block_of(parameters, count, room[2 * count]);
    const int16_t *const weights = weights_of(block, count);
    const int16_t *const whitened = room + count;
    int32_t part = whitened[j] * whitened[j];
    (void)vector;
    if (parameters[FULL]) {
        int32_t back = 0;
        int32_t i;
        ROLLED
        for (i = j; i < count; i++) {
            back += (weights[i * (i + 1) / 2 + j] * whitened[i]) >> shift_of(block, count, (uint8_t)i);
        }
        part = room[j] * offbeat_clamp(back, 32767);
    }
    return offbeat_signed_scaled(part + offset_of(block) / count, parameters[REDUCE], parameters[GAIN]);
}

const offbeat_family offbeat_mixture = {score, contribution};
