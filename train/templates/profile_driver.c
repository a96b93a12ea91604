/* What a firmware does around offbeat, and no more: buffers, and one function for each call that is measured.
 * Compiled by `offbeat profile`; an emulator calls these functions, so there is neither startup code nor main(). */
#include "model.h"

#define CAPACITY (OFFBEAT_MODEL_WINDOW + OFFBEAT_MODEL_HOP)
#define IN_SECTION(name) __attribute__((section(name)))

IN_SECTION(".bss.samples") int16_t driver_frames[CAPACITY * OFFBEAT_MODEL_CHANNELS];
IN_SECTION(".bss.buffers") int32_t driver_values[OFFBEAT_MODEL_FEATURES];
IN_SECTION(".bss.buffers") static int16_t work[OFFBEAT_MODEL_WORK];
IN_SECTION(".bss.buffers") static int16_t vector[OFFBEAT_MODEL_VECTOR];
IN_SECTION(".bss.buffers") static offbeat_state state;

int32_t driver_init(int32_t unused);
int32_t driver_features(int32_t first);
int32_t driver_score(int32_t unused);
int32_t driver_decide(int32_t score);
int32_t driver_contribution(int32_t number);

int32_t driver_init(int32_t unused)
{
    (void)unused;
    return offbeat_init(&state, &offbeat_the_model, work, OFFBEAT_MODEL_WORK, vector, OFFBEAT_MODEL_VECTOR);
}

/* first: frame of the ring at which the window starts. */
int32_t driver_features(int32_t first)
{
    offbeat_features(&state, driver_frames, (uint16_t)first, CAPACITY, driver_values);
    return 0;
}

int32_t driver_score(int32_t unused)
{
    (void)unused;
    return offbeat_score(&state, driver_values);
}

int32_t driver_decide(int32_t score)
{
    return offbeat_decide(&state, score);
}

int32_t driver_contribution(int32_t number)
{
    return offbeat_contribution(&state, (uint8_t)number);
}
