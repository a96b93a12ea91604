/* Lines out: one buffer, one field after the other, CRC-32 at the end. */
#include "board.h"
#include "checksum.h"
#include "line.h"

#define CHECK_LENGTH 10U /* blank, star, eight digits */
#define WIDEST 11U       /* characters of -2147483648 */

static char line[LINE_LONGEST];
static uint16_t length;
static uint16_t sequence;

static int has_room(uint32_t size)
{
    return length + size <= LINE_LONGEST - CHECK_LENGTH;
}

static uint16_t text_length(const char *text)
{
    uint16_t size = 0U;

    while (text[size] != '\0') {
        size++;
    }
    return size;
}

static void put(char character)
{
    if (has_room(1U)) {
        line[length] = character;
        length++;
    }
}

static void put_text(const char *text)
{
    while (*text != '\0') {
        put(*text);
        text++;
    }
}

static void put_number(int32_t value)
{
    char digits[WIDEST];
    uint8_t count = 0U;
    uint32_t rest = value < 0 ? 0U - (uint32_t)value : (uint32_t)value;

    do {
        digits[count] = (char)('0' + (char)(rest % 10U));
        rest /= 10U;
        count++;
    } while (rest != 0U);
    if (value < 0) {
        put('-');
    }
    while (count > 0U) {
        count--;
        put(digits[count]);
    }
}

void line_begin(const char *kind)
{
    length = 0U;
    put('~');
    put_text(kind);
    put(' ');
    put_number(sequence);
    sequence++;
}

static void put_key(const char *key)
{
    put(' ');
    put_text(key);
    put('=');
}

void line_number(const char *key, int32_t value)
{
    if (has_room(text_length(key) + 2U + WIDEST)) {
        put_key(key);
        put_number(value);
    }
}

void line_append(char separator, int32_t value)
{
    put(separator);
    put_number(value);
}

int line_text(const char *key, const char *value)
{
    if (!has_room(text_length(key) + 2U + text_length(value))) {
        return 0;
    }
    put_key(key);
    put_text(value);
    return 1;
}

int line_more(char separator, const char *value)
{
    if (!has_room(1U + text_length(value))) {
        return 0;
    }
    put(separator);
    put_text(value);
    return 1;
}

void line_base64(const char *key, const void *data, uint16_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *bytes = data;

    put_key(key);
    for (uint16_t at = 0U; at < size; at = (uint16_t)(at + 3U)) {
        const uint16_t left = (uint16_t)(size - at);
        const uint32_t second = left > 1U ? bytes[at + 1U] : 0U;
        const uint32_t third = left > 2U ? bytes[at + 2U] : 0U;
        const uint32_t group = ((uint32_t)bytes[at] << 16) | (second << 8) | third;

        put(digits[group >> 18]);
        put(digits[(group >> 12) & 63U]);
        put(left > 1U ? digits[(group >> 6) & 63U] : '=');
        put(left > 2U ? digits[group & 63U] : '=');
    }
}

void line_end(void)
{
    static const char hex[] = "0123456789abcdef";
    const uint32_t check = checksum(&line[1], (uint16_t)(length - 1U));

    for (uint16_t i = 0U; i < length; i++) {
        board_write((uint8_t)line[i]);
    }
    board_write((uint8_t)' ');
    board_write((uint8_t)'*');
    for (uint8_t digit = 0U; digit < 8U; digit++) {
        board_write((uint8_t)hex[(check >> (28U - 4U * digit)) & 15U]);
    }
    board_write((uint8_t)'\r');
    board_write((uint8_t)'\n');
}
