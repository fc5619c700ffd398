#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>

/**
 * utf8_sequence(text, length): the size of the valid UTF-8 sequence that text begins with, 1 .. 4; 0 if
 * it begins with none (truncated, overlong, a surrogate, above U+10FFFF, a lone continuation byte) or
 * length is 0.
 */
size_t utf8_sequence(const char *text, size_t length);

/** utf8_is_valid(text, length): text consists of valid sequences only. */
bool utf8_is_valid(const char *text, size_t length);

/** utf8_put(code_point, out): encode 0 .. U+10FFFF; writes and returns 1 .. 4 bytes. */
size_t utf8_put(unsigned code_point, char out[4]);

#endif
