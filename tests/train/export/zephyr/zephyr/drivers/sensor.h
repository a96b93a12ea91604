/* Stand-in for Zephyr's header, as much as the sample uses. */
#ifndef STUB_SENSOR_H
#define STUB_SENSOR_H
#include <stdint.h>
#include <zephyr/device.h>
struct sensor_value {
    int32_t val1;
    int32_t val2;
};
enum sensor_channel { SENSOR_CHAN_ACCEL_XYZ = 3 };
int sensor_sample_fetch(const struct device *dev);
int sensor_channel_get(const struct device *dev, enum sensor_channel chan, struct sensor_value *val);
/* As Zephyr has it: micro-g of a value in m/s^2. */
static inline int32_t sensor_ms2_to_ug(const struct sensor_value *ms2)
{
    const int64_t micro_ms2 = ms2->val1 * INT64_C(1000000) + ms2->val2;
    return (int32_t)((micro_ms2 * INT64_C(1000000)) / INT64_C(9806650));
}
#endif
