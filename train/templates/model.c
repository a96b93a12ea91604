/* Model {{ model.identity }} ({{ model.name | plain }}), made by `offbeat export --to c`, offbeat {{ version }}.
 * Generated: changes belong into the training, not here. */
#include <stddef.h>

#include "model.h"

static const offbeat_feature features[] = {
{% for kind, channel, first, bins in features %}
    {{ "{" }}{{ kind }}, {{ channel }}, {{ first }}, {{ bins }}}, /* {{ names[loop.index0] | plain }} */
{% endfor %}
};

{% if sine %}
static const int16_t sine[] = {
{{ sine | wrapped }}
};

/* Of three points of a butterfly each: cosine in the low half, sine in the high one, from the table above. */
static const uint32_t twiddles[] = {
{{ twiddles | wrapped }}
};

{% endif %}
static const offbeat_scale scales[] = {
{% for scale in scales %}
    {{ "{" }}{{ scale.center }}, {{ scale.multiplier }}, {{ scale.first_shift }}, {{ scale.second_shift }}},
{% endfor %}
};

{% if slew %}
static const uint16_t slew[] = {
{{ slew | wrapped }}
};

{% endif %}
/* {{ family }}, laid out as in the model file. */
OFFBEAT_ALIGNED static const int16_t parameters[] = {
{{ parameters | wrapped }}
};

/* An array of its own, so that a linker can leave out strings that nothing uses. */
static const char identity[] = "{{ model.identity }}";

const offbeat_model offbeat_the_model = {
    identity,
    {{ model.rate_millihertz }},
    {{ model.window }},
    {{ model.hop }},
    {{ channels | length }},
    {{ features | length }},
    {{ room }},
    OFFBEAT_MODEL_WORK,
    features,
    {{ "sine" if sine else "NULL" }},
    {{ "twiddles" if sine else "NULL" }},
    scales,
    {{ "slew" if slew else "NULL" }},
    {{ "{" }}{{ decision.k }}, {{ decision.n }}, {{ decision.release }}, {{ decision.holdoff }}},
    &offbeat_{{ family }},
    parameters,
    {{ parameters | length }},
    {{ model.family }},
    {{ format }} /* of the arithmetic and of this file, which the runtime compares with its own */
};

#ifdef OFFBEAT_NAMES
const char *const offbeat_channel_names[OFFBEAT_MODEL_CHANNELS] = {
{% for name in channels %}
    "{{ name | plain }}",
{% endfor %}
};

const char *const offbeat_feature_names[OFFBEAT_MODEL_FEATURES] = {
{% for name in names %}
    "{{ name | plain }}",
{% endfor %}
};

const char *const offbeat_reason_names[OFFBEAT_MODEL_FEATURES] = {
{% for name in reason_names %}
    "{{ name | plain }}",
{% endfor %}
};
#endif
{% if golden %}

#ifdef OFFBEAT_GOLDEN
const int16_t offbeat_golden_windows[OFFBEAT_MODEL_GOLDEN][OFFBEAT_MODEL_WINDOW * OFFBEAT_MODEL_CHANNELS] = {
{% for vector in golden %}
{
{{ vector.window | wrapped }}
},
{% endfor %}
};

const int32_t offbeat_golden_features[OFFBEAT_MODEL_GOLDEN][OFFBEAT_MODEL_FEATURES] = {
{% for vector in golden %}
{
{{ vector.features | wrapped }}
},
{% endfor %}
};

const int32_t offbeat_golden_scores[OFFBEAT_MODEL_GOLDEN] = {
{% for vector in golden %}
    {{ vector.score }},
{% endfor %}
};
#endif
{% endif %}
