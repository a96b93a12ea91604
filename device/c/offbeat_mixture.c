/* Gaussian mixture: the least over its components of squared Mahalanobis distance plus offset; docs/pipeline.md.
 *
 * Parameters: components, count, 1 for full covariances, limit, reduce, gain; then for each component offset (low,
 * high), means, shifts two to a word, weights by rows: the lower triangle, or one for each feature.
 * Room: the differences to the nearest component's mean, room to whiten in, and which component is nearest. */
#include "offbeat_dsp.h"

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

static const uint8_t *shifts_of(const int16_t *block, int32_t count)
{
    return (const uint8_t *)(block + MEANS + count);
}

static const int16_t *weights_of(const int16_t *block, int32_t count)
{
    return block + MEANS + count + (count + 1) / 2;
}

/* Differences to a component's mean, to room[count]. */
static void subtract_means(const int16_t *block, const int16_t *vector, int16_t *room, int32_t count)
{
    const int16_t *mean = block + MEANS;
    const int16_t *const end = vector + count;
#ifdef OFFBEAT_DSP
    ROLLED
    for (; end - vector > 1; vector += 2) {
        offbeat_set_pair(room, (int32_t)__ssub16(offbeat_pair_at(vector), offbeat_pair_at(mean)));
        mean += 2;
        room += 2;
    }
#endif
    ROLLED
    while (vector != end) {
        *room++ = (int16_t)(*vector++ - *mean++);
    }
}

static int32_t whitened(int32_t product, int32_t shift, int32_t limit)
{
    return offbeat_clamp(offbeat_rounded_shift(product, shift), limit);
}

/* Squared distance to a component with a diagonal covariance plus its offset; given up once it is not below `best`. */
static int32_t diagonal_distance(const int16_t *parameters, const int16_t *block, const int16_t *vector, int32_t count,
                                 int32_t best)
{
    const int16_t *mean = block + MEANS;
    const int16_t *weight = weights_of(block, count);
    const uint8_t *shift = shifts_of(block, count);
    const int16_t *const end = vector + count;
    const int32_t limit = parameters[LIMIT];
    int32_t distance = offset_of(block);
    ROLLED
    while (vector != end && distance < best) {
        const int32_t value = whitened((*vector++ - *mean++) * *weight++, *shift++, limit);
        distance += value * value;
    }
    return distance;
}

/* The same with a full one. */
static int32_t full_distance(const int16_t *parameters, const int16_t *block, const int16_t *vector, int16_t *room,
                             int32_t count, int32_t best)
{
    offbeat_triangle triangle;
    triangle.rows = weights_of(block, count);
    triangle.shifts = shifts_of(block, count);
    triangle.count = count;
    triangle.limit = parameters[LIMIT];
    subtract_means(block, vector, room, count);
    return offbeat_mahalanobis(&triangle, room, room + count, offset_of(block), best);
}

/* Leaves in room what contribution() needs of the nearest component, the first of equals. */
static int32_t score(const int16_t *parameters, const int16_t *vector, int16_t *room, uint8_t count)
{
    const int16_t *block = parameters + BLOCKS;
    const int32_t step = (int32_t)(block_of(parameters, count, 1) - block);
    int32_t best = 0x3FFFFFFF;
    int16_t nearest = 0;
    int16_t k;
    ROLLED
    for (k = 0; k < parameters[COMPONENTS]; k++) {
        const int32_t distance = parameters[FULL] ? full_distance(parameters, block, vector, room, count, best)
                                                  : diagonal_distance(parameters, block, vector, count, best);
        if (distance < best) {
            best = distance;
            nearest = k;
        }
        block += step;
    }
    room[2 * count] = nearest;
    subtract_means(block_of(parameters, count, nearest), vector, room, count);
    return offbeat_scaled(best, parameters[REDUCE], parameters[GAIN]);
}

/* Each call whitens again: it is asked for an alarm's reason, not for every window. */
static int32_t contribution(const int16_t *parameters, const int16_t *vector, const int16_t *room, uint8_t count,
                            uint8_t j)
{
    const int16_t *const block = block_of(parameters, count, room[2 * count]);
    const int16_t *weights = weights_of(block, count);
    const uint8_t *const shifts = shifts_of(block, count);
    int32_t part;
    (void)vector;
    if (parameters[FULL]) {
        int32_t back = 0;
        int32_t i;
        weights += (int32_t)j * (j + 1) / 2;
        ROLLED
        for (i = j; i < count; i++) {
            const int32_t y = whitened(offbeat_product(weights, room, i + 1), shifts[i], parameters[LIMIT]);
            back += (weights[j] * y) >> shifts[i];
            weights += i + 1;
        }
        part = room[j] * offbeat_clamp(back, 32767);
    } else {
        part = whitened(room[j] * weights[j], shifts[j], parameters[LIMIT]);
        part *= part;
    }
    return offbeat_signed_scaled(part + offset_of(block) / count, parameters[REDUCE], parameters[GAIN]);
}

static int fits(const int16_t *parameters, uint32_t length, uint8_t count)
{
    return parameters[1] == count && length > BLOCKS
           && length == (uint32_t)(block_of(parameters, count, parameters[COMPONENTS]) - parameters);
}

const offbeat_family offbeat_mixture = {3, fits, score, contribution};
