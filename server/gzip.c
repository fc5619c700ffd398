/**
 * The only door to zlib.  What is unpacked grows as it comes and stops one byte above the bound; what is packed has
 * one byte less room than its input.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <zlib.h>

#include "gzip.h"

enum {
    GZIP_WINDOW = 15 + 16 /* 32 KiB, gzip wrapping only */,
    GZIP_MEMORY = 8,
    GZIP_FIRST = 16 * 1024,
    GZIP_SHORTEST = 18
};

struct output {
    char *data;
    size_t size, cap;
};

/* Room for at least one more byte, never beyond max + 1. */
static int grow(struct output *o, size_t max, struct problem *p)
{
    if (o->size < o->cap)
        return OK;
    if (o->size > max)
        return problem_set(p, PROBLEM_TOO_LARGE, NULL, "the body unpacks to more than %zu bytes (limit body_bytes)",
                           max);
    size_t cap = o->cap == 0 ? GZIP_FIRST : o->cap * 2;
    if (cap > max + 1)
        cap = max + 1;
    char *data = realloc(o->data, cap);
    if (data == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory to unpack a body");
    o->data = data;
    o->cap = cap;
    return OK;
}

static int inflate_all(z_stream *z, struct output *o, size_t max, struct problem *p)
{
    for (;;) {
        int rc = grow(o, max, p);
        if (rc != OK)
            return rc;
        size_t room = o->cap - o->size;
        z->next_out = (Bytef *)(o->data + o->size);
        z->avail_out = room > UINT32_MAX ? UINT32_MAX : (uInt)room;
        uInt before = z->avail_out;
        int status = inflate(z, Z_NO_FLUSH);
        o->size += before - z->avail_out;
        if (status == Z_STREAM_END) {
            if (z->avail_in == 0)
                return o->size > max ? grow(o, max, p) : OK;
            if (z->next_in[0] != 0x1f || inflateReset(z) != Z_OK)
                return problem_set(p, PROBLEM_MALFORMED, NULL, "the gzip body has bytes after its end");
        } else if (status == Z_MEM_ERROR) {
            return problem_set(p, PROBLEM_MEMORY, NULL, "no memory to unpack a body");
        } else if (status != Z_OK && !(status == Z_BUF_ERROR && z->avail_out == 0)) {
            return problem_set(p, PROBLEM_MALFORMED, NULL, "the gzip body is %s",
                               status == Z_BUF_ERROR ? "cut short" : "damaged");
        } else if (z->avail_in == 0 && z->avail_out > 0) {
            return problem_set(p, PROBLEM_MALFORMED, NULL, "the gzip body is cut short");
        }
    }
}

int gzip_inflate(const void *data, size_t size, size_t max, char **out, size_t *out_size, struct problem *p)
{
    z_stream z = {0};
    struct output o = {0};

    if (size > UINT32_MAX)
        return problem_set(p, PROBLEM_TOO_LARGE, NULL, "the gzip body is too long");
    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory to unpack a body");
    z.next_in = (z_const Bytef *)data;
    z.avail_in = (uInt)size;
    int rc = inflate_all(&z, &o, max, p);
    inflateEnd(&z);
    if (rc != OK) {
        free(o.data);
        return rc;
    }
    *out = o.data;
    *out_size = o.size;
    return OK;
}

size_t gzip_size_told(const void *data, size_t size)
{
    const uint8_t *end = (const uint8_t *)data + size;

    if (size < GZIP_SHORTEST)
        return 0;
    return (size_t)end[-4] | (size_t)end[-3] << 8 | (size_t)end[-2] << 16 | (size_t)end[-1] << 24;
}

bool gzip_deflate(const void *data, size_t size, int level, char **out, size_t *out_size)
{
    z_stream z = {0};

    if (size < 2 || size > UINT32_MAX || deflateInit2(&z, level, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, 0) != Z_OK)
        return false;
    char *packed = malloc(size - 1);
    z.next_in = (z_const Bytef *)data;
    z.avail_in = (uInt)size;
    z.next_out = (Bytef *)packed;
    z.avail_out = packed != NULL ? (uInt)(size - 1) : 0;
    bool fits = packed != NULL && deflate(&z, Z_FINISH) == Z_STREAM_END;
    size_t packed_size = size - 1 - z.avail_out;
    deflateEnd(&z);
    char *kept = fits ? realloc(packed, packed_size) : NULL; /* most of it was not needed */
    if (!fits) {
        free(packed);
        return false;
    }
    *out = kept != NULL ? kept : packed;
    *out_size = packed_size;
    return true;
}
