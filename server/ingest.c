/**
 * The queue and the writer thread: take all that is queued, settle it, commit once, answer.
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
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "ingest_group.h"
#include "ingest_house.h"
#include "ingest_sync.h"
#include "log.h"

enum {
    IDLE_MS = 500,
    PURGE_ROWS = 2000,
    THIN_ROWS = 4000,
    THIN_ROWS_BUSY = 500, /* while somebody waits for the next group */
    TRIM_US = 60 * 1000 * 1000,
    GATHER_US_MAX = 2000,
    GATHER_JOBS_MAX = 4,
    GATHER_RECORDS_MAX = 500 /* a group of so many is worth its commit already */
};

struct ingest {
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t wake;
    struct job *head, **tail;
    int64_t n_waiting; /* jobs from head to tail */
    int64_t n_records; /* in those jobs */
    int64_t wake_at;   /* n_waiting that wakes the writer */
    bool stopping;
    struct ingest_stats stats; /* queue_bytes and queue_jobs include what is being written */
    int refusing;              /* what the last transaction failed with; OK: it did not */

    /* constant, or the writer's alone */
    int64_t queue_bytes_max;
    struct store *store;
    struct syncer *syncer;
    struct group group;
    pthread_t thread;
    int64_t n_taken;    /* jobs of the last group */
    int64_t gather_us;  /* how long the next one may be waited for: what two commits take */
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

/* The numbers move before the answers go out, so that who got an answer sees itself counted. */
static void count_jobs(struct ingest *in, const struct job *first, bool committed)
{
    int64_t now = clock_monotonic_us();

    pthread_mutex_lock(&in->mutex);
    struct ingest_stats *stats = &in->stats;
    for (const struct job *job = first; job != NULL; job = job->next) {
        if (committed && job->commit_at > 0) {
            histogram_add(&stats->commits, now - job->commit_at);
            stats->last_commit_us = now - job->commit_at;
        }
        stats->queue_jobs--;
        stats->queue_bytes -= (int64_t)job->bytes;
        stats->refused += job->status != OK;
        if (job->status == OK && job->kind == JOB_SEAL)
            stats->epochs_sealed += job->sealed;
        if (job->status == OK && job->kind == JOB_BATCHES) {
            stats->records += job->accepted;
            stats->duplicates += job->duplicates;
            stats->stale += job->stale;
        }
    }
    pthread_mutex_unlock(&in->mutex);
}

/* The store goes on failing in the same way until somebody sees to it: that is one event, and its end another. */
static void log_outcome(struct ingest *in, int status, const struct problem *p)
{
    bool is_lasting = status == PROBLEM_STORAGE || status == PROBLEM_STORAGE_FULL;

    pthread_mutex_lock(&in->mutex);
    int before = in->refusing;
    in->refusing = is_lasting ? status : OK;
    pthread_mutex_unlock(&in->mutex);
    if (status != OK && (!is_lasting || status != before))
        log_event(LOG_ERROR, status == PROBLEM_STORAGE_FULL ? "storage-full" : "commit-failed", "%s", p->detail);
    if (status == OK && before != OK)
        log_event(LOG_INFO, "writing-again", "a transaction was committed");
}

static bool is_refusing(struct ingest *in)
{
    pthread_mutex_lock(&in->mutex);
    bool is = in->refusing != OK;
    pthread_mutex_unlock(&in->mutex);
    return is;
}

/* The end of some jobs: on the writer's thread, or on the syncer's. */
static void finish(void *context, struct job *first, int status, struct problem *p)
{
    struct ingest *in = context;

    log_outcome(in, status, p);
    if (status != OK) {
        if (status == PROBLEM_DAMAGED) { /* nothing is wrong with what was sent: its sender shall keep it */
            store_mark_damaged(in->store, p->detail);
            status = store_refuse_write(in->store, p);
        }
        p->is_known = true;
        fail_all(first, status, p);
    }
    count_jobs(in, first, status == OK);
    for (struct job *job = first, *next; job != NULL; job = next) {
        struct job *last = job;
        while (last->next != NULL && last->next->done == job->done)
            last = last->next;
        next = last->next;
        last->next = NULL;
        job->done(job);
    }
}

/* Is the wait for the disk worth a thread more?  Small groups would only become smaller, and so cost more. */
static bool is_large(const struct job *first)
{
    size_t n = 0;

    for (const struct job *job = first; job != NULL; job = job->next)
        n += job->kind == JOB_BATCHES ? job->records->n_records : 1;
    return n >= GATHER_RECORDS_MAX;
}

static void process(struct ingest *in, struct job *first)
{
    struct problem problem = {0};
    bool sync_later = is_large(first);
    int status = write_group(in, first, sync_later, &problem);

    if (status == OK) {
        in->thin |= is_refusing(in); /* what was refused too can go on */
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
    finish(in, first, status, &problem);
}

/* ---- between groups ---- */

static void thin_some(struct ingest *in, bool idle)
{
    int64_t removed = 0;

    in->thin = house_thin(in->store, idle ? THIN_ROWS : THIN_ROWS_BUSY, &removed);
    pthread_mutex_lock(&in->mutex);
    in->stats.batches_thinned += removed;
    pthread_mutex_unlock(&in->mutex);
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

static struct timespec in_us(int64_t us)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += us / 1000000;
    t.tv_nsec += us % 1000000 * 1000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/*
 * A commit costs nearly the same for one job as for four.  Whoever was answered by the last group is likely to send
 * again at once, so a few are waited for: until two commits could have been done, and not at all where nobody else was
 * there (a lone client never waits).  Many take longer to come back than a commit takes, and then a second group is
 * better written meanwhile.  Called with the mutex held.
 */
static void gather(struct ingest *in, int64_t expected, const struct timespec *until)
{
    if (expected > GATHER_JOBS_MAX)
        return;
    while (in->n_waiting < expected && in->n_records < GATHER_RECORDS_MAX && !in->stopping) {
        in->wake_at = expected;
        if (pthread_cond_timedwait(&in->wake, &in->mutex, until) == ETIMEDOUT)
            return;
    }
}

/* All that is queued; NULL when there is time for housework.  false: stopped, and nothing is left. */
static bool take_all(struct ingest *in, struct job **out)
{
    struct timespec until = in_us(IDLE_MS * 1000), gathered = in_us(in->gather_us);
    int rc = 0;

    pthread_mutex_lock(&in->mutex);
    int64_t expected = in->n_taken + in->n_waiting;
    in->wake_at = 1;
    while (in->head == NULL && !in->stopping && !in->purge && !in->thin && rc != ETIMEDOUT)
        rc = in->dirty ? pthread_cond_timedwait(&in->wake, &in->mutex, &until)
                       : pthread_cond_wait(&in->wake, &in->mutex);
    if (in->head != NULL)
        gather(in, expected, &gathered);
    *out = in->head;
    in->head = NULL;
    in->tail = &in->head;
    in->n_taken = in->n_waiting;
    in->n_waiting = in->n_records = 0;
    bool go_on = *out != NULL || !in->stopping;
    pthread_mutex_unlock(&in->mutex);
    return go_on;
}

static void *writer_main(void *context)
{
    struct ingest *in = context;
    struct job *jobs = NULL;

    while (take_all(in, &jobs)) {
        if (jobs != NULL)
            process(in, jobs);
        keep_house(in, jobs == NULL);
    }
    return NULL;
}

/* ---- the door ---- */

static bool init_wake(pthread_cond_t *wake)
{
    pthread_condattr_t attributes;

    if (pthread_condattr_init(&attributes) != 0)
        return false;
    bool ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 && pthread_cond_init(wake, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return ok;
}

int ingest_start(struct ingest **out, struct store *store, const struct limits *limits, struct problem *p)
{
    struct ingest *in = calloc(1, sizeof *in);

    if (in == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    in->store = store;
    in->queue_bytes_max = limits->queue_bytes;
    in->tail = &in->head;
    in->purge = in->thin = in->dirty = true; /* an earlier process may have left all of them */
    int status = group_init(&in->group, store, p);
    if (status != OK) {
        free(in);
        return status;
    }
    in->group.limits = *limits;
    bool has_mutex = pthread_mutex_init(&in->mutex, NULL) == 0;
    bool has_wake = has_mutex && init_wake(&in->wake);
    bool has_syncer = has_wake && syncer_start(&in->syncer, store, finish, in, p) == OK;
    if (!has_syncer || pthread_create(&in->thread, NULL, writer_main, in) != 0) {
        syncer_stop(in->syncer);
        if (has_wake)
            pthread_cond_destroy(&in->wake);
        if (has_mutex)
            pthread_mutex_destroy(&in->mutex);
        group_release(&in->group);
        free(in);
        return problem_set(p, PROBLEM_INTERNAL, NULL, "cannot start the writer thread");
    }
    *out = in;
    return OK;
}

int ingest_submit(struct ingest *in, struct job *job, struct problem *p)
{
    int status = OK;

    pthread_mutex_lock(&in->mutex);
    if (in->stopping) {
        status = problem_set(p, PROBLEM_STOPPING, NULL, "the server is stopping: nothing was stored");
    } else if (in->stats.queue_jobs > 0 && (int64_t)job->bytes > in->queue_bytes_max - in->stats.queue_bytes) {
        /* one job alone is always let in: it could never be sent otherwise */
        status = problem_set(p, PROBLEM_BUSY, NULL, "the queue is full: nothing was stored, send it again in a second");
        if (p != NULL)
            p->retry_after_s = 1;
    } else {
        job->next = NULL;
        job->commit_at = 0;
        job->status = OK;
        *in->tail = job;
        in->tail = &job->next;
        in->stats.queue_jobs++;
        in->stats.queue_bytes += (int64_t)job->bytes;
        if (job->kind == JOB_BATCHES)
            in->n_records += (int64_t)job->records->n_records;
        if (++in->n_waiting == in->wake_at || in->n_records >= GATHER_RECORDS_MAX)
            pthread_cond_signal(&in->wake);
    }
    pthread_mutex_unlock(&in->mutex);
    return status;
}

struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool done;
};

static void wake_waiters(struct job *first)
{
    for (struct job *job = first, *next; job != NULL; job = next) {
        struct waiter *w = job->context;
        next = job->next;
        pthread_mutex_lock(&w->mutex);
        w->done = true;
        pthread_cond_signal(&w->wake); /* with the mutex held: the waiter's stack is gone once it wakes */
        pthread_mutex_unlock(&w->mutex);
    }
}

int ingest_run(struct ingest *in, struct job *job)
{
    struct waiter w = {.mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

    job->done = wake_waiters;
    job->context = &w;
    int status = ingest_submit(in, job, &job->problem);
    if (status != OK) {
        job->status = status;
        job->context = NULL;
        return status;
    }
    pthread_mutex_lock(&w.mutex);
    while (!w.done)
        pthread_cond_wait(&w.wake, &w.mutex);
    pthread_mutex_unlock(&w.mutex);
    pthread_cond_destroy(&w.wake);
    pthread_mutex_destroy(&w.mutex);
    job->context = NULL;
    return job->status;
}

void ingest_stats_get(struct ingest *in, struct ingest_stats *out)
{
    pthread_mutex_lock(&in->mutex);
    *out = in->stats;
    pthread_mutex_unlock(&in->mutex);
}

bool ingest_is_full(struct ingest *in)
{
    pthread_mutex_lock(&in->mutex);
    bool is_full = in->stats.queue_jobs > 0 && in->stats.queue_bytes >= in->queue_bytes_max;
    pthread_mutex_unlock(&in->mutex);
    return is_full;
}

void ingest_stop(struct ingest *in)
{
    if (in == NULL)
        return;
    pthread_mutex_lock(&in->mutex);
    in->stopping = true;
    pthread_cond_signal(&in->wake);
    pthread_mutex_unlock(&in->mutex);
    pthread_join(in->thread, NULL);
    syncer_stop(in->syncer);
    pthread_cond_destroy(&in->wake);
    pthread_mutex_destroy(&in->mutex);
    group_release(&in->group);
    free(in);
}
