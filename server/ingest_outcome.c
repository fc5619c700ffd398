/**
 * Guarantees:
 * 1. who got an answer sees itself counted, and gone from the queue;
 * 2. who sees a job gone from the queue, and asks for the counts after that, sees it counted;
 * 3. a store that goes on failing in the same way is logged once, and so is its end.
 */
#include "clock.h"
#include "ingest_outcome.h"
#include "log.h"

bool outcomes_init(struct outcomes *o, struct store *store, struct job_queue *queue)
{
    *o = (struct outcomes){.store = store, .queue = queue};
    atomic_init(&o->refusing, OK);
    return pthread_mutex_init(&o->mutex, NULL) == 0;
}

void outcomes_release(struct outcomes *o)
{
    pthread_mutex_destroy(&o->mutex);
}

static void fail_all(struct job *first, int status, const struct problem *p)
{
    for (struct job *job = first; job != NULL; job = job->next) {
        job->status = status;
        job->problem = *p;
        job->accepted = job->duplicates = job->stale = 0;
        job->removed = job->revision = job->sealed = 0;
        job->created = false;
    }
}

static void count(struct outcomes *o, const struct job *first, bool committed)
{
    int64_t now = clock_monotonic_us();

    pthread_mutex_lock(&o->mutex);
    struct ingest_stats *stats = &o->stats;
    for (const struct job *job = first; job != NULL; job = job->next) {
        if (committed && job->commit_at > 0) {
            histogram_add(&stats->commits, now - job->commit_at);
            stats->last_commit_us = now - job->commit_at;
        }
        stats->refused += job->status != OK;
        if (job->status == OK && job->kind == JOB_SEAL)
            stats->epochs_sealed += job->sealed;
        if (job->status == OK && job->kind == JOB_BATCHES) {
            stats->records += job->accepted;
            stats->duplicates += job->duplicates;
            stats->stale += job->stale;
        }
    }
    pthread_mutex_unlock(&o->mutex);
}

/* The store goes on failing in the same way until somebody sees to it: that is one event, and its end another. */
static void log_outcome(struct outcomes *o, int status, const struct problem *p)
{
    bool is_lasting = status == PROBLEM_STORAGE || status == PROBLEM_STORAGE_FULL;
    int before = atomic_exchange(&o->refusing, is_lasting ? status : OK);

    if (status != OK && (!is_lasting || status != before))
        log_event(LOG_ERROR, status == PROBLEM_STORAGE_FULL ? "storage-full" : "commit-failed", "%s", p->detail);
    if (status == OK && before != OK)
        log_event(LOG_INFO, "writing-again", "a transaction was committed");
}

/* One call for all that follow each other and wait in the same way. */
static void tell(struct job *first)
{
    for (struct job *job = first, *next; job != NULL; job = next) {
        struct job *last = job;
        while (last->next != NULL && last->next->done == job->done)
            last = last->next;
        next = last->next;
        last->next = NULL;
        job->done(job);
    }
}

void outcomes_end(struct outcomes *o, struct job *first, int status, struct problem *p)
{
    log_outcome(o, status, p);
    if (status != OK) {
        if (status == PROBLEM_DAMAGED) { /* nothing is wrong with what was sent: its sender shall keep it */
            store_mark_damaged(o->store, p->detail);
            status = store_refuse_write(o->store, p);
        }
        p->is_known = true;
        fail_all(first, status, p);
    }
    count(o, first, status == OK);
    queue_leave(o->queue, first);
    tell(first);
}

bool outcomes_is_refusing(struct outcomes *o)
{
    return atomic_load(&o->refusing) != OK;
}

void outcomes_add_thinned(struct outcomes *o, int64_t batches)
{
    pthread_mutex_lock(&o->mutex);
    o->stats.batches_thinned += batches;
    pthread_mutex_unlock(&o->mutex);
}

void outcomes_get(struct outcomes *o, struct ingest_stats *out)
{
    pthread_mutex_lock(&o->mutex);
    *out = o->stats;
    pthread_mutex_unlock(&o->mutex);
}
