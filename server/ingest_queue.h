#ifndef INGEST_QUEUE_H
#define INGEST_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "ingest.h"
#include "problem.h"

/**
 * Private to ingest.  What waits for the writer, in the order of arrival, and how much of it may.  A job counts from
 * queue_put() until queue_leave(), so also while it is being written.
 */
enum { QUEUE_RECORDS_LARGE = 500 }; /* a group of so many is worth its commit already */
enum { QUEUE_FOR_EVER = -1 };

struct job_queue {
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t wake;
    struct job *head, **tail; /* tail: the last link of the list from head */
    int64_t n_waiting;        /* jobs from head to tail */
    int64_t n_records;        /* in those jobs */
    int64_t wake_at;          /* n_waiting that wakes the writer */
    int64_t n_jobs, bytes;    /* with those that were taken and have not left */
    bool stopping;

    int64_t bytes_max; /* constant */
    int64_t n_taken;   /* the writer's: jobs of the last group */
};

/** queue_init(q, bytes_max): false: the system has no mutex or condition for it, and nothing is to be released. */
bool queue_init(struct job_queue *q, int64_t bytes_max);
void queue_release(struct job_queue *q);

/** queue_put(q, job, p): as ingest_submit().  Any thread. */
int queue_put(struct job_queue *q, struct job *job, struct problem *p);

/**
 * queue_take(q, wait_us, gather_us, out): all that is queued, linked by next.  The writer alone.
 *
 * wait_us    how long to wait where nothing is; QUEUE_FOR_EVER; 0: not at all.
 * gather_us  where something is: how long to wait for more at most, from the call on.
 * out        NULL: nothing came.
 * Returns    false: queue_stop() was called, and nothing is left.
 */
bool queue_take(struct job_queue *q, int64_t wait_us, int64_t gather_us, struct job **out);

/** queue_leave(q, first): jobs that were taken are done with: their room is free.  Any thread. */
void queue_leave(struct job_queue *q, const struct job *first);

/** queue_stop(q): from now on queue_put() refuses with PROBLEM_STOPPING, and queue_take() does not wait. */
void queue_stop(struct job_queue *q);

/** queue_weight(q, n_jobs, bytes): of all that count. */
void queue_weight(struct job_queue *q, int64_t *n_jobs, int64_t *bytes);
bool queue_is_full(struct job_queue *q);

#endif
