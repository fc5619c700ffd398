/** Reading refused uploads away.  Every fd here is a duplicate that nobody else holds. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "http_linger.h"

enum { LINGER_US = 5 * 1000 * 1000, LINGER_BYTES = 64 * 1024 * 1024 };

void linger_init(struct linger_list *l)
{
    pthread_mutex_init(&l->mutex, NULL);
    l->n_arriving = l->n_active = 0;
}

void linger_release(struct linger_list *l)
{
    for (size_t i = 0; i < l->n_arriving; i++)
        close(l->arriving[i].fd);
    for (size_t i = 0; i < l->n_active; i++)
        close(l->active[i].fd);
    l->n_arriving = l->n_active = 0;
    pthread_mutex_destroy(&l->mutex);
}

bool linger_add(struct linger_list *l, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    bool added = false;

    if (copy < 0)
        return false;
    pthread_mutex_lock(&l->mutex);
    if (l->n_arriving < LINGER_MAX) {
        l->arriving[l->n_arriving++] = (struct lingering){copy, clock_monotonic_us() + LINGER_US, LINGER_BYTES};
        added = true;
    }
    pthread_mutex_unlock(&l->mutex);
    if (!added)
        close(copy);
    return added;
}

size_t linger_poll(const struct linger_list *l, struct pollfd *fds)
{
    for (size_t i = 0; i < l->n_active; i++)
        fds[i] = (struct pollfd){.fd = l->active[i].fd, .events = POLLIN};
    return l->n_active;
}

/* false: the client is done, or has had its time. */
static bool drain(struct lingering *g, int64_t now)
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

void linger_round(struct linger_list *l)
{
    int64_t now = clock_monotonic_us();
    size_t kept = 0;

    pthread_mutex_lock(&l->mutex);
    for (size_t i = 0; i < l->n_arriving; i++) {
        if (l->n_active < LINGER_MAX)
            l->active[l->n_active++] = l->arriving[i];
        else
            close(l->arriving[i].fd);
    }
    l->n_arriving = 0;
    pthread_mutex_unlock(&l->mutex);
    for (size_t i = 0; i < l->n_active; i++) {
        if (drain(&l->active[i], now))
            l->active[kept++] = l->active[i];
        else
            close(l->active[i].fd);
    }
    l->n_active = kept;
}
