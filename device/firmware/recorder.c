#include "recorder.h"

#include "board.h"
#include "firmware_config.h"
#include "line.h"

#define BYTES_A_LINE 90U /* 120 characters of base64 */
#define FRAME (2U * FIRMWARE_CHANNELS)
#define FRAMES_A_LINE (BYTES_A_LINE / FRAME > 0U ? BYTES_A_LINE / FRAME : 1U)
#define PATIENCE 10000U /* ms beyond the time that the frames take */

static int16_t pending[FRAMES_A_LINE * FIRMWARE_CHANNELS];
static uint32_t held;
static uint32_t next_frame;
static uint64_t left;
static uint32_t deadline;
static int active;

void recorder_start(uint32_t seconds)
{
    left = (uint64_t)seconds * (FIRMWARE_MILLIHERTZ / 1000U) + (seconds * (FIRMWARE_MILLIHERTZ % 1000U) + 999U) / 1000U;
    deadline = board_milliseconds() + 1000U * seconds + PATIENCE;
    held = 0U;
    next_frame = 0U;
    active = 1;
}

int recorder_active(void)
{
    return active;
}

int recorder_take(const int16_t *frame)
{
    for (uint32_t i = 0U; i < FIRMWARE_CHANNELS; i++) {
        pending[held * FIRMWARE_CHANNELS + i] = frame[i];
    }
    held++;
    left--;
    if (held == FRAMES_A_LINE || left == 0U) {
        recorder_flush();
    }
    return left == 0U;
}

void recorder_flush(void)
{
    if (active && held > 0U) {
        line_begin("RAW");
        line_number("i", (int32_t)next_frame);
        line_base64("d", pending, (uint16_t)(held * FRAME));
        line_end();
        next_frame += held;
        held = 0U;
    }
}

void recorder_stop(void)
{
    recorder_flush();
    active = 0;
}

int recorder_late(void)
{
    return active && (int32_t)(board_milliseconds() - deadline) >= 0;
}
