/* What the host may ask of a board: hello, health, recording, validation, the time a window takes, self-test. Garbage
 * costs a counter and, at most once a second, a NAK. */
#include <stddef.h>

#include "app.h"
#include "board.h"

#define LONGEST_RECORDING 86400U /* s */
#define FEATURES_A_LINE 24U
#define A_SECOND 1000U

static char input[LINE_LONGEST + 1U];
static uint16_t length;
static int overlong;
static uint32_t bad;
static uint32_t last_complaint;
static int complained;

/* What the host sends is scored apart from the live windows. */
static detector bench;
static int bench_ready;
static int16_t window[OFFBEAT_MODEL_WINDOW * OFFBEAT_MODEL_CHANNELS];
static int window_sent;
static uint32_t last_run;
static int has_run;
static uint32_t spent;

static void answer(const char *kind, uint16_t sequence)
{
    line_begin(kind);
    line_number("re", sequence);
}

static void refuse(uint16_t sequence, const char *why)
{
    answer("NAK", sequence);
    (void)line_text("why", why);
    line_end();
}

static void complain(const char *why)
{
    const uint32_t now = board_milliseconds();

    bad++;
    if (!complained || now - last_complaint >= A_SECOND) {
        complained = 1;
        last_complaint = now;
        refuse(0U, why);
    }
}

uint32_t commands_bad(void)
{
    return bad;
}

static void record(const command_line *line)
{
    uint32_t seconds = 0U;

    if (!line_field_number(line, "seconds", LONGEST_RECORDING, &seconds) || seconds == 0U) {
        refuse(line->sequence, "field");
        return;
    }
    app_flush_recording();
    answer("ACK", line->sequence);
    (void)line_text("rate", FIRMWARE_RATE);
    line_number("channels", FIRMWARE_CHANNELS);
    line_end();
    app_record(seconds);
}

static void take_window(const command_line *line)
{
    const char *text = line_field(line, "d");
    uint32_t offset = 0U;
    int32_t size;
    /* Decoded apart, so that a line that is refused leaves the window as it was. */
    uint8_t part[LINE_LONGEST];

    if (!app_has_detector()) {
        refuse(line->sequence, "model");
        return;
    }
    size = text == NULL ? -1 : base64_decode(text, part, sizeof part);
    if (size < 0 || (size & 1) != 0 || !line_field_number(line, "o", sizeof window, &offset) || (offset & 1U) != 0U
        || offset + (uint32_t)size > sizeof window) {
        refuse(line->sequence, "field");
        return;
    }
    for (uint32_t i = 0U; i < (uint32_t)size / 2U; i++) {
        window[offset / 2U + i] = (int16_t)(uint16_t)(part[2U * i] | ((uint32_t)part[2U * i + 1U] << 8));
    }
    window_sent = 1;
    has_run = 0;
    answer("ACK", line->sequence);
    line_number("o", (int32_t)offset);
    line_end();
}

static int prepare_bench(void)
{
    if (!bench_ready) {
        bench_ready = app_prepare(&bench) == OFFBEAT_OK;
    }
    return bench_ready;
}

static void run(const command_line *line)
{
    uint32_t n = 0U;
    const char *reset = line_field(line, "reset");

    if (!line_field_number(line, "n", (1UL << 30) - 1U, &n)) {
        refuse(line->sequence, "field");
        return;
    }
    if (!app_has_detector() || !prepare_bench()) {
        refuse(line->sequence, "model");
        return;
    }
    if (!window_sent) {
        refuse(line->sequence, "window");
        return;
    }
    if (!has_run || n != last_run) { /* the same number again asks for lines that were lost, not for another score */
        uint32_t start;

        if (reset != NULL && text_equal(reset, "1")) {
            offbeat_reset(&bench.state);
        }
        start = board_microseconds();
        offbeat_features(&bench.state, window, 0U, OFFBEAT_MODEL_WINDOW, bench.features);
        (void)offbeat_score(&bench.state, bench.features);
        spent = board_microseconds() - start;
        last_run = n;
        has_run = 1;
    }
    for (uint32_t first = 0U; first < OFFBEAT_MODEL_FEATURES; first += FEATURES_A_LINE) {
        const uint32_t left = OFFBEAT_MODEL_FEATURES - first;
        const uint32_t count = left < FEATURES_A_LINE ? left : FEATURES_A_LINE;

        line_begin("FEATURES");
        line_number("n", (int32_t)n);
        line_number("o", (int32_t)first);
        line_base64("d", &bench.features[first], (uint16_t)(4U * count));
        line_end();
    }
    answer("RESULT", line->sequence);
    line_number("n", (int32_t)n);
    line_number("s", bench.state.score);
    line_number("us", (int32_t)(spent & 0x3FFFFFFFU));
    line_number("features", OFFBEAT_MODEL_FEATURES);
    line_end();
}

/* Score the window that was sent once more, by the clock; sampling waits no longer than for a window. */
static void time_window(const command_line *line)
{
    uint32_t start;
    uint32_t computed;
    uint32_t judged;

    if (!app_has_detector() || !prepare_bench()) {
        refuse(line->sequence, "model");
        return;
    }
    if (!window_sent) {
        refuse(line->sequence, "window");
        return;
    }
    has_run = 0; /* the features and score that RUN would say again are no longer there */
    start = board_microseconds();
    offbeat_features(&bench.state, window, 0U, OFFBEAT_MODEL_WINDOW, bench.features);
    computed = board_microseconds();
    (void)offbeat_score(&bench.state, bench.features);
    judged = board_microseconds();
    answer("ACK", line->sequence);
    line_number("features", (int32_t)((computed - start) & 0x3FFFFFFFU));
    line_number("model", (int32_t)((judged - computed) & 0x3FFFFFFFU));
    line_number("taken", 0);
    line_end();
}

static void self_test(const command_line *line)
{
    int32_t passed = 0;

    if (!app_has_detector() || !prepare_bench()) {
        refuse(line->sequence, "model");
        return;
    }
#if OFFBEAT_MODEL_GOLDEN > 0
    {
        /* The bench's features may be asked for again. */
        static int32_t found[OFFBEAT_MODEL_FEATURES];
        static detector tester;

        if (app_prepare(&tester) == OFFBEAT_OK) {
            for (uint32_t i = 0U; i < OFFBEAT_MODEL_GOLDEN; i++) {
                if (offbeat_self_test(&tester.state, offbeat_golden_windows[i], offbeat_golden_features[i],
                                      offbeat_golden_scores[i], found)
                    == OFFBEAT_OK) {
                    passed++;
                }
            }
        }
    }
#endif
    answer("ACK", line->sequence);
    line_number("passed", passed);
    line_number("of", OFFBEAT_MODEL_GOLDEN);
    line_end();
}

static void stop(const command_line *line)
{
    app_stop_recording("stopped");
    answer("ACK", line->sequence);
    line_end();
}

static void hello(const command_line *line)
{
    app_hello(line->sequence);
}

static void health(const command_line *line)
{
    app_health(line->sequence);
}

typedef struct {
    const char *kind;
    void (*carry_out)(const command_line *line);
} command;

static const command commands[] = {
    {"HELLO", hello}, {"HEALTH", health}, {"RECORD", record}, {"STOP", stop}, {"WINDOW", take_window},
    {"RUN", run}, {"BENCH", time_window}, {"SELFTEST", self_test},
};

static void carry_out(void)
{
    command_line line;
    const line_verdict verdict = line_parse(input, length, &line);

    if (verdict == LINE_BAD_CRC) {
        complain("crc");
    } else if (verdict == LINE_BAD_FORM) {
        complain("form");
    } else if (verdict == LINE_OK) {
        for (uint32_t i = 0U; i < sizeof commands / sizeof commands[0]; i++) {
            if (text_equal(line.kind, commands[i].kind)) {
                commands[i].carry_out(&line);
                return;
            }
        }
        refuse(line.sequence, "unknown");
    } else {
        /* without our mark: somebody else's line */
    }
}

void commands_feed(uint8_t byte)
{
    if (byte == (uint8_t)'\n' || byte == (uint8_t)'\r') {
        if (overlong) {
            complain("long");
        } else if (length > 0U) {
            carry_out();
        } else {
            /* an empty line */
        }
        length = 0U;
        overlong = 0;
    } else if (length < LINE_LONGEST) {
        input[length] = (char)byte;
        length++;
    } else {
        overlong = 1;
    }
}
