/**
 * Requests on their way from libmicrohttpd to the handlers and back; http_answer.c writes the answers.  No other
 * file includes microhttpd.
 *
 * Invariants:
 * 1. an exchange belongs to its network thread, but between MHD_suspend_connection() and
 *    MHD_resume_connection() to whoever will resume it;
 * 2. nothing is queued in the first handler call unless the connection shall close: the library closes
 *    after an answer that comes before the whole request;
 * 3. MHD_stop_daemon() is called only when no exchange is left: with a suspended connection it
 *    aborts the process.
 *
 * Several daemons, each run by a thread of ours (http_loop.c) and fed by http_listener.c, take the place of the
 * library's own thread pool: it cannot be quiesced without a race that may abort the process (0.9.75 removes
 * the listening socket from epoll in two threads), and it knows no deadlines.  A daemon is touched by its own thread
 * only: who wants a connection resumed sends mail, so that one wake-up serves a whole group of answers.
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app.h"
#include "clock.h"
#include "http_encoding.h"
#include "http_exchange.h"
#include "http_head.h"
#include "log.h"
#include "routes.h"

enum {
    IDLE_S = 75,
    DISCARD_MAX = 64 * 1024,       /* a refused body this small is read away: the connection lives on */
    GATE_FROM = 16 * 1024,         /* bodies this small, decoded, are not worth counting */
    GATE_BYTES = 16 * 1024 * 1024, /* decoded, of all requests between the last byte of the body and the answer */
    GATE_FACTOR = 3,               /* what decoding makes of a byte, about */
    GATE_GZIP_FACTOR = 8,          /* and unpacking */
    DRAIN_S = 20,                  /* for what handlers are at */
    DRAIN_BODY_S = 2,              /* for bodies still arriving */
    DRAIN_SEND_S = 5               /* for answers on their way */
};

/* A connection on its way from the listener's thread to its network thread. */
struct arrival {
    struct loop_mail mail;
    struct network *network;
    int fd;
    socklen_t size;
    struct sockaddr_storage address;
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
    conn_phase(x->conn, CONN_BODY, x->network->http->limits->request_deadline_s);

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
    x->rc = x->q.route->run(&x->q, &x->r, &x->problem);
    x->q.reader = NULL;
    if (x->rc == OK)
        encode_response(&x->q, &x->r);
    http_resume(&x->q);
}

static void resume(struct loop_mail *mail)
{
    struct exchange *x = (struct exchange *)(void *)((char *)mail - offsetof(struct exchange, mail));

    MHD_resume_connection(x->mhd);
}

void request_body_done(struct request *q)
{
    struct exchange *x = q->http;

    q->body = "";
    q->body_size = 0;
    if (x != NULL)
        body_release(&x->body);
}

void http_resume(struct request *q)
{
    struct exchange *x = q->http;

    x->state = EXCHANGE_DONE;
    x->mail.open = resume;
    loop_post(x->network->loop, &x->mail);
}

/* The gate let it in: on its network thread it is dispatched again. */
static void let_in(struct gate_ticket *ticket)
{
    struct exchange *x = (struct exchange *)(void *)((char *)ticket - offsetof(struct exchange, ticket));

    x->mail.open = resume;
    loop_post(x->network->loop, &x->mail);
}

/* May what the body holds be decoded now?  false: the connection sleeps until it may. */
static bool may_decode(struct exchange *x)
{
    int64_t weight = (int64_t)x->body.size * GATE_FACTOR * (head_is_gzip(&x->q) ? GATE_GZIP_FACTOR : 1);

    if (x->ticket.is_inside || x->body.size < GATE_FROM || gate_enter(&x->network->http->gate, &x->ticket, weight))
        return true;
    conn_phase(x->conn, CONN_WORKING, 0);
    MHD_suspend_connection(x->mhd); /* whoever lets it in posts to this very thread, so that comes later */
    return false;
}

/* The whole request is in. */
static enum MHD_Result dispatch(struct exchange *x)
{
    const struct route *route = x->q.route;

    if (x->rc == OK && route->kind == ROUTE_ASYNC && !may_decode(x))
        return MHD_YES;
    if (x->rc == OK && head_is_gzip(&x->q))
        x->rc = body_unpack(&x->body, x->network->http->limits->body_bytes, &x->problem);
    if (x->rc != OK)
        return http_answer(x);
    x->q.body = x->body.data != NULL ? x->body.data : "";
    x->q.body_size = x->body.size;
    if (route->kind == ROUTE_INLINE) {
        x->rc = route->run(&x->q, &x->r, &x->problem);
        if (x->rc == OK)
            encode_response(&x->q, &x->r);
        return http_answer(x);
    }
    /* from here on the exchange is somebody else's: nothing may be touched after a success */
    x->state = EXCHANGE_SUSPENDED;
    conn_phase(x->conn, CONN_WORKING, 0);
    MHD_suspend_connection(x->mhd);
    struct problem p;
    int rc =
        route->kind == ROUTE_WORKER ? workers_submit(x->network->http->workers, &x->work, &p) : route->start(&x->q, &p);
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
    return http_answer(x);
}

/* ---- callbacks of the library ---- */

/* A zeroed exchange but for its problem and its room, which are large: used ones are used again. */
static struct exchange *new_exchange(struct network *n)
{
    struct exchange *x = n->spare;

    if (x != NULL) {
        n->spare = x->next_spare;
        n->n_spare--;
    } else {
        x = malloc(sizeof *x);
        if (x == NULL)
            return NULL;
    }
    memset(x, 0, offsetof(struct exchange, problem));
    x->network = n;
    arena_init_in(&x->q.arena, x->room, sizeof x->room);
    response_init(&x->r);
    body_init(&x->body, &n->http->budget);
    return x;
}

static void free_exchange(struct exchange *x)
{
    struct network *n = x->network;

    body_release(&x->body);
    response_release(&x->r);
    arena_release(&x->q.arena);
    gate_leave(&n->http->gate, &x->ticket);
    if (n->n_spare == SPARE_MAX) {
        free(x);
        return;
    }
    x->next_spare = n->spare;
    n->spare = x;
    n->n_spare++;
}

static void *on_request_line(void *context, const char *target, struct MHD_Connection *mhd)
{
    struct network *n = context;
    struct exchange *x = new_exchange(n);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

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
        free_exchange(x);
        return NULL;
    }
    /* The library would make a record of every argument; when its memory for them ends it answers and goes on
       reading, and the connection hangs.  We read the copy: to the library it is one argument. */
    for (char *at = (char *)(uintptr_t)target; (at = strchr(at, '&')) != NULL;)
        *at = '_';
    conn_phase(x->conn, CONN_WAITING, n->http->limits->header_deadline_s);
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
            x->rc =
                body_add(&x->body, data, *size, x->framing.length, x->network->http->limits->body_bytes, &x->problem);
        *size = 0;
        return MHD_YES;
    }
    return dispatch(x);
}

static void on_completed(void *context, struct MHD_Connection *mhd, void **exchange,
                         enum MHD_RequestTerminationCode why)
{
    struct http *h = ((struct network *)context)->http;
    struct exchange *x = *exchange;

    (void)mhd;
    if (x == NULL)
        return;
    *exchange = NULL;
    if (x->is_early && why == MHD_REQUEST_TERMINATED_COMPLETED_OK && x->conn != NULL)
        listener_linger(h->listener, x->conn);
    conn_phase(x->conn, CONN_WAITING, IDLE_S);
    bool counted = x->is_counted;
    free_exchange(x);
    if (counted)
        drain_leave(&h->exchanges);
}

static void on_connection(void *context, struct MHD_Connection *mhd, void **conn,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http *h = ((struct network *)context)->http;

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

static void enter(struct loop_mail *mail)
{
    struct arrival *a = (struct arrival *)(void *)mail;

    /* fails only for want of memory, and then closes fd */
    if (a->network->daemon != NULL)
        (void)MHD_add_connection(a->network->daemon, a->fd, (const struct sockaddr *)&a->address, a->size);
    else
        close(a->fd);
    free(a);
}

/* A new connection, on the listener's thread. */
static void on_accepted(void *context, int fd, const struct sockaddr *address, socklen_t size)
{
    struct http *h = context;
    struct arrival *a = malloc(sizeof *a);

    if (a == NULL) {
        close(fd);
        return;
    }
    a->mail.open = enter;
    a->network = &h->network[h->next_network++ % h->n_networks];
    a->fd = fd;
    a->size = size;
    memcpy(&a->address, address, size);
    loop_post(a->network->loop, &a->mail);
}

/* ---- network threads ---- */

static int wait_ms(void *context)
{
    struct network *n = context;
    MHD_UNSIGNED_LONG_LONG ms = 0;

    if (MHD_get_timeout(n->daemon, &ms) != MHD_YES)
        return -1;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static void run(void *context)
{
    struct network *n = context;

    (void)MHD_run(n->daemon);
}

static struct MHD_Daemon *start_daemon(struct network *n)
{
    const struct limits *limits = n->http->limits;
    unsigned most = (unsigned)listener_connections_max(n->http->listener);
    /* the library clears all of it after each request, so no more than it needs: the head, a record of each of
       its headers (72 bytes), the headers of the answer */
    size_t memory = (size_t)limits->header_bytes + HEADERS_MAX * 80 + 2048;

    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, on_call,
                            n, MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory, MHD_OPTION_CONNECTION_LIMIT, most,
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
                            n, MHD_OPTION_NOTIFY_CONNECTION, on_connection, n, MHD_OPTION_URI_LOG_CALLBACK,
                            on_request_line, n, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, n, MHD_OPTION_END);
}

static int start_network(struct http *h, struct network *n, struct problem *p)
{
    n->http = h;
    n->daemon = start_daemon(n);
    const union MHD_DaemonInfo *info =
        n->daemon != NULL ? MHD_get_daemon_info(n->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (info == NULL)
        return problem_set(p, PROBLEM_INTERNAL, NULL, "cannot start the HTTP library: %s", strerror(errno));
    struct loop_options options = {.fd = info->epoll_fd, .wait_ms = wait_ms, .run = run, .context = n};
    return loop_start(&n->loop, &options, p);
}

/* No exchange is left, and nobody resumes one any more. */
static void stop_network(struct network *n)
{
    if (n->loop != NULL)
        loop_stop(n->loop);
    if (n->daemon != NULL)
        MHD_stop_daemon(n->daemon);
    n->daemon = NULL;
    answer_cache_release(n);
    for (struct exchange *x = n->spare, *next; x != NULL; x = next) {
        next = x->next_spare;
        free(x);
    }
    n->spare = NULL;
}

static unsigned between(unsigned low, unsigned value, unsigned high)
{
    return value < low ? low : value > high ? high : value;
}

int http_start(struct http **out, const struct http_options *options, struct problem *p)
{
    long cores_now = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned cores = cores_now > 0 ? (unsigned)cores_now : 1;
    unsigned n_networks =
        between(1, options->n_network_threads > 0 ? options->n_network_threads : between(2, cores, 8), NETWORKS_MAX);
    unsigned n_workers = options->n_workers > 0 ? options->n_workers : between(4, 2 * cores, 32);
    struct http *h = calloc(1, sizeof *h);

    if (h == NULL)
        return problem_set(p, PROBLEM_INTERNAL, NULL, "no memory for the server");
    drain_init(&h->exchanges);
    h->limits = options->limits;
    h->app = options->app;
    gate_init(&h->gate, GATE_BYTES, let_in);
    h->budget.max = options->limits->queue_bytes * 4 + options->limits->body_bytes;

    struct listener_options listen = {options->address, options->port, options->limits, on_accepted, h};
    int rc = listener_open(&h->listener, &listen, p);
    if (rc == OK)
        rc = workers_start(&h->workers, options->app != NULL ? options->app->store : NULL, n_workers,
                           (size_t)n_workers * 64, p);
    while (rc == OK && h->n_networks < n_networks)
        rc = start_network(h, &h->network[h->n_networks++], p);
    *out = h; /* handlers may ask for it as soon as somebody knocks */
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
    for (unsigned i = 0; i < h->n_networks; i++)
        stop_network(&h->network[i]);
    listener_close(h->listener); /* from here on nothing more arrives */
    for (unsigned i = 0; i < h->n_networks; i++)
        loop_free(h->network[i].loop);
    drain_release(&h->exchanges);
    gate_release(&h->gate);
    free(h);
    return true;
}
