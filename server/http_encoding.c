/**
 * Compressed answers.
 *
 * Invariant: what is kept of the program's own files is added to and never changed, so a packed file may be sent
 * without the mutex once it was found.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "accept.h"
#include "gzip.h"
#include "http_encoding.h"

enum { LEVEL_FAST = 1, LEVEL_ONCE = 9, PACKED_FILES_MAX = 128 };

static struct {
    pthread_mutex_t mutex;
    size_t n;
    struct {
        const char *plain; /* by its address: it lives as long as the process */
        char *packed;      /* NULL: it does not get smaller */
        size_t size;
    } file[PACKED_FILES_MAX];
} kept = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static bool is_text(const char *type)
{
    static const char *const TEXTS[] = {"text/",
                                        "application/json",
                                        "application/x-ndjson",
                                        "application/yaml",
                                        "image/svg+xml",
                                        "application/openmetrics-text"};

    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++)
        if (strncmp(type, TEXTS[i], strlen(TEXTS[i])) == 0)
            return true;
    return false;
}

static struct response_header *find_header(struct response *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++)
        if (strcasecmp(r->headers[i].name, name) == 0)
            return &r->headers[i];
    return NULL;
}

/* The answer is no longer, byte for byte, what the tag was made for. */
static bool weaken_etag(struct request *q, struct response *r)
{
    struct response_header *etag = find_header(r, "ETag");

    if (etag == NULL || strncmp(etag->value, "W/", 2) == 0)
        return true;
    size_t size = strlen(etag->value);
    char *weak = arena_alloc(&q->arena, size + 3);
    if (weak == NULL)
        return false;
    memcpy(weak, "W/", 2);
    memcpy(weak + 2, etag->value, size + 1);
    etag->value = weak;
    return true;
}

static void vary(struct response *r)
{
    struct response_header *header = find_header(r, "Vary");

    if (header == NULL)
        response_header_add(r, "Vary", "Accept-Encoding");
    else if (strcmp(header->value, "Accept, Authorization, Cookie") == 0)
        header->value = "Accept, Accept-Encoding, Authorization, Cookie";
}

static bool pack_body(struct response *r)
{
    struct buffer *b = &r->body;
    char *packed = NULL;
    size_t size = 0;

    if (!gzip_deflate(b->data, b->size, LEVEL_FAST, &packed, &size))
        return false;
    free(b->data);
    *b = (struct buffer){.data = packed, .size = size, .cap = size};
    return true;
}

static bool pack_static(struct response *r)
{
    size_t i = 0;

    pthread_mutex_lock(&kept.mutex);
    while (i < kept.n && kept.file[i].plain != r->static_body)
        i++;
    if (i == kept.n && i < PACKED_FILES_MAX) {
        kept.file[i].plain = r->static_body;
        if (!gzip_deflate(r->static_body, r->static_size, LEVEL_ONCE, &kept.file[i].packed, &kept.file[i].size))
            kept.file[i].packed = NULL;
        kept.n++;
    }
    bool packed = i < kept.n && kept.file[i].packed != NULL;
    pthread_mutex_unlock(&kept.mutex);
    if (packed) {
        r->static_body = kept.file[i].packed;
        r->static_size = kept.file[i].size;
    }
    return packed;
}

void encode_response(struct request *q, struct response *r)
{
    size_t size = r->static_body != NULL ? r->static_size : r->body.size;

    if (r->status != 200 || size < ENCODING_MIN || r->body.failed || !is_text(r->content_type))
        return;
    vary(r);
    if (!accept_gzip(q->accept_encoding) || !weaken_etag(q, r))
        return;
    if (r->static_body != NULL ? pack_static(r) : pack_body(r))
        response_header_add(r, "Content-Encoding", "gzip");
}
