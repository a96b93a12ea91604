/* An accelerometer that has samples for three windows of 32 frames, then ends the program. */
#include <stdlib.h>

#include <model.h>
#include <zephyr/drivers/sensor.h>
#include <zephyr/kernel.h>

const struct device stub_accelerometer = {"accel0"};
static int frames_left = OFFBEAT_MODEL_WINDOW + 2 * OFFBEAT_MODEL_HOP;

int sensor_sample_fetch(const struct device *dev)
{
    (void)dev;
    if (frames_left-- == 0) {
        exit(0);
    }
    return 0;
}

int sensor_channel_get(const struct device *dev, enum sensor_channel chan, struct sensor_value *val)
{
    int i;
    (void)dev;
    (void)chan;
    for (i = 0; i < 3; i++) {
        val[i].val1 = (frames_left * 7 + i) % 5;
        val[i].val2 = 0;
    }
    return 0;
}

int32_t k_usleep(int32_t us)
{
    (void)us;
    return 0;
}
