/* Principal components: T^2 inside their subspace and the squared residual Q outside; docs/pipeline.md.
 *
 * Parameters: components, count, 0 for the larger or 1 for the sum, shift of the loadings, limit of the principal
 * scores and of the residuals, reduce and gain of T^2 and of Q; multiplier and shift of each component; the loadings
 * by rows. Room: the principal scores, the residuals, and whether the residuals count. */
#include "offbeat_internal.h"

enum {
    COMPONENTS = 0,
    SUM = 2,
    SHIFT = 3,
    LIMIT = 4,
    RESIDUAL_LIMIT = 5,
    REDUCE = 6,
    GAIN = 7,
    RESIDUAL_REDUCE = 8,
    RESIDUAL_GAIN = 9,
    DEVIATIONS = 10
};

/* Over the standard deviation of component i: deviation[0] is the multiplier, deviation[1] the shift. */
static int32_t over_deviation(int32_t value, const int16_t *deviation, int32_t limit)
{
    return offbeat_clamp((value * deviation[0] + (1 << (deviation[1] - 1))) >> deviation[1], limit);
}

static int32_t principal_distance(const int16_t *parameters, const int16_t *vector, int16_t *principal, uint8_t count)
{
    const int16_t *deviation = parameters + DEVIATIONS;
    const int16_t *loading = deviation + 2 * parameters[COMPONENTS];
    int32_t distance = 0;
    int16_t i;
    ROLLED
    for (i = 0; i < parameters[COMPONENTS]; i++) {
        int32_t total = 1 << (parameters[SHIFT] - 1);
        uint8_t j;
        ROLLED
        for (j = 0; j < count; j++) {
            total += vector[j] * *loading++;
        }
        total = offbeat_clamp(total >> parameters[SHIFT], 32767);
        principal[i] = (int16_t)total;
        total = over_deviation(total, deviation, parameters[LIMIT]);
        distance += total * total;
        deviation += 2;
    }
    return distance;
}

static int32_t residual_distance(const int16_t *parameters, const int16_t *vector, int16_t *room, uint8_t count)
{
    const int16_t components = parameters[COMPONENTS];
    int32_t distance = 0;
    uint8_t j;
    ROLLED
    for (j = 0; j < count; j++) {
        const int16_t *loading = parameters + DEVIATIONS + 2 * components + j;
        int32_t total = 1 << (parameters[SHIFT] - 1);
        int16_t i;
        ROLLED
        for (i = 0; i < components; i++) {
            total += room[i] * *loading;
            loading += count;
        }
        total = offbeat_clamp(vector[j] - (total >> parameters[SHIFT]), parameters[RESIDUAL_LIMIT]);
        room[components + j] = (int16_t)total;
        distance += total * total;
    }
    return distance;
}

static int32_t score(const int16_t *parameters, const int16_t *vector, int16_t *room, uint8_t count)
{
    const int32_t inside =
        offbeat_scaled(principal_distance(parameters, vector, room, count), parameters[REDUCE], parameters[GAIN]);
    const int32_t outside = offbeat_scaled(residual_distance(parameters, vector, room, count),
                                           parameters[RESIDUAL_REDUCE], parameters[RESIDUAL_GAIN]);
    if (parameters[SUM]) {
        return offbeat_clamp(inside + outside, 32766);
    }
    room[parameters[COMPONENTS] + count] = outside > inside;
    return outside > inside ? outside : inside;
}

/* What feature j adds to T^2: z_j (P' L^-1 P z)_j. */
static int32_t principal_part(const int16_t *parameters, const int16_t *vector, const int16_t *principal,
                              uint8_t count, uint8_t j)
{
    const int16_t components = parameters[COMPONENTS];
    const int16_t *deviation = parameters + DEVIATIONS;
    const int16_t *loading = deviation + 2 * components + j;
    int32_t total = 1 << (parameters[SHIFT] - 1);
    int16_t i;
    ROLLED
    for (i = 0; i < components; i++) {
        const int32_t weighed = over_deviation(principal[i], deviation, parameters[LIMIT]);
        total += over_deviation(weighed, deviation, 32767) * *loading;
        loading += count;
        deviation += 2;
    }
    return vector[j] * offbeat_clamp(total >> parameters[SHIFT], 32767);
}

static int32_t contribution(const int16_t *parameters, const int16_t *vector, const int16_t *room, uint8_t count,
                            uint8_t j)
{
    const int16_t components = parameters[COMPONENTS];
    const int32_t residual = room[components + j];
    const int32_t outside =
        offbeat_scaled(residual * residual, parameters[RESIDUAL_REDUCE], parameters[RESIDUAL_GAIN]);
    int32_t inside;
    if (room[components + count]) {
        return outside;
    }
    inside = offbeat_signed_scaled(principal_part(parameters, vector, room, count, j), parameters[REDUCE],
                                   parameters[GAIN]);
    return parameters[SUM] ? inside + outside : inside;
}

static int fits(const int16_t *parameters, uint32_t length, uint8_t count)
{
    const uint32_t components = (uint16_t)parameters[COMPONENTS];
    return parameters[1] == count && length == DEVIATIONS + components * (2U + count);
}

const offbeat_family offbeat_pca = {4, fits, score, contribution};
