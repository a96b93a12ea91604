/* Score, contributions and decision; docs/pipeline.md. */
#include "offbeat_internal.h"

static int32_t clamped(int32_t value, int32_t limit)
{
    if (value > limit) {
        return limit;
    }
    return value < -limit ? -limit : value;
}

static int32_t scaled(int32_t distance, uint16_t reduce, uint16_t gain)
{
    int32_t value = distance >> reduce;
    if (value > 32767) {
        value = 32767;
    }
    return (value * (int32_t)gain + 16384) >> 15;
}

int offbeat_init(offbeat_state *state, const offbeat_model *model, int16_t *work, uint16_t work_length, int16_t *vector,
                 uint16_t vector_length)
{
    if (model->window < 8 || model->window > OFFBEAT_MAX_WINDOW || model->channels == 0 || model->count == 0 ||
        (model->family != OFFBEAT_GAUSSIAN && model->family != OFFBEAT_KMEANS)) {
        return OFFBEAT_BAD_MODEL;
    }
    if (work_length < model->window || vector_length < 2U * model->count) {
        return OFFBEAT_TOO_SMALL;
    }
    state->model = model;
    state->work = work;
    state->vector = vector;
    state->score = 0;
    state->history = 0;
    state->quiet = 0;
    state->hold = 0;
    state->alarm = 0;
    state->nearest = 0;
    state->log_window = offbeat_log2_q10(model->window);
    state->log_steps = offbeat_log2_q10((uint64_t)model->window - 1U);
    return OFFBEAT_OK;
}

const char *offbeat_error_text(int code)
{
    switch (code) {
    case OFFBEAT_OK:
        return "ok";
    case OFFBEAT_BAD_MODEL:
        return "the model is not one that this runtime can score";
    case OFFBEAT_TOO_SMALL:
        return "a buffer is smaller than the model needs";
    case OFFBEAT_SELF_TEST_FAILED:
        return "a golden window gave other numbers than the trainer found";
    default:
        return "unknown error";
    }
}

static void standardize(const offbeat_model *model, const int32_t *feature, int16_t *score)
{
    const offbeat_scale *scale = model->scales;
    const offbeat_scale *const end = scale + model->count;
    ROLLED
    for (; scale != end; scale++) {
        const int32_t x = clamped((*feature++ - scale->center) >> scale->first_shift, 32767);
        const int32_t half = 1 << (scale->second_shift - 1);
        *score++ = (int16_t)clamped((x * scale->multiplier + half) >> scale->second_shift, 8191);
    }
}

static int32_t mahalanobis(const offbeat_model *model, const int16_t *scores, int16_t *whitened)
{
    const int32_t count = model->count;
    const int16_t *row = model->weights;
    int32_t distance = 0;
    int32_t i;
    ROLLED
    for (i = 0; i < count; i++) {
        const uint8_t shift = model->shifts[i];
        int32_t total = 1 << (shift - 1);
        int32_t j;
        ROLLED
        for (j = 0; j <= i; j++) {
            total += scores[j] * row[j];
        }
        row += j;
        total = clamped(total >> shift, 2047);
        whitened[i] = (int16_t)total;
        distance += total * total;
    }
    return distance;
}

static int32_t centroid_distance(const offbeat_model *model, const int16_t *score, uint8_t cluster)
{
    const int16_t *centroid = model->weights + (int32_t)cluster * model->count;
    const int16_t *const end = centroid + model->count;
    int32_t distance = 0;
    ROLLED
    while (centroid != end) {
        const int32_t x = clamped(*score++ - *centroid++, 2047);
        distance += x * x;
    }
    return distance;
}

int32_t offbeat_score(offbeat_state *state, const int32_t *features)
{
    const offbeat_model *const model = state->model;
    standardize(model, features, state->vector);
    if (model->family == OFFBEAT_GAUSSIAN) {
        const int32_t distance = mahalanobis(model, state->vector, state->vector + model->count);
        state->score = scaled(distance, model->reduce[0], model->gain[0]);
    } else {
        uint8_t i;
        state->score = INT32_MAX;
        ROLLED
        for (i = 0; i < model->clusters; i++) {
            const int32_t score = scaled(centroid_distance(model, state->vector, i), model->reduce[i], model->gain[i]);
            if (score < state->score) {
                state->score = score;
                state->nearest = i;
            }
        }
    }
    return state->score;
}

int32_t offbeat_contribution(const offbeat_state *state, uint8_t j)
{
    const offbeat_model *const model = state->model;
    int32_t part;
    if (model->family == OFFBEAT_GAUSSIAN) {
        int32_t back = 0;
        uint8_t i;
        ROLLED
        for (i = j; i < model->count; i++) {
            const int32_t weight = model->weights[(int32_t)i * (i + 1) / 2 + j];
            back += (weight * state->vector[model->count + i]) >> model->shifts[i];
        }
        part = state->vector[j] * clamped(back, 32767);
    } else {
        const int16_t centroid = model->weights[(int32_t)state->nearest * model->count + j];
        part = clamped(state->vector[j] - centroid, 2047);
        part *= part;
    }
    if (part < 0) {
        return -scaled(-part, model->reduce[state->nearest], model->gain[state->nearest]);
    }
    return scaled(part, model->reduce[state->nearest], model->gain[state->nearest]);
}

static uint8_t bits_set(uint16_t value)
{
    uint8_t count = 0;
    ROLLED
    while (value != 0) {
        count = (uint8_t)(count + (value & 1U));
        value = (uint16_t)(value >> 1);
    }
    return count;
}

int offbeat_decide(offbeat_state *state, int32_t score)
{
    const offbeat_decision *const rule = &state->model->decision;
    const uint32_t over = score >= OFFBEAT_THRESHOLD ? 1U : 0U;
    const uint32_t mask = (UINT32_C(1) << rule->n) - 1U;
    state->history = (uint16_t)((((uint32_t)state->history << 1) | over) & mask);
    if (state->hold > 0) {
        state->hold--;
    }
    if (!state->alarm) {
        if (bits_set(state->history) >= rule->k && state->hold == 0) {
            state->alarm = 1;
            state->quiet = 0;
        }
    } else {
        state->quiet = score < rule->release ? (uint16_t)(state->quiet + 1U) : 0;
        if (state->quiet >= rule->n) {
            state->alarm = 0;
            state->hold = rule->holdoff;
            state->history = 0;
        }
    }
    return state->alarm;
}

int offbeat_window(offbeat_state *state, const int16_t *frames, uint16_t first, uint16_t capacity, int32_t *features)
{
    offbeat_features(state, frames, first, capacity, features);
    return offbeat_decide(state, offbeat_score(state, features));
}

#ifdef OFFBEAT_GOLDEN
int offbeat_self_test(offbeat_state *state, const int16_t *window, const int32_t *features, int32_t score,
                      int32_t *found)
{
    const offbeat_model *const model = state->model;
    uint8_t j;
    offbeat_features(state, window, 0, model->window, found);
    for (j = 0; j < model->count; j++) {
        if (found[j] != features[j]) {
            return OFFBEAT_SELF_TEST_FAILED;
        }
    }
    return offbeat_score(state, found) == score ? OFFBEAT_OK : OFFBEAT_SELF_TEST_FAILED;
}
#endif
