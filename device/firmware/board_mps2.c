/* Arm MPS2 boards as QEMU has them: AN385 (Cortex-M3), AN386 (M4) and AN500 (M7).
 *
 * Addresses and bits: Arm DAI 0385D, "Cortex-M3 SMM on V2M-MPS2", sections 3 and 4 (AN386 and AN500 have the same
 * peripherals); UART: Arm DDI 0479D, Cortex-M System Design Kit, section 4.3; SysTick: Arm DDI 0403E, section B3.3. */
#include "board.h"
#include "startup.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

#define UART_DATA REGISTER(0x40004000U)
#define UART_STATE REGISTER(0x40004004U) /* bit 0: transmitter full, bit 1: a byte was received */
#define UART_CONTROL REGISTER(0x40004008U) /* bits 0, 1: enable; bit 3: interrupt on receive */
#define UART_INTERRUPT REGISTER(0x4000400CU) /* writing a one clears; bit 1: receive */
#define UART_DIVIDER REGISTER(0x40004010U)

#define SYSTICK_CONTROL REGISTER(0xE000E010U)
#define SYSTICK_RELOAD REGISTER(0xE000E014U)
#define SYSTICK_VALUE REGISTER(0xE000E018U)
#define INTERRUPT_ENABLE REGISTER(0xE000E100U)

#define CLOCK 25000000U /* Hz */
#define A_MILLISECOND (CLOCK / 1000U)
#define BAUD 115200U

static volatile uint32_t milliseconds;

void systick_handler(void)
{
    milliseconds++;
}

/* UART 0 receive is interrupt 0. */
void interrupt_0_handler(void)
{
    UART_INTERRUPT = 2U;
    while ((UART_STATE & 2U) != 0U) {
        board_received((uint8_t)UART_DATA);
    }
}

void board_start(void)
{
    UART_DIVIDER = CLOCK / BAUD;
    UART_CONTROL = 0xBU;
    INTERRUPT_ENABLE = 1U;
    SYSTICK_RELOAD = A_MILLISECOND - 1U;
    SYSTICK_VALUE = 0U;
    SYSTICK_CONTROL = 7U; /* processor clock, interrupt, enable */
}

void board_write(uint8_t byte)
{
    while ((UART_STATE & 1U) != 0U) {
    }
    UART_DATA = byte;
}

uint32_t board_milliseconds(void)
{
    return milliseconds;
}

uint32_t board_microseconds(void)
{
    uint32_t whole;
    uint32_t part;

    do {
        whole = milliseconds;
        part = A_MILLISECOND - 1U - SYSTICK_VALUE;
    } while (whole != milliseconds);
    return whole * 1000U + part / (CLOCK / 1000000U);
}

void board_wait(void)
{
    __asm volatile("wfi");
}
