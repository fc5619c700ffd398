/*
 * Answers are written straight into a buffer: an answer may hold thousands of numbers, and a tree of
 * them would cost more than the query.
 *
 * Invariants:
 * 1. has_item[depth] says whether the open container already has an item, so a comma comes first;
 * 2. after_key is true only between json_key() and its value, which takes no comma;
 * 3. a failed allocation is the buffer's to remember: nothing here checks it.
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_writer.h"
#include "utf8.h"

#define INTEGRAL_MAX 9007199254740992.0 /* 2^53 */

void json_writer_init(struct json_writer *w, struct buffer *out)
{
    *w = (struct json_writer){.out = out};
}

/* What precedes a value or a key: a comma where an item is already there. */
static void separate(struct json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->has_item[w->depth])
        buffer_add(w->out, ",", 1);
    w->has_item[w->depth] = true;
}

static void open_container(struct json_writer *w, const char *bracket)
{
    separate(w);
    assert(w->depth + 1 < JSON_DEPTH_MAX);
    w->depth++;
    w->has_item[w->depth] = false;
    buffer_add(w->out, bracket, 1);
}

static void close_container(struct json_writer *w, const char *bracket)
{
    assert(w->depth > 0 && !w->after_key);
    w->depth--;
    buffer_add(w->out, bracket, 1);
}

void json_object_begin(struct json_writer *w)
{
    open_container(w, "{");
}

void json_object_end(struct json_writer *w)
{
    close_container(w, "}");
}

void json_array_begin(struct json_writer *w)
{
    open_container(w, "[");
}

void json_array_end(struct json_writer *w)
{
    close_container(w, "]");
}

/* The escape of the UTF-8 sequence at s (size bytes, 0: invalid), or NULL if it stands for itself. */
static const char *escape_of(const char *s, size_t size, char out[8])
{
    unsigned char c = (unsigned char)s[0];
    if (size == 0)
        return "\\ufffd";
    if (size == 3 && c == 0xe2 && (unsigned char)s[1] == 0x80) { /* line ends to a JavaScript reader */
        if ((unsigned char)s[2] == 0xa8)
            return "\\u2028";
        if ((unsigned char)s[2] == 0xa9)
            return "\\u2029";
    }
    if (c == '"')
        return "\\\"";
    if (c == '\\')
        return "\\\\";
    if (c >= 0x20)
        return NULL;
    switch (c) {
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        snprintf(out, 8, "\\u%04x", (unsigned)c);
        return out;
    }
}

static void quoted(struct buffer *b, const char *text, size_t length)
{
    size_t start = 0, i = 0; /* text[start .. i) waits to be copied as it is */
    buffer_add(b, "\"", 1);
    while (i < length) {
        char scratch[8];
        size_t size = utf8_sequence(text + i, length - i);
        const char *escape = escape_of(text + i, size, scratch);
        size_t next = i + (size == 0 ? 1 : size);
        if (escape != NULL) {
            buffer_add(b, text + start, i - start);
            buffer_text(b, escape);
            start = next;
        }
        i = next;
    }
    buffer_add(b, text + start, length - start);
    buffer_add(b, "\"", 1);
}

void json_key(struct json_writer *w, const char *key)
{
    assert(!w->after_key);
    separate(w);
    quoted(w->out, key, strlen(key));
    buffer_add(w->out, ":", 1);
    w->after_key = true;
}

void json_string_n(struct json_writer *w, const char *text, size_t length)
{
    separate(w);
    quoted(w->out, text, length);
}

void json_string(struct json_writer *w, const char *text)
{
    if (text == NULL)
        json_null(w);
    else
        json_string_n(w, text, strlen(text));
}

static size_t format_int(int64_t value, char *out)
{
    char digits[20];
    size_t n = 0, size = 0;
    uint64_t u = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[n++] = (char)('0' + u % 10);
        u /= 10;
    } while (u != 0);
    if (value < 0)
        out[size++] = '-';
    while (n > 0)
        out[size++] = digits[--n];
    out[size] = '\0';
    return size;
}

void json_int(struct json_writer *w, int64_t value)
{
    char text[24];
    size_t size = format_int(value, text);
    separate(w);
    buffer_add(w->out, text, size);
}

size_t json_format_double(double value, char *out)
{
    if (!isfinite(value)) {
        memcpy(out, "null", 5);
        return 4;
    }
    if (fabs(value) < INTEGRAL_MAX && value == trunc(value) && !(value == 0 && signbit(value)))
        return format_int((int64_t)value, out);

    /* strtod reads in the same locale as snprintf wrote, so the round trip holds in any. */
    char text[48];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    /* What is no digit, sign or exponent is the locale's decimal point, of one byte or more. */
    size_t size = 0;
    for (const char *s = text; *s != '\0'; s++) {
        if (strchr("0123456789+-e", *s) != NULL)
            out[size++] = *s;
        else if (size > 0 && out[size - 1] != '.')
            out[size++] = '.';
    }
    if (fabs(value) >= INTEGRAL_MAX && strpbrk(text, ".e") == NULL) {
        memcpy(out + size, ".0", 2); /* an integer beyond 2^53-1 would be refused when it comes back */
        size += 2;
    }
    out[size] = '\0';
    return size;
}

void json_double(struct json_writer *w, double value)
{
    char text[32];
    size_t size = json_format_double(value, text);
    separate(w);
    buffer_add(w->out, text, size);
}

void json_key_int(struct json_writer *w, const char *key, int64_t value)
{
    json_key(w, key);
    json_int(w, value);
}

void json_key_double(struct json_writer *w, const char *key, double value)
{
    json_key(w, key);
    json_double(w, value);
}

void json_key_string(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, key);
    json_string(w, text);
}

void json_int_list(struct json_writer *w, const char *key, const int64_t *values, size_t n)
{
    json_key(w, key);
    json_array_begin(w);
    for (size_t i = 0; i < n; i++)
        json_int(w, values[i]);
    json_array_end(w);
}

void json_double_list(struct json_writer *w, const char *key, const double *values, size_t n)
{
    json_key(w, key);
    json_array_begin(w);
    for (size_t i = 0; i < n; i++)
        json_double(w, values[i]);
    json_array_end(w);
}

void json_bool(struct json_writer *w, bool value)
{
    separate(w);
    buffer_text(w->out, value ? "true" : "false");
}

void json_null(struct json_writer *w)
{
    separate(w);
    buffer_add(w->out, "null", 4);
}

void json_raw(struct json_writer *w, const char *json)
{
    separate(w);
    buffer_text(w->out, json == NULL ? "null" : json);
}
