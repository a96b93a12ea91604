/* Features of a window; formulas, ranges and rounding: docs/pipeline.md. */
#include "offbeat_internal.h"

#define FLOOR (-20480)

/* Value of a feature of a channel that is constant. */
static int32_t silent_value(uint8_t kind, int32_t mean)
{
    switch (kind) {
    case OFFBEAT_MEAN:
        return mean;
    case OFFBEAT_CREST:
    case OFFBEAT_KURTOSIS:
    case OFFBEAT_CROSSINGS:
    case OFFBEAT_CORRELATION:
    case OFFBEAT_CHANGE:
        return 0;
    default:
        return FLOOR;
    }
}

static int32_t value_of(const offbeat_state *state, const offbeat_feature *feature, const offbeat_channel *channel,
                        int32_t log_energy)
{
    uint32_t argument;
    int32_t offset;
    switch (feature->kind) {
    case OFFBEAT_MEAN:
        return channel->mean;
#ifndef OFFBEAT_WITHOUT_CROSSINGS
    case OFFBEAT_CROSSINGS:
        return channel->crossings;
#endif
#ifndef OFFBEAT_WITHOUT_RMS
    case OFFBEAT_RMS:
        return (log_energy - state->log_window - 2048 * channel->exponent - 1024) >> 1;
#endif
#ifndef OFFBEAT_WITHOUT_PEAK_TO_PEAK
    case OFFBEAT_PEAK_TO_PEAK:
        argument = 16U * (uint32_t)(channel->highest - channel->lowest);
        offset = -4096;
        break;
#endif
#ifndef OFFBEAT_WITHOUT_CREST
    case OFFBEAT_CREST:
        argument = (uint32_t)channel->peak;
        offset = -((log_energy + 7168 - state->log_window) >> 1);
        break;
#endif
#ifndef OFFBEAT_WITHOUT_KURTOSIS
    case OFFBEAT_KURTOSIS:
        argument = channel->fourth;
        offset = state->log_window + 2048 * offbeat_fourth_shift(state->model->window) - 2 * log_energy;
        break;
#endif
#ifndef OFFBEAT_WITHOUT_MEAN_ABS_DIFFERENCE
    case OFFBEAT_MEAN_ABS_DIFFERENCE:
        argument = (uint32_t)channel->differences;
        offset = -state->log_steps;
        break;
#endif
    default:
        return 0;
    }
    return offbeat_log2_q10(argument) + offset;
}

/* Where the frames of a window lie. */
typedef struct {
    const int16_t *frames;
    uint16_t first;
    uint16_t capacity;
} ring;

#ifndef OFFBEAT_WITHOUT_CHANGE
/* Mean of the last count counts less that of as many before, in 1/16 count. */
static int32_t change_of(const int16_t *end, uint16_t count)
{
    const int16_t *last = end - count;
    int32_t difference = 0;
    uint32_t size;
    ROLLED
    while (last != end) {
        difference += *last - *(last - count);
        last++;
    }
    size = (16U * (uint32_t)(difference < 0 ? -difference : difference) + count / 2U) / count;
    return difference < 0 ? -(int32_t)size : (int32_t)size;
}

/* The features of one channel that need its counts in work, before they are normalised in their place. */
static APART void changes(const offbeat_state *state, const offbeat_feature *feature, const offbeat_feature *last,
                    int32_t *features)
{
    for (; feature != last; feature++) {
        if (feature->kind == OFFBEAT_CHANGE) {
            *features = change_of(state->work + state->model->window, feature->first);
        }
        features++;
    }
}
#endif

#ifndef OFFBEAT_WITHOUT_CORRELATION
/* Those that need its normalised samples, before the spectrum takes their place. */
static APART void correlations(const offbeat_state *state, const ring *at, const offbeat_feature *feature,
                         const offbeat_feature *last, const offbeat_channel *channel, int32_t *features)
{
    const uint16_t window = state->model->window;
    int16_t *const other = state->work + window;
    for (; feature != last; feature++) {
        if (feature->kind == OFFBEAT_CORRELATION) {
            offbeat_channel second;
            offbeat_scan(state, at->frames, at->first, at->capacity, (uint8_t)feature->first, other, &second);
            *features = 0;
            if (second.highest != second.lowest) {
                offbeat_normalise(other, window, &second);
                *features = offbeat_correlation(state->work, channel, other, &second, window);
            }
        }
        features++;
    }
}
#endif

static int wants(uint32_t kinds, int kind)
{
    return (kinds >> kind & 1U) != 0;
}

/* Features of one channel that is not constant: those from feature to last, of the wanted kinds, a bit for each. */
static void measure(const offbeat_state *state, const ring *at, const offbeat_feature *feature,
                    const offbeat_feature *last, uint32_t wanted, offbeat_channel *channel, int32_t *features)
{
    const offbeat_model *const model = state->model;
    int32_t log_energy;
#ifndef OFFBEAT_WITHOUT_BAND
    int32_t scale;
#endif
#ifndef OFFBEAT_WITHOUT_CROSSINGS
    if (wants(wanted, OFFBEAT_CROSSINGS)) {
        channel->crossings = offbeat_crossings(state->work, model->window, channel->mean);
    }
#endif
#ifndef OFFBEAT_WITHOUT_CHANGE
    if (wants(wanted, OFFBEAT_CHANGE)) {
        changes(state, feature, last, features);
    }
#endif
    offbeat_normalise(state->work, model->window, channel);
#ifndef OFFBEAT_WITHOUT_CORRELATION
    if (wants(wanted, OFFBEAT_CORRELATION)) {
        correlations(state, at, feature, last, channel, features);
    }
#endif
#ifndef OFFBEAT_WITHOUT_BAND
    if (wants(wanted, OFFBEAT_BAND)) {
        offbeat_spectrum(state->work, model);
    }
#endif
    log_energy = offbeat_log2_q10(channel->energy);
#ifndef OFFBEAT_WITHOUT_BAND
    scale = -2048 * channel->exponent - 13312;
#endif
    ROLLED
    for (; feature != last; feature++) {
#ifndef OFFBEAT_WITHOUT_BAND
        if (feature->kind == OFFBEAT_BAND) { /* most are */
            *features = offbeat_log2_q10(offbeat_band(state->work, feature->first, feature->bins)) + scale;
        } else
#endif
        if (feature->kind < OFFBEAT_BAND) {
            *features = value_of(state, feature, channel, log_energy);
        } else {
            /* known already */
        }
        features++;
    }
}

void offbeat_features(offbeat_state *state, const int16_t *frames, uint16_t first, uint16_t capacity,
                      int32_t *features)
{
    const ring at = {frames, first, capacity};
    const offbeat_feature *feature = state->model->features;
    const offbeat_feature *const end = feature + state->model->count;
    while (feature != end) {
        const uint8_t number = feature->channel;
        const offbeat_feature *last = feature;
        offbeat_channel channel;
        uint32_t wanted = 0;
        ROLLED
        do {
            wanted |= UINT32_C(1) << last->kind;
            last++;
        } while (last != end && last->channel == number);
        offbeat_scan(state, frames, first, capacity, number, state->work, &channel);
        if (channel.highest != channel.lowest) {
            measure(state, &at, feature, last, wanted, &channel, features);
            features += last - feature;
            feature = last;
        }
        ROLLED
        for (; feature != last; feature++) {
            *features++ = silent_value(feature->kind, channel.mean);
        }
    }
}
