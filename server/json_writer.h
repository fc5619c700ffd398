#ifndef JSON_WRITER_H
#define JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

/**
 * JSON written straight into a buffer, without a tree.  Commas and colons come by themselves:
 *
 *     json_object_begin(w); json_key(w, "epoch"); json_int(w, 3); json_object_end(w);
 *
 * 64-bit integers are printed exactly; doubles as the shortest text that reads back as the same double
 * (an integral double below 2^53 without exponent or point, a greater one with either, since a reader
 * refuses integers beyond 2^53-1), NaN and infinities as null.  Text is
 * UTF-8; control characters, '"', '\\' and U+2028/9 are escaped; invalid UTF-8 becomes U+FFFD.
 */
enum { JSON_DEPTH_MAX = 40 };

struct json_writer {
    struct buffer *out;
    int depth;
    bool after_key;
    bool has_item[JSON_DEPTH_MAX];
};

void json_writer_init(struct json_writer *w, struct buffer *out);
void json_object_begin(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array_begin(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_string(struct json_writer *w, const char *text); /* NULL: null */
void json_string_n(struct json_writer *w, const char *text, size_t length);
void json_int(struct json_writer *w, int64_t value);
void json_double(struct json_writer *w, double value);
/* A member of an object: a key and its value. */
void json_key_int(struct json_writer *w, const char *key, int64_t value);
void json_key_double(struct json_writer *w, const char *key, double value);
void json_key_string(struct json_writer *w, const char *key, const char *text);
/* key: [values], of n; NaN and infinities are null. */
void json_int_list(struct json_writer *w, const char *key, const int64_t *values, size_t n);
void json_double_list(struct json_writer *w, const char *key, const double *values, size_t n);
void json_bool(struct json_writer *w, bool value);
void json_null(struct json_writer *w);
void json_raw(struct json_writer *w, const char *json); /* a complete JSON value, as text; NULL: null */

/** The text of a double as json_double prints it, "null" for NaN and infinities.  out: char[32]. */
size_t json_format_double(double value, char *out);

#endif
