#ifndef BUFFER_H
#define BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * A growing byte buffer for answers.  A failed allocation is remembered (failed) and makes every
 * later call a no-op, so that a writer checks once, at the end.
 */
struct buffer {
    char *data; /* not NUL-terminated */
    size_t size, cap;
    bool failed;
};

void buffer_init(struct buffer *b);
void buffer_add(struct buffer *b, const void *data, size_t size);
void buffer_text(struct buffer *b, const char *text);
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *buffer_take(struct buffer *b, size_t *size); /* malloc'ed; NULL if failed; b is empty afterwards */
void buffer_release(struct buffer *b);

#endif
