#ifndef JSON_STRING_H
#define JSON_STRING_H

#include <stdbool.h>
#include <stddef.h>

/**
 * JSON's strings: checked in one pass, decoded in a second one only where there are escapes.  Pure.
 */

/**
 * json_string_scan(text, end, size, escaped, why): check the string that begins behind its quote.
 *
 * size     bytes up to the closing quote, without it.
 * escaped  whether json_string_decode() is needed.
 * Returns  NULL if all is well; else the first wrong byte, and why says what is wrong (a control
 *          character, invalid UTF-8, a wrong escape, half of a surrogate pair, \u0000, no end).
 */
const char *json_string_scan(const char *text, const char *end, size_t *size, bool *escaped, const char **why);

/** json_string_decode(text, size, out): the characters of a checked string; returns how many bytes, <= size. */
size_t json_string_decode(const char *text, size_t size, char *out);

#endif
