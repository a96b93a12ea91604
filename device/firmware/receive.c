/* Bytes between the receive interrupt and the main loop. */
#include "board.h"

/* A power of two, so that no index needs a division; two of the longest lines. */
#define ROOM 512U

static volatile uint8_t bytes[ROOM];
static volatile uint16_t head;
static volatile uint16_t tail;

void board_received(uint8_t byte)
{
    const uint16_t next = (uint16_t)((head + 1U) & (ROOM - 1U));

    if (next != tail) {
        bytes[head] = byte;
        head = next;
    }
}

int16_t board_read(void)
{
    const uint16_t at = tail;
    int16_t byte = -1;

    if (at != head) {
        byte = (int16_t)bytes[at];
        tail = (uint16_t)((at + 1U) & (ROOM - 1U));
    }
    return byte;
}
