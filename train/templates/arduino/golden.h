// Windows of model {{ model.identity }} with the features and scores that the trainer found.
#ifndef GOLDEN_H
#define GOLDEN_H

#include <Offbeat.h>

#define GOLDEN {{ golden | length }}

static const int16_t goldenWindows[GOLDEN][OFFBEAT_MODEL_WINDOW * OFFBEAT_MODEL_CHANNELS] = {
{% for vector in golden %}
{
{{ vector.window | wrapped }}
},
{% endfor %}
};

static const int32_t goldenFeatures[GOLDEN][OFFBEAT_MODEL_FEATURES] = {
{% for vector in golden %}
{
{{ vector.features | wrapped }}
},
{% endfor %}
};

static const int32_t goldenScores[GOLDEN] = {
{% for vector in golden %}
    {{ vector.score }},
{% endfor %}
};

#endif
