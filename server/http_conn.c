/**
 * Invariants:
 * 1. a conn in the list has an open fd: conn_close() takes it out, under the mutex, before the HTTP library closes
 *    the fd, and fds are shut down under the mutex only; so no other connection that got the same number is hit;
 * 2. phase and deadline are written by the connection's network thread and read by the listener's, both atomically.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "clock.h"
#include "http_conn.h"

struct conn {
    int fd;
    _Atomic int phase;
    _Atomic int64_t deadline_us; /* 0: none */
    _Atomic int64_t since_us;    /* when the phase began */
    bool is_cut;                 /* guarded by the list's mutex */
    struct conn *prev, *next;
};

struct conn_list {
    pthread_mutex_t mutex;
    struct conn *head, *tail;
    int64_t n, n_cut;
};

struct conn_list *conn_list_new(void)
{
    struct conn_list *l = calloc(1, sizeof *l);

    if (l != NULL)
        pthread_mutex_init(&l->mutex, NULL);
    return l;
}

void conn_list_free(struct conn_list *l)
{
    if (l == NULL)
        return;
    pthread_mutex_destroy(&l->mutex);
    free(l);
}

struct conn *conn_open(struct conn_list *l, int fd, int64_t header_deadline_s)
{
    struct conn *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    c->fd = fd;
    conn_phase(c, CONN_WAITING, header_deadline_s);
    pthread_mutex_lock(&l->mutex);
    c->prev = l->tail;
    *(l->tail != NULL ? &l->tail->next : &l->head) = c;
    l->tail = c;
    l->n++;
    pthread_mutex_unlock(&l->mutex);
    return c;
}

void conn_close(struct conn_list *l, struct conn *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&l->mutex);
    *(c->prev != NULL ? &c->prev->next : &l->head) = c->next;
    *(c->next != NULL ? &c->next->prev : &l->tail) = c->prev;
    l->n--;
    pthread_mutex_unlock(&l->mutex);
    free(c);
}

int conn_fd(const struct conn *c)
{
    return c->fd;
}

int64_t conn_phase(struct conn *c, enum conn_phase phase, int64_t seconds)
{
    int64_t now = clock_monotonic_us();

    if (c == NULL)
        return now;
    atomic_store_explicit(&c->deadline_us, seconds > 0 ? now + seconds * 1000000 : 0, memory_order_relaxed);
    atomic_store_explicit(&c->since_us, now, memory_order_relaxed);
    atomic_store_explicit(&c->phase, (int)phase, memory_order_relaxed);
    return now;
}

void conn_due(struct conn *c, int64_t seconds)
{
    if (c == NULL)
        return;
    int64_t latest = clock_monotonic_us() + seconds * 1000000;
    int64_t deadline = atomic_load_explicit(&c->deadline_us, memory_order_relaxed);
    /* against conn_hurry(), which only brings it nearer too */
    while ((deadline == 0 || deadline > latest) && !atomic_compare_exchange_weak(&c->deadline_us, &deadline, latest))
        continue;
}

int64_t conn_count(struct conn_list *l)
{
    pthread_mutex_lock(&l->mutex);
    int64_t n = l->n;
    pthread_mutex_unlock(&l->mutex);
    return n;
}

int64_t conn_cuts(struct conn_list *l)
{
    pthread_mutex_lock(&l->mutex);
    int64_t n = l->n_cut;
    pthread_mutex_unlock(&l->mutex);
    return n;
}

/* Called with the mutex held. */
static void cut(struct conn_list *l, struct conn *c)
{
    struct linger at_once = {.l_onoff = 1};

    /* what is not read would keep the end of the stream, and the system's memory, behind it for minutes */
    if (atomic_load_explicit(&c->phase, memory_order_relaxed) == CONN_SENDING)
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    shutdown(c->fd, SHUT_RDWR);
    c->is_cut = true;
    l->n_cut++;
}

void conn_cut_late(struct conn_list *l)
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

void conn_cut_oldest(struct conn_list *l)
{
    struct conn *oldest = NULL;
    int64_t oldest_us = 0;

    pthread_mutex_lock(&l->mutex);
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

void conn_hurry(struct conn_list *l, int64_t body_s, int64_t sending_s)
{
    int64_t now = clock_monotonic_us();

    pthread_mutex_lock(&l->mutex);
    for (struct conn *c = l->head; c != NULL; c = c->next) {
        int phase = atomic_load_explicit(&c->phase, memory_order_relaxed);
        int64_t deadline = atomic_load_explicit(&c->deadline_us, memory_order_relaxed);
        int64_t latest = now + (phase == CONN_BODY ? body_s : sending_s) * 1000000;
        /* a phase that begins meanwhile brings a deadline of its own, which must not be overwritten */
        if ((phase == CONN_BODY || phase == CONN_SENDING) && deadline > latest)
            atomic_compare_exchange_strong(&c->deadline_us, &deadline, latest);
    }
    pthread_mutex_unlock(&l->mutex);
}
