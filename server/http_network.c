/**
 * The network threads: each has a daemon of libmicrohttpd and the connections that the listener gives it.
 *
 * Several daemons, each run by a thread of ours (http_loop.c) and fed by http_listener.c, take the place of the
 * library's own thread pool: it cannot be quiesced without a race that may abort the process (0.9.75 removes
 * the listening socket from epoll in two threads), and it knows no deadlines.  A daemon is touched by its own thread
 * only: who wants a connection resumed sends mail, so that one wake-up serves a whole group of answers.
 *
 * Invariant: MHD_stop_daemon() is called only when no exchange is left: with a suspended connection it aborts the process.
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
#include "crypto_certificate.h"
#include "http_exchange.h"
#include "http_head.h"
#include "log.h"

enum {
    GATE_BYTES = 16 * 1024 * 1024, /* decoded, of all requests between the last byte of the body and the answer */
    DRAIN_S = 20,                  /* for what handlers are at */
    DRAIN_BODY_S = 2,              /* for bodies still arriving */
    DRAIN_SEND_S = 5,              /* for answers on their way */
    PARKED_MS = 1                  /* how long the library may be kept from asking for the parked */
};

/* A connection on its way from the listener's thread to its network thread. */
struct arrival {
    struct loop_mail mail;
    struct network *network;
    int fd;
    socklen_t size;
    struct sockaddr_storage address;
};

/* ---- callbacks of the library ---- */

static void on_connection(void *context, struct MHD_Connection *mhd, void **conn,
                          enum MHD_ConnectionNotificationCode what)
{
    struct network *n = context;
    struct http *h = n->http;

    n->is_moving = true;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        *conn = info != NULL
                    ? conn_open(listener_connections(h->listener), info->connect_fd, h->limits->header_deadline_s)
                    : NULL;
        if (info != NULL && *conn == NULL) /* no memory to watch its deadlines */
            shutdown(info->connect_fd, SHUT_RDWR);
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

/* The library does not sleep while something is parked, for it would ask again; we do, unless there may be more to do. */
static int wait_ms(void *context)
{
    struct network *n = context;
    MHD_UNSIGNED_LONG_LONG ms = 0;

    if (MHD_get_timeout(n->daemon, &ms) != MHD_YES)
        return -1;
    if (ms == 0 && n->n_parked > 0 && !n->is_moving)
        return PARKED_MS;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static void run(void *context)
{
    struct network *n = context;

    n->is_moving = false;
    n->pass_at = clock_monotonic_us();
    (void)MHD_run(n->daemon);
}

static struct MHD_Daemon *start_daemon(struct network *n)
{
    const struct limits *limits = n->http->limits;
    unsigned most = (unsigned)listener_connections_max(n->http->listener);
    /* the library clears all of it after each request, so no more than it needs: the head, a record of each of
       its headers (72 bytes), the headers of the answer */
    size_t memory = (size_t)limits->header_bytes + HEADERS_MAX * 80 + 2048;

    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)CERTIFICATE_PRIORITIES},
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)certificate_callback()},
        {MHD_OPTION_END, 0, NULL},
    };

    /* the handshake falls under the deadline of the header: a connection has that from its first moment */
    return MHD_start_daemon(n->http->is_tls ? flags | MHD_USE_TLS : flags, 0, NULL, NULL, http_on_call, n,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory, MHD_OPTION_CONNECTION_LIMIT, most,
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_NOTIFY_COMPLETED,
                            http_on_completed, n, MHD_OPTION_NOTIFY_CONNECTION, on_connection, n,
                            MHD_OPTION_URI_LOG_CALLBACK, http_on_request_line, n, MHD_OPTION_UNESCAPE_CALLBACK,
                            leave_escaped, n, MHD_OPTION_ARRAY, n->http->is_tls ? tls : tls + 2, MHD_OPTION_END);
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
    exchange_free_spares(n);
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
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory for the server");
    drain_init(&h->exchanges);
    h->limits = options->limits;
    h->app = options->app;
    h->is_tls = options->is_tls;
    gate_init(&h->gate, GATE_BYTES, http_let_in);
    h->budget.max = options->limits->queue_bytes * 2;
    if (h->budget.max < options->limits->body_bytes)
        h->budget.max = options->limits->body_bytes;

    struct listener_options listen = {options->address, options->port, options->limits, on_accepted, h};
    h->without_memory = answer_without_memory();
    int rc = h->without_memory != NULL ? listener_open(&h->listener, &listen, p)
                                       : problem_set(p, PROBLEM_MEMORY, NULL, "no memory for the server");
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
        return false; /* see the invariant */
    }
    workers_stop(h->workers);
    for (unsigned i = 0; i < h->n_networks; i++)
        stop_network(&h->network[i]);
    listener_close(h->listener); /* from here on nothing more arrives */
    for (unsigned i = 0; i < h->n_networks; i++)
        loop_free(h->network[i].loop);
    if (h->without_memory != NULL)
        MHD_destroy_response(h->without_memory);
    drain_release(&h->exchanges);
    gate_release(&h->gate);
    free(h);
    return true;
}
