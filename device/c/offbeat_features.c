/* Features of a window; formulas, ranges and rounding: docs/pipeline.md. */
#include "offbeat_internal.h"

#define FLOOR (-20480)

static const uint16_t LOG2_TABLE[33] = {
    0,    727,  1433, 2118,  2784,  3432,  4062,  4676,  5274,  5858,  6428,  6984,  7527,  8059,  8578,  9086,  9584,
    10071, 10549, 11017, 11476, 11926, 12368, 12802, 13228, 13646, 14057, 14461, 14858, 15249, 15634, 16012, 16384};

static int32_t bit_length(uint32_t value)
{
    int32_t bits = 0;
    if (value >> 16 != 0) {
        bits = 16;
        value >>= 16;
    }
    if (value >> 8 != 0) {
        bits += 8;
        value >>= 8;
    }
    while (value != 0) {
        bits++;
        value >>= 1;
    }
    return bits;
}

int32_t offbeat_log2_q10(uint64_t value)
{
    const uint32_t high = (uint32_t)(value >> 16);
    const int32_t length = high != 0 ? 16 + bit_length(high) : bit_length((uint32_t)value);
    uint32_t mantissa;
    int32_t start;
    int32_t rise;
    uint32_t i;
    if (value == 0) {
        return 0;
    }
    mantissa = length > 16 ? (uint32_t)(value >> (length - 16)) : (uint32_t)value << (16 - length);
    i = (mantissa >> 10) & 31U;
    start = LOG2_TABLE[i];
    rise = LOG2_TABLE[i + 1] - start;
    return (length - 1) * 1024 + ((start * 1024 + rise * (int32_t)(mantissa & 1023U) + 8192) >> 14);
}

/* What the features of one channel share. */
typedef struct {
    int32_t mean;        /* 1/16 count */
    int32_t exponent;    /* normalised = centred * 2^exponent */
    int32_t height;      /* highest - lowest, 1/16 count */
    int32_t differences; /* sum of absolute differences, counts */
    int32_t crossings;
    int32_t peak;        /* of the normalised samples */
    int32_t log_energy;
    uint64_t fourth;
    int silent;
    int has_spectrum;
} channel_facts;

/* The channel's next sample; the ring goes on at its start. */
#define ADVANCE(at, end, size, step) \
    do { \
        (at) += (step); \
        if ((at) >= (end)) { \
            (at) -= (size); \
        } \
    } while (0)

static void scan(const offbeat_state *state, const int16_t *at, const int16_t *end, int32_t size, channel_facts *facts)
{
    const int32_t window = state->model->window;
    const int32_t step = state->model->channels;
    uint32_t total = 0;
    uint32_t quotient;
    uint32_t rest;
    int32_t previous = *at;
    int32_t highest = previous;
    int32_t lowest = previous;
    int32_t differences = 0;
    int32_t largest;
    int32_t i;
    for (i = 0; i < window; i++) {
        const int32_t x = *at;
        const int32_t difference = x - previous;
        total += (uint32_t)(x + 32768);
        differences += difference < 0 ? -difference : difference;
        if (x > highest) {
            highest = x;
        }
        if (x < lowest) {
            lowest = x;
        }
        previous = x;
        ADVANCE(at, end, size, step);
    }
    quotient = total / (uint32_t)window;
    rest = total - quotient * (uint32_t)window;
    facts->mean = ((int32_t)quotient - 32768) * 16 + (int32_t)((16U * rest + (uint32_t)window / 2U) / (uint32_t)window);
    highest = 16 * highest - facts->mean;
    lowest = 16 * lowest - facts->mean;
    largest = highest > -lowest ? highest : -lowest;
    facts->silent = largest == 0;
    facts->height = highest - lowest;
    facts->differences = differences;
    facts->exponent = 13 - bit_length((uint32_t)largest);
}

static void normalise(const offbeat_state *state, const int16_t *at, const int16_t *end, int32_t size,
                      channel_facts *facts)
{
    const int32_t window = state->model->window;
    const int32_t step = state->model->channels;
    const int32_t mean = facts->mean;
    const int32_t factor = facts->exponent > 0 ? 1 << facts->exponent : 1;
    const int32_t down = facts->exponent < 0 ? -facts->exponent : 0;
    const int32_t half = down > 0 ? 1 << (down - 1) : 0;
    uint64_t energy = 0;
    uint64_t fourth = 0;
    int32_t crossings = 0;
    int32_t peak = 0;
    int below = 0;
    int32_t i;
    for (i = 0; i < window; i++) {
        int32_t x = 16 * *at - mean;
        const int is_below = x < 0;
        uint32_t square;
        if (i > 0 && is_below != below) {
            crossings++;
        }
        below = is_below;
        x = (x * factor + half) >> down;
        state->work[i] = (int16_t)x;
        square = (uint32_t)(x * x);
        energy += square;
        square >>= 12;
        fourth += square * square;
        if (x < 0) {
            x = -x;
        }
        if (x > peak) {
            peak = x;
        }
        ADVANCE(at, end, size, step);
    }
    facts->crossings = crossings;
    facts->peak = peak;
    facts->log_energy = offbeat_log2_q10(energy);
    facts->fourth = fourth;
}

static int32_t band_value(const offbeat_state *state, const offbeat_feature *feature, channel_facts *facts)
{
    if (facts->silent) {
        return FLOOR;
    }
    if (!facts->has_spectrum) {
        offbeat_spectrum(state->work, state->model->sine, state->model->window);
        facts->has_spectrum = 1;
    }
    return offbeat_log2_q10(offbeat_band(state->work, feature->first, feature->bins)) - 2048 * facts->exponent - 11264;
}

static int32_t value_of(const offbeat_state *state, const offbeat_feature *feature, channel_facts *facts)
{
    switch (feature->kind) {
    case OFFBEAT_MEAN:
        return facts->mean;
    case OFFBEAT_RMS:
        return facts->silent ? FLOOR : (facts->log_energy - state->log_window - 2048 * facts->exponent - 8192) >> 1;
    case OFFBEAT_PEAK_TO_PEAK:
        return facts->silent ? FLOOR : offbeat_log2_q10((uint32_t)facts->height) - 4096;
    case OFFBEAT_CREST:
        return facts->silent
                   ? 0
                   : offbeat_log2_q10((uint32_t)facts->peak) - ((facts->log_energy - state->log_window) >> 1);
    case OFFBEAT_KURTOSIS:
        return facts->silent ? 0 : offbeat_log2_q10(facts->fourth) + state->log_window + 24576 - 2 * facts->log_energy;
    case OFFBEAT_MEAN_ABS_DIFFERENCE:
        return facts->differences == 0 ? FLOOR : offbeat_log2_q10((uint32_t)facts->differences) - state->log_steps;
    case OFFBEAT_CROSSINGS:
        return facts->crossings;
    default:
        return band_value(state, feature, facts);
    }
}

void offbeat_features(offbeat_state *state, const int16_t *frames, uint16_t first, uint16_t capacity, int32_t *features)
{
    const offbeat_model *const model = state->model;
    const int32_t size = (int32_t)capacity * model->channels;
    const int16_t *const end = frames + size;
    uint8_t j = 0;
    while (j < model->count) {
        const uint8_t channel = model->features[j].channel;
        const int16_t *const at = frames + (int32_t)first * model->channels + channel;
        channel_facts facts;
        scan(state, at, end, size, &facts);
        normalise(state, at, end, size, &facts);
        facts.has_spectrum = 0;
        for (; j < model->count && model->features[j].channel == channel; j++) {
            features[j] = value_of(state, &model->features[j], &facts);
        }
    }
}
