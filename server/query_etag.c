/*
 * Why: live pages ask again and again; most of the time nothing has changed and 304 is the answer.
 *
 * An ETag is a hash of all that an answer depends on: this build, the run (its incarnation, revision
 * and effective status) or those of every run of a list, the project that the caller is held to, and the representation: path, parameters,
 * limits and media.  Heartbeats change none of these, so they leave the tags alone.  Any thread.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "buffer.h"
#include "crypto.h"

#include "query.h"

enum { ETAG_HEX = 32, ETAG_SIZE = ETAG_HEX + 3 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool etag_matches(const char *header, const char *etag)
{
    if (header == NULL)
        return false;
    size_t length = strlen(etag);
    for (const char *at = header; *at != '\0';) {
        while (is_blank(*at) || *at == ',')
            at++;
        if (*at == '*')
            return true;
        if (strncmp(at, "W/", 2) == 0) /* If-None-Match compares weakly */
            at += 2;
        const char *close = *at == '"' ? strchr(at + 1, '"') : NULL;
        if (close == NULL)
            return false;
        if ((size_t)(close + 1 - at) == length && memcmp(at, etag, length) == 0)
            return true;
        at = close + 1;
    }
    return false;
}

static int compare_args(const void *a, const void *b)
{
    return strcmp(((const struct request_arg *)a)->name, ((const struct request_arg *)b)->name);
}

/* Texts with their length, so that no two lists of texts hash the same. */
static void add_text(struct buffer *b, const char *text)
{
    buffer_printf(b, "%zu:%s;", strlen(text), text);
}

static void add_representation(struct buffer *b, const struct request *q)
{
    add_text(b, tally_build_id());
    add_text(b, q->token_project != NULL ? q->token_project : ""); /* what one token may see is no other's to confirm */
    add_text(b, q->path);
    struct request_arg args[REQUEST_ARGS_MAX];
    memcpy(args, q->args, q->n_args * sizeof args[0]);
    qsort(args, q->n_args, sizeof args[0], compare_args);
    for (size_t i = 0; i < q->n_args; i++) {
        add_text(b, args[i].name);
        add_text(b, args[i].value);
    }
    enum media media = 0;
    query_media(q, MEDIA_JSON | MEDIA_CSV | MEDIA_NDJSON, &media, NULL);
    buffer_printf(b, "%d %" PRId64 " %" PRId64 ";", (int)media, q->app->limits.points, q->app->limits.dense_classes);
}

/* Without memory or hash there is no tag: the answer is then simply sent in full. */
static bool finish(struct request *q, struct response *r, struct buffer *b)
{
    char *etag = arena_alloc(&q->arena, ETAG_SIZE);
    uint8_t hash[32];
    char hex[65];
    bool known = false;
    if (etag != NULL && !b->failed && crypto_sha256(b->data, b->size, hash) == OK) {
        crypto_hex(hash, sizeof hash, hex);
        etag[0] = '"';
        memcpy(etag + 1, hex, ETAG_HEX);
        memcpy(etag + 1 + ETAG_HEX, "\"", 2);
        response_header_add(r, "ETag", etag);
        response_header_add(r, "Vary", "Accept, Authorization, Cookie");
        known = etag_matches(q->if_none_match, etag);
        if (known)
            r->status = 304;
    }
    buffer_release(b);
    return known;
}

bool query_etag(struct request *q, struct response *r, const struct run_row *run)
{
    struct buffer b;
    buffer_init(&b);
    add_representation(&b, q);
    buffer_printf(&b, "%" PRId64 " %" PRId64 " %d", run->incarnation, run->revision,
                  (int)run_status_effective(run, q->now));
    return finish(q, r, &b);
}

bool query_etag_list(struct request *q, struct response *r, const void *data, size_t size)
{
    struct buffer b;
    buffer_init(&b);
    add_representation(&b, q);
    buffer_add(&b, data, size);
    return finish(q, r, &b);
}
