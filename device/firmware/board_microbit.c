/* BBC micro:bit (Nordic nRF51822, Cortex-M0).
 *
 * Registers: nRF51 Series Reference Manual 3.0.1, chapters 18 (TIMER) and 29 (UART). Pins of the USB interface:
 * microbit.org hardware schematic 1.3b, TX P0.24 and RX P0.25. The nRF51 has no SysTick: timer 0 is the clock. */
#include "board.h"
#include "startup.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

#define UART(offset) REGISTER(0x40002000U + (offset))
#define UART_START_RECEIVE UART(0x000U)
#define UART_START_TRANSMIT UART(0x008U)
#define UART_RECEIVED UART(0x108U)
#define UART_TRANSMITTED UART(0x11CU)
#define UART_INTERRUPT_SET UART(0x304U) /* bit 2: a byte was received */
#define UART_ENABLE UART(0x500U)
#define UART_PIN_TX UART(0x50CU)
#define UART_PIN_RX UART(0x514U)
#define UART_RX UART(0x518U)
#define UART_TX UART(0x51CU)
#define UART_BAUD UART(0x524U)

#define TIMER(offset) REGISTER(0x40008000U + (offset))
#define TIMER_START TIMER(0x000U)
#define TIMER_CAPTURE_1 TIMER(0x044U)
#define TIMER_CAPTURE_2 TIMER(0x048U)
#define TIMER_COMPARED_0 TIMER(0x140U)
#define TIMER_INTERRUPT_SET TIMER(0x304U) /* bit 16: compare 0 */
#define TIMER_WIDTH TIMER(0x508U)
#define TIMER_PRESCALER TIMER(0x510U)
#define TIMER_COMPARE_0 TIMER(0x540U)
#define TIMER_COMPARE_1 TIMER(0x544U)
#define TIMER_COMPARE_2 TIMER(0x548U)

#define INTERRUPT_ENABLE REGISTER(0xE000E100U)
#define UART_NUMBER 2U
#define TIMER_NUMBER 8U
#define BAUD_115200 0x01D7E000U
#define WIDTH_32_BITS 3U
#define A_MILLISECOND 1000U /* the prescaler makes 1 MHz of 16 MHz */

static uint32_t milliseconds;
static uint32_t counted; /* microseconds that are in milliseconds already */
static uint8_t sent_before;

/* Wakes the processor. The next time counts from now: one that had passed would come again after 71 minutes. */
void interrupt_8_handler(void)
{
    TIMER_CAPTURE_2 = 1U;
    TIMER_COMPARE_0 = TIMER_COMPARE_2 + A_MILLISECOND;
    TIMER_COMPARED_0 = 0U;
}

void interrupt_2_handler(void)
{
    while (UART_RECEIVED != 0U) {
        UART_RECEIVED = 0U;
        board_received((uint8_t)UART_RX);
    }
}

void board_start(void)
{
    UART_PIN_TX = 24U;
    UART_PIN_RX = 25U;
    UART_BAUD = BAUD_115200;
    UART_ENABLE = 4U;
    UART_START_TRANSMIT = 1U;
    UART_START_RECEIVE = 1U;
    UART_RECEIVED = 0U;
    UART_INTERRUPT_SET = 1U << 2;
    TIMER_WIDTH = WIDTH_32_BITS;
    TIMER_PRESCALER = 4U;
    TIMER_COMPARE_0 = A_MILLISECOND;
    TIMER_INTERRUPT_SET = 1UL << 16;
    TIMER_START = 1U;
    INTERRUPT_ENABLE = (1U << UART_NUMBER) | (1U << TIMER_NUMBER);
}

void board_write(uint8_t byte)
{
    if (sent_before != 0U) {
        while (UART_TRANSMITTED == 0U) {
        }
    }
    sent_before = 1U;
    UART_TRANSMITTED = 0U;
    UART_TX = byte;
}

uint32_t board_microseconds(void)
{
    TIMER_CAPTURE_1 = 1U;
    return TIMER_COMPARE_1;
}

/* The main loop asks far more often than the counter wraps around. */
uint32_t board_milliseconds(void)
{
    const uint32_t passed = (board_microseconds() - counted) / A_MILLISECOND;

    milliseconds += passed;
    counted += passed * A_MILLISECOND;
    return milliseconds;
}

void board_wait(void)
{
    __asm volatile("wfi");
}
