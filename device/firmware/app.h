/* The board's state, shared by the main loop and the commands that it carries out between windows. */
#ifndef FIRMWARE_APP_H
#define FIRMWARE_APP_H

#include <stdint.h>

#include "firmware_config.h"
#include "line.h"
#include "model.h"

/* A detector with memory of its own. */
typedef struct {
    offbeat_state state;
    int16_t vector[OFFBEAT_MODEL_VECTOR];
    int32_t features[OFFBEAT_MODEL_FEATURES];
} detector;

/* Lines that tell how the board is. sequence: of the line answered, or -1. */
void app_hello(int32_t sequence);
void app_health(int32_t sequence);

/* Recording mode, announced; it ends by itself. */
void app_record(uint32_t seconds);
void app_flush_recording(void);
void app_stop_recording(const char *why);

/* 1 where the model fits the sensor, and windows are scored. */
int app_has_detector(void);

/* Prepare a detector, with nothing remembered. Returns OFFBEAT_OK or an error of offbeat_init(). */
int app_prepare(detector *one);

/* One byte of input. */
void commands_feed(uint8_t byte);

/* Lines heard that were damaged. */
uint32_t commands_bad(void);

#endif
