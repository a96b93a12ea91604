/* What the firmware needs of a board: a serial line, a clock, and sleep. One file board_NAME.c implements it. */
#ifndef FIRMWARE_BOARD_H
#define FIRMWARE_BOARD_H

#include <stdint.h>

/* Set up clock and serial line, and let their interrupts come. Call once, before the others. */
void board_start(void);

/* Send a byte; waits while the transmitter is full. */
void board_write(uint8_t byte);

/* The next byte received, 0 to 255, or -1 when there is none. */
int16_t board_read(void);

/* Time since board_start(); milliseconds wrap around after 49 days, microseconds after 71 minutes. */
uint32_t board_milliseconds(void);
uint32_t board_microseconds(void);

/* Sleep until something happens; returns within a millisecond. */
void board_wait(void);

/* For board_NAME.c: a byte has come in, called from its interrupt. A byte that finds no room is lost, and the line that
 * it belonged to will fail its checksum. */
void board_received(uint8_t byte);

#endif
