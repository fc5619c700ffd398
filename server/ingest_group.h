#ifndef INGEST_GROUP_H
#define INGEST_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "ingest.h"
#include "rank_set.h"
#include "state.h"
#include "store.h"
#include "window_sum.h"

/**
 * A group: the jobs that one transaction commits, while they are settled.  What the jobs accepted so
 * far will change is held in memory as nodes of one hash table: the runs, series, epochs, batches and
 * attempts that they named.  group_flush() writes it, in key order.
 *
 * Nodes are kept in the order in which they were made, so a refused job is undone by removing the
 * nodes made since it began.  Invariants:
 * 1. a batch node is a row that will be inserted: its key is neither stored nor in another node;
 * 2. an epoch's sum is the stored rollup plus the batch nodes of its epoch (of the jobs accepted so
 *    far; while a job is being added, some of its own);
 * 3. nothing is written between the start of a JOB_BATCHES and group_flush();
 * 4. after group_flush() the runs, series and epochs that it wrote stay as nodes, so that the next group need not read
 *    them again (nobody else writes): they say what is stored as of this transaction.  Whoever ends it otherwise than
 *    by a commit, or writes past the nodes, calls group_forget().
 *
 * Thread: the writer.
 */
enum node_kind { NODE_RUN, NODE_SERIES, NODE_EPOCH, NODE_BATCH, NODE_ATTEMPT };

struct node {
    struct node *next; /* in its bucket, newest first */
    uint64_t hash;
    enum node_kind kind;
    bool is_used; /* by this group */
};

struct group_run {
    struct node node;
    struct run_row row;         /* run 0: this group creates it; owns no texts then, nor once it was kept */
    bool touched;               /* an accepted job named it: seen_at moves */
    bool changed;               /* and it changed its content: the revision rises */
    bool attempts_known;        /* the stored attempts are nodes */
    int64_t last_number;        /* the greatest attempt number */
    struct group_attempt *cuts; /* those that made a cut, linked by next_cut */
    bool series_known;
    int64_t n_series; /* series_known: stored ones and those of this group */
};

struct group_attempt {
    struct node node;
    struct group_run *run;
    struct attempt_row row;
    struct group_attempt *next_cut;
    bool is_new;
};

struct group_series {
    struct node node;
    struct group_run *run;
    struct series_row row; /* series 0: this group creates it */
    bool changed;
    struct group_epoch *last_used; /* most records of a series name the same epoch */
};

/* The keys of the stored batches of an epoch from (from_step, from_rank) on: all of them, in order. */
struct recent_key {
    int64_t step, rank;
};

struct recent_keys {
    int64_t from_step, from_rank;
    struct recent_key *key; /* [n], malloc'ed */
    size_t n, cap;
};

/* The sum of one epoch of one series.  It is unpacked (hot) while it is being added to, and packed
   again when too many are. */
struct group_epoch {
    struct node node;
    uint8_t *blobs;           /* malloc'ed: those of base */
    struct recent_keys known; /* the latest of the stored batches */
    bool is_large;            /* not worth keeping */
    struct group_series *series;
    bool stored;            /* there is a rollup */
    struct rollup_row base; /* that rollup; zero if there is none */
    bool hot;
    struct state state;       /* the sum, if hot */
    int64_t batches, samples; /* the sum, if not hot: packed may be base.state */
    const uint8_t *packed;
    size_t packed_size;
    uint8_t *own;                      /* malloc'ed memory of packed, if not the base's */
    bool tainted;                      /* holds parts of a job that is being undone */
    struct group_epoch *newer, *older; /* the list of the hot */
};

struct group_batch {
    struct node node;
    struct group_epoch *epoch;
    struct batch_key key;
    const struct measure *measure; /* the job's */
    int64_t logged_at;
    double primary; /* state_primary() of it alone; NAN: none */
    bool new_step;  /* set by the flush: no batch before it has its step */
};

struct group {
    struct store *store;
    struct store_conn *conn;
    struct limits limits; /* the defaults, unless the owner sets others */
    struct arena arena;
    struct node **buckets; /* [n_buckets], a power of two */
    size_t n_buckets;
    struct node **nodes; /* in the order of making */
    size_t n_nodes, cap_nodes;
    struct group_batch **batches; /* in the order of making */
    size_t n_batches, cap_batches;
    struct memory memory; /* of the states: counts what they take */
    size_t state_bytes, state_bytes_max;
    struct group_epoch *hot;               /* the newest */
    struct state one_mean, one_regression; /* scratch: one batch alone */
    struct window_sum window;              /* scratch: the sum of one bucket, or of what a rewind left */
    struct rank_set ranks;                 /* scratch */
    uint8_t *packed;                       /* scratch */
    size_t packed_cap;
    bool hid_runs; /* a run was deleted: there is something to purge */
    bool sealed;   /* an epoch was sealed: there are batches to remove */
    bool broken;   /* a write failed half-way: the transaction must not be committed */
};

struct group_mark {
    size_t n_nodes, n_batches;
};

/* ---- ingest_node.c: the table ---- */

int group_init(struct group *g, struct store *store, struct problem *p);
void group_release(struct group *g);

/** group_reserve(g, n_measures, p): room for the jobs to come; the group holds nothing yet. */
int group_reserve(struct group *g, size_t n_measures, struct problem *p);
void group_forget(struct group *g); /* all nodes: what they say of the store may not hold any more */
/** group_drop_nodes(g, is_wanted): forget those that are not wanted; a child goes before or with its parent. */
void group_drop_nodes(struct group *g, bool (*is_wanted)(struct node *node));

struct group_mark group_mark(const struct group *g);
void group_undo(struct group *g, struct group_mark mark); /* remove the nodes made since */

/** group_add_node(g, kind, hash, size): a zeroed node, in the table and in the list; NULL: no memory. */
void *group_add_node(struct group *g, enum node_kind kind, uint64_t hash, size_t size);
/** The nodes of one kind and hash, newest first; NULL after the last. */
struct node *group_first(struct group *g, enum node_kind kind, uint64_t hash);
struct node *group_next(struct node *node);
uint64_t group_hash(uint64_t h, uint64_t value); /* add to a hash */
uint64_t group_hash_text(uint64_t h, const char *text);
uint64_t group_hash_pointer(enum node_kind kind, const void *pointer); /* begin one */

/* ---- ingest_group.c: nodes of each kind, from the table or the store ---- */

/** group_find_run(g, id, out, p): *out NULL if it is neither stored nor about to be. */
int group_find_run(struct group *g, const char *id, struct group_run **out, struct problem *p);
/** group_may_touch(job, run): is the run of a project that the job's caller may see? */
bool group_may_touch(const struct job *job, const struct run_row *run);
/** group_refuse_taken(job): PROBLEM_FORBIDDEN: the run that it would make is there, and not the caller's to know. */
int group_refuse_taken(struct job *job);
int group_new_run(struct group *g, const char *id, const char *project, int64_t now, struct group_run **out,
                  struct problem *p);
int group_find_series(struct group *g, struct group_run *run, const char *stage, const char *name, enum kind kind,
                      struct group_series **out, struct problem *p);
int group_new_series(struct group *g, struct group_run *run, const char *stage, const struct measure *m,
                     struct group_series **out, struct problem *p);
/** group_get_epoch(g, series, epoch, out, p): its sum so far, empty if there is none. */
int group_get_epoch(struct group *g, struct group_series *series, int64_t epoch, struct group_epoch **out,
                    struct problem *p);
/** group_peek_epoch(g, series, epoch): its node; NULL if there is none. */
struct group_epoch *group_peek_epoch(struct group *g, struct group_series *series, int64_t epoch);
struct group_batch *group_find_batch(struct group *g, struct group_epoch *epoch, const struct batch_key *key);
int group_new_batch(struct group *g, struct group_epoch *epoch, const struct batch_key *key, const struct measure *m,
                    int64_t logged_at, struct problem *p);
/** group_find_attempt(g, run, attempt, out, p): *out NULL if it was never seen. */
int group_find_attempt(struct group *g, struct group_run *run, const char *attempt, struct group_attempt **out,
                       struct problem *p);
int group_new_attempt(struct group *g, struct group_run *run, const char *attempt, struct problem *p);

/* ---- ingest_epoch.c ---- */

/** epoch_add(g, batch): add a batch node to its epoch's sum and set its primary.  A status of lib/;
 *  atomic. */
int epoch_add(struct group *g, struct group_batch *batch);

/** epoch_restore(g, n_batches): rebuild every tainted epoch from its rollup and the first n_batches
 *  batch nodes. */
int epoch_restore(struct group *g, size_t n_batches);

/** epoch_row(g, e, batches, n, new_steps, row): the epoch's rollup row after the n batches (sorted
 *  by key, of this epoch) were added.  Its blobs lie in g's scratch and arena. */
int epoch_row(struct group *g, struct group_epoch *e, struct group_batch *const *batches, size_t n, int64_t new_steps,
              struct rollup_row *row);
void epoch_release(struct group *g, struct group_epoch *e);

/* ---- ingest_keep.c: nodes from one group to the next ---- */

/** epoch_written(e, batches, n, row): the epoch's rollup is this row now, the n batches (sorted by key) being stored.  A
 *  status of lib/; on failure the group must be forgotten. */
int epoch_written(struct group_epoch *e, struct group_batch *const *batches, size_t n, const struct rollup_row *row);

/** group_keep(g): all that was accepted is written: keep what the next group is likely to ask for, forget the rest. */
void group_keep(struct group *g);

enum known { KNOWN_ABSENT, KNOWN_STORED, KNOWN_NOT };
/** Is a batch of this key stored, or any of this step?  KNOWN_NOT: ask the store. */
enum known epoch_knows_batch(const struct group_epoch *e, const struct batch_key *key);
enum known epoch_knows_step(const struct group_epoch *e, int64_t step);

/* ---- ingest_buckets.c ---- */

/**
 * buckets_update(g, e, batches, n, row, p): bring the buckets of an epoch up to its new batches (sorted by key, new_step
 * set, already inserted), and close those that it has moved past.
 * row  the epoch's new rollup row, not yet written: closed is set here.
 */
int buckets_update(struct group *g, const struct group_epoch *e, struct group_batch *const *batches, size_t n,
                   struct rollup_row *row, struct problem *p);

/** buckets_end_epoch(g, series, epoch, p): close what is left of an epoch, the series having gone on to a later one. */
int buckets_end_epoch(struct group *g, struct group_series *series, int64_t epoch, struct problem *p);

/* ---- ingest_limits.c: OK, or PROBLEM_LIMIT at the place (NULL: none) ---- */

/** group_room_for_new_run(g, project, p): before a job of batches makes a run.  May flush the group: before its mark. */
int group_room_for_new_run(struct group *g, const char *project, struct problem *p);
/** group_room_for_run(g, project, place, p): before a run is made in, or moved to, the project.  After a flush. */
int group_room_for_run(struct group *g, const char *project, const char *place, struct problem *p);
/** group_room_for_series(g, run, place, p): before one is made; counts it. */
int group_room_for_series(struct group *g, struct group_run *run, const char *place, struct problem *p);
/** group_room_for_attempt(g, run, place, p): before one is made; the run's attempts are known. */
int group_room_for_attempt(const struct group *g, const struct group_run *run, const char *place, struct problem *p);
/** group_check_document(g, change, row, p): the row as the change leaves it. */
int group_check_document(const struct group *g, const struct run_change *change, const struct run_row *row,
                         struct problem *p);

/* ---- ingest_batches.c, ingest_flush.c, ingest_run.c, ingest_rewind.c, ingest_seal.c ---- */

/**
 * Settle one job: OK or its problem.  A refused JOB_BATCHES leaves the group as it was.  The others
 * flush the group first and write at once; g->broken says that the transaction must be given up.
 */
int group_settle_batches(struct group *g, struct job *job);
int group_settle_put(struct group *g, struct job *job);
int group_settle_patch(struct group *g, struct job *job);
int group_settle_delete(struct group *g, struct job *job);
int group_settle_rewind(struct group *g, struct job *job);
int group_settle_seal(struct group *g, struct job *job);

/** group_flush(g, p): write all that was accepted.  Inside a transaction.  On failure broken, and all is forgotten. */
int group_flush(struct group *g, struct problem *p);
/** group_flush_out(g, p): the same, and forget all: somebody is about to write past the group. */
int group_flush_out(struct group *g, struct problem *p);

#endif
