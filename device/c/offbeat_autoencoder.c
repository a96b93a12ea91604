/* Autoencoder: the squared error of what a small int8 network reconstructs; docs/pipeline.md.
 *
 * Parameters: count, hidden layers, limit of an error, reduce, gain; width of each hidden layer, and 0 after two; then for
 * each layer, the last one of `count` units: of each unit bias, multiplier, shifts (the first one in the low byte); the
 * weights, four of each of four units in turn (offbeat_dense.c). Units and inputs are padded to multiples of four.
 * Room, from an even word on: two places where the inputs and outputs of layers take turns; the errors go to the one
 * where the last layer's inputs are not. */
#include "offbeat_dsp.h"

enum { HIDDEN = 1, LIMIT = 2, REDUCE = 3, GAIN = 4, WIDTHS = 5 };

/* An error, in the place of numbers of 32 bits. */
typedef int16_t OFFBEAT_MAY_ALIAS offbeat_error;

static int32_t fours(int32_t count)
{
    return (count + 3) & ~3;
}

static offbeat_input *first_place(const int16_t *room)
{
    return (offbeat_input *)(((uintptr_t)room + 3U) & ~(uintptr_t)3U);
}

static offbeat_input *second_place(const int16_t *parameters, const int16_t *room, int32_t count)
{
    int32_t most = count;
    if (parameters[HIDDEN] > 1 && parameters[WIDTHS + 1] > most) {
        most = parameters[WIDTHS + 1];
    }
    return first_place(room) + fours(most);
}

/* Quantizes the standard scores; returns where the first layer's sums start. Those of the last four that are none are words
 * of the room behind the scores: whatever they hold, their weights are zero. */
static int32_t quantize(const int16_t *vector, int32_t count, offbeat_input *inputs)
{
    int32_t start = 0;
    ROLLED
    for (; count > 0; count -= 4) {
        int32_t x[4];
        x[0] = offbeat_quantized(vector[0]);
        x[1] = offbeat_quantized(vector[1]);
        x[2] = offbeat_quantized(vector[2]);
        x[3] = offbeat_quantized(vector[3]);
        start += offbeat_pack_inputs(&inputs, x);
        vector += 4;
    }
    return start;
}

/* What a hidden layer gives, in place, as the next one's inputs; returns where that one's sums start. */
static int32_t activate(offbeat_input *values, int32_t count)
{
    offbeat_input *inputs = values;
    int32_t start = 0;
    ROLLED
    for (; count > 0; count -= 4) {
        int32_t x[4];
        x[0] = offbeat_activation(values[0]);
        x[1] = offbeat_activation(values[1]);
        x[2] = offbeat_activation(values[2]);
        x[3] = offbeat_activation(values[3]);
        start += offbeat_pack_inputs(&inputs, x);
        values += 4;
    }
    return start;
}

/* Errors of the reconstruction, in its place; returns the sum of their squares. */
static int32_t square_errors(offbeat_input *values, const int16_t *vector, int32_t count, int32_t limit)
{
    offbeat_error *errors = (offbeat_error *)values;
    const offbeat_input *const end = values + count;
    int32_t distance = 0;
    ROLLED
    while (values != end) {
        const int32_t error = offbeat_clamp(*vector++ - *values++, limit);
        *errors++ = (int16_t)error;
        distance += error * error;
    }
    return distance;
}

static int32_t score(const int16_t *parameters, const int16_t *vector, int16_t *room, uint8_t count)
{
    const int16_t *width = parameters + WIDTHS;
    const int16_t *const last = width + parameters[HIDDEN];
    const int16_t *layer = width + (parameters[HIDDEN] | 1);
    offbeat_input *inputs = first_place(room);
    offbeat_input *outputs = second_place(parameters, room, count);
    int32_t columns = fours(count);
    int32_t start = quantize(vector, count, inputs);
    ROLLED
    for (; width != last; width++) {
        offbeat_input *const next = outputs;
        layer = offbeat_layer(layer, inputs, columns, outputs, *width, start);
        start = activate(outputs, *width);
        columns = fours(*width);
        outputs = inputs;
        inputs = next;
    }
    (void)offbeat_layer(layer, inputs, columns, outputs, count, start);
    return offbeat_scaled(square_errors(outputs, vector, count, parameters[LIMIT]), parameters[REDUCE], parameters[GAIN]);
}

static int32_t contribution(const int16_t *parameters, const int16_t *vector, const int16_t *room, uint8_t count,
                            uint8_t j)
{
    const offbeat_error *const errors = (const offbeat_error *)((parameters[HIDDEN] & 1) != 0 ? first_place(room)
                                                                                  : second_place(parameters, room, count));
    (void)vector;
    return offbeat_scaled(errors[j] * errors[j], parameters[REDUCE], parameters[GAIN]);
}

static int fits(const int16_t *parameters, uint32_t length, uint8_t count)
{
    const uint32_t hidden = (uint16_t)parameters[HIDDEN];
    uint32_t at = WIDTHS + (hidden | 1U);
    int32_t columns = fours(count);
    uint32_t i;
    if (parameters[0] != count || hidden == 0 || hidden > 3U || length < at) {
        return 0;
    }
    ROLLED
    for (i = 0; i <= hidden; i++) {
        const int32_t units = fours(i < hidden ? (uint16_t)parameters[WIDTHS + i] : count);
        at += (uint32_t)(units * 3 + units * columns / 2);
        columns = units;
    }
    return at == length;
}

const offbeat_family offbeat_autoencoder = {7, fits, score, contribution};
