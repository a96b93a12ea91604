/* Stand-in for Zephyr's header, as much as the sample uses. */
#ifndef STUB_KERNEL_H
#define STUB_KERNEL_H
#include <stdint.h>
int32_t k_usleep(int32_t us);
#endif
