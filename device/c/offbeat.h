/* offbeat: anomaly detection in integers, C99. No malloc, no float, no recursion, no libc beyond stdint.h.
 *
 * The arithmetic is docs/pipeline.md of the project; what this code computes equals the trainer's NumPy and the
 * board's MicroPython bit for bit. All state is the caller's; parameters are used in place from flash.
 *
 * C99 leaves three things to the compiler: int must have 32 bits (an AVR's has 16), right shifts of negative values must
 * be arithmetic, and conversions to a signed type must keep the low bits; all are checked below.
 */
#ifndef OFFBEAT_H
#define OFFBEAT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef char offbeat_int_must_have_32_bits[sizeof(int) >= 4 ? 1 : -1];
typedef char offbeat_right_shift_must_be_arithmetic[((-3) >> 1) == -2 ? 1 : -1];
typedef char offbeat_conversion_must_keep_the_bits[(int32_t)UINT32_C(0xFFFFFFFF) == -1 ? 1 : -1];

#define OFFBEAT_FORMAT 2 /* of the arithmetic and of the arrays: a model made for another one is refused */
#define OFFBEAT_THRESHOLD 256 /* score at and above which a window exceeds, for every family */
#define OFFBEAT_MAX_WINDOW 1024

enum {
    OFFBEAT_MEAN = 0,
    OFFBEAT_RMS = 1,
    OFFBEAT_PEAK_TO_PEAK = 2,
    OFFBEAT_CREST = 3,
    OFFBEAT_KURTOSIS = 4,
    OFFBEAT_MEAN_ABS_DIFFERENCE = 5,
    OFFBEAT_CROSSINGS = 6,
    OFFBEAT_BAND = 7,
    OFFBEAT_CORRELATION = 8,
    OFFBEAT_CHANGE = 9
};

/* What offbeat_init() and offbeat_self_test() return; offbeat_error_text() says it in words. */
enum {
    OFFBEAT_OK = 0,
    OFFBEAT_BAD_MODEL = 1,        /* window, channels, features or decision out of range, or an array missing */
    OFFBEAT_TOO_SMALL = 2,        /* a buffer of the caller's */
    OFFBEAT_SELF_TEST_FAILED = 3, /* other numbers than the trainer's */
    OFFBEAT_OTHER_FORMAT = 4,     /* the model was exported for another version of this runtime */
    OFFBEAT_OTHER_FAMILY = 5,     /* the family that the model names is not that of its parameters */
    OFFBEAT_MISALIGNED = 6,       /* buffers: 2 bytes; parameters: 4 bytes */
    OFFBEAT_WRONG_LENGTH = 7      /* the parameters are cut short or too long, or for another number of features */
};

/* One feature: kind and channel; of a band its first bin and number of bins, of a correlation the other channel in first,
 * of a change the samples on either side in first. */
typedef struct {
    uint8_t kind;
    uint8_t channel;
    uint16_t first;
    uint16_t bins;
} offbeat_feature;

/* Standard score of a feature, Q7: center in the feature's unit, multiplier <= 16383, shifts <= 15. */
typedef struct {
    int32_t center;
    uint16_t multiplier;
    uint8_t first_shift;
    uint8_t second_shift;
} offbeat_scale;

/* k of the last n windows start an alarm; n windows below release end it; holdoff in windows. */
typedef struct {
    uint8_t k;
    uint8_t n;
    uint16_t release;
    uint16_t holdoff;
} offbeat_decision;

/* Before an array that must lie at a multiple of 4 bytes. */
#if defined(__GNUC__)
#define OFFBEAT_ALIGNED __attribute__((aligned(4)))
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define OFFBEAT_ALIGNED _Alignas(4)
#else
#define OFFBEAT_ALIGNED /* offbeat_init() says where a compiler does not do so by itself */
#endif

/* A model family: how a vector of standard scores becomes a score. The model names the one that it needs, so that
 * only that one is linked.
 * parameters: the section of the model file as words, in place, at a multiple of 4 bytes; vector[count]: standard scores,
 * Q7, within +-8191, with the room behind them; room: scratch that is zero after offbeat_init(), in which a family keeps
 * what contribution() or its next score needs. number: as in the model file. fits: whether parameters are so many words
 * (at least 5) for count features. score: 0 to 32766. contribution: within +-32767. */
typedef struct {
    uint8_t number;
    int (*fits)(const int16_t *parameters, uint32_t length, uint8_t count);
    int32_t (*score)(const int16_t *parameters, const int16_t *vector, int16_t *room, uint8_t count);
    int32_t (*contribution)(const int16_t *parameters, const int16_t *vector, const int16_t *room, uint8_t count,
                            uint8_t j);
} offbeat_family;

extern const offbeat_family offbeat_gaussian;
extern const offbeat_family offbeat_kmeans;
extern const offbeat_family offbeat_mixture;
extern const offbeat_family offbeat_pca;
extern const offbeat_family offbeat_forest;
extern const offbeat_family offbeat_prototypes;
extern const offbeat_family offbeat_autoencoder;
extern const offbeat_family offbeat_autoregressive;
extern const offbeat_family offbeat_ensemble;

typedef struct {
    const char *identity;      /* 16 hex digits */
    uint32_t rate_millihertz;
    uint16_t window;           /* samples, 8 to 1024 */
    uint16_t hop;              /* samples */
    uint8_t channels;
    uint8_t count;             /* features */
    uint16_t room;             /* words of scratch that the family needs */
    uint16_t work;             /* words of the work buffer: the window, twice where there is a correlation, and one */
    const offbeat_feature *features; /* [count] */
    const int16_t *sine;       /* [window / 4 + 1], or NULL without bands */
    const uint32_t *twiddles;  /* [3 * (window / 8 - 1)], or NULL without bands */
    const offbeat_scale *scales; /* [count] */
    const uint16_t *slew;      /* [count], of each feature's baseline, 2^-15 standard deviations a window; or NULL */
    offbeat_decision decision;
    const offbeat_family *family;
    const int16_t *parameters; /* [length], of the family, laid out as in the model file */
    uint32_t length;           /* words */
    uint8_t number;            /* the family's, as in the model file */
    uint8_t format;            /* OFFBEAT_FORMAT of the runtime that the model was exported for */
} offbeat_model;

/* Everything that changes between windows. One for each stream of samples; the model may be shared. */
typedef struct {
    const offbeat_model *model;
    int16_t *work;      /* the caller's, [work] */
    int16_t *vector;    /* the caller's: [count] standard scores, the family's room, [2 * count] baselines */
    int32_t score;      /* of the last offbeat_score() */
    uint16_t history;   /* the last n verdicts, newest lowest */
    uint16_t quiet;     /* windows since the last that was not below release, while in alarm */
    uint16_t hold;      /* windows until an alarm may start again */
    uint8_t alarm;      /* 1 while in alarm */
    int32_t log_window; /* log2 of the window and of the window less one, Q10 */
    int32_t log_steps;
} offbeat_state;

/* Prepare a state, without alarm. work_length (at least the model's work; of the words, one is for
 * alignment) and vector_length (at least its features and
 * its family's room, and twice its features more where it has a slew) are in words of 16 bits; model.h has both as
 * OFFBEAT_MODEL_WORK and OFFBEAT_MODEL_VECTOR. The buffers stay in use as long as the state; work may serve something else
 * between windows.
 * Returns OFFBEAT_OK, or another code and leaves the state as it is. What it checks: that model and runtime have the same
 * layout and family, that the parameters are aligned and as long as the family needs for that many features, that window,
 * channels and features go together, and the buffers. */
int offbeat_init(offbeat_state *state, const offbeat_model *model, int16_t *work, uint16_t work_length, int16_t *vector,
                 uint16_t vector_length);

/* Forget what the scores remember of the windows before, as after offbeat_init(); the decision stays. For a model whose
 * scores remember nothing it does nothing that shows. Call it after a gap in the samples. */
void offbeat_reset(offbeat_state *state);

/* Text of an error code of this library, for a log. */
const char *offbeat_error_text(int code);

/* Features of a window of frames, that is of samples of all channels side by side: frames[capacity * channels],
 * counts of the sensor, of which the window starts at frame `first` (below capacity) and goes on at frame 0 after the
 * last one.
 * A contiguous window has first 0 and capacity = window; capacity must not be less than the window.
 * features: int32 [count]; logarithms in 1/1024 octave, means in 1/16 count (docs/pipeline.md). */
void offbeat_features(offbeat_state *state, const int16_t *frames, uint16_t first, uint16_t capacity,
                      int32_t *features);

/* Score of features [count]: 0 to 32766, 256 is the threshold. */
int32_t offbeat_score(offbeat_state *state, const int32_t *features);

/* What feature j (below count) added to the score of the last offbeat_score(); negative where it lowered it. */
int32_t offbeat_contribution(const offbeat_state *state, uint8_t j);

/* Take a window's score into the decision. Returns 1 while in alarm, else 0. */
int offbeat_decide(offbeat_state *state, int32_t score);

/* offbeat_features(), offbeat_score() and offbeat_decide() in one call: returns 1 while in alarm, else 0; the score is
 * in state->score. features: room for int32 [count]. */
int offbeat_window(offbeat_state *state, const int16_t *frames, uint16_t first, uint16_t capacity, int32_t *features);

#ifdef OFFBEAT_GOLDEN
/* Compare features and score of a contiguous window with those the trainer found; the decision is left alone, what the
 * scores remember is reset.
 * Returns OFFBEAT_OK or OFFBEAT_SELF_TEST_FAILED; found: room for int32 [count]. */
int offbeat_self_test(offbeat_state *state, const int16_t *window, const int32_t *features, int32_t score,
                      int32_t *found);
#endif

#ifdef __cplusplus
}
#endif

#endif
