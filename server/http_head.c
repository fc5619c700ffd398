/** Heads of requests.  No state; runs on the network threads. */
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "app.h"
#include "http_head.h"
#include "http_uri.h"
#include "routes.h"

enum method head_method(const char *text)
{
    static const struct {
        const char *name;
        enum method method;
    } METHODS[] = {{"GET", METHOD_GET},         {"HEAD", METHOD_HEAD},     {"POST", METHOD_POST},
                   {"PUT", METHOD_PUT},         {"PATCH", METHOD_PATCH},   {"DELETE", METHOD_DELETE},
                   {"OPTIONS", METHOD_REFUSED}, {"TRACE", METHOD_REFUSED}, {"CONNECT", METHOD_REFUSED}};

    for (size_t i = 0; i < sizeof METHODS / sizeof METHODS[0]; i++)
        if (strcmp(METHODS[i].name, text) == 0)
            return METHODS[i].method;
    return METHOD_OTHER;
}

int head_check(const struct head *head, struct guard_head *guarded, const struct limits *limits,
               struct guard_framing *framing, struct problem *p)
{
    if (guarded->target_size > TARGET_MAX)
        return problem_set(p, PROBLEM_URI_TOO_LONG, NULL, "the request target is longer than %d bytes", TARGET_MAX);
    if (head->is_full || guarded->size > (size_t)limits->header_bytes)
        return problem_set(p, PROBLEM_HEADERS, NULL,
                           "more than %d headers, or than %lld bytes of them (limit header_bytes)", HEADERS_MAX,
                           (long long)limits->header_bytes);
    guarded->headers = head->header;
    guarded->n_headers = head->n;
    return guard_check(guarded, framing, p);
}

/* The value without trailing blanks: the library's own string where it has none. */
static const char *value_of(const struct guard_header *h, struct arena *arena)
{
    size_t size = h->value_size;

    while (size > 0 && (h->value[size - 1] == ' ' || h->value[size - 1] == '\t'))
        size--;
    return size == h->value_size ? h->value : arena_strndup(arena, h->value, size);
}

int head_take(const struct head *head, struct request *q, struct problem *p)
{
    const struct {
        const char *name;
        const char **field;
    } FIELDS[] = {{"Host", &q->host},
                  {"Origin", &q->origin},
                  {"Authorization", &q->authorization},
                  {"Cookie", &q->cookie},
                  {"Sec-Fetch-Site", &q->sec_fetch_site},
                  {"Content-Type", &q->content_type},
                  {"Content-Encoding", &q->content_encoding},
                  {"Accept", &q->accept},
                  {"Accept-Encoding", &q->accept_encoding},
                  {"If-None-Match", &q->if_none_match}};

    for (size_t i = 0; i < head->n; i++)
        for (size_t k = 0; k < sizeof FIELDS / sizeof FIELDS[0]; k++) {
            if (*FIELDS[k].field != NULL || strcasecmp(head->header[i].name, FIELDS[k].name) != 0)
                continue;
            *FIELDS[k].field = value_of(&head->header[i], &q->arena);
            if (*FIELDS[k].field == NULL)
                return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
        }
    return OK;
}

static bool is_gzip(const char *coding)
{
    return strcasecmp(coding, "gzip") == 0 || strcasecmp(coding, "x-gzip") == 0;
}

bool head_is_gzip(const struct request *q)
{
    bool takes_body = q->method == METHOD_POST || q->method == METHOD_PUT || q->method == METHOD_PATCH;

    return takes_body && q->content_encoding != NULL && is_gzip(q->content_encoding);
}

int head_admit(struct request *q, const char *target, size_t size, const struct guard_framing *framing,
               const char **allow, struct problem *p)
{
    int rc = q->method != METHOD_OTHER ? uri_parse(target, size, q, p) : OK;

    /* OPTIONS * and CONNECT host:port have no path, and need none to be refused */
    if (rc != OK && q->method != METHOD_REFUSED)
        return rc;
    if (rc != OK)
        q->path = NULL;
    q->route = route_find(q->method, q, allow, p);
    if (q->route == NULL)
        return p->code;
    rc = route_check(q, p);
    if (rc != OK)
        return rc;
    if (q->content_encoding != NULL && !is_gzip(q->content_encoding) &&
        strcasecmp(q->content_encoding, "identity") != 0)
        return problem_set(p, PROBLEM_CONTENT_TYPE, NULL, "the only Content-Encoding understood is gzip");
    if (framing->has_length && framing->length > (uint64_t)q->app->limits.body_bytes)
        return problem_set(p, PROBLEM_TOO_LARGE, NULL, "the body is longer than %lld bytes (limit body_bytes)",
                           (long long)q->app->limits.body_bytes);
    return OK;
}
