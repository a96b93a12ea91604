/* Where frames come from: counts of all channels of one moment side by side. One file sensor_NAME.c implements it. */
#ifndef FIRMWARE_SENSOR_H
#define FIRMWARE_SENSOR_H

#include <stdint.h>

/* Prepare the sensor; what it held before is gone. */
void sensor_start(void);

/* Put the next frame, int16 [FIRMWARE_CHANNELS], into `frame`. Returns 1, or 0
 * while there is none; never waits. */
int sensor_read(int16_t *frame);

#endif
