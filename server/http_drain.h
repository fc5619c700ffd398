#ifndef HTTP_DRAIN_H
#define HTTP_DRAIN_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/** How many are inside, and a way to wait until nobody is.  Any thread. */
struct drain {
    pthread_mutex_t mutex;
    pthread_cond_t is_empty;
    int64_t n;
};

void drain_init(struct drain *d);
void drain_release(struct drain *d);
void drain_enter(struct drain *d);
void drain_leave(struct drain *d);
int64_t drain_count(struct drain *d);
/** drain_wait(d, seconds): true once nobody is inside; false: the time is over first. */
bool drain_wait(struct drain *d, int seconds);

#endif
