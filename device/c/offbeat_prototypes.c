/* Prototypes: distance to the nearest of a few typical windows, or a one-class kernel machine on them; docs/pipeline.md.
 *
 * Parameters: prototypes, count, 1 for kernels, neighbours, limit of a difference, reduce, gain; with kernels reduce and
 * gain of the exponent, largest distance (low, high), reach (low, high), shift, far gain, and the weights; then steps
 * (uint8) and coordinates (int8) by rows, two to a word, low byte first, each row padded to words.
 * Room: the nearest prototype, and the score. */
#include "offbeat_internal.h"

enum { PROTOTYPES = 0, KERNELS = 1 + 1, NEIGHBOURS = 3, LIMIT = 4, REDUCE = 5, GAIN = 6, PLAIN = 7 };
enum {
    EXPONENT_REDUCE = 7,
    EXPONENT_GAIN = 8,
    LARGEST = 9,
    REACH = 11,
    SHIFT = 13,
    FAR_GAIN = 14,
    WEIGHTS = 15
};

/* min(round(2^15 2^(-i/64)), 32767) */
static const int16_t POWERS[65] = {
    32767, 32415, 32066, 31720, 31379, 31041, 30706, 30376, 30048, 29725, 29405, 29088, 28774, 28464, 28158, 27855,
    27554, 27258, 26964, 26674, 26386, 26102, 25821, 25543, 25268, 24995, 24726, 24460, 24196, 23936, 23678, 23423,
    23170, 22921, 22674, 22430, 22188, 21949, 21713, 21479, 21247, 21019, 20792, 20568, 20347, 20127, 19911, 19696,
    19484, 19274, 19066, 18861, 18658, 18457, 18258, 18061, 17867, 17674, 17484, 17296, 17109, 16925, 16743, 16562,
    16384,
};

static const int16_t *steps_of(const int16_t *parameters)
{
    return parameters + (parameters[KERNELS] ? WEIGHTS + parameters[PROTOTYPES] : PLAIN);
}

/* The saturated difference of standard score j to its coordinate in a row of the section. */
static int32_t difference(const int16_t *parameters, const int16_t *steps, const int16_t *row, const int16_t *vector,
                          int32_t j)
{
    const int32_t shift = (j & 1) * 8;
    const int32_t step = ((uint16_t)steps[j >> 1] >> shift) & 0xFF;
    return offbeat_clamp(vector[j] - (int8_t)((uint16_t)row[j >> 1] >> shift) * step, parameters[LIMIT]);
}

static int32_t two_words(const int16_t *at)
{
    return (int32_t)((uint16_t)at[0] | (uint32_t)(uint16_t)at[1] << 16);
}

/* 2^15 times the kernel of a squared distance. */
static int32_t kernel(const int16_t *parameters, int32_t squared)
{
    const int32_t near = squared >> parameters[EXPONENT_REDUCE];
    int32_t exponent;
    int32_t octaves;
    const int16_t *point;
    if (near > 65535) {
        return 0;
    }
    exponent = (near * parameters[EXPONENT_GAIN] + 8192) >> 14;
    if (exponent > 32767) {
        return 0;
    }
    octaves = exponent >> 11;
    point = POWERS + ((exponent >> 5) & 63);
    exponent = (point[0] * 32 + (point[1] - point[0]) * (exponent & 31) + 16) >> 5;
    return (exponent + ((1 << octaves) >> 1)) >> octaves;
}

/* From the sum of the weighted kernels and the squared distance to the nearest prototype. */
static int32_t kernel_distance(const int16_t *parameters, int32_t total, int32_t nearest)
{
    const int32_t far_gain = parameters[FAR_GAIN];
    int32_t distance = two_words(parameters + LARGEST) - (total >> parameters[SHIFT]);
    const int32_t beyond = nearest - two_words(parameters + REACH);
    if (distance < 0) {
        distance = 0;
    }
    if (beyond > 0) {
        distance += (beyond >> 15) * far_gain + (((beyond & 32767) * far_gain) >> 15);
    }
    return distance;
}

/* Keep `squared` in its place among the least, if it is one of them. Returns the place, `neighbours` if it is none. */
static int32_t insert(int32_t *least, int32_t neighbours, int32_t squared)
{
    int32_t place = neighbours;
    ROLLED
    while (place > 0 && squared < least[place - 1]) {
        if (place < neighbours) {
            least[place] = least[place - 1];
        }
        place--;
        least[place] = squared;
    }
    return place;
}

/* Leaves in room the nearest prototype, the first of equals, and the score. A prototype is given up where it can no
 * longer be one of the nearest; with kernels each of them counts. */
static int32_t score(const int16_t *parameters, const int16_t *vector, int16_t *room, uint8_t count)
{
    const int16_t *const steps = steps_of(parameters);
    const int16_t *row = steps;
    const int32_t neighbours = parameters[NEIGHBOURS];
    int32_t least[3] = {0x3FFFFFFF, 0x3FFFFFFF, 0x3FFFFFFF};
    int32_t total = 0;
    int32_t distance = 0;
    int16_t i;
    int32_t j;
    ROLLED
    for (i = 0; i < parameters[PROTOTYPES]; i++) {
        const int32_t bound = parameters[KERNELS] ? INT32_MAX : least[neighbours - 1];
        int32_t squared = 0;
        row += (count + 1) / 2;
        ROLLED
        for (j = 0; j < count && squared < bound; j++) {
            const int32_t x = difference(parameters, steps, row, vector, j);
            squared += x * x;
        }
        if (insert(least, neighbours, squared) == 0) {
            room[0] = i;
        }
        if (parameters[KERNELS]) {
            total += parameters[WEIGHTS + i] * kernel(parameters, squared);
        }
    }
    if (parameters[KERNELS]) {
        distance = kernel_distance(parameters, total, least[0]);
    } else {
        ROLLED
        for (j = 0; j < neighbours; j++) {
            distance += least[j];
        }
    }
    room[1] = (int16_t)offbeat_scaled(distance, parameters[REDUCE], parameters[GAIN]);
    return room[1];
}

/* The score, shared out as the squared differences to the nearest prototype. */
static int32_t contribution(const int16_t *parameters, const int16_t *vector, const int16_t *room, uint8_t count,
                            uint8_t j)
{
    const int16_t *const steps = steps_of(parameters);
    const int16_t *const row = steps + (room[0] + 1) * ((count + 1) / 2);
    int32_t own = 0;
    int32_t total = 0;
    int32_t shift;
    uint8_t i;
    ROLLED
    for (i = 0; i < count; i++) {
        const int32_t x = difference(parameters, steps, row, vector, i);
        total += x * x;
        if (i == j) {
            own = x * x;
        }
    }
    shift = offbeat_bit_length((uint32_t)total) - 15;
    if (shift > 0) {
        own >>= shift;
        total >>= shift;
    }
    return total == 0 ? 0 : (room[1] * own + (total >> 1)) / total;
}

static int fits(const int16_t *parameters, uint32_t length, uint8_t count)
{
    const uint32_t rows = (uint32_t)(uint16_t)parameters[PROTOTYPES] + 1U;
    return parameters[1] == count && length == (uint32_t)(steps_of(parameters) - parameters) + rows * ((count + 1U) / 2U);
}

const offbeat_family offbeat_prototypes = {6, fits, score, contribution};
