/**
 * The only module that includes microhttpd.  Everything of one exchange (a request and its answer) hangs
 * off one struct, made when the request line is in and freed in the completion callback.
 *
 * Invariants:
 * 1. an exchange belongs to its network thread, but between MHD_suspend_connection() and
 *    MHD_resume_connection() to whoever will resume it;
 * 2. nothing is queued in the first handler call unless the connection shall close: the library closes
 *    after an answer that comes before the whole request;
 * 3. MHD_stop_daemon() is called only when no exchange is left: with a suspended connection it
 *    aborts the process.
 *
 * Several daemons of one thread each, fed by http_listener.c, take the place of the library's own
 * thread pool: it cannot be quiesced without a race that may abort the process (0.9.75 removes the
 * listening socket from epoll in two threads), and it knows no deadlines.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microhttpd.h>

#include "app.h"
#include "clock.h"
#include "http_body.h"
#include "http_drain.h"
#include "http_guard.h"
#include "http_head.h"
#include "http_listener.h"
#include "http_message.h"
#include "http_workers.h"
#include "log.h"
#include "routes.h"
#include "server_stats.h"
#include "http.h"

enum {
    IDLE_S = 75,
    SEND_S = 60, /* and a second for each SEND_RATE bytes */
    SEND_RATE = 16 * 1024,
    DISCARD_MAX = 64 * 1024, /* a refused body this small is read away: the connection lives on */
    DRAIN_S = 20,            /* for what handlers are at */
    DRAIN_BODY_S = 2,        /* for bodies still arriving */
    DRAIN_SEND_S = 5,        /* for answers on their way */
    DAEMONS_MAX = 16
};

enum exchange_state { EXCHANGE_HEAD, EXCHANGE_BODY, EXCHANGE_SUSPENDED, EXCHANGE_DONE };

struct exchange {
    struct request q;
    struct response r;
    struct http *http;
    struct MHD_Connection *mhd;
    struct conn *conn;
    struct work work;
    enum exchange_state state;
    const char *target; /* in the library's buffer, undecoded until its callback returns */
    size_t target_size;
    const char *target_copy; /* made before the library changed it in place */
    struct guard_framing framing;
    struct body body;
    bool is_last;  /* the connection closes after the answer */
    bool is_early; /* answered before the whole request was read */
    bool is_counted;
    int rc; /* OK, or problem.code */
    const char *allow;
    struct problem problem; /* meaningful where rc != OK */
};

struct http {
    struct drain exchanges; /* from a complete header to the end of the answer */
    _Atomic bool quiet;
    struct body_budget budget;
    const struct limits *limits;
    struct app *app;
    struct listener *listener;
    struct workers *workers;
    struct MHD_Daemon *daemon[DAEMONS_MAX];
    unsigned n_daemons, next_daemon;
};

/* ---- answers ---- */

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
    if (x->rc == PROBLEM_INTERNAL || x->rc == PROBLEM_STORAGE)
        log_event(LOG_ERROR, problem_kind(x->rc)->name, "%s: %s", x->q.path != NULL ? x->q.path : "",
                  x->problem.detail);
}

/* Queue the answer: the response, or the problem that rc names. */
static enum MHD_Result answer(struct exchange *x)
{
    struct response *r = &x->r;

    if (x->rc == OK && r->body.failed)
        x->rc = problem_set(&x->problem, PROBLEM_INTERNAL, NULL, "no memory for the answer");
    if (x->rc != OK) {
        log_failure(x);
        response_problem(r, &x->problem, x->allow, &x->q.arena);
    }
    size_t size = r->static_body != NULL ? r->static_size : r->body.size;
    struct header_sink sink = {make_response(r), false};
    if (sink.response == NULL)
        return MHD_NO;
    if (r->status != 204 && r->status != 304)
        put_header(&sink, "Content-Type", r->content_type);
    for (size_t i = 0; i < r->n_headers; i++)
        put_header(&sink, r->headers[i].name, r->headers[i].value);
    response_common(r, put_header, &sink);
    if (x->is_last)
        put_header(&sink, "Connection", "close");

    enum MHD_Result queued = MHD_NO;
    if (!sink.failed) {
        conn_phase(x->conn, CONN_SENDING, SEND_S + (int64_t)(size / SEND_RATE));
        server_stats_add(x->q.route, r->status);
        queued = MHD_queue_response(x->mhd, (unsigned)r->status, sink.response);
    }
    MHD_destroy_response(sink.response);
    return queued;
}

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
    return head_check(head, &guarded, x->http->limits, &x->framing, &x->problem);
}

/* The first handler call: the headers are in. */
static enum MHD_Result begin(struct exchange *x, const char *method, const char *version)
{
    struct head head;

    head.n = 0;
    head.is_full = false;
    x->state = EXCHANGE_BODY;
    x->is_counted = true;
    drain_enter(&x->http->exchanges);
    conn_phase(x->conn, CONN_BODY, x->http->limits->request_deadline_s);

    x->q.method = head_method(method);
    x->rc = check_framing(x, method, version, &head);
    bool is_framed = x->rc == OK;
    if (x->rc == OK && atomic_load(&x->http->quiet))
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
    return x->is_early ? answer(x) : MHD_YES;
}

/* ---- the handlers ---- */

static void work_run(struct work *work, struct store_conn *reader)
{
    struct exchange *x = (struct exchange *)(void *)((char *)work - offsetof(struct exchange, work));

    x->q.reader = reader;
    x->rc = x->q.route->run(&x->q, &x->r, &x->problem);
    x->q.reader = NULL;
    http_resume(&x->q);
}

void http_resume(struct request *q)
{
    struct exchange *x = q->http;

    x->state = EXCHANGE_DONE;
    MHD_resume_connection(x->mhd);
}

/* The whole request is in. */
static enum MHD_Result dispatch(struct exchange *x)
{
    const struct route *route = x->q.route;

    if (x->rc == OK && head_is_gzip(&x->q))
        x->rc = body_unpack(&x->body, x->http->limits->body_bytes, &x->problem);
    if (x->rc != OK)
        return answer(x);
    x->q.body = x->body.data != NULL ? x->body.data : "";
    x->q.body_size = x->body.size;
    if (route->kind == ROUTE_INLINE) {
        x->rc = route->run(&x->q, &x->r, &x->problem);
        return answer(x);
    }
    /* from here on the exchange is somebody else's: nothing may be touched after a success */
    x->state = EXCHANGE_SUSPENDED;
    conn_phase(x->conn, CONN_WORKING, 0);
    MHD_suspend_connection(x->mhd);
    struct problem p;
    int rc = route->kind == ROUTE_WORKER ? workers_submit(x->http->workers, &x->work, &p) : route->start(&x->q, &p);
    if (rc != OK) {
        x->problem = p;
        x->rc = rc;
        http_resume(&x->q);
    }
    return MHD_YES;
}

static enum MHD_Result finish(struct exchange *x)
{
    if (x->rc == OK && x->q.route->kind == ROUTE_ASYNC)
        x->rc = x->q.route->finish(&x->q, &x->r, &x->problem);
    return answer(x);
}

/* ---- callbacks of the library ---- */

static void *on_request_line(void *context, const char *target, struct MHD_Connection *mhd)
{
    struct exchange *x = malloc(sizeof *x);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    if (x == NULL)
        return NULL;
    memset(x, 0, offsetof(struct exchange, problem)); /* a problem is large, and set whole where it arises */
    x->http = context;
    x->mhd = mhd;
    x->conn = info != NULL ? info->socket_context : NULL;
    x->target = target;
    x->target_size = strlen(target);
    x->work.run = work_run;
    x->q.app = x->http->app;
    x->q.http = x;
    x->q.now = clock_now_ms();
    arena_init(&x->q.arena);
    response_init(&x->r);
    body_init(&x->body, &x->http->budget);
    x->target_copy = arena_strndup(&x->q.arena, target, x->target_size);
    if (x->target_copy == NULL) {
        free(x);
        return NULL;
    }
    /* The library would make a record of every argument; when its memory for them ends it answers and goes on
       reading, and the connection hangs.  We read the copy: to the library it is one argument. */
    for (char *at = (char *)(uintptr_t)target; (at = strchr(at, '&')) != NULL;)
        *at = '_';
    conn_phase(x->conn, CONN_WAITING, x->http->limits->header_deadline_s);
    return x;
}

static enum MHD_Result on_call(void *context, struct MHD_Connection *mhd, const char *url, const char *method,
                               const char *version, const char *data, size_t *size, void **exchange)
{
    struct exchange *x = *exchange;

    (void)context, (void)mhd, (void)url;
    if (x == NULL)
        return MHD_NO;
    if (x->state == EXCHANGE_HEAD)
        return begin(x, method, version);
    if (x->state == EXCHANGE_DONE)
        return finish(x);
    if (*size > 0) {
        /* the rest of what was refused is read away */
        if (x->rc == OK)
            x->rc = body_add(&x->body, data, *size, x->framing.length, x->http->limits->body_bytes, &x->problem);
        *size = 0;
        return MHD_YES;
    }
    return dispatch(x);
}

static void on_completed(void *context, struct MHD_Connection *mhd, void **exchange,
                         enum MHD_RequestTerminationCode why)
{
    struct http *h = context;
    struct exchange *x = *exchange;

    (void)mhd;
    if (x == NULL)
        return;
    *exchange = NULL;
    if (x->is_early && why == MHD_REQUEST_TERMINATED_COMPLETED_OK && x->conn != NULL)
        listener_linger(h->listener, x->conn);
    conn_phase(x->conn, CONN_WAITING, IDLE_S);
    bool counted = x->is_counted;
    body_release(&x->body);
    response_release(&x->r);
    arena_release(&x->q.arena);
    free(x);
    if (counted)
        drain_leave(&h->exchanges);
}

static void on_connection(void *context, struct MHD_Connection *mhd, void **conn,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http *h = context;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        *conn = info != NULL
                    ? conn_open(listener_connections(h->listener), info->connect_fd, h->limits->header_deadline_s)
                    : NULL;
    } else {
        conn_close(listener_connections(h->listener), *conn);
        *conn = NULL;
    }
}

/* Targets and arguments are decoded by http_uri.c, strictly. */
static size_t leave_escaped(void *context, struct MHD_Connection *mhd, char *text)
{
    (void)context, (void)mhd;
    return strlen(text);
}

/* ---- life cycle ---- */

/* A new connection, on the listener's thread. */
static void on_accepted(void *context, int fd, const struct sockaddr *address, socklen_t size)
{
    struct http *h = context;

    /* fails only for want of memory, and then closes fd */
    (void)MHD_add_connection(h->daemon[h->next_daemon++ % h->n_daemons], fd, address, size);
}

static struct MHD_Daemon *start_daemon(struct http *h)
{
    size_t memory = (size_t)h->limits->header_bytes * 2 + 8192;

    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0,
                            NULL, NULL, on_call, h, MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)listener_connections_max(h->listener),
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
                            h, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_URI_LOG_CALLBACK,
                            on_request_line, h, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, h, MHD_OPTION_END);
}

static unsigned between(unsigned low, unsigned value, unsigned high)
{
    return value < low ? low : value > high ? high : value;
}

int http_start(struct http **out, const struct http_options *options, struct problem *p)
{
    long cores_now = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned cores = cores_now > 0 ? (unsigned)cores_now : 1;
    unsigned n_daemons =
        between(1, options->n_network_threads > 0 ? options->n_network_threads : between(2, cores, 8), DAEMONS_MAX);
    unsigned n_workers = options->n_workers > 0 ? options->n_workers : between(4, 2 * cores, 32);
    struct http *h = calloc(1, sizeof *h);

    if (h == NULL)
        return problem_set(p, PROBLEM_INTERNAL, NULL, "no memory for the server");
    drain_init(&h->exchanges);
    h->limits = options->limits;
    h->app = options->app;
    h->budget.max = options->limits->queue_bytes * 4 + options->limits->body_bytes;

    struct listener_options listen = {options->address, options->port, options->limits, on_accepted, h};
    int rc = listener_open(&h->listener, &listen, p);
    if (rc == OK)
        rc = workers_start(&h->workers, options->app != NULL ? options->app->store : NULL, n_workers,
                           (size_t)n_workers * 64, p);
    for (; rc == OK && h->n_daemons < n_daemons; h->n_daemons++)
        if ((h->daemon[h->n_daemons] = start_daemon(h)) == NULL) {
            rc = problem_set(p, PROBLEM_INTERNAL, NULL, "cannot start the HTTP library: %s", strerror(errno));
            break;
        }
    *out = h; /* before anybody can knock: handlers read it */
    if (rc == OK)
        rc = listener_start(h->listener, p);
    if (rc != OK) {
        *out = NULL;
        http_stop(h);
    }
    return rc;
}

uint16_t http_port(const struct http *h)
{
    return listener_port(h->listener);
}

void http_stats_get(struct http *h, struct http_stats *out)
{
    out->connections = conn_count(listener_connections(h->listener));
    out->connections_cut = conn_cuts(listener_connections(h->listener));
    out->requests = drain_count(&h->exchanges);
    out->body_bytes = atomic_load(&h->budget.used);
}

void http_quiesce(struct http *h)
{
    atomic_store(&h->quiet, true);
    listener_quiesce(h->listener);
    conn_hurry(listener_connections(h->listener), DRAIN_BODY_S, DRAIN_SEND_S);
}

bool http_stop(struct http *h)
{
    if (h == NULL)
        return true;
    if (h->listener != NULL)
        http_quiesce(h);
    if (!drain_wait(&h->exchanges, DRAIN_S)) {
        log_event(LOG_WARN, "drain-timeout", "requests were still open after %d s", DRAIN_S);
        return false; /* see invariant 3 */
    }
    workers_stop(h->workers);
    for (unsigned i = 0; i < h->n_daemons; i++)
        MHD_stop_daemon(h->daemon[i]);
    listener_close(h->listener);
    drain_release(&h->exchanges);
    free(h);
    return true;
}
