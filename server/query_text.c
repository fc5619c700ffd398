/*
 * Why: cursors say where a page ended.  They are opaque, so they may change; their content is checked
 * by whoever made it, as anything a client sends.  Any thread.
 */
#include <string.h>

#include "buffer.h"
#include "query.h"

#include "query_text.h"

static const char digits[] = "0123456789abcdef";

char *cursor_encode(struct arena *arena, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    char *text = arena_alloc(arena, 2 * size + 1);
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * size] = '\0';
    return text;
}

static int digit_value(char c)
{
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

bool cursor_decode(struct arena *arena, const char *text, char **data, size_t *size)
{
    size_t length = strlen(text);
    char *bytes = length % 2 == 0 ? arena_alloc(arena, length / 2 + 1) : NULL;
    if (bytes == NULL)
        return false;
    for (size_t i = 0; i < length / 2; i++) {
        int high = digit_value(text[2 * i]), low = digit_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (char)(high << 4 | low);
    }
    bytes[length / 2] = '\0';
    *data = bytes;
    *size = length / 2;
    return true;
}

static void add_escaped(struct buffer *b, const char *text, const char *safe)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain =
            (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr(safe, c) != NULL;
        if (plain)
            buffer_add(b, text, 1);
        else
            buffer_printf(b, "%%%02X", c);
    }
}

int link_next(struct request *q, struct response *r, const char *cursor, struct problem *p)
{
    struct buffer b;
    buffer_init(&b);
    buffer_text(&b, "<");
    add_escaped(&b, q->path, "/-._~");
    const char *before = "?";
    for (size_t i = 0; i < q->n_args; i++) {
        if (strcmp(q->args[i].name, "cursor") == 0)
            continue;
        buffer_text(&b, before);
        add_escaped(&b, q->args[i].name, "-._~");
        buffer_text(&b, "=");
        add_escaped(&b, q->args[i].value, "-._~");
        before = "&";
    }
    buffer_printf(&b, "%scursor=%s>; rel=\"next\"", before, cursor);
    char *value = b.failed ? NULL : arena_strndup(&q->arena, b.data, b.size);
    buffer_release(&b);
    if (value == NULL)
        return query_no_memory(p);
    response_header_add(r, "Link", value);
    return OK;
}
