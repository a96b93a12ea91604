/* Lines in: form, checksum, words. What comes may be anything. */
#include <stddef.h>

#include "checksum.h"
#include "line.h"

#define SHORTEST 14U /* ~K 0 *00000000 */
#define CHECK_LENGTH 10U

int text_equal(const char *one, const char *other)
{
    while (*one != '\0' && *one == *other) {
        one++;
        other++;
    }
    return *one == *other;
}

static int is_digit(char character)
{
    return character >= '0' && character <= '9';
}

/* Digits only, to the end of the text. Returns 1, or 0 where it is none or above `most`. */
static int number(const char *text, uint32_t most, uint32_t *value)
{
    uint32_t found = 0U;

    if (*text == '\0') {
        return 0;
    }
    for (; *text != '\0'; text++) {
        const uint32_t digit = (uint32_t)(*text - '0');

        if (!is_digit(*text) || found > (most - digit) / 10U || digit > most) {
            return 0;
        }
        found = found * 10U + digit;
    }
    *value = found;
    return 1;
}

static int check_agrees(const char *text, uint16_t length)
{
    uint32_t said = 0U;

    for (uint8_t i = 0U; i < 8U; i++) {
        const char digit = text[length - 8U + i];
        uint32_t value;

        if (is_digit(digit)) {
            value = (uint32_t)(digit - '0');
        } else if (digit >= 'a' && digit <= 'f') {
            value = (uint32_t)(digit - 'a') + 10U;
        } else {
            return 0;
        }
        said = (said << 4) | value;
    }
    return said == checksum(&text[1], (uint16_t)(length - 1U - CHECK_LENGTH));
}

/* End each word by a zero, closing up where several blanks stand; returns how many there are. */
static uint16_t cut(char *text, uint16_t length)
{
    uint16_t to = 0U;
    uint16_t words = 0U;

    for (uint16_t from = 0U; from < length; from++) {
        if (text[from] != ' ') {
            text[to] = text[from];
            to++;
        } else if (to > 0U && text[to - 1U] != '\0') {
            text[to] = '\0';
            to++;
            words++;
        } else {
            /* a further blank */
        }
    }
    if (to > 0U && text[to - 1U] != '\0') {
        text[to] = '\0';
        words++;
    }
    return words;
}

static const char *next_word(const char *word)
{
    while (*word != '\0') {
        word++;
    }
    return &word[1];
}

static int has_key(const char *word)
{
    const char *at = word;

    while (*at != '\0' && *at != '=') {
        at++;
    }
    return at != word && *at == '=';
}

/* A sequence number of any length, modulo 65536. Returns 1, or 0 where it is none. */
static int sequence_number(const char *text, uint16_t *value)
{
    uint32_t found = 0U;

    if (*text == '\0') {
        return 0;
    }
    for (; *text != '\0'; text++) {
        if (!is_digit(*text)) {
            return 0;
        }
        found = (found * 10U + (uint32_t)(*text - '0')) & 0xFFFFU;
    }
    *value = (uint16_t)found;
    return 1;
}

static int all_have_keys(const command_line *line)
{
    const char *word = line->words;

    for (uint16_t i = 0U; i < line->count; i++) {
        if (!has_key(word)) {
            return 0;
        }
        word = next_word(word);
    }
    return 1;
}

line_verdict line_parse(char *text, uint16_t length, command_line *found)
{
    uint16_t body;

    if (length == 0U || text[0] != '~') {
        return LINE_FOREIGN;
    }
    if (length < SHORTEST || text[length - 10U] != ' ' || text[length - 9U] != '*') {
        return LINE_BAD_FORM;
    }
    body = (uint16_t)(length - 1U - CHECK_LENGTH);
    for (uint16_t i = 1U; i <= body; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return LINE_BAD_FORM;
        }
    }
    if (!check_agrees(text, length)) {
        return LINE_BAD_CRC;
    }
    found->count = cut(&text[1], body);
    found->kind = &text[1];
    if (found->count < 2U || !sequence_number(next_word(found->kind), &found->sequence)) {
        return LINE_BAD_FORM;
    }
    found->words = next_word(next_word(found->kind));
    found->count = (uint16_t)(found->count - 2U);
    return all_have_keys(found) ? LINE_OK : LINE_BAD_FORM;
}

const char *line_field(const command_line *line, const char *key)
{
    const char *word = line->words;
    const char *value = NULL;

    for (uint16_t i = 0U; i < line->count; i++) {
        uint16_t at = 0U;

        while (key[at] != '\0' && word[at] == key[at]) {
            at++;
        }
        if (key[at] == '\0' && word[at] == '=') {
            value = &word[at + 1U]; /* the last one counts, as in a dictionary */
        }
        word = next_word(word);
    }
    return value;
}

int line_field_number(const command_line *line, const char *key, uint32_t most, uint32_t *value)
{
    const char *text = line_field(line, key);

    return text != NULL && number(text, most, value);
}

static int32_t base64_digit(char character)
{
    if (character >= 'A' && character <= 'Z') {
        return character - 'A';
    }
    if (character >= 'a' && character <= 'z') {
        return character - 'a' + 26;
    }
    if (is_digit(character)) {
        return character - '0' + 52;
    }
    if (character == '+') {
        return 62;
    }
    return character == '/' ? 63 : -1;
}

int32_t base64_decode(const char *text, uint8_t *data, uint16_t room)
{
    uint32_t bits = 0U;
    uint16_t count = 0U;
    uint16_t characters = 0U;
    uint16_t padding = 0U;

    for (; *text != '\0'; text++) {
        const int32_t digit = base64_digit(*text);

        characters++;
        if (*text == '=') {
            padding++;
            continue;
        }
        if (digit < 0 || padding > 0U) {
            return -1;
        }
        bits = (bits << 6) | (uint32_t)digit;
        if (characters % 4U != 1U) {
            if (count == room) {
                return -1;
            }
            data[count] = (uint8_t)(bits >> (6U - 2U * ((characters - 1U) % 4U)));
            count++;
        }
    }
    return characters % 4U == 0U && padding <= 2U ? (int32_t)count : -1;
}
