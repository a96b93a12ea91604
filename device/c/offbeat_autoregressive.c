/* Linear prediction of each window from those before it: residuals, and their CUSUM; docs/pipeline.md.
 *
 * Parameters: count, lags, limit of a residual, slack, reach and ceiling of the CUSUM (ceiling 0: no CUSUM), reduce and
 * gain of the residuals and of the CUSUM; then for each feature bias, multiplier, shifts (the first one in the low
 * byte), and its weights lag by lag. Room, which keeps the state from window to window: whether the history is filled,
 * the feature whose CUSUM counts + 1 or 0, the residuals, the standard scores of the last windows, latest first, and
 * the upper and the lower sums. */
#include "offbeat_internal.h"

enum {
    LAGS = 1,
    LIMIT = 2,
    SLACK = 3,
    REACH = 4,
    CEILING = 5,
    REDUCE = 6,
    GAIN = 7,
    CUSUM_REDUCE = 8,
    CUSUM_GAIN = 9,
    ROWS = 10,
    BIAS = 0,
    MULTIPLIER = 1,
    SHIFTS = 2,
    WEIGHTS = 3,
    FILLED = 0,
    COUNTING = 1,
    RESIDUALS = 2
};

static int32_t residual_distance(const int16_t *parameters, const int16_t *vector, int16_t *room, uint8_t count)
{
    const int16_t *const history = room + RESIDUALS + count;
    const int16_t *const end = history + count * parameters[LAGS];
    const int16_t *row = parameters + ROWS;
    int32_t distance = 0;
    uint8_t j;
    ROLLED
    for (j = 0; j < count; j++) {
        const int32_t first = row[SHIFTS] & 0xFF;
        const int32_t second = row[SHIFTS] >> 8;
        const int16_t *weight = row + WEIGHTS;
        const int16_t *at = history;
        int32_t total = 1 << (first - 1);
        ROLLED
        while (at != end) {
            total += *at++ * *weight++;
        }
        total = offbeat_clamp(vector[j] * 4 - (total >> first) - row[BIAS], 32767);
        total = offbeat_clamp((total * row[MULTIPLIER] + (1 << (second - 1))) >> second, parameters[LIMIT]);
        room[RESIDUALS + j] = (int16_t)total;
        distance += total * total;
        row = weight;
    }
    return distance;
}

/* Add a residual, or its negative, less the slack to a sum, which stays within 0 to the ceiling. */
static int32_t add_to(int16_t *sum, int32_t step, int32_t ceiling)
{
    int32_t total = *sum + step;
    if (total < 0) {
        total = 0;
    }
    if (total > ceiling) {
        total = ceiling;
    }
    *sum = (int16_t)total;
    return total;
}

/* The square of the largest sum; room[COUNTING] says whose it is. */
static int32_t cusum_distance(const int16_t *parameters, int16_t *room, uint8_t count)
{
    int16_t *sum = room + RESIDUALS + count + count * parameters[LAGS];
    int32_t largest = 0;
    uint8_t j;
    ROLLED
    for (j = 0; j < count; j++) {
        const int32_t step = offbeat_clamp(room[RESIDUALS + j], parameters[REACH]);
        const int32_t up = add_to(sum, step - parameters[SLACK], parameters[CEILING]);
        const int32_t down = add_to(sum + count, -step - parameters[SLACK], parameters[CEILING]);
        const int32_t larger = up > down ? up : down;
        if (larger > largest) {
            largest = larger;
            room[COUNTING] = (int16_t)(j + 1);
        }
        sum++;
    }
    return largest * largest;
}

/* Put the standard scores in front of the history, which drops its oldest ones. */
static void remember(const int16_t *vector, int16_t *history, int32_t count, int32_t lags)
{
    int32_t i = count * lags;
    ROLLED
    while (i > count) {
        i--;
        history[i] = history[i - count];
    }
    ROLLED
    while (i > 0) {
        i--;
        history[i] = vector[i];
    }
}

static int32_t score(const int16_t *parameters, const int16_t *vector, int16_t *room, uint8_t count)
{
    int16_t *const history = room + RESIDUALS + count;
    int32_t result;
    if (!room[FILLED]) {
        int16_t i;
        room[FILLED] = 1;
        ROLLED
        for (i = 0; i < parameters[LAGS]; i++) {
            remember(vector, history, count, parameters[LAGS]);
        }
    }
    result = offbeat_scaled(residual_distance(parameters, vector, room, count), parameters[REDUCE], parameters[GAIN]);
    if (parameters[CEILING]) {
        const int32_t creeping =
            offbeat_scaled(cusum_distance(parameters, room, count), parameters[CUSUM_REDUCE], parameters[CUSUM_GAIN]);
        if (creeping > result) {
            result = creeping;
        } else {
            room[COUNTING] = 0;
        }
    }
    remember(vector, history, count, parameters[LAGS]);
    return result;
}

static int32_t contribution(const int16_t *parameters, const int16_t *vector, const int16_t *room, uint8_t count,
                            uint8_t j)
{
    const int16_t *const sum = room + RESIDUALS + count + count * parameters[LAGS] + j;
    int32_t part = room[RESIDUALS + j];
    (void)vector;
    if (room[COUNTING] == 0) {
        return offbeat_scaled(part * part, parameters[REDUCE], parameters[GAIN]);
    }
    part = sum[0] > sum[count] ? sum[0] : sum[count];
    return room[COUNTING] == j + 1 ? offbeat_scaled(part * part, parameters[CUSUM_REDUCE], parameters[CUSUM_GAIN]) : 0;
}

static int fits(const int16_t *parameters, uint32_t length, uint8_t count)
{
    const uint32_t lags = (uint16_t)parameters[LAGS];
    return parameters[0] == count && length == ROWS + count * (WEIGHTS + lags * count);
}

const offbeat_family offbeat_autoregressive = {8, fits, score, contribution};
