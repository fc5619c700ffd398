/**
 * Answers as libmicrohttpd sends them.
 *
 * A response is made for each answer, but for small ones without headers of their own: those are kept, for the
 * same few are sent over and over.  Thread: the exchange's network thread.
 */
#include <stdlib.h>
#include <string.h>

#include "http_exchange.h"
#include "log.h"
#include "routes.h"
#include "server_stats.h"

enum {
    SEND_S = 60, /* and a second for each SEND_RATE bytes */
    SEND_RATE = 16 * 1024
};

struct header_sink {
    struct MHD_Response *response;
    bool failed;
};

static void put_header(void *context, const char *name, const char *value)
{
    struct header_sink *sink = context;

    if (MHD_add_response_header(sink->response, name, value) != MHD_YES)
        sink->failed = true;
}

/* The body goes over to the library. */
static struct MHD_Response *make_response(struct response *r)
{
    struct MHD_Response *m;
    size_t size = 0;

    if (r->static_body != NULL || r->body.size == 0) {
        const char *text = r->static_body != NULL ? r->static_body : "";
        return MHD_create_response_from_buffer(r->static_body != NULL ? r->static_size : 0, (void *)(uintptr_t)text,
                                               MHD_RESPMEM_PERSISTENT);
    }
    char *data = buffer_take(&r->body, &size);
    m = MHD_create_response_from_buffer(size, data, MHD_RESPMEM_MUST_FREE);
    if (m == NULL)
        free(data);
    return m;
}

static void log_failure(const struct exchange *x)
{
    if ((x->rc == PROBLEM_INTERNAL || x->rc == PROBLEM_STORAGE || x->rc == PROBLEM_MEMORY ||
         x->rc == PROBLEM_DAMAGED) &&
        !x->problem.is_known)
        log_event(LOG_ERROR, problem_kind(x->rc)->name, "%s: %s", x->q.path != NULL ? x->q.path : "",
                  x->problem.detail);
}

static struct MHD_Response *make_whole(struct response *r, bool is_last)
{
    struct header_sink sink = {make_response(r), false};

    if (sink.response == NULL)
        return NULL;
    if (r->status != 204 && r->status != 304)
        put_header(&sink, "Content-Type", r->content_type);
    for (size_t i = 0; i < r->n_headers; i++)
        put_header(&sink, r->headers[i].name, r->headers[i].value);
    response_common(r, put_header, &sink);
    if (is_last)
        put_header(&sink, "Connection", "close");
    if (sink.failed) {
        MHD_destroy_response(sink.response);
        return NULL;
    }
    return sink.response;
}

static struct MHD_Response *write_response(struct exchange *x)
{
    return make_whole(&x->r, x->is_last);
}

struct MHD_Response *answer_without_memory(void)
{
    struct problem p;
    struct arena arena;
    struct response r;

    problem_set(&p, PROBLEM_MEMORY, NULL,
                "no memory for the answer; if the request was to change something, it may have done so");
    arena_init(&arena);
    response_init(&r);
    response_problem(&r, &p, NULL, &arena);
    struct MHD_Response *m = make_whole(&r, true);
    response_release(&r);
    arena_release(&arena);
    return m;
}

/* ---- answers that are sent over and over: to have stored one record more ---- */

/* Everything else that such an answer says follows from its body. */
static bool is_cachable(const struct exchange *x)
{
    const struct response *r = &x->r;

    return r->status == 200 && strcmp(r->content_type, "application/json") == 0 && r->n_headers == 0 &&
           r->static_body == NULL && r->body.size > 0 && r->body.size <= ANSWER_CACHED_MAX && !x->is_last;
}

static struct MHD_Response *cached_response(struct exchange *x)
{
    const struct response *r = &x->r;
    const char *body = r->body.data;
    size_t size = r->body.size, hash = size;

    for (size_t i = 0; i < size; i++)
        hash = hash * 31 + (unsigned char)body[i];
    struct cached_answer *c = &x->network->answers[hash % ANSWER_CACHE];
    if (c->response != NULL && c->size == size && memcmp(c->body, body, size) == 0)
        return c->response;

    char copy[ANSWER_CACHED_MAX];
    memcpy(copy, body, size); /* the body goes over to the library */
    struct MHD_Response *response = write_response(x);
    if (response == NULL)
        return NULL;
    if (c->response != NULL)
        MHD_destroy_response(c->response); /* it stays as long as it is being sent */
    *c = (struct cached_answer){.response = response, .size = size};
    memcpy(c->body, copy, size);
    return response;
}

void answer_cache_release(struct network *n)
{
    for (size_t i = 0; i < ANSWER_CACHE; i++)
        if (n->answers[i].response != NULL)
            MHD_destroy_response(n->answers[i].response);
    memset(n->answers, 0, sizeof n->answers);
}

/* ---- sending ---- */

enum MHD_Result http_answer(struct exchange *x)
{
    struct response *r = &x->r;

    if (x->rc == OK && r->body.failed)
        x->rc = problem_set(&x->problem, PROBLEM_MEMORY, NULL, "no memory for the answer");
    if (x->rc != OK) {
        if (x->problem.code == OK) /* what it says would be another request's */
            problem_set(&x->problem, x->rc, NULL, "%s", problem_kind(x->rc)->title);
        log_failure(x);
        response_problem(r, &x->problem, x->allow, &x->q.arena);
    }
    size_t size = r->static_body != NULL ? r->static_size : r->body.size;
    bool cachable = is_cachable(x);
    struct MHD_Response *response = cachable ? cached_response(x) : write_response(x);
    bool is_kept = cachable || response == NULL;
    int status = r->status;
    if (response == NULL) {
        log_event(LOG_ERROR, "out-of-memory", "%s: no memory for the answer", x->q.path != NULL ? x->q.path : "");
        response = x->network->http->without_memory;
        status = 503;
    }
    int64_t now = conn_phase(x->conn, CONN_SENDING, SEND_S + (int64_t)(size / SEND_RATE));
    server_stats_add(x->q.route, status, now - x->began_us);
    enum MHD_Result queued = MHD_queue_response(x->mhd, (unsigned)status, response);
    if (!is_kept)
        MHD_destroy_response(response);
    return queued;
}
