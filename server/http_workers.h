#ifndef HTTP_WORKERS_H
#define HTTP_WORKERS_H

#include <stddef.h>

#include "problem.h"

/**
 * Threads for what may wait: queries and changes of runs.  One bounded queue, first come first served;
 * each thread owns one read connection to the store.  A full queue refuses at once, so that a slow
 * disk makes 503s and not a pile of memory.
 */
struct store;
struct store_conn;
struct workers;

/* A piece of work; embedded in its owner. */
struct work {
    void (*run)(struct work *work, struct store_conn *reader); /* on a worker thread */
    struct work *next;                                         /* private to workers */
};

/** workers_start(out, store, n_threads, queue_max, p): store may be NULL (tests): run() gets no reader. */
int workers_start(struct workers **out, struct store *store, unsigned n_threads, size_t queue_max, struct problem *p);

/** workers_submit(w, work, p): OK, or PROBLEM_BUSY and run() is not called.  Any thread. */
int workers_submit(struct workers *w, struct work *work, struct problem *p);

/** workers_stop(w): finish what is queued, join, close the readers, free.  NULL does nothing. */
void workers_stop(struct workers *w);

#endif
