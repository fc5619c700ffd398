#ifndef INGEST_OUTCOME_H
#define INGEST_OUTCOME_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ingest.h"
#include "ingest_queue.h"
#include "problem.h"
#include "store.h"

/**
 * Private to ingest.  What became of jobs: counted, logged where the store failed, and told to whoever waits.
 */
struct outcomes {
    pthread_mutex_t mutex;
    struct ingest_stats stats; /* guarded by it; but for what waits, which the queue knows */

    atomic_int refusing;     /* what the last transaction failed with; OK: it did not */
    struct store *store;     /* constant */
    struct job_queue *queue; /* constant: the jobs leave it here */
};

/** outcomes_init(o, store, queue): false: the system has no mutex for it, and nothing is to be released. */
bool outcomes_init(struct outcomes *o, struct store *store, struct job_queue *queue);
void outcomes_release(struct outcomes *o);

/**
 * outcomes_end(o, first, status, p): the end of some jobs, linked by next: their done() is called, and takes them.
 *
 * status  OK: what they hold is committed and on disk.  Otherwise every one of them failed with it, and p says why; it is
 *         changed.
 * Thread  the writer's, or the syncer's.
 */
void outcomes_end(struct outcomes *o, struct job *first, int status, struct problem *p);

/** outcomes_is_refusing(o): the last transaction that ended failed for a reason that lasts. */
bool outcomes_is_refusing(struct outcomes *o);

void outcomes_add_thinned(struct outcomes *o, int64_t batches);
void outcomes_get(struct outcomes *o, struct ingest_stats *out);

#endif
