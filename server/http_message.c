/** What answers look like, apart from their bytes on the wire.  Any thread; touches nothing shared. */
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http_message.h"
#include "json_writer.h"

void response_init(struct response *r)
{
    memset(r, 0, sizeof *r);
    r->status = 200;
    r->content_type = "application/json";
    buffer_init(&r->body);
}

void response_release(struct response *r)
{
    buffer_release(&r->body);
}

void response_header_add(struct response *r, const char *name, const char *value)
{
    assert(r->n_headers < RESPONSE_HEADERS_MAX);
    r->headers[r->n_headers].name = name;
    r->headers[r->n_headers++].value = value;
}

const char *request_arg(const struct request *q, const char *name)
{
    for (size_t i = 0; i < q->n_args; i++)
        if (strcmp(q->args[i].name, name) == 0)
            return q->args[i].value;
    return NULL;
}

static void write_problem(struct buffer *out, const struct problem *p, const struct problem_kind *kind)
{
    struct json_writer w;
    char type[80];

    snprintf(type, sizeof type, "urn:tally:problem:%s", kind->name);
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, "type");
    json_string(&w, type);
    json_key(&w, "title");
    json_string(&w, kind->title);
    json_key(&w, "status");
    json_int(&w, kind->http_status);
    json_key(&w, "detail");
    json_string(&w, p->detail);
    if (p->n_places > 0) {
        json_key(&w, "errors");
        json_array_begin(&w);
        for (size_t i = 0; i < p->n_places; i++) {
            json_object_begin(&w);
            json_key(&w, "pointer");
            json_string(&w, p->places[i].pointer);
            json_key(&w, "detail");
            json_string(&w, p->places[i].detail);
            json_object_end(&w);
        }
        json_array_end(&w);
    }
    json_object_end(&w);
    buffer_text(out, "\n");
}

void response_problem(struct response *r, const struct problem *p, const char *allow, struct arena *arena)
{
    static const char NO_MEMORY[] = "{\"type\":\"urn:tally:problem:out-of-memory\",\"title\":\"The server is short of "
                                    "memory\",\"status\":503,\"detail\":\"no memory for the answer\"}\n";
    const struct problem_kind *kind = problem_kind(p->code);

    response_release(r);
    response_init(r);
    r->status = kind->http_status;
    r->content_type = "application/problem+json";
    write_problem(&r->body, p, kind);
    if (r->body.failed) {
        r->status = 503;
        r->static_body = NO_MEMORY;
        r->static_size = sizeof NO_MEMORY - 1;
        response_header_add(r, "Retry-After", "1");
        return;
    }
    if (p->code == PROBLEM_UNAUTHORIZED)
        response_header_add(r, "WWW-Authenticate", "Bearer realm=\"tally\"");
    if (p->code == PROBLEM_METHOD && allow != NULL)
        response_header_add(r, "Allow", allow);
    if (kind->http_status == 503 || p->retry_after_s > 0) {
        char text[16];
        int n = snprintf(text, sizeof text, "%d", p->retry_after_s);
        const char *value = p->retry_after_s > 1 ? arena_strndup(arena, text, (size_t)n) : NULL;
        response_header_add(r, "Retry-After", value != NULL ? value : "1");
    }
}

static bool has_header(const struct response *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++)
        if (strcasecmp(r->headers[i].name, name) == 0)
            return true;
    return false;
}

void response_common(const struct response *r, void (*fn)(void *context, const char *name, const char *value),
                     void *context)
{
    static const struct response_header COMMON[] = {
        {"Server", "tally"},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        /* an API answer opened in a browser runs and loads nothing; the page sets its own */
        {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
    };

    for (size_t i = 0; i < sizeof COMMON / sizeof COMMON[0]; i++)
        if (!has_header(r, COMMON[i].name))
            fn(context, COMMON[i].name, COMMON[i].value);
    if (!has_header(r, "Cache-Control"))
        fn(context, "Cache-Control", "no-store"); /* who polls keeps ETag and answer itself */
}
