/* The line protocol, docs/line-protocol.md: lines out, field by field, and lines in, checked and cut into words. */
#ifndef FIRMWARE_LINE_H
#define FIRMWARE_LINE_H

#include <stdint.h>

/* Longest line in either direction, without the line end. */
#define LINE_LONGEST 250U

/* A line out: begin, fields, end. A field that does not fit is left out. */
void line_begin(const char *kind);
void line_number(const char *key, int32_t value);
void line_append(char separator, int32_t value);
int line_text(const char *key, const char *value); /* 1, or 0 where it is left out */
int line_more(char separator, const char *value);  /* goes on with the last text; 1, or 0 where it is left out */
void line_base64(const char *key, const void *data, uint16_t size);
void line_end(void);

/* A line in. */
typedef struct {
    const char *kind;
    uint16_t sequence;
    const char *words; /* "key=value", each ended by a zero */
    uint16_t count;
} command_line;

typedef enum { LINE_OK, LINE_FOREIGN, LINE_BAD_FORM, LINE_BAD_CRC } line_verdict;

/* Take a line apart in place. text[length + 1], of which the last byte may be overwritten. */
line_verdict line_parse(char *text, uint16_t length, command_line *found);

/* The value of a field, or NULL. */
const char *line_field(const command_line *line, const char *key);

/* A field as a number of digits only. Returns 1, or 0 where it is missing, none, or above `most`. */
int line_field_number(const command_line *line, const char *key, uint32_t most, uint32_t *value);

/* Base64 (RFC 4648) to bytes. Returns how many, or -1 where it is not base64, or more than `room`. */
int32_t base64_decode(const char *text, uint8_t *data, uint16_t room);

/* Whether two texts are equal. */
int text_equal(const char *one, const char *other);

#endif
