#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "problem.h"
#include "state.h"

/**
 * The storage interface: what the database holds and how it is reached.  Two engines may stand
 * behind it; nobody above it sees a statement or a result row.
 *
 * Connections.  A store has one writing connection, used by one thread (the writer, ingest.c), which
 * alone commits and checkpoints, and any number of read-only connections, each used by one thread at
 * a time.  Functions that take a struct store_conn * read and work on both kinds; those that begin
 * with store_write_ need the writing connection inside store_begin() .. store_commit().
 *
 * Errors.  Every function that returns int gives OK or a problem code and fills p:
 * PROBLEM_STORAGE when the engine failed (the text names the operation), PROBLEM_STORAGE_FULL when
 * the disk is full, PROBLEM_MEMORY for no memory, PROBLEM_DAMAGED when what is stored is not what was written (then the store is
 * read-only).  "Not there" is no error: found says so.
 *
 * Rows handed to a callback, and their pointers, are borrowed until it returns.  A callback returns
 * OK to go on, STORE_STOP to end the scan with OK, or an error that ends it and is returned.
 *
 * Times are ms since 1970.  Ids: a run has a text id (chosen by clients) and an integer key
 * (struct run_row.run), which is never used again; series are numbered within their run.
 */
struct store;
struct store_conn;

enum { STORE_STOP = 1 };

/* What opening a file that is another program's, or was made by a later version, gives: it was left as it is.  It never
   reaches a client. */
enum { STORE_FOREIGN = PROBLEM_LAST - 1 };
enum { RUN_ID_MAX = 128, STAGE_MAX = 64, PROJECT_MAX = 128, ATTEMPT_MAX = 128, TAG_MAX = 128 };

enum store_durability { STORE_FULL, STORE_NORMAL };
enum run_status {
    RUN_RUNNING,
    RUN_FINISHED,
    RUN_FAILED,
    RUN_KILLED,
    RUN_CRASHED /* never stored: a running run without a sign of life */
};

struct store_options {
    const char *path;
    enum store_durability durability;
};

/* ---- rows ---- */

struct run_row {
    int64_t run; /* the key; 0: not stored yet */
    char id[RUN_ID_MAX + 1];
    char project[PROJECT_MAX + 1];
    char *name;             /* UTF-8; NULL: none.  This and the next four are owned: run_row_release() */
    char *notes;            /* NULL: none */
    char *config;           /* a JSON object, as text; NULL: {} */
    char *tags;             /* a JSON array of strings, sorted, no repeats; NULL: [] */
    char *stages;           /* a JSON object: stage -> declaration; NULL: {} */
    enum run_status status; /* as stored; see run_status_effective() */
    int64_t created_at, updated_at, ended_at; /* ended_at 0: not ended */
    int64_t seen_at;                          /* the last sign of life: any write or heartbeat */
    int64_t revision;                         /* rises when stored content changes; the ETag's heart */
    int64_t incarnation;                      /* differs between two runs that had the same id: the run key */
};

void run_row_release(struct run_row *r);

struct series_row {
    int64_t run, series; /* series: 1, 2, ... within the run */
    char stage[STAGE_MAX + 1];
    char name[129];
    struct shape shape;
    int64_t batches, samples;      /* sums over the series, kept by the writer */
    int64_t epochs;                /* distinct epochs */
    int64_t last_epoch, last_step; /* the greatest (epoch, step); -1 while empty */
};

struct batch_row {
    int64_t run, series;
    struct batch_key key;
    int64_t samples;      /* 0 for means */
    int64_t correct;      /* 0 for all kinds but counts */
    int64_t logged_at;    /* when it happened (record.time, else arrival) */
    const uint8_t *state; /* packed, borrowed */
    size_t state_size;
};

/* The sum of one epoch of one series (level 0, bucket 0), or of the steps of one bucket of it: level L > 0 has
   bucket = step >> L, for the levels of rollup_levels.h.  Invariants:
   1. a row is the exact sum of the batches of its window, and holds at least one;
   2. of an epoch: every bucket that ends before ${closed} and holds a batch has its row, and none that ends after it;
   3. of a sealed epoch: closed lies behind its last step, unless all of it lies in one bucket of the finest level.  Its
      batches count as gone, also while some are still being removed: the rows are all there is. */
struct rollup_row {
    int64_t run, series, epoch;
    int64_t level, bucket;
    int64_t batches, samples, correct;
    int64_t steps; /* distinct steps with a batch */
    int64_t first_step, last_step;
    int64_t first_time;              /* earliest logged_at */
    double primary_min, primary_max; /* of state_primary() over its batches; NAN while none is defined */
    int64_t revision;                /* the run's revision when this row last changed */
    int64_t closed;                  /* level 0: a step, a multiple of 2^ROLLUP_LEVEL_FINEST; else 0 */
    int64_t steady_since; /* level 0: after this revision no batch came or went but at steps of the epoch's last
                                      ROLLUP_STEADY_STEPS (as it was then), or later; else 0 */
    int64_t written_at;   /* level 0: when its last batch came, by the server's clock; 0: not known.  Else 0 */
    int64_t sealed_at;    /* level 0: when it was sealed; 0: it is not.  Else 0 */
    const uint8_t *ranks; /* level 0: the distinct ranks, packed: rank_set.h; borrowed */
    size_t ranks_size;
    const uint8_t *state; /* packed sum; borrowed */
    size_t state_size;
};

enum { ROLLUP_STEADY_STEPS = 16 };

/* A sealed epoch of a series: what was kept of its batches beside the sums.  There is one exactly where the epoch's row has
   sealed_at. */
struct seal_row {
    int64_t run, series, epoch;
    bool is_thinned;             /* no batch is left */
    int64_t ignore_index, top_k; /* the options that the means were computed with */
    const uint8_t *means;        /* packed: seal_means.h; borrowed */
    size_t means_size;
};

struct token_row {
    int64_t token;                 /* its number, for list and revoke */
    char name[65];                 /* a label; may be "" */
    char scope[8];                 /* read | write | admin */
    char project[PROJECT_MAX + 1]; /* the only one it is for; "": all */
    uint8_t sha256[32];
    int64_t created_at, expires_at /* 0: never */;
};

/* An attempt of a run (see rewind): its place in order, and the cut it made. */
struct attempt_row {
    char attempt[ATTEMPT_MAX + 1];
    int64_t number;            /* rises in the order of first appearance */
    bool rewound;              /* this attempt made a cut */
    char stage[STAGE_MAX + 1]; /* "": every stage */
    int64_t epoch, step;       /* the cut */
};

/* ---- life cycle ---- */

/**
 * store_open(out, options, p): open or create the database (file mode 0600), take its lock (one
 * server per file), bring the schema up to date, and open the writing connection.
 * Returns OK; PROBLEM_STORAGE: cannot open, locked by another process, not a tally database, made by a
 * later version (nothing written), on a network file system; PROBLEM_DAMAGED: page 1 or the write-ahead log is
 * (nothing written).
 */
int store_open(struct store **out, const struct store_options *options, struct problem *p);

/** store_close(s): checkpoint, close the writing connection, drop the lock.  Readers are closed first. */
void store_close(struct store *s);

struct store_conn *store_writer(struct store *s);

int store_reader_open(struct store *s, struct store_conn **out, struct problem *p);
void store_reader_close(struct store_conn *c);
/** store_interrupt(c): what a reader does at the moment ends with an error.  The one function for another thread. */
void store_interrupt(struct store_conn *c);

/** A snapshot: reads between these two see one state of the database.  Keep it short; never open
 *  while an answer is being sent. */
int store_snapshot_begin(struct store_conn *c, struct problem *p);
void store_snapshot_end(struct store_conn *c);

/* ---- transactions of the writer ---- */

int store_begin(struct store *s, struct problem *p);
/** On failure everything since store_begin() is gone; after a failed fsync or write the store is
 *  read-only from then on (store_is_read_only()) and says so. */
int store_commit(struct store *s, struct problem *p);
/** store_commit_unsynced(s, p): as store_commit(), but it is on disk only after the next store_sync(). */
int store_commit_unsynced(struct store *s, struct problem *p);
/** store_sync(s, p): all that was committed is on disk.  PROBLEM_STORAGE: that is not known, and the store is read-only from
 *  then on.  Any thread. */
int store_sync(struct store *s, struct problem *p);
/** store_has_unsynced(s): whether something that store_commit_unsynced() committed may not be on disk yet: a transaction that
 *  writes nothing would be answered before it.  The writer's thread. */
bool store_has_unsynced(const struct store *s);
/** store_wait_synced(c): wait until all that this connection may have read so far is on disk (or the store is read-only). */
void store_wait_synced(struct store_conn *c);
void store_rollback(struct store *s);
bool store_is_read_only(const struct store *s);
/** store_is_damaged(s, where): damage was met since it was opened, first here: "page 17 of the database file".  Any thread. */
bool store_is_damaged(const struct store *s, const char **where);
/** store_mark_damaged(s, where): a reader of what is stored found that it cannot be right.  The store is read-only from then
 *  on.  Any thread. */
void store_mark_damaged(struct store *s, const char *where);
/** store_refuse_write(s, p): why a read-only store takes nothing.  PROBLEM_STORAGE. */
int store_refuse_write(const struct store *s, struct problem *p);

/** store_checkpoint(s, p): move the WAL into the database when it has grown (writer thread, between
 *  transactions, when idle or above a bound of pages). */
int store_checkpoint(struct store *s, bool idle, struct problem *p);

/**
 * store_room(s, rows, p): before a transaction that adds up to so many rows (writer thread): is there room on the disk
 * for it, and afterwards to move the whole WAL into the database?  Tries to make some by a checkpoint.
 * rows     0: it only changes or removes something, which is let into half of what is kept free.
 * Returns  OK, or PROBLEM_STORAGE_FULL; nothing has changed then.  Where the free space cannot be told, OK.
 */
int store_room(struct store *s, size_t rows, struct problem *p);
/** store_is_full(s): the last group was refused for lack of room, and there still is too little.  Any thread. */
bool store_is_full(const struct store *s);
/** store_is_gone(s): the path no longer leads to the file that is open: it was removed, or another was put in its place.
 *  What is written is lost with the last process that has it open.  Any thread; a call of the system. */
bool store_is_gone(const struct store *s);

/* -1 where it cannot be told. */
struct store_sizes {
    int64_t database_bytes; /* of the file; what is free inside of it is part of that */
    int64_t wal_bytes;
    int64_t free_bytes; /* of the file system, for this user */
};

/** store_sizes_get(s, out): any thread; some calls of the system. */
void store_sizes_get(const struct store *s, struct store_sizes *out);

/* ---- runs ---- */

/** run_status_effective(r, now): RUN_CRASHED for a running run unseen for more than 5 minutes. */
enum run_status run_status_effective(const struct run_row *r, int64_t now);
const char *run_status_name(enum run_status s); /* "running", ... */
bool run_status_from_name(const char *name, enum run_status *out);

int store_run_find(struct store_conn *c, const char *id, struct run_row *out, bool *found, struct problem *p);
/** Every visible run (of a project, if not NULL), newest first (created_at descending, then id). */
int store_runs_each(struct store_conn *c, const char *project, int (*fn)(void *context, struct run_row *row),
                    void *context, struct problem *p);
/** Up to limit of these runs, those after (created_at, id) in that order; id NULL: the first ones.  It costs as much as
 *  what it gives. */
int store_runs_page(struct store_conn *c, const char *project, int64_t created_at, const char *id, int64_t limit,
                    int (*fn)(void *context, struct run_row *row), void *context, struct problem *p);
/** How many visible runs there are (of a project, if not NULL), as counted while they came and went. */
int store_runs_count(struct store_conn *c, const char *project, int64_t *out, struct problem *p);
/** run_row_own(r, p): replace the texts of a borrowed row by copies.  On failure it owns nothing. */
int run_row_own(struct run_row *r, struct problem *p);
/** Projects with a visible run, by name; runs as store_runs_count(). */
int store_projects_each(struct store_conn *c, int (*fn)(void *context, const char *project, int64_t runs),
                        void *context, struct problem *p);
/** How many visible runs the project holds; found: there is such a project, with a run in it or not. */
int store_project_find(struct store_conn *c, const char *project, int64_t *runs, bool *found, struct problem *p);
/** How many projects there are, with a run in them or not. */
int store_projects_count(struct store_conn *c, int64_t *out, struct problem *p);
/** Remove the projects that no run is in. */
int store_write_projects_prune(struct store *s, struct problem *p);

/** Insert a run (row->run == 0: set) or write all its fields (row->run != 0).  Creates its project. */
int store_write_run(struct store *s, struct run_row *row, struct problem *p);
/** Write only revision, updated_at and seen_at: what every group of batches moves. */
int store_write_run_touch(struct store *s, int64_t run, int64_t revision, int64_t updated_at, int64_t seen_at,
                          struct problem *p);
/** Hide a run at once; its id is free again.  Its rows go with store_write_purge(). */
int store_write_run_hide(struct store *s, int64_t run, struct problem *p);
/** Remove up to limit rows of hidden runs; more says whether any are left. */
int store_write_purge(struct store *s, int64_t limit, bool *more, struct problem *p);

/* ---- series ---- */

int store_series_each(struct store_conn *c, int64_t run, int (*fn)(void *context, const struct series_row *row),
                      void *context, struct problem *p); /* by stage, name, then kind */
int store_series_find(struct store_conn *c, int64_t run, const char *stage, const char *name, enum kind kind,
                      struct series_row *out, bool *found, struct problem *p);
int store_series_count(struct store_conn *c, int64_t run, int64_t *out, struct problem *p);
/** Insert (row->series == 0: set) or write batches, samples, epochs, last_epoch, last_step. */
int store_write_series(struct store *s, struct series_row *row, struct problem *p);
int store_write_series_delete(struct store *s, int64_t run, int64_t series, struct problem *p);

/* ---- batches ---- */

/** One batch by key.  row's state is borrowed until the next call on this connection. */
int store_batch_get(struct store_conn *c, int64_t run, int64_t series, const struct batch_key *key,
                    struct batch_row *row, bool *found, struct problem *p);
/** Batches of one series with from <= (epoch, step, rank) <= to, in key order. */
int store_batches_each(struct store_conn *c, int64_t run, int64_t series, const struct batch_key *from,
                       const struct batch_key *to, int (*fn)(void *context, const struct batch_row *row), void *context,
                       struct problem *p);
/** Is there any batch of this (epoch, step)? */
int store_step_exists(struct store_conn *c, int64_t run, int64_t series, int64_t epoch, int64_t step, bool *exists,
                      struct problem *p);
/* Rows one after the other: next() writes the next one into *out (its state borrowed until the call after), or returns
   false when there is none.  It must not use the store. */
struct batch_source {
    bool (*next)(void *context, struct batch_row *out);
    void *context;
};
/** Insert batches whose keys are not there yet (the caller looked them up in this transaction); fastest in the order of
 *  their keys.  On failure some may be in: the transaction must be given up. */
int store_write_batches(struct store *s, const struct batch_source *source, struct problem *p);
/** Delete the batches of a series at or after (epoch, step); removed counts them. */
int store_write_batches_cut(struct store *s, int64_t run, int64_t series, int64_t epoch, int64_t step, int64_t *removed,
                            struct problem *p);

/* ---- rollups ---- */

int store_rollup_get(struct store_conn *c, int64_t run, int64_t series, int64_t epoch, int64_t level, int64_t bucket,
                     struct rollup_row *row, bool *found, struct problem *p); /* borrowed as store_batch_get */
/** Rollups of one series and level, epoch_from <= epoch <= epoch_to, by (epoch, bucket). */
int store_rollups_each(struct store_conn *c, int64_t run, int64_t series, int64_t level, int64_t epoch_from,
                       int64_t epoch_to, int (*fn)(void *context, const struct rollup_row *row), void *context,
                       struct problem *p);
/**
 * Rollups of one epoch and level > 0, bucket_from <= bucket <= bucket_to, in order.
 * with_state  false: state is NULL, which saves reading large ones.
 */
int store_buckets_each(struct store_conn *c, int64_t run, int64_t series, int64_t level, int64_t epoch,
                       int64_t bucket_from, int64_t bucket_to, bool with_state,
                       int (*fn)(void *context, const struct rollup_row *row), void *context, struct problem *p);
/** Insert or replace. */
int store_write_rollup(struct store *s, const struct rollup_row *row, struct problem *p);
/** Write only closed of an epoch's row. */
int store_write_closed(struct store *s, int64_t run, int64_t series, int64_t epoch, int64_t closed, struct problem *p);
/** Delete every rollup of a series whose window reaches (epoch, step) or lies after it. */
int store_write_rollups_cut(struct store *s, int64_t run, int64_t series, int64_t epoch, int64_t step,
                            struct problem *p);

/* ---- sealed epochs ---- */

int store_seal_get(struct store_conn *c, int64_t run, int64_t series, int64_t epoch, struct seal_row *row, bool *found,
                   struct problem *p); /* borrowed as store_batch_get */
/** Insert (it is not there yet) and mark the epoch's row, which is there and not sealed. */
int store_write_seal(struct store *s, const struct seal_row *row, int64_t sealed_at, struct problem *p);
/** store_write_thin(s, limit, removed, more, p): remove up to limit batches of sealed epochs; more: some may be left. */
int store_write_thin(struct store *s, int64_t limit, int64_t *removed, bool *more, struct problem *p);

/* An epoch that is not sealed. */
struct open_epoch {
    int64_t epoch, written_at; /* as in its row */
};

/** Epochs of a series that are not sealed, by epoch. */
int store_open_epochs_each(struct store_conn *c, int64_t run, int64_t series,
                           int (*fn)(void *context, const struct open_epoch *epoch), void *context, struct problem *p);
/** store_sealed_after(c, run, series, epoch, step, out, p): would a cut at (epoch, step) reach into a sealed epoch?  *out is that
 *  epoch, the first one; -1: there is none. */
int store_sealed_after(struct store_conn *c, int64_t run, int64_t series, int64_t epoch, int64_t step, int64_t *out,
                       struct problem *p);

/* ---- for checks ---- */

/** store_stray_seals(c, out, p): seals without a sealed epoch, sealed epochs without a seal, and batches of epochs that are said to
 *  be thinned. */
int store_stray_seals(struct store_conn *c, int64_t *out, struct problem *p);

int store_rollups_count(struct store_conn *c, int64_t run, int64_t series, int64_t *out,
                        struct problem *p); /* of every level */
/** store_orphans(c, out, p): series that batches or rollups name and that do not exist. */
int store_orphans(struct store_conn *c, int64_t *out, struct problem *p);
/** store_miscounts(c, out, p): how many of the numbers behind store_runs_count() are not true. */
int store_miscounts(struct store_conn *c, int64_t *out, struct problem *p);
/**
 * store_pages_each(c, fn, context, pages, p): compare every page of the database file, free ones too, with its sum; what lies in
 * the write-ahead log is not looked at: checkpoint first.
 * fn       called for each damaged one; table: where it belongs, NULL where that cannot be told.
 * pages    how many were looked at; 0: a database without sums.
 * Cost     reads all of it.
 */
int store_pages_each(struct store_conn *c, int (*fn)(void *context, int64_t page, const char *table), void *context,
                     int64_t *pages, struct problem *p);
/** store_file_verify(c, why, why_size, p): does the file's own structure hold?  why is "" if so, else what is wrong.  Reads all of it. */
int store_file_verify(struct store_conn *c, char *why, size_t why_size, struct problem *p);

/* ---- copies ---- */

/**
 * store_view_open(out, path, p): a database to read only, beside a server that may be running: nothing is locked, made
 * or migrated.  store_reader_open() then works on it; store_close() at the end.
 */
int store_view_open(struct store **out, const char *path, struct problem *p);
/**
 * store_view_check(c, rows, p): may this connection of a view be used?  STORE_FOREIGN if what it sees was made by a later
 * version (its log may say so, and its header not yet); PROBLEM_STORAGE if it is of an earlier one and rows: rows of it are
 * to be read.
 */
int store_view_check(struct store_conn *c, bool rows, struct problem *p);

/**
 * store_backup(reader, path, bytes, p): the whole database, as it is at one moment, into a new file of mode 0600: under a
 * temporary name beside it, synced, then renamed.
 *
 * bytes    how long it is.
 * Returns  OK; PROBLEM_INVALID: path is there already; PROBLEM_STORAGE_FULL: no room, or less than what is kept free
 *          would be left; PROBLEM_STORAGE.  Then there is no new file.
 * Cost     reads and writes the whole database.  Not inside a snapshot.
 */
int store_backup(struct store_conn *reader, const char *path, int64_t *bytes, struct problem *p);

/* ---- attempts ---- */

int store_attempts_each(struct store_conn *c, int64_t run, int (*fn)(void *context, const struct attempt_row *row),
                        void *context, struct problem *p); /* by number */
/** Insert or replace by (run, attempt). */
int store_write_attempt(struct store *s, int64_t run, const struct attempt_row *row, struct problem *p);

/* ---- tokens ---- */

int store_tokens_each(struct store_conn *c, int (*fn)(void *context, const struct token_row *row), void *context,
                      struct problem *p);

/**
 * Tokens are made and revoked by the command line while a server may be running.  These three open
 * the database by themselves, for one short transaction under the write gate that the server's
 * writer also holds while it commits or checkpoints, and never checkpoint: so no two connections
 * ever commit and checkpoint at the same time.
 */
int store_token_create(const char *path, struct token_row *row, struct problem *p); /* sets row->token */
int store_token_revoke(const char *path, int64_t token, bool *found, struct problem *p);
int store_token_list(const char *path, int (*fn)(void *context, const struct token_row *row), void *context,
                     struct problem *p);

#endif
