/**
 * One thread with one poll loop: the listening socket, a wake-up, the sockets that linger.  Four times a second it
 * looks at all deadlines; with no connection open it sleeps until somebody knocks.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "http_linger.h"
#include "http_listener.h"
#include "log.h"

enum {
    TICK_MS = 250,
    UNSENT_MAX = 256 * 1024, /* bytes of a connection that the system keeps beyond what the other side takes */
    ACCEPTS_A_ROUND = 16,    /* a connection is counted only once its network thread has it */
    FILES_FOR_OTHERS = 64 + LINGER_MAX, /* the database, its readers, epoll, eventfd, duplicates */
};

struct listener {
    _Atomic int fd;
    int wake_fd;
    _Atomic bool quiet, stopping;
    bool started;
    pthread_t thread;
    struct conn_list *connections;
    struct linger_list lingering;

    uint16_t port;
    int64_t connections_max;
    void (*accepted)(void *context, int fd, const struct sockaddr *address, socklen_t size);
    void *context;
};

static void wake(struct listener *l)
{
    uint64_t one = 1;
    ssize_t n = write(l->wake_fd, &one, sizeof one);

    (void)n; /* EAGAIN: it is awake already */
}

void listener_linger(struct listener *l, const struct conn *c)
{
    if (linger_add(&l->lingering, conn_fd(c)))
        wake(l);
}

/* ---- the loop ---- */

static bool is_full(struct listener *l)
{
    return conn_count(l->connections) >= l->connections_max;
}

static void accept_some(struct listener *l)
{
    int unsent = UNSENT_MAX;

    for (int i = 0; i < ACCEPTS_A_ROUND && !is_full(l); i++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        int fd = accept4(atomic_load(&l->fd), (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
                log_event(LOG_WARN, "accept-failed", "%s", strerror(errno));
                poll(NULL, 0, TICK_MS); /* level-triggered: else this would spin */
            }
            return;
        }
        /* else a client that reads nothing makes the system keep megabytes for it */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
        l->accepted(l->context, fd, (struct sockaddr *)&address, size);
        if (conn_count(l->connections) * 5 > l->connections_max * 4)
            conn_cut_oldest(l->connections);
    }
}

static void *listen_loop(void *argument)
{
    struct listener *l = argument;
    bool just_accepted = false;
    int64_t looked_at_us = 0;

    while (!atomic_load(&l->stopping)) {
        struct pollfd fds[2 + LINGER_MAX];
        bool closed = atomic_load(&l->quiet) || is_full(l);
        size_t n_lingering = linger_poll(&l->lingering, fds + 2);
        bool watch = just_accepted || n_lingering > 0 || conn_count(l->connections) > 0;
        fds[0] = (struct pollfd){.fd = l->wake_fd, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = closed ? -1 : atomic_load(&l->fd), .events = POLLIN};
        if (poll(fds, 2 + n_lingering, watch ? TICK_MS : -1) < 0)
            continue; /* EINTR */

        if ((fds[0].revents & POLLIN) != 0) {
            uint64_t count;
            ssize_t n = read(l->wake_fd, &count, sizeof count);
            (void)n;
        }
        just_accepted = (fds[1].revents & POLLIN) != 0 && !atomic_load(&l->quiet);
        if (just_accepted)
            accept_some(l);
        linger_round(&l->lingering);
        if (clock_monotonic_us() - looked_at_us >= TICK_MS * 1000) {
            looked_at_us = clock_monotonic_us();
            conn_cut_late(l->connections);
        }
    }
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
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory for the listener");
    linger_init(&l->lingering);
    l->connections = conn_list_new();
    atomic_store(&l->fd, -1);
    l->accepted = options->accepted;
    l->context = options->context;
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int rc = OK;
    if (l->wake_fd < 0 || l->connections == NULL)
        rc = problem_set(p, PROBLEM_MEMORY, NULL, "no memory or no file for the listener");
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

struct conn_list *listener_connections(const struct listener *l)
{
    return l->connections;
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
    linger_release(&l->lingering);
    conn_list_free(l->connections);
    free(l);
}
