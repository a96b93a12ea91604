/* Model {{ model.identity }} ({{ model.name | plain }}), made by `offbeat export --to c`, offbeat {{ version }}.
 * Generated: changes belong into the training, not here. */
#ifndef OFFBEAT_MODEL_H
#define OFFBEAT_MODEL_H

#include "offbeat.h"

#if OFFBEAT_FORMAT != {{ format }}
#error "the model was exported for another arithmetic than this runtime's: export it again"
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define OFFBEAT_MODEL_WINDOW {{ model.window }}
#define OFFBEAT_MODEL_HOP {{ model.hop }}
#define OFFBEAT_MODEL_CHANNELS {{ channels | length }}
#define OFFBEAT_MODEL_FEATURES {{ features | length }}
/* Words of 16 bits that offbeat_init() wants. */
#define OFFBEAT_MODEL_WORK {{ model.window * (2 if correlated else 1) + 1 }}
#define OFFBEAT_MODEL_VECTOR {{ (features | length) * (3 if slew else 1) + room }}
#define OFFBEAT_MODEL_GOLDEN {{ golden | length }}
/* Bit c: channel c never moved in training, so that whatever moves there is an alarm that says more of the sensor than
 * of the machine. */
#define OFFBEAT_MODEL_UNSEEN UINT32_C(0x{{ "%x" | format(unseen) }})

/* Channels: {% for name in channels %}{{ loop.index0 }} {{ name | plain }}{{ ", " if not loop.last }}{% endfor %}.
 * Features:
{% for name in names %}
 *   {{ loop.index0 }} {{ name | plain }}
{% endfor %}
 */
extern const offbeat_model offbeat_the_model;

#ifdef OFFBEAT_NAMES
/* The names above, for a log; compiled in with OFFBEAT_NAMES. An alarm's reasons are told by offbeat_reason_names: a
 * feature of a channel that never moved in training goes there as "unseen channel NAME". */
extern const char *const offbeat_channel_names[OFFBEAT_MODEL_CHANNELS];
extern const char *const offbeat_feature_names[OFFBEAT_MODEL_FEATURES];
extern const char *const offbeat_reason_names[OFFBEAT_MODEL_FEATURES];
#endif

#if OFFBEAT_MODEL_GOLDEN > 0 && defined(OFFBEAT_GOLDEN)
/* Windows with the features and scores that the trainer found; compiled in with OFFBEAT_GOLDEN. */
extern const int16_t offbeat_golden_windows[OFFBEAT_MODEL_GOLDEN][OFFBEAT_MODEL_WINDOW * OFFBEAT_MODEL_CHANNELS];
extern const int32_t offbeat_golden_features[OFFBEAT_MODEL_GOLDEN][OFFBEAT_MODEL_FEATURES];
extern const int32_t offbeat_golden_scores[OFFBEAT_MODEL_GOLDEN];
#endif

#ifdef __cplusplus
}
#endif

#endif
