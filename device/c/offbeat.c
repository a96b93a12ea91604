/* Standard scores, score and decision; docs/pipeline.md. */
#include "offbeat_internal.h"

int32_t offbeat_scaled(int32_t distance, int16_t reduce, int16_t gain)
{
    int32_t value = distance >> reduce;
    if (value > 32767) {
        value = 32767;
    }
    return (value * gain + 16384) >> 15;
}

int32_t offbeat_signed_scaled(int32_t part, int16_t reduce, int16_t gain)
{
    return part < 0 ? -offbeat_scaled(-part, reduce, gain) : offbeat_scaled(part, reduce, gain);
}

/* Words of the vector: standard scores, the family's room, and the baselines, two words each. */
static uint32_t words_of(const offbeat_model *model)
{
    return (uint32_t)model->count * (model->slew != 0 ? 3U : 1U) + model->room;
}

void offbeat_reset(offbeat_state *state)
{
    const uint32_t end = words_of(state->model);
    uint32_t i;
    ROLLED
    for (i = state->model->count; i < end; i++) {
        state->vector[i] = 0;
    }
}

static int is_at_multiple(const void *address, uintptr_t of)
{
    return ((uintptr_t)address & (of - 1U)) == 0;
}

/* Whether each feature is one of this runtime's, of a channel that the model has and in a window that is long enough. */
static int features_fit(const offbeat_model *model)
{
    uint8_t j;
    ROLLED
    for (j = 0; j < model->count; j++) {
        const offbeat_feature *const feature = &model->features[j];
        if (feature->kind > OFFBEAT_CHANGE || feature->channel >= model->channels) {
            return 0;
        }
        if (feature->kind == OFFBEAT_BAND
            && (model->sine == 0 || (model->window & (model->window - 1U)) != 0
                || (uint32_t)feature->first + feature->bins > model->window / 2U)) {
            return 0;
        }
        if (feature->kind == OFFBEAT_CORRELATION && feature->first >= model->channels) {
            return 0;
        }
    }
    return 1;
}

static int check_model(const offbeat_model *model)
{
    if (model->format != OFFBEAT_FORMAT) {
        return OFFBEAT_OTHER_FORMAT;
    }
    if (model->window < 8 || model->window > OFFBEAT_MAX_WINDOW || model->channels == 0 || model->count == 0
        || model->features == 0 || model->scales == 0 || model->work < model->window || model->decision.k == 0
        || model->decision.k > model->decision.n || model->decision.n > 16 || !features_fit(model)) {
        return OFFBEAT_BAD_MODEL;
    }
    if (model->family == 0 || model->family->number != model->number) {
        return OFFBEAT_OTHER_FAMILY;
    }
    if (!is_at_multiple(model->parameters, 4)) {
        return OFFBEAT_MISALIGNED;
    }
    if (model->parameters == 0 || model->length < 5U
        || !model->family->fits(model->parameters, model->length, model->count)) {
        return OFFBEAT_WRONG_LENGTH;
    }
    return OFFBEAT_OK;
}

int offbeat_init(offbeat_state *state, const offbeat_model *model, int16_t *work, uint16_t work_length, int16_t *vector,
                 uint16_t vector_length)
{
    const int error = model == 0 ? OFFBEAT_BAD_MODEL : check_model(model);
    if (error != OFFBEAT_OK) {
        return error;
    }
    if (work == 0 || vector == 0 || work_length < model->work || vector_length < words_of(model)) {
        return OFFBEAT_TOO_SMALL;
    }
    if (!is_at_multiple(work, 2) || !is_at_multiple(vector, 2)) {
        return OFFBEAT_MISALIGNED;
    }
    state->model = model;
    state->work = work + (((uintptr_t)work >> 1) & 1U); /* pairs of samples are read as words; model->work has one to spare */
    state->vector = vector;
    offbeat_reset(state);
    state->score = 0;
    state->history = 0;
    state->quiet = 0;
    state->hold = 0;
    state->alarm = 0;
    state->log_window = offbeat_log2_q10(model->window);
    state->log_steps = offbeat_log2_q10((uint32_t)model->window - 1U);
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
    case OFFBEAT_OTHER_FORMAT:
        return "the model was exported for another version of the runtime: export it again";
    case OFFBEAT_OTHER_FAMILY:
        return "the model's family is not the one that its parameters are for";
    case OFFBEAT_MISALIGNED:
        return "parameters must lie at a multiple of 4 bytes, buffers at a multiple of 2";
    case OFFBEAT_WRONG_LENGTH:
        return "the model's parameters are cut short, too long or for another number of features";
    default:
        return "unknown error";
    }
}

#ifndef OFFBEAT_WITHOUT_BASELINE
static void set_word(int16_t *at, uint32_t value)
{
    *at = (int16_t)value;
}

/* Let each feature's baseline follow its standard score by at most its slew, and subtract it. A baseline is in Q15, its
 * low word first. */
static void subtract_baseline(const offbeat_model *model, int16_t *score, int16_t *baseline)
{
    uint8_t j;
    ROLLED
    for (j = 0; j < model->count; j++) {
        const int32_t slew = model->slew[j];
        if (slew != 0) {
            int32_t level = (int32_t)((uint32_t)(uint16_t)baseline[2 * j] | ((uint32_t)(uint16_t)baseline[2 * j + 1] << 16));
            level += offbeat_clamp(score[j] * 256 - level, slew);
            set_word(&baseline[2 * j], (uint32_t)level);
            set_word(&baseline[2 * j + 1], (uint32_t)level >> 16);
            score[j] = (int16_t)offbeat_clamp(score[j] - ((level + 128) >> 8), 8191);
        }
    }
}
#endif

static void standardize(const offbeat_model *model, const int32_t *feature, int16_t *score)
{
    const offbeat_scale *scale = model->scales;
    const offbeat_scale *const end = scale + model->count;
    ROLLED
    for (; scale != end; scale++) {
        const int32_t x = offbeat_clamp_word((*feature++ - scale->center) >> scale->first_shift);
        *score++ = (int16_t)offbeat_clamp_score(offbeat_rounded_shift(x * scale->multiplier, scale->second_shift));
    }
}

int32_t offbeat_score(offbeat_state *state, const int32_t *features)
{
    const offbeat_model *const model = state->model;
    standardize(model, features, state->vector);
#ifndef OFFBEAT_WITHOUT_BASELINE
    if (model->slew != 0) {
        subtract_baseline(model, state->vector, state->vector + model->count + model->room);
    }
#endif
    state->score = model->family->score(model->parameters, state->vector, state->vector + model->count, model->count);
    return state->score;
}

int32_t offbeat_contribution(const offbeat_state *state, uint8_t j)
{
    const offbeat_model *const model = state->model;
    return model->family->contribution(model->parameters, state->vector, state->vector + model->count, model->count, j);
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
    int result = OFFBEAT_OK;
    uint8_t j;
    offbeat_reset(state);
    offbeat_features(state, window, 0, model->window, found);
    for (j = 0; j < model->count; j++) {
        if (found[j] != features[j]) {
            result = OFFBEAT_SELF_TEST_FAILED;
        }
    }
    if (offbeat_score(state, found) != score) {
        result = OFFBEAT_SELF_TEST_FAILED;
    }
    offbeat_reset(state);
    return result;
}
#endif
