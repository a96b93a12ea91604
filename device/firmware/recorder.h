/* Recording mode: raw frames as lines, for a stated number of seconds. */
#ifndef FIRMWARE_RECORDER_H
#define FIRMWARE_RECORDER_H

#include <stdint.h>

/* Begin to record `seconds`, 1 to 86400, from the next frame on. */
void recorder_start(uint32_t seconds);

int recorder_active(void);

/* Record a frame. Returns 1 when it was the last one. */
int recorder_take(const int16_t *frame);

/* Send the frames that are held. */
void recorder_flush(void);

void recorder_stop(void);

/* 1 where the sensor has not brought the frames in the time that they should take. */
int recorder_late(void);

#endif
