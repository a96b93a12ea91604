/* From reset to main(): the vector table, variables, and a painted stack whose depth can be told later.
 *
 * Vector table: Armv6-M (Arm DDI 0419E) and Armv7-M (DDI 0403E) Architecture Reference Manuals, section B1.5. */
#include "startup.h"

#include <stddef.h>

#define PAINT 0xA5A5A5A5U

typedef void (*handler)(void);

/* Names that the linker script defines; their addresses are what they say. */
extern uint32_t firmware_data_load[];
extern uint32_t firmware_data_start[];
extern uint32_t firmware_data_end[];
extern uint32_t firmware_bss_end[];
extern uint32_t firmware_stack_top[];

int main(void);
void reset_handler(void);
static void halt(void);

/* A fault stops the board with everything in place for a debugger, as no answer is better than a wrong one. */
static void halt(void)
{
    for (;;) {
    }
}

void systick_handler(void) __attribute__((weak, alias("unused_handler")));
void interrupt_0_handler(void) __attribute__((weak, alias("unused_handler")));
void interrupt_2_handler(void) __attribute__((weak, alias("unused_handler")));
void interrupt_8_handler(void) __attribute__((weak, alias("unused_handler")));
void unused_handler(void);

void unused_handler(void)
{
    halt();
}

typedef struct {
    uint32_t *stack_top;
    handler handlers[15 + 32];
} vector_table;

extern const vector_table vectors;

__attribute__((section(".vectors"), used)) const vector_table vectors = {
    firmware_stack_top,
    {
        reset_handler, halt, halt, halt, halt, halt, NULL, NULL, NULL, NULL, halt, halt, NULL, halt, systick_handler,
        interrupt_0_handler, halt, interrupt_2_handler, halt, halt, halt, halt, halt, interrupt_8_handler,
    },
};

void reset_handler(void)
{
    const uint32_t *from = firmware_data_load;
    uint32_t *to = firmware_data_start;
    uint32_t *const here = (uint32_t *)__builtin_frame_address(0) - 16; /* this function's own frame stays whole */

    while (to < firmware_data_end) {
        *to = *from;
        to++;
        from++;
    }
    while (to < firmware_bss_end) {
        *to = 0U;
        to++;
    }
    while (to < here) {
        *to = PAINT;
        to++;
    }
    (void)main();
    halt();
}

uint32_t memory_used(void)
{
    return (uint32_t)((uintptr_t)firmware_bss_end - (uintptr_t)firmware_data_start);
}

uint32_t memory_never_used(void)
{
    const volatile uint32_t *at = firmware_bss_end;
    uint32_t words = 0U;

    while (at[words] == PAINT) {
        words++;
    }
    return 4U * words;
}

/* Compilers call these for loops and structures, and there is no library. */
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
void *memmove(void *to, const void *from, size_t size);

void *memcpy(void *to, const void *from, size_t size)
{
    uint8_t *target = to;
    const uint8_t *source = from;

    for (size_t i = 0; i < size; i++) {
        target[i] = source[i];
    }
    return to;
}

void *memset(void *to, int value, size_t size)
{
    uint8_t *target = to;

    for (size_t i = 0; i < size; i++) {
        target[i] = (uint8_t)value;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    uint8_t *target = to;
    const uint8_t *source = from;

    if ((uintptr_t)to <= (uintptr_t)from) {
        return memcpy(to, from, size);
    }
    for (size_t i = size; i > 0U; i--) {
        target[i - 1U] = source[i - 1U];
    }
    return to;
}
