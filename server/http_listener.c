/**
 * One thread with one poll loop: the listening socket, a wake-up, the sockets that linger.  Four times a
 * second it looks at all deadlines; with no connection open it sleeps until somebody knocks.
 *
 * Invariants:
 * 1. a conn in the list has an open fd: conn_close() takes it out, under the mutex, before the HTTP
 *    library closes the fd, and fds are shut down under the mutex only; so no other connection that
 *    got the same number is ever hit;
 * 2. phase and deadline of a conn are written by its network thread and read here, both atomically;
 * 3. lingering fds are duplicates, owned by this thread alone once it has taken them over.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "http_listener.h"
#include "log.h"

enum {
    TICK_MS = 250,
    ACCEPTS_A_ROUND = 64,
    LINGER_MAX = 64,
    LINGER_US = 5 * 1000 * 1000,
    LINGER_BYTES = 64 * 1024 * 1024,
    FILES_FOR_OTHERS = 128, /* the database, its readers, epoll, eventfd, lingering duplicates */
};

struct conn {
    int fd;
    _Atomic int phase;
    _Atomic int64_t deadline_us; /* 0: none */
    _Atomic int64_t since_us;    /* when the phase began */
    bool is_cut;                 /* guarded by the listener's mutex */
    struct conn *prev, *next;
};

struct lingerer {
    int fd;
    int64_t until_us;
    int64_t bytes_left;
};

struct listener {
    pthread_mutex_t mutex; /* guards the list, n_conns and the newly lingering */
    struct conn *head, *tail;
    int64_t n_conns;
    struct lingerer arriving[LINGER_MAX];
    size_t n_arriving;

    _Atomic int fd; /* -1 after listener_quiesce() */
    int wake_fd;
    _Atomic bool quiet, stopping;
    _Atomic int64_t n_cut;
    bool started;
    pthread_t thread;

    uint16_t port;
    int64_t connections_max, header_deadline_s;
    void (*accepted)(void *context, int fd, const struct sockaddr *address, socklen_t size);
    void *context;
};

/* ---- connections ---- */

struct conn *conn_open(struct listener *l, int fd)
{
    struct conn *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    c->fd = fd;
    conn_phase(c, CONN_WAITING, l->header_deadline_s);
    pthread_mutex_lock(&l->mutex);
    c->prev = l->tail;
    if (l->tail != NULL)
        l->tail->next = c;
    else
        l->head = c;
    l->tail = c;
    l->n_conns++;
    pthread_mutex_unlock(&l->mutex);
    return c;
}

void conn_close(struct listener *l, struct conn *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&l->mutex);
    *(c->prev != NULL ? &c->prev->next : &l->head) = c->next;
    *(c->next != NULL ? &c->next->prev : &l->tail) = c->prev;
    l->n_conns--;
    pthread_mutex_unlock(&l->mutex);
    free(c);
}

void conn_phase(struct conn *c, enum conn_phase phase, int64_t seconds)
{
    int64_t now = clock_monotonic_us();

    if (c == NULL)
        return;
    atomic_store_explicit(&c->deadline_us, seconds > 0 ? now + seconds * 1000000 : 0, memory_order_relaxed);
    atomic_store_explicit(&c->since_us, now, memory_order_relaxed);
    atomic_store_explicit(&c->phase, (int)phase, memory_order_relaxed);
}

static void wake(struct listener *l)
{
    uint64_t one = 1;
    ssize_t n = write(l->wake_fd, &one, sizeof one);

    (void)n; /* EAGAIN: it is awake already */
}

void conn_linger(struct listener *l, struct conn *c)
{
    int fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);
    bool taken = false;

    if (fd < 0)
        return;
    pthread_mutex_lock(&l->mutex);
    if (l->n_arriving < LINGER_MAX) {
        l->arriving[l->n_arriving++] = (struct lingerer){fd, clock_monotonic_us() + LINGER_US, LINGER_BYTES};
        taken = true;
    }
    pthread_mutex_unlock(&l->mutex);
    if (taken)
        wake(l);
    else
        close(fd);
}

/* Called with the mutex held. */
static void cut(struct listener *l, struct conn *c)
{
    shutdown(c->fd, SHUT_RDWR);
    c->is_cut = true;
    atomic_fetch_add(&l->n_cut, 1);
}

static void cut_late(struct listener *l)
{
    int64_t now = clock_monotonic_us();

    pthread_mutex_lock(&l->mutex);
    for (struct conn *c = l->head; c != NULL; c = c->next) {
        int64_t deadline = atomic_load_explicit(&c->deadline_us, memory_order_relaxed);
        if (deadline != 0 && deadline < now && !c->is_cut)
            cut(l, c);
    }
    pthread_mutex_unlock(&l->mutex);
}

/* Make room: above 80 % of the connections, the one that has waited longest without a complete header goes. */
static void cut_oldest(struct listener *l)
{
    struct conn *oldest = NULL;
    int64_t oldest_us = 0;

    pthread_mutex_lock(&l->mutex);
    if (l->n_conns * 5 > l->connections_max * 4)
        for (struct conn *c = l->head; c != NULL; c = c->next) {
            int64_t since = atomic_load_explicit(&c->since_us, memory_order_relaxed);
            if (c->is_cut || atomic_load_explicit(&c->phase, memory_order_relaxed) != CONN_WAITING)
                continue;
            if (oldest == NULL || since < oldest_us) {
                oldest = c;
                oldest_us = since;
            }
        }
    if (oldest != NULL)
        cut(l, oldest);
    pthread_mutex_unlock(&l->mutex);
}

void listener_counts(const struct listener *l, int64_t *open, int64_t *n_cut)
{
    struct listener *mutable = (struct listener *)l;

    pthread_mutex_lock(&mutable->mutex);
    *open = l->n_conns;
    pthread_mutex_unlock(&mutable->mutex);
    *n_cut = atomic_load(&mutable->n_cut);
}

/* ---- the loop ---- */

static bool is_full(struct listener *l)
{
    bool full;

    pthread_mutex_lock(&l->mutex);
    full = l->n_conns >= l->connections_max;
    pthread_mutex_unlock(&l->mutex);
    return full;
}

static void accept_some(struct listener *l)
{
    int listen_fd = atomic_load(&l->fd);

    for (int i = 0; i < ACCEPTS_A_ROUND && listen_fd >= 0; i++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        int fd = accept4(listen_fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
                log_event(LOG_WARN, "accept-failed", "%s", strerror(errno));
                poll(NULL, 0, TICK_MS); /* level-triggered: else this would spin */
            }
            return;
        }
        l->accepted(l->context, fd, (struct sockaddr *)&address, size);
        cut_oldest(l);
        if (is_full(l))
            return;
    }
}

/* Read away what a lingering client still sends; false: it is done with. */
static bool drain(struct lingerer *g, int64_t now)
{
    char discard[65536];

    for (;;) {
        ssize_t n = recv(g->fd, discard, sizeof discard, MSG_DONTWAIT);
        if (n < 0)
            return (errno == EAGAIN || errno == EINTR) && now < g->until_us;
        g->bytes_left -= n;
        if (n == 0 || g->bytes_left <= 0)
            return false;
        if ((size_t)n < sizeof discard)
            return now < g->until_us;
    }
}

static size_t linger_round(struct listener *l, struct lingerer *lingering, size_t n)
{
    int64_t now = clock_monotonic_us();
    size_t kept = 0;

    pthread_mutex_lock(&l->mutex);
    for (size_t i = 0; i < l->n_arriving; i++) {
        if (n < LINGER_MAX)
            lingering[n++] = l->arriving[i];
        else
            close(l->arriving[i].fd);
    }
    l->n_arriving = 0;
    pthread_mutex_unlock(&l->mutex);
    for (size_t i = 0; i < n; i++) {
        if (drain(&lingering[i], now))
            lingering[kept++] = lingering[i];
        else
            close(lingering[i].fd);
    }
    return kept;
}

static bool has_connections(struct listener *l)
{
    bool any;

    pthread_mutex_lock(&l->mutex);
    any = l->n_conns > 0;
    pthread_mutex_unlock(&l->mutex);
    return any;
}

static void *listen_loop(void *argument)
{
    struct listener *l = argument;
    struct lingerer lingering[LINGER_MAX];
    size_t n_lingering = 0;
    bool just_accepted = false;
    int64_t looked_at_us = 0;

    while (!atomic_load(&l->stopping)) {
        struct pollfd fds[2 + LINGER_MAX];
        bool full = is_full(l);
        fds[0] = (struct pollfd){.fd = l->wake_fd, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = full || atomic_load(&l->quiet) ? -1 : atomic_load(&l->fd), .events = POLLIN};
        for (size_t i = 0; i < n_lingering; i++)
            fds[2 + i] = (struct pollfd){.fd = lingering[i].fd, .events = POLLIN};
        bool watch = just_accepted || n_lingering > 0 || has_connections(l);
        poll(fds, 2 + n_lingering, watch ? TICK_MS : -1);

        just_accepted = false;
        if ((fds[0].revents & POLLIN) != 0) {
            uint64_t count;
            ssize_t n = read(l->wake_fd, &count, sizeof count);
            (void)n;
        }
        if ((fds[1].revents & POLLIN) != 0 && !atomic_load(&l->quiet)) {
            accept_some(l);
            just_accepted = true;
        }
        n_lingering = linger_round(l, lingering, n_lingering);
        if (clock_monotonic_us() - looked_at_us >= TICK_MS * 1000) {
            looked_at_us = clock_monotonic_us();
            cut_late(l);
        }
    }
    linger_round(l, lingering, n_lingering);
    for (size_t i = 0; i < n_lingering; i++)
        close(lingering[i].fd);
    return NULL;
}

/* ---- life cycle ---- */

/* As many descriptors as the connections need; fewer connections if the system refuses. */
static int64_t fit_files(int64_t connections)
{
    struct rlimit files;
    rlim_t need = (rlim_t)connections + FILES_FOR_OTHERS;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY || files.rlim_cur >= need)
        return connections;
    struct rlimit wanted = files;
    wanted.rlim_cur = need;
    if (wanted.rlim_max != RLIM_INFINITY && wanted.rlim_max < need)
        wanted.rlim_max = need; /* root may */
    if (setrlimit(RLIMIT_NOFILE, &wanted) == 0)
        return connections;
    wanted = files;
    wanted.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &wanted) != 0)
        wanted = files;
    int64_t fits = (int64_t)wanted.rlim_cur - FILES_FOR_OTHERS;
    if (fits < 8)
        fits = 8;
    if (fits >= connections)
        return connections;
    log_event(LOG_WARN, "connections-lowered",
              "limit connections is %" PRId64 ", but only %" PRId64 " files may be open: %" PRId64 " connections",
              connections, (int64_t)wanted.rlim_cur, fits);
    return fits;
}

static bool read_address(const struct listener_options *o, struct sockaddr_storage *out, socklen_t *size)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, o->address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(o->port);
        *size = sizeof *v4;
        return true;
    }
    if (inet_pton(AF_INET6, o->address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(o->port);
        *size = sizeof *v6;
        return true;
    }
    return false;
}

static int bind_socket(struct listener *l, const struct listener_options *o, struct problem *p)
{
    struct sockaddr_storage address;
    socklen_t size = 0;
    int one = 1, zero = 0;

    if (!read_address(o, &address, &size))
        return problem_set(p, PROBLEM_INVALID, NULL, "cannot listen on \"%s\": not an IPv4 or IPv6 address",
                           o->address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    atomic_store(&l->fd, fd);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        (address.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero) != 0) ||
        bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return problem_set(p, PROBLEM_INTERNAL, NULL, "cannot listen on %s port %u: %s", o->address, (unsigned)o->port,
                           strerror(errno));
    l->port = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                                  : ((struct sockaddr_in *)&address)->sin_port);
    return OK;
}

int listener_open(struct listener **out, const struct listener_options *options, struct problem *p)
{
    struct listener *l = calloc(1, sizeof *l);

    if (l == NULL)
        return problem_set(p, PROBLEM_INTERNAL, NULL, "no memory for the listener");
    pthread_mutex_init(&l->mutex, NULL);
    atomic_store(&l->fd, -1);
    l->accepted = options->accepted;
    l->context = options->context;
    l->header_deadline_s = options->limits->header_deadline_s;
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int rc = l->wake_fd >= 0 ? OK : problem_set(p, PROBLEM_INTERNAL, NULL, "no eventfd: %s", strerror(errno));
    if (rc == OK)
        rc = bind_socket(l, options, p);
    if (rc != OK) {
        listener_close(l);
        return rc;
    }
    l->connections_max = fit_files(options->limits->connections);
    *out = l;
    return OK;
}

uint16_t listener_port(const struct listener *l)
{
    return l->port;
}

int64_t listener_connections_max(const struct listener *l)
{
    return l->connections_max;
}

int listener_start(struct listener *l, struct problem *p)
{
    if (pthread_create(&l->thread, NULL, listen_loop, l) != 0)
        return problem_set(p, PROBLEM_INTERNAL, NULL, "cannot start the listener's thread");
    l->started = true;
    return OK;
}

void listener_quiesce(struct listener *l)
{
    if (atomic_exchange(&l->quiet, true))
        return;
    /* close() alone would leave a poll() on it asleep, and a connection in the backlog unanswered */
    shutdown(atomic_load(&l->fd), SHUT_RDWR);
    wake(l);
}

void listener_close(struct listener *l)
{
    if (l == NULL)
        return;
    atomic_store(&l->quiet, true);
    atomic_store(&l->stopping, true);
    if (l->started) {
        wake(l);
        pthread_join(l->thread, NULL);
    }
    if (atomic_load(&l->fd) >= 0)
        close(atomic_load(&l->fd));
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    pthread_mutex_destroy(&l->mutex);
    free(l);
}
