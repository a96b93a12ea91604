/* Interrupt handlers that a board may define; startup.c puts them into the vector table. */
#ifndef FIRMWARE_STARTUP_H
#define FIRMWARE_STARTUP_H

#include <stdint.h>

void systick_handler(void);
void interrupt_0_handler(void);
void interrupt_2_handler(void);
void interrupt_8_handler(void);

/* RAM in bytes: what variables take for good; what lies between them and the deepest stack so far. */
uint32_t memory_used(void);
uint32_t memory_never_used(void);

#endif
