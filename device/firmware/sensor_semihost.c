/* A sensor that the emulator's host feeds: a ring of frames in the file sensor.ring, read through semihosting.
 *
 * The file: how many frames were written (uint32), how many were taken (uint32), then SLOTS frames of int16, all
 * little-endian; frame n lies in slot n modulo SLOTS. Its writer waits while the ring is full, so none is lost.
 * Semihosting: Arm IHI 0115, "Semihosting for AArch32 and AArch64", operations 0x01, 0x05, 0x06, 0x0A. */
#include "sensor.h"

#include "firmware_config.h"

#define SLOTS 1024U /* a power of two */
#define HEADER 8U
#define BATCH 16U
#define FRAME (2U * FIRMWARE_CHANNELS)

enum { OPEN = 0x01, WRITE = 0x05, READ = 0x06, SEEK = 0x0A, OPEN_FOR_UPDATE = 3 };

static const char path[] = "sensor.ring";
static uint32_t file;
static uint32_t written;
static uint32_t taken;
static uint32_t held_from;
static uint32_t held;
static int16_t frames[BATCH * FIRMWARE_CHANNELS];

static uint32_t semihost(uint32_t operation, const volatile uint32_t *arguments)
{
    register uint32_t first __asm("r0") = operation;
    register const volatile uint32_t *second __asm("r1") = arguments;

    __asm volatile("bkpt 0xAB" : "+r"(first) : "r"(second) : "memory");
    return first;
}

static void transfer(uint32_t operation, uint32_t at, void *data, uint32_t size)
{
    const volatile uint32_t where[2] = {file, at};
    const volatile uint32_t what[3] = {file, (uint32_t)(uintptr_t)data, size};

    (void)semihost(SEEK, where);
    (void)semihost(operation, what);
}

void sensor_start(void)
{
    const volatile uint32_t arguments[3] = {(uint32_t)(uintptr_t)path, OPEN_FOR_UPDATE, sizeof path - 1U};

    file = semihost(OPEN, arguments);
    transfer(READ, 0U, &written, sizeof written);
    taken = written;
    held = 0U;
    transfer(WRITE, 4U, &taken, sizeof taken);
}

static void fetch(void)
{
    uint32_t count;
    uint32_t slot;

    transfer(READ, 0U, &written, sizeof written);
    count = written - taken;
    slot = taken & (SLOTS - 1U);
    if (count > BATCH) {
        count = BATCH;
    }
    if (count > SLOTS - slot) {
        count = SLOTS - slot;
    }
    if (count > 0U) {
        transfer(READ, HEADER + slot * FRAME, frames, count * FRAME);
        taken += count;
        transfer(WRITE, 4U, &taken, sizeof taken);
    }
    held_from = 0U;
    held = count;
}

int sensor_read(int16_t *frame)
{
    if (held == 0U) {
        fetch();
    }
    if (held == 0U) {
        return 0;
    }
    for (uint32_t i = 0U; i < FIRMWARE_CHANNELS; i++) {
        frame[i] = frames[held_from * FIRMWARE_CHANNELS + i];
    }
    held_from++;
    held--;
    return 1;
}
