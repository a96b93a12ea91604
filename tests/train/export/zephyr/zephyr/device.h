/* Stand-in for Zephyr's header, as much as the sample uses. */
#ifndef STUB_DEVICE_H
#define STUB_DEVICE_H
struct device {
    const char *name;
};
extern const struct device stub_accelerometer;
#ifdef NO_ACCELEROMETER
#define DT_NODE_EXISTS(node) 0
#else
#define DT_NODE_EXISTS(node) 1
#endif
#define DT_ALIAS(name) name
#define DEVICE_DT_GET(node) (&stub_accelerometer)
#endif
