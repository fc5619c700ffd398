/**
 * The writer thread: take all that is queued (ingest_queue.h), settle it, commit once, answer (ingest_outcome.h).
 *
 * Guarantees:
 * 1. a job is done exactly once, after the commit that holds it is on disk (or after its refusal was certain);
 * 2. a failed transaction fails every job of its group: nothing of it is stored, nothing is kept in
 *    memory.  (A failed sync after the commit too, but what of it is stored shows after a restart only: nothing is
 *    written any more);
 * 3. jobs take effect in the order in which they were submitted.
 *
 * The sync of a large group is left to a thread of its own (ingest_sync.h).
 * Between groups the writer removes deleted runs and the batches of sealed epochs in small transactions, and checkpoints.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

#include "clock.h"
#include "ingest_group.h"
#include "ingest_house.h"
#include "ingest_outcome.h"
#include "ingest_queue.h"
#include "ingest_sync.h"
#include "log.h"

enum {
    IDLE_US = 500 * 1000,
    PURGE_ROWS = 2000,
    THIN_ROWS = 4000,
    THIN_ROWS_BUSY = 500, /* while somebody waits for the next group */
    TRIM_US = 60 * 1000 * 1000,
    GATHER_US_MAX = 2000
};

struct ingest {
    struct job_queue queue;
    struct outcomes outcomes;
    struct syncer *syncer;
    pthread_t thread;

    /* constant, or the writer's alone */
    struct store *store;
    struct group group;
    int64_t gather_us;  /* how long the next group may be waited for: what two commits take */
    int64_t trimmed_at; /* by clock_monotonic_us(): when free memory was last given back */
    bool purge;         /* hidden runs may be left */
    bool thin;          /* batches of sealed epochs may be left */
    bool dirty;         /* the WAL may hold something */
};

/* ---- a group ---- */

static int settle(struct group *g, struct job *job)
{
    job->problem.code = 0;
    switch (job->kind) {
    case JOB_BATCHES:
        return group_settle_batches(g, job);
    case JOB_RUN_PUT:
        return group_settle_put(g, job);
    case JOB_RUN_PATCH:
        return group_settle_patch(g, job);
    case JOB_RUN_DELETE:
        return group_settle_delete(g, job);
    case JOB_REWIND:
        return group_settle_rewind(g, job);
    case JOB_SEAL:
        return group_settle_seal(g, job);
    }
    return problem_set(&job->problem, PROBLEM_INTERNAL, NULL, "no such job");
}

static size_t count_measures(const struct job *first)
{
    size_t n = 0;

    for (const struct job *job = first; job != NULL; job = job->next)
        if (job->kind == JOB_BATCHES)
            for (size_t i = 0; i < job->records->n_records; i++)
                n += job->records->records[i].n_measures;
    return n;
}

static int settle_all(struct ingest *in, struct job *first, struct problem *p)
{
    for (struct job *job = first; job != NULL; job = job->next) {
        job->status = settle(&in->group, job);
        /* a refusal is the job's alone; a failing database, or half a write, is everybody's; without memory
           SQLite may have ended the transaction */
        if (job->status == PROBLEM_STORAGE || job->status == PROBLEM_STORAGE_FULL || job->status == PROBLEM_MEMORY ||
            job->status == PROBLEM_DAMAGED || in->group.broken) {
            *p = job->problem;
            return job->status != OK ? job->status : problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
        }
    }
    return group_flush(&in->group, p);
}

/* One transaction for all.  Returns OK, or what failed for every one of them. */
static int write_group(struct ingest *in, struct job *first, bool sync_later, struct problem *p)
{
    in->group.broken = in->group.hid_runs = in->group.sealed = false;
    size_t measures = count_measures(first);
    int status = group_reserve(&in->group, measures, p);
    if (status == OK)
        status = store_room(in->store, measures, p);
    if (status == OK)
        status = store_begin(in->store, p);
    if (status != OK)
        return status;
    status = settle_all(in, first, p);
    if (status != OK) {
        group_forget(&in->group);
        store_rollback(in->store);
        return status;
    }
    first->commit_at = clock_monotonic_us();
    status = sync_later ? store_commit_unsynced(in->store, p) : store_commit(in->store, p);
    if (status != OK)
        group_forget(&in->group); /* what it says of the store is undone */
    return status;
}

/* Is the wait for the disk worth a thread more?  Small groups would only become smaller, and so cost more. */
static bool is_large(const struct job *first)
{
    size_t n = 0;

    for (const struct job *job = first; job != NULL; job = job->next)
        n += job->kind == JOB_BATCHES ? job->records->n_records : 1;
    return n >= QUEUE_RECORDS_LARGE;
}

static void process(struct ingest *in, struct job *first)
{
    struct problem problem = {0};
    /* behind one that is not synced yet a group follows it: the repeats it may hold are on disk no sooner */
    bool sync_later = is_large(first) || store_has_unsynced(in->store);
    int status = write_group(in, first, sync_later, &problem);

    if (status == OK) {
        in->thin |= outcomes_is_refusing(&in->outcomes); /* what was refused too can go on */
        in->purge |= in->group.hid_runs;
        in->thin |= in->group.sealed;
        in->dirty = true;
    }
    if (status == OK && sync_later) {
        syncer_take(in->syncer, first);
        return;
    }
    if (status == OK) {
        int64_t commit_us = clock_monotonic_us() - first->commit_at;
        in->gather_us = 2 * commit_us < GATHER_US_MAX ? 2 * commit_us : GATHER_US_MAX;
    }
    outcomes_end(&in->outcomes, first, status, &problem);
}

/* ---- between groups ---- */

static void thin_some(struct ingest *in, bool idle)
{
    int64_t removed = 0;

    in->thin = house_thin(in->store, idle ? THIN_ROWS : THIN_ROWS_BUSY, &removed);
    outcomes_add_thinned(&in->outcomes, removed);
}

static void keep_house(struct ingest *in, bool idle)
{
    struct problem p;
    bool is_quiet = idle && !in->purge && !in->thin;

    in->dirty |= !is_quiet;
    if (in->purge)
        in->purge = house_purge(in->store, PURGE_ROWS);
    else if (in->thin)
        thin_some(in, idle);
    idle = is_quiet;
    if (store_checkpoint(in->store, idle, &p) != OK)
        log_event(LOG_ERROR, "checkpoint-failed", "%s", p.detail);
    if (idle)
        in->dirty = false;
    /* what large questions and a busy time took, of all threads: a job that never rests must not keep it */
    int64_t now = clock_monotonic_us();
    if (idle || now - in->trimmed_at > TRIM_US) {
        malloc_trim(0);
        in->trimmed_at = now;
    }
}

/* ---- the thread ---- */

static void *writer_main(void *context)
{
    struct ingest *in = context;
    struct job *jobs = NULL;

    for (;;) {
        int64_t wait_us = in->purge || in->thin ? 0 : in->dirty ? IDLE_US : QUEUE_FOR_EVER;
        if (!queue_take(&in->queue, wait_us, in->gather_us, &jobs))
            return NULL;
        if (jobs != NULL)
            process(in, jobs);
        keep_house(in, jobs == NULL);
    }
}

/* ---- the door ---- */

static void end_synced(void *context, struct job *first, int status, struct problem *p)
{
    struct ingest *in = context;

    outcomes_end(&in->outcomes, first, status, p);
}

int ingest_start(struct ingest **out, struct store *store, const struct limits *limits, struct problem *p)
{
    struct ingest *in = calloc(1, sizeof *in);

    if (in == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    in->store = store;
    in->purge = in->thin = in->dirty = true; /* an earlier process may have left all of them */
    int status = group_init(&in->group, store, p);
    if (status != OK) {
        free(in);
        return status;
    }
    in->group.limits = *limits;
    bool has_queue = queue_init(&in->queue, limits->queue_bytes);
    bool has_outcomes = has_queue && outcomes_init(&in->outcomes, store, &in->queue);
    bool has_syncer = has_outcomes && syncer_start(&in->syncer, store, end_synced, in, p) == OK;
    if (!has_syncer || pthread_create(&in->thread, NULL, writer_main, in) != 0) {
        syncer_stop(in->syncer);
        if (has_outcomes)
            outcomes_release(&in->outcomes);
        if (has_queue)
            queue_release(&in->queue);
        group_release(&in->group);
        free(in);
        return problem_set(p, PROBLEM_INTERNAL, NULL, "cannot start the writer thread");
    }
    *out = in;
    return OK;
}

int ingest_submit(struct ingest *in, struct job *job, struct problem *p)
{
    return queue_put(&in->queue, job, p);
}

void ingest_stats_get(struct ingest *in, struct ingest_stats *out)
{
    int64_t n_jobs, bytes;

    queue_weight(&in->queue, &n_jobs, &bytes); /* first: what has left it is counted then */
    outcomes_get(&in->outcomes, out);
    out->queue_jobs = n_jobs;
    out->queue_bytes = bytes;
}

bool ingest_is_full(struct ingest *in)
{
    return queue_is_full(&in->queue);
}

void ingest_stop(struct ingest *in)
{
    if (in == NULL)
        return;
    queue_stop(&in->queue);
    pthread_join(in->thread, NULL);
    syncer_stop(in->syncer);
    outcomes_release(&in->outcomes);
    queue_release(&in->queue);
    group_release(&in->group);
    free(in);
}
