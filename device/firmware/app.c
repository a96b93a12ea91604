/* The main loop: sample, score, say so; listen in between. */
#include "app.h"

#include <stddef.h>

#include "board.h"
#include "recorder.h"
#include "sensor.h"
#include "startup.h"

#define HEALTH_PERIOD 10000U /* ms */
#define FRAMES_A_TURN 64U
#define BYTES_A_TURN 256U
#define REASONS 3U
#define PROTOCOL 1
#define CAPACITY (OFFBEAT_MODEL_WINDOW + OFFBEAT_MODEL_HOP) /* frames: sampling goes on while a window is scored */
#define SMALL 0x3FFFFFFFU /* counts are 30 bits wide on every board, as in MicroPython */

static int16_t work[OFFBEAT_MODEL_WORK];
static detector live;
static int scoring;
static int16_t ring[CAPACITY * OFFBEAT_MODEL_CHANNELS];
static uint32_t first;
static uint32_t filled;
static uint32_t windows;
static uint32_t last_health;
static uint32_t seconds_up;
static uint32_t rest_up;

int app_has_detector(void)
{
    return scoring;
}

int app_prepare(detector *one)
{
    return offbeat_init(&one->state, &offbeat_the_model, work, OFFBEAT_MODEL_WORK, one->vector, OFFBEAT_MODEL_VECTOR);
}

static const char *mode_name(void)
{
    const char *name = scoring ? "score" : "idle";

    return recorder_active() ? "record" : name;
}

static void say_mode(const char *why)
{
    line_begin("MODE");
    (void)line_text("mode", mode_name());
    (void)line_text("why", why);
    line_end();
}

void app_hello(int32_t sequence)
{
    for (uint8_t i = 0U; i < FIRMWARE_CHANNELS; i++) {
        line_begin("CHANNEL");
        line_number("i", i);
        (void)line_text("scale", firmware_channels[i].scale);
        (void)line_text("unit", firmware_channels[i].unit);
        (void)line_text("name", firmware_channels[i].name);
        line_end();
    }
    line_begin("HELLO");
    line_number("v", PROTOCOL);
    (void)line_text("fw", FIRMWARE_VERSION);
    (void)line_text("model", offbeat_the_model.identity);
    (void)line_text("rate", FIRMWARE_RATE);
    line_number("channels", FIRMWARE_CHANNELS);
    line_number("window", OFFBEAT_MODEL_WINDOW);
    line_number("hop", OFFBEAT_MODEL_HOP);
    line_number("line", (int32_t)LINE_LONGEST);
    line_number("viper", 0);
    (void)line_text("mode", mode_name());
    if (sequence >= 0) {
        line_number("re", sequence);
    }
    (void)line_text("board", FIRMWARE_BOARD);
    (void)line_text("id", FIRMWARE_ID);
    (void)line_text("sensor", FIRMWARE_SENSOR);
    line_end();
}

void app_health(int32_t sequence)
{
    const uint32_t now = board_milliseconds();

    rest_up += now - last_health;
    seconds_up += rest_up / 1000U;
    rest_up %= 1000U;
    last_health = now;
    line_begin("HEALTH");
    line_number("up", (int32_t)seconds_up);
    line_number("heap", (int32_t)memory_never_used());
    line_number("alloc", (int32_t)memory_used());
    line_number("windows", (int32_t)windows);
    line_number("lost", 0);
    line_number("bad", (int32_t)(commands_bad() & SMALL));
    if (sequence >= 0) {
        line_number("re", sequence);
    }
    line_end();
}

void app_flush_recording(void)
{
    recorder_flush();
}

void app_record(uint32_t seconds)
{
    recorder_start(seconds);
    say_mode("asked");
}

void app_stop_recording(const char *why)
{
    if (recorder_active()) {
        recorder_stop();
        filled = 0U; /* the frames before belong to another time */
        if (scoring) {
            offbeat_reset(&live.state);
        }
        say_mode(why);
    }
}

/* The features with the largest positive contributions, largest first; of equals, the first. Returns how many. */
static uint32_t reasons(uint8_t indices[REASONS], int32_t values[REASONS])
{
    uint32_t found = 0U;

    for (uint8_t j = 0U; j < OFFBEAT_MODEL_FEATURES; j++) {
        const int32_t value = offbeat_contribution(&live.state, j);
        uint32_t at = found;

        if (value <= 0) {
            continue;
        }
        while (at > 0U && values[at - 1U] < value) {
            if (at < REASONS) {
                values[at] = values[at - 1U];
                indices[at] = indices[at - 1U];
            }
            at--;
        }
        if (at < REASONS) {
            values[at] = value;
            indices[at] = j;
            found += found < REASONS ? 1U : 0U;
        }
    }
    return found;
}

static void say_alarm(int on)
{
    uint8_t indices[REASONS];
    int32_t values[REASONS];
    uint32_t found = on ? reasons(indices, values) : 0U;

    line_begin("ALARM");
    line_number("n", (int32_t)windows);
    line_number("on", on);
    line_number("s", live.state.score);
    for (uint32_t i = 0U; i < found; i++) {
        if (i == 0U) {
            line_number("why", indices[i]);
        } else {
            line_append(',', indices[i]);
        }
        line_append(':', values[i]);
    }
    for (uint32_t i = 0U; i < found; i++) {
        const int fits = i == 0U ? line_text("names", firmware_reason_names[indices[i]])
                                 : line_more(',', firmware_reason_names[indices[i]]);

        if (!fits) {
            break; /* the names that follow would stand in the place of this one */
        }
    }
    line_end();
}

static void score_window(void)
{
    const int before = live.state.alarm;
    const uint32_t start = board_microseconds();
    const int now = offbeat_window(&live.state, ring, (uint16_t)first, CAPACITY, live.features);
    const uint32_t spent = board_microseconds() - start;

    first += OFFBEAT_MODEL_HOP;
    first -= first >= CAPACITY ? CAPACITY : 0U;
    filled -= OFFBEAT_MODEL_HOP;
    line_begin("SCORE");
    line_number("n", (int32_t)windows);
    line_number("s", live.state.score);
    line_number("a", now);
    line_number("us", (int32_t)(spent & SMALL));
    line_end();
    if (now != before) {
        say_alarm(now);
    }
    windows = (windows + 1U) & SMALL;
}

static void take(const int16_t *frame)
{
    uint32_t at = first + filled;

    at -= at >= CAPACITY ? CAPACITY : 0U;
    for (uint32_t i = 0U; i < OFFBEAT_MODEL_CHANNELS; i++) {
        ring[at * OFFBEAT_MODEL_CHANNELS + i] = frame[i];
    }
    filled++;
    if (filled >= OFFBEAT_MODEL_WINDOW) {
        score_window();
    }
}

/* One turn: some frames, and the windows that they complete. Returns 1 when a frame was taken. */
static int step(void)
{
    static int16_t frame[FIRMWARE_CHANNELS];
    int taken = 0;

    for (uint32_t i = 0U; i < FRAMES_A_TURN && sensor_read(frame); i++) {
        taken = 1;
        if (recorder_active()) {
            if (recorder_take(frame)) {
                app_stop_recording("done");
            }
        } else if (scoring) {
            take(frame);
        } else {
            /* idle: the sensor is read all the same, so that a recording starts with fresh frames */
        }
    }
    if (board_milliseconds() - last_health >= HEALTH_PERIOD) {
        app_health(-1);
    }
    if (recorder_late()) {
        app_stop_recording("time");
    }
    return taken;
}

int main(void)
{
    board_start();
    sensor_start();
    scoring = FIRMWARE_WHY_IDLE[0] == '\0' && app_prepare(&live) == OFFBEAT_OK;
    last_health = board_milliseconds();
    app_hello(-1);
    say_mode(FIRMWARE_WHY_IDLE[0] == '\0' ? "start" : FIRMWARE_WHY_IDLE);
    app_health(-1);
    for (;;) {
        int busy = step();
        uint32_t heard = 0U;
        int16_t byte = board_read();

        while (byte >= 0 && heard < BYTES_A_TURN) {
            commands_feed((uint8_t)byte);
            heard++;
            byte = heard < BYTES_A_TURN ? board_read() : (int16_t)-1;
            busy = 1;
        }
        if (!busy) {
            board_wait();
        }
    }
}
