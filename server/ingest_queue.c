/**
 * The queue before the writer, and the short wait by which jobs that take turns share a commit.
 *
 * Invariants, under the mutex:
 * 1. jobs leave the list in the order in which they came, all at once;
 * 2. the writer sleeps only while n_waiting < wake_at and n_records is below a large group: whoever reaches either wakes it.
 */
#include <errno.h>
#include <time.h>

#include "ingest_queue.h"

enum { GATHER_JOBS_MAX = 4 };

static bool init_wake(pthread_cond_t *wake)
{
    pthread_condattr_t attributes;

    if (pthread_condattr_init(&attributes) != 0)
        return false;
    bool ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 && pthread_cond_init(wake, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return ok;
}

bool queue_init(struct job_queue *q, int64_t bytes_max)
{
    *q = (struct job_queue){.bytes_max = bytes_max};
    q->tail = &q->head;
    if (pthread_mutex_init(&q->mutex, NULL) != 0)
        return false;
    if (init_wake(&q->wake))
        return true;
    pthread_mutex_destroy(&q->mutex);
    return false;
}

void queue_release(struct job_queue *q)
{
    pthread_cond_destroy(&q->wake);
    pthread_mutex_destroy(&q->mutex);
}

int queue_put(struct job_queue *q, struct job *job, struct problem *p)
{
    int status = OK;
    bool wakes = false;

    pthread_mutex_lock(&q->mutex);
    if (q->stopping) {
        status = problem_set(p, PROBLEM_STOPPING, NULL, "the server is stopping: nothing was stored");
    } else if (q->n_jobs > 0 && (int64_t)job->bytes > q->bytes_max - q->bytes) {
        /* one job alone is always let in: it could never be sent otherwise */
        status = problem_set(p, PROBLEM_BUSY, NULL, "the queue is full: nothing was stored, send it again in a second");
        if (p != NULL)
            p->retry_after_s = 1;
    } else {
        job->next = NULL;
        job->commit_at = 0;
        job->status = OK;
        *q->tail = job;
        q->tail = &job->next;
        q->n_jobs++;
        q->bytes += (int64_t)job->bytes;
        if (job->kind == JOB_BATCHES)
            q->n_records += (int64_t)job->records->n_records;
        wakes = ++q->n_waiting == q->wake_at || q->n_records >= QUEUE_RECORDS_LARGE;
    }
    pthread_mutex_unlock(&q->mutex);
    if (wakes) /* not under the mutex, for which the writer would go to sleep again */
        pthread_cond_signal(&q->wake);
    return status;
}

static struct timespec after_us(struct timespec t, int64_t us)
{
    t.tv_sec += us / 1000000;
    t.tv_nsec += us % 1000000 * 1000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* For the first of a group; with the mutex held. */
static void wait_for_any(struct job_queue *q, int64_t wait_us, const struct timespec *until)
{
    int rc = wait_us == 0 ? ETIMEDOUT : 0;

    while (q->head == NULL && !q->stopping && rc != ETIMEDOUT)
        rc = wait_us == QUEUE_FOR_EVER ? pthread_cond_wait(&q->wake, &q->mutex)
                                       : pthread_cond_timedwait(&q->wake, &q->mutex, until);
}

/*
 * A commit costs nearly the same for one job as for four.  Whoever was answered by the last group is likely to send
 * again at once, so a few are waited for: until two commits could have been done, and not at all where nobody else was
 * there (a lone client never waits).  Many take longer to come back than a commit takes, and then a second group is
 * better written meanwhile.  Called with the mutex held.
 */
static void gather(struct job_queue *q, int64_t expected, const struct timespec *until)
{
    if (expected > GATHER_JOBS_MAX)
        return;
    while (q->n_waiting < expected && q->n_records < QUEUE_RECORDS_LARGE && !q->stopping) {
        q->wake_at = expected;
        if (pthread_cond_timedwait(&q->wake, &q->mutex, until) == ETIMEDOUT)
            return;
    }
}

bool queue_take(struct job_queue *q, int64_t wait_us, int64_t gather_us, struct job **out)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    struct timespec until = after_us(now, wait_us > 0 ? wait_us : 0), gathered = after_us(now, gather_us);
    pthread_mutex_lock(&q->mutex);
    int64_t expected = q->n_taken + q->n_waiting;
    q->wake_at = 1;
    wait_for_any(q, wait_us, &until);
    if (q->head != NULL)
        gather(q, expected, &gathered);
    *out = q->head;
    q->head = NULL;
    q->tail = &q->head;
    q->n_taken = q->n_waiting;
    q->n_waiting = q->n_records = 0;
    bool go_on = *out != NULL || !q->stopping;
    pthread_mutex_unlock(&q->mutex);
    return go_on;
}

void queue_leave(struct job_queue *q, const struct job *first)
{
    int64_t n_jobs = 0, bytes = 0;

    for (const struct job *job = first; job != NULL; job = job->next) {
        n_jobs++;
        bytes += (int64_t)job->bytes;
    }
    pthread_mutex_lock(&q->mutex);
    q->n_jobs -= n_jobs;
    q->bytes -= bytes;
    pthread_mutex_unlock(&q->mutex);
}

void queue_stop(struct job_queue *q)
{
    pthread_mutex_lock(&q->mutex);
    q->stopping = true;
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->mutex);
}

void queue_weight(struct job_queue *q, int64_t *n_jobs, int64_t *bytes)
{
    pthread_mutex_lock(&q->mutex);
    *n_jobs = q->n_jobs;
    *bytes = q->bytes;
    pthread_mutex_unlock(&q->mutex);
}

bool queue_is_full(struct job_queue *q)
{
    pthread_mutex_lock(&q->mutex);
    bool is_full = q->n_jobs > 0 && q->bytes >= q->bytes_max;
    pthread_mutex_unlock(&q->mutex);
    return is_full;
}
