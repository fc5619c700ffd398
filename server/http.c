/**
 * Requests on their way from libmicrohttpd to the handlers and back: the head, the body, the handler, the end.  Those that
 * must wait are left to http_wait.c; http_answer.c writes the answers.
 *
 * Invariant: nothing is queued in the first handler call unless the connection shall close: the library closes after an
 * answer that comes before the whole request.
 *
 * Thread: the exchange's network thread; work_run() on a worker.
 */
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "clock.h"
#include "gzip.h"
#include "http_encoding.h"
#include "http_exchange.h"
#include "http_head.h"
#include "log.h"
#include "routes.h"
#include "store.h"

enum {
    DISCARD_MAX = 64 * 1024, /* a refused body this small is read away: the connection lives on */
    GATE_FROM = 16 * 1024,   /* bodies this small, decoded, are not worth counting */
    GATE_FACTOR = 3          /* what decoding makes of a byte, about */
};

/* ---- the head of a request ---- */

static enum MHD_Result take_header(void *context, enum MHD_ValueKind kind, const char *name, size_t name_size,
                                   const char *value, size_t value_size)
{
    struct head *head = context;

    (void)kind;
    if (head->n == HEADERS_MAX) {
        head->is_full = true;
        return MHD_NO;
    }
    head->header[head->n++] = (struct guard_header){name, name_size, value != NULL ? value : "", value_size};
    return MHD_YES;
}

static int check_framing(struct exchange *x, const char *method, const char *version, struct head *head)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    struct guard_head guarded = {.method = method,
                                 .target = x->target,
                                 .target_size = x->target_size,
                                 .version = version,
                                 .size = info != NULL ? info->header_size : 0};

    MHD_get_connection_values_n(x->mhd, MHD_HEADER_KIND, take_header, head);
    return head_check(head, &guarded, x->network->http->limits, &x->framing, &x->problem);
}

/* The first handler call: the headers are in. */
static enum MHD_Result begin(struct exchange *x, const char *method, const char *version)
{
    struct head head;

    head.n = 0;
    head.is_full = false;
    x->state = EXCHANGE_BODY;
    x->is_counted = true;
    drain_enter(&x->network->http->exchanges);
    x->began_us = conn_phase(x->conn, CONN_BODY, x->network->http->limits->request_deadline_s);

    x->q.method = head_method(method);
    x->rc = check_framing(x, method, version, &head);
    bool is_framed = x->rc == OK;
    if (x->rc == OK && atomic_load(&x->network->http->quiet))
        x->rc = problem_set(&x->problem, PROBLEM_STOPPING, NULL, "the server is stopping; try again");
    if (x->rc == OK)
        x->rc = head_take(&head, &x->q, &x->problem);
    if (x->rc == OK)
        x->rc = head_admit(&x->q, x->target_copy, x->target_size, &x->framing, &x->allow, &x->problem);
    /* chunk lines with bare line feeds pass the library unseen: what follows on this connection cannot
       be trusted to be a request */
    x->is_last = !is_framed || x->framing.chunked || x->rc == PROBLEM_FRAMING || x->rc == PROBLEM_STOPPING;
    if (x->rc == OK)
        return MHD_YES;
    bool has_body = x->framing.chunked || x->framing.length > 0;
    x->is_early = !is_framed || x->rc == PROBLEM_FRAMING ||
                  (has_body && (x->framing.chunked || x->framing.expects_continue || x->framing.length > DISCARD_MAX));
    return x->is_early ? http_answer(x) : MHD_YES;
}

/* ---- the handlers ---- */

static void work_run(struct work *work, struct store_conn *reader)
{
    struct exchange *x = (struct exchange *)(void *)((char *)work - offsetof(struct exchange, work));

    x->q.reader = reader;
    x->rc = route_run(&x->q, &x->r, &x->problem);
    if (reader != NULL)
        store_wait_synced(reader); /* no answer tells what a power cut could undo */
    x->q.reader = NULL;
    if (x->rc == OK)
        encode_response(&x->q, &x->r);
    http_resume(&x->q);
}

void request_remote(const struct request *q, uint8_t address[16])
{
    const struct exchange *x = q->http;
    const union MHD_ConnectionInfo *info =
        x != NULL ? MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS) : NULL;
    const struct sockaddr *from = info != NULL ? info->client_addr : NULL;

    memset(address, 0, 16);
    if (from != NULL && from->sa_family == AF_INET) {
        address[10] = address[11] = 0xff;
        memcpy(address + 12, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
    } else if (from != NULL && from->sa_family == AF_INET6) {
        memcpy(address, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
    }
}

void request_body_done(struct request *q)
{
    struct exchange *x = q->http;

    q->body = "";
    q->body_size = 0;
    if (x != NULL)
        body_release(&x->body);
}

/* How much a packed body may unpack to: what it says, and if that was a lie, whatever is allowed. */
static int64_t told_size(const struct exchange *x)
{
    int64_t limit = x->network->http->limits->body_bytes;
    size_t told = gzip_size_told(x->body.data, x->body.size);

    return told > 0 && told < (size_t)limit ? (int64_t)told : limit;
}

/* May what the body holds be decoded now?  false: the connection sleeps until it may. */
static bool may_decode(struct exchange *x)
{
    bool is_gzip = head_is_gzip(&x->q);

    if (is_gzip && x->unpack_max == 0)
        x->unpack_max = told_size(x);
    int64_t size = is_gzip ? x->unpack_max : (int64_t)x->body.size;
    if (x->ticket.is_inside || size < GATE_FROM || gate_enter(&x->network->http->gate, &x->ticket, size * GATE_FACTOR))
        return true;
    http_wait_for_gate(x);
    return false;
}

/* false: there is more in it than it said, and it has to wait anew. */
static bool unpack(struct exchange *x)
{
    int64_t limit = x->network->http->limits->body_bytes, max = x->unpack_max > 0 ? x->unpack_max : limit;
    int rc = body_unpack(&x->body, max, x->ticket.is_inside, &x->problem);

    if (rc == PROBLEM_TOO_LARGE && max < limit) {
        x->unpack_max = limit;
        gate_leave(&x->network->http->gate, &x->ticket);
        return false;
    }
    x->rc = rc;
    return true;
}

/* The whole request is in. */
static enum MHD_Result dispatch(struct exchange *x)
{
    const struct route *route = x->q.route;

    if (x->rc == OK && route->kind == ROUTE_ASYNC && !may_decode(x))
        return MHD_YES;
    if (x->rc == OK && head_is_gzip(&x->q) && !unpack(x))
        return dispatch(x);
    if (x->rc != OK)
        return http_answer(x);
    x->q.body = x->body.data != NULL ? x->body.data : "";
    x->q.body_size = x->body.size;
    if (route->kind == ROUTE_INLINE) {
        x->rc = route_run(&x->q, &x->r, &x->problem);
        if (x->rc == OK)
            encode_response(&x->q, &x->r);
        return http_answer(x);
    }
    return http_wait_for_answer(x);
}

/* An expectation of 100 without a body, and more bytes behind it: the library calls once before it takes answers, and
   refuses one then. */
static bool is_too_soon(struct exchange *x)
{
    bool has_body = x->framing.chunked || x->framing.length > 0, first = !x->was_woken;

    x->was_woken = true;
    return first && x->framing.expects_continue && !has_body;
}

static enum MHD_Result finish(struct exchange *x)
{
    if (x->rc == OK && x->q.route->kind == ROUTE_ASYNC)
        x->rc = x->q.route->finish(&x->q, &x->r, &x->problem);
    return http_answer(x);
}

/* ---- callbacks of the library ---- */

void *http_on_request_line(void *context, const char *target, struct MHD_Connection *mhd)
{
    struct network *n = context;
    struct exchange *x = exchange_new(n);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    n->is_moving = true;
    if (x == NULL)
        return NULL;
    x->mhd = mhd;
    x->conn = info != NULL ? info->socket_context : NULL;
    x->target = target;
    x->target_size = strlen(target);
    x->work.run = work_run;
    x->q.app = n->http->app;
    x->q.http = x;
    x->q.now = clock_now_ms();
    x->target_copy = arena_strndup(&x->q.arena, target, x->target_size);
    if (x->target_copy == NULL) {
        exchange_end(x);
        return NULL;
    }
    /* The library would make a record of every argument; when its memory for them ends it answers and goes on
       reading, and the connection hangs.  We read the copy: to the library it is one argument. */
    for (char *at = (char *)(uintptr_t)target; (at = strchr(at, '&')) != NULL;)
        *at = '_';
    conn_due(x->conn, n->http->limits->header_deadline_s); /* of a first request it runs since the connection came */
    return x;
}

enum MHD_Result http_on_call(void *context, struct MHD_Connection *mhd, const char *url, const char *method,
                             const char *version, const char *data, size_t *size, void **exchange)
{
    struct exchange *x = *exchange;

    (void)url;
    if (x == NULL) {
        log_event(LOG_ERROR, "out-of-memory", "no memory for a request");
        return MHD_queue_response(mhd, 503, ((struct network *)context)->http->without_memory);
    }
    if (x->state == EXCHANGE_PARKED)
        return http_stay_parked(x);
    x->network->is_moving = true;
    if (x->state == EXCHANGE_HEAD)
        return begin(x, method, version);
    if (x->state == EXCHANGE_DONE)
        return finish(x);
    if (*size > 0) {
        /* the rest of what was refused is read away */
        if (x->rc == OK)
            x->rc =
                body_add(&x->body, data, *size, x->framing.length, x->network->http->limits->body_bytes, &x->problem);
        *size = 0;
        return MHD_YES;
    }
    return is_too_soon(x) ? http_wait_for_call(x) : dispatch(x);
}

void http_on_completed(void *context, struct MHD_Connection *mhd, void **exchange, enum MHD_RequestTerminationCode why)
{
    struct http *h = ((struct network *)context)->http;
    struct exchange *x = *exchange;

    (void)mhd;
    if (x == NULL)
        return;
    *exchange = NULL;
    x->network->is_moving = true;
    if (x->state == EXCHANGE_PARKED) { /* a connection that was reset; a suspended one is not looked at */
        http_abandon(x);
        return;
    }
    if (x->is_early && why == MHD_REQUEST_TERMINATED_COMPLETED_OK && x->conn != NULL)
        listener_linger(h->listener, x->conn);
    conn_phase(x->conn, CONN_WAITING, IDLE_S);
    exchange_end(x);
}
