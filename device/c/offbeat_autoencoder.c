/* Autoencoder: the squared error of what a small int8 network reconstructs; docs/pipeline.md.
 *
 * Parameters: count, hidden layers, limit of an error, reduce, gain; width of each hidden layer; then for each layer,
 * the last one of `count` units, and each unit: bias, multiplier, shifts (the first one in the low byte), weights,
 * two to a word, low byte first, the last one alone with a zero. Room: the network's inputs and then the errors in
 * their place, and what each hidden layer gives, an even number of words for each. */
#include "offbeat_internal.h"

enum { HIDDEN = 1, LIMIT = 2, REDUCE = 3, GAIN = 4, WIDTHS = 5, BIAS = 0, MULTIPLIER = 1, SHIFTS = 2, WEIGHTS = 3 };

/* Sum of weights times activations, so many pairs. Where the core multiplies pairs of 16 bits, this loop is the place. */
static int32_t products(const int16_t *weights, const int16_t *activations, int32_t pairs)
{
    int32_t total = 0;
    ROLLED
    for (; pairs != 0; pairs--) {
        const int32_t both = *weights++;
        total += (int8_t)both * activations[0] + (both >> 8) * activations[1];
        activations += 2;
    }
    return total;
}

/* What a unit gives, not yet saturated. */
static int32_t unit(const int16_t *row, const int16_t *activations, int32_t pairs)
{
    const int32_t shift = row[SHIFTS] >> 8;
    const int32_t total = (products(row + WEIGHTS, activations, pairs) >> (row[SHIFTS] & 0xFF)) + row[BIAS];
    return (total * row[MULTIPLIER] + (1 << (shift - 1))) >> shift;
}

static int32_t score(const int16_t *parameters, const int16_t *vector, int16_t *room, uint8_t count)
{
    const int16_t *width = parameters + WIDTHS;
    const int16_t *const last = width + parameters[HIDDEN];
    const int16_t *row = last;
    int16_t *source = room;
    int32_t pairs = (count + 1) >> 1;
    int32_t distance = 0;
    int32_t i;
    ROLLED
    for (i = 0; i < count; i++) {
        room[i] = (int16_t)offbeat_clamp((vector[i] + 4) >> 3, 127);
    }
    ROLLED
    for (; width != last; width++) {
        int16_t *const target = source + 2 * pairs;
        ROLLED
        for (i = 0; i < *width; i++) {
            const int32_t value = unit(row, source, pairs);
            target[i] = (int16_t)(value < 0 ? 0 : offbeat_clamp(value, 127));
            row += WEIGHTS + pairs;
        }
        source = target;
        pairs = (*width + 1) >> 1;
    }
    ROLLED
    for (i = 0; i < count; i++) {
        const int32_t error = offbeat_clamp(vector[i] - unit(row, source, pairs), parameters[LIMIT]);
        room[i] = (int16_t)error;
        distance += error * error;
        row += WEIGHTS + pairs;
    }
    return offbeat_scaled(distance, parameters[REDUCE], parameters[GAIN]);
}

static int32_t contribution(const int16_t *parameters, const int16_t *vector, const int16_t *room, uint8_t count,
                            uint8_t j)
{
    (void)vector;
    (void)count;
    return offbeat_scaled(room[j] * room[j], parameters[REDUCE], parameters[GAIN]);
}

const offbeat_family offbeat_autoencoder = {score, contribution};
