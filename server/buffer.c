/**
 * Answers are written piece by piece into one growing buffer.  Growth doubles, so n bytes cost O(n);
 * the first failure sticks, so that writers need not check each call.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"

void buffer_init(struct buffer *b)
{
    b->data = NULL;
    b->size = 0;
    b->cap = 0;
    b->failed = false;
}

static bool reserve(struct buffer *b, size_t more)
{
    if (b->failed)
        return false;
    if (more <= b->cap - b->size)
        return true;
    if (more > SIZE_MAX / 4 - b->size) {
        b->failed = true;
        return false;
    }
    size_t cap = b->cap < 256 ? 256 : b->cap * 2;
    if (cap < b->size + more)
        cap = b->size + more;
    char *data = realloc(b->data, cap);
    if (data == NULL) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void buffer_add(struct buffer *b, const void *data, size_t size)
{
    if (size == 0 || !reserve(b, size))
        return;
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

void buffer_text(struct buffer *b, const char *text)
{
    buffer_add(b, text, strlen(text));
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list args;

    /* most pieces are short: try in place, and only then with the size that was asked for */
    if (!reserve(b, 64))
        return;
    va_start(args, format);
    int n = vsnprintf(b->data + b->size, b->cap - b->size, format, args);
    va_end(args);
    if (n < 0) {
        b->failed = true;
        return;
    }
    if ((size_t)n >= b->cap - b->size) {
        if (!reserve(b, (size_t)n + 1))
            return;
        va_start(args, format);
        n = vsnprintf(b->data + b->size, b->cap - b->size, format, args);
        va_end(args);
        if (n < 0) {
            b->failed = true;
            return;
        }
    }
    b->size += (size_t)n;
}

char *buffer_take(struct buffer *b, size_t *size)
{
    char *data = b->data;

    if (b->failed) {
        free(data);
        data = NULL;
    } else if (data == NULL) {
        data = malloc(1); /* an empty answer is not a failed one */
    }
    *size = data != NULL ? b->size : 0;
    buffer_init(b);
    return data;
}

void buffer_release(struct buffer *b)
{
    free(b->data);
    buffer_init(b);
}
