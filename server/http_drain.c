/** A counter with a condition; the wait is on the monotonic clock, so a stepped clock does not cut it short. */
#include <time.h>

#include "http_drain.h"

void drain_init(struct drain *d)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&d->mutex, NULL);
    pthread_cond_init(&d->is_empty, &attributes);
    pthread_condattr_destroy(&attributes);
    d->n = 0;
}

void drain_release(struct drain *d)
{
    pthread_cond_destroy(&d->is_empty);
    pthread_mutex_destroy(&d->mutex);
}

void drain_enter(struct drain *d)
{
    pthread_mutex_lock(&d->mutex);
    d->n++;
    pthread_mutex_unlock(&d->mutex);
}

void drain_leave(struct drain *d)
{
    pthread_mutex_lock(&d->mutex);
    if (--d->n == 0)
        pthread_cond_broadcast(&d->is_empty);
    pthread_mutex_unlock(&d->mutex);
}

int64_t drain_count(struct drain *d)
{
    pthread_mutex_lock(&d->mutex);
    int64_t n = d->n;
    pthread_mutex_unlock(&d->mutex);
    return n;
}

bool drain_wait(struct drain *d, int seconds)
{
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += seconds;
    pthread_mutex_lock(&d->mutex);
    while (d->n > 0 && rc == 0)
        rc = pthread_cond_timedwait(&d->is_empty, &d->mutex, &until);
    bool empty = d->n == 0;
    pthread_mutex_unlock(&d->mutex);
    return empty;
}
