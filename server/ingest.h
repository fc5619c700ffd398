#ifndef INGEST_H
#define INGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"
#include "server_limits.h"
#include "problem.h"
#include "record.h"
#include "store.h"

/**
 * The one way in: a queue and the writer thread behind it.  Every change of the database is a job.
 * The writer takes all that is queued, settles each job against what is stored and against the
 * earlier jobs of the group in arrival order, accepts or refuses it whole, commits once, and only
 * then are the jobs done.  What was acknowledged is on disk (durability full).
 *
 * Exactly once in effect: a batch whose key is stored with the same content is a duplicate and
 * changes nothing; with other content the whole job is refused.  A refused job contributes no row,
 * and nobody is a duplicate of it.
 *
 * Rollups are updated in the same transaction, from the rows that were really inserted.
 */
enum job_kind { JOB_BATCHES, JOB_RUN_PUT, JOB_RUN_PATCH, JOB_RUN_DELETE, JOB_REWIND, JOB_SEAL };

/* Bytes of a run's config and of its stages, as texts, once merged: many small patches must not grow them for ever. */
enum { RUN_CONFIG_MAX = 1 << 20, RUN_STAGES_MAX = 4 << 20 };

/* A merge of a run document: NULL or has_… false: not said.  Texts are JSON where the name says so. */
struct run_change {
    const char *project; /* NULL: not said */
    const char *name;    /* UTF-8; see has_name: null clears */
    bool has_name;
    const char *notes;
    bool has_notes;
    const char *config_patch; /* JSON object, merged by RFC 7396 */
    const char *const *tags;  /* [n_tags], valid and without repeats */
    size_t n_tags;
    bool has_tags;            /* PUT: union; PATCH: replaces */
    const char *stages_patch; /* JSON object, merged by RFC 7396 */
    bool has_status;
    enum run_status status;
};

/* An epoch of a stage, to be sealed: each of its series, with what was computed from the batches of this revision of it. */
struct seal_part {
    const struct series_row *series;
    int64_t revision; /* of the epoch's row */
    struct seal_row seal;
};

struct seal_change {
    int64_t run; /* the key: a run of the same id that came later is another one */
    int64_t epoch;
    const struct seal_part *parts; /* [n], of one stage */
    size_t n;
};

struct job {
    enum job_kind kind;
    char run[RUN_ID_MAX + 1];
    int64_t now; /* arrival, ms since 1970 */

    /* in, borrowed until done() returns */
    const struct record_list *records; /* JOB_BATCHES */
    const char
        *project; /* JOB_BATCHES, JOB_RUN_PUT: of a run that is created, where nothing else says; NULL: "default" */
    const char *token_project; /* a run of any other project is, to this job, not there; its id is taken; NULL: all */
    const struct run_change *change; /* JOB_RUN_PUT, JOB_RUN_PATCH */
    const char *attempt;             /* JOB_REWIND: NULL: none */
    const char *stage;               /* JOB_REWIND: NULL: every stage */
    int64_t epoch, step;             /* JOB_REWIND */
    const struct seal_change *seal;  /* JOB_SEAL */
    size_t bytes;                    /* its weight in the queue */

    /* out */
    int status; /* OK or problem.code */
    struct problem problem;
    int64_t accepted, duplicates, stale; /* JOB_BATCHES: records */
    bool created;                        /* JOB_RUN_PUT: 201 */
    int64_t removed, revision;           /* JOB_REWIND */
    int64_t sealed;                      /* JOB_SEAL: series; 0: the epoch has changed meanwhile, or is being written */

    /* Called once, on a thread of ingest, after the commit (or the refusal), with a list (by next) of the jobs that have
       this function and came to their end together.  May free them.  Must not block. */
    void (*done)(struct job *first);
    void *context;

    struct job *next;  /* private to ingest */
    int64_t commit_at; /* private to ingest: when its commit began, in the first job of a transaction; else 0 */
};

struct ingest;

struct ingest_stats {
    int64_t queue_bytes, queue_jobs;             /* now */
    int64_t records, duplicates, stale, refused; /* since start */
    int64_t epochs_sealed, batches_thinned;      /* since start; an epoch of each series counts */
    struct histogram commits;                    /* since start: how long each took, its fsync included */
    int64_t last_commit_us;
};

/** Start the writer thread on an open store.  It also purges hidden runs, removes the batches of sealed epochs, and
 *  checkpoints when idle. */
int ingest_start(struct ingest **out, struct store *store, const struct limits *limits, struct problem *p);

/**
 * ingest_submit(in, job): hand a job to the writer; job->done is called exactly once if OK is returned.
 * Returns OK; PROBLEM_BUSY (queue_bytes exceeded; retry_after_s set) or PROBLEM_STOPPING: nothing
 * queued and done not called.
 * Thread: any.
 */
int ingest_submit(struct ingest *in, struct job *job, struct problem *p);

/** ingest_run(in, job): submit and wait until it is done.  Returns job->status (problem in job). For worker threads. */
int ingest_run(struct ingest *in, struct job *job);

void ingest_stats_get(struct ingest *in, struct ingest_stats *out);
/** ingest_is_full(in): as many bytes wait as may (queue_bytes): the next job is refused. */
bool ingest_is_full(struct ingest *in);

/** ingest_stop(in): refuse new jobs, finish and answer all that is queued, join the thread, free. */
void ingest_stop(struct ingest *in);

#endif
