/* Shared by the runtime's own files; not for users. */
#ifndef OFFBEAT_INTERNAL_H
#define OFFBEAT_INTERNAL_H

#include "offbeat.h"

/* Before a loop: Clang would unroll it at -O2, which triples the code for a few percent of speed. */
#ifdef __clang__
#define ROLLED _Pragma("clang loop unroll(disable)")
#else
#define ROLLED
#endif

/* What the features of one channel share. */
typedef struct {
    int32_t mean;        /* 1/16 count */
    int32_t exponent;    /* normalised = centred * 2^exponent */
    int32_t highest;     /* counts */
    int32_t lowest;      /* counts */
    int32_t differences; /* sum of absolute differences, counts */
    int32_t crossings;   /* where a feature asks for them */
    int32_t peak;        /* of the normalised samples */
    uint64_t energy;     /* sum of the normalised samples' squares */
    uint64_t fourth;     /* sum of (square >> 12)^2 */
} offbeat_channel;

/* Saturate to -limit .. limit. */
int32_t offbeat_clamp(int32_t value, int32_t limit);

/* A distance (0 to 2^30 - 1) on the score scale, where 256 is the threshold; reduce 0 to 30, gain 0 to 32767. */
int32_t offbeat_scaled(int32_t distance, int16_t reduce, int16_t gain);

/* The same for a part of a distance, which may be negative. */
int32_t offbeat_signed_scaled(int32_t part, int16_t reduce, int16_t gain);

/* Bits of value, 0 for 0. */
int32_t offbeat_bit_length(uint32_t value);

/* 1024 log2(value), 0 for 0; value below 2^46. */
int32_t offbeat_log2_q10(uint64_t value);

/* Copy one channel's window out of the ring into work[window], and find its mean, extremes, differences and exponent. */
void offbeat_scan(const offbeat_state *state, const int16_t *frames, uint16_t first, uint16_t capacity, uint8_t number,
                  int16_t *work, offbeat_channel *channel);

/* How often the counts in work cross their mean (1/16 count). */
int32_t offbeat_crossings(const int16_t *work, uint16_t window, int32_t mean);

/* Correlation of the counts in work and other, 4096 = 1; neither channel is constant. */
int32_t offbeat_correlation(const int16_t *work, const offbeat_channel *channel, const int16_t *other,
                            const offbeat_channel *second, uint16_t window);

/* Find peak, energy and fourth power of the counts in work. With a sine table, leave the normalised samples there
 * under a Hann window; without one (NULL), work stays as it is. */
void offbeat_normalise(int16_t *work, uint16_t window, const int16_t *sine, offbeat_channel *channel);

/* Transform work[window], in place: afterwards bin k (1 to window/2 - 1) has the low and high halves of its power
 * at work[2k] and work[2k + 1]. */
void offbeat_spectrum(int16_t *work, const int16_t *sine, uint16_t window);

/* Sum of the power of some bins after offbeat_spectrum(). */
uint32_t offbeat_band(const int16_t *work, uint16_t first, uint16_t bins);

#endif
