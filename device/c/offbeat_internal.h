/* Shared by the runtime's own files; not for users. */
#ifndef OFFBEAT_INTERNAL_H
#define OFFBEAT_INTERNAL_H

#include "offbeat.h"

/* 1024 log2(value), 0 for 0; value below 2^46. */
int32_t offbeat_log2_q10(uint64_t value);

/* Hann window, transform and power of work[window], in place: afterwards bin k (1 to window/2 - 1) has the low
 * and high halves of its power at work[2k] and work[2k + 1]. */
void offbeat_spectrum(int16_t *work, const int16_t *sine, uint16_t window);

/* Sum of the power of some bins after offbeat_spectrum(). */
uint32_t offbeat_band(const int16_t *work, uint16_t first, uint16_t bins);

#endif
