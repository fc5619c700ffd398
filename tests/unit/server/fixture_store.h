#ifndef FIXTURE_STORE_H
#define FIXTURE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "ingest.h"
#include "record.h"
#include "store.h"

/** A real database in a folder of its own, with or without a writer thread on it. */
struct fixture {
    char dir[64];
    char path[96];
    struct limits limits;
    struct store *store;
    struct store_conn *reader;
    struct ingest *ingest;
};

void fixture_folder(struct fixture *f); /* only the folder and the path */
void fixture_open(struct fixture *f);   /* folder, store, reader */
void fixture_start(struct fixture *f);  /* and the writer thread */
void fixture_stop(struct fixture *f);   /* all that is open, the files stay */
void fixture_restart(struct fixture *f);
void fixture_remove(struct fixture *f); /* stop, and the folder goes */

/** One POST of batches, built piece by piece.  The measures belong to the record added last. */
struct post {
    struct arena arena;
    struct record_list list;
    struct job job;
};

void post_init(struct post *p, const char *run);
void post_record(struct post *p, const char *stage, int64_t epoch, int64_t step, int64_t rank);
void post_totals(struct post *p, const char *name, int64_t correct, int64_t total);
void post_cell(struct post *p, const char *name, uint32_t num_classes, uint32_t target, uint32_t predicted,
               int64_t count);
void post_mean(struct post *p, const char *name, double sum, double weight);
void post_attempt(struct post *p, const char *attempt);
int post_send(struct fixture *f, struct post *p); /* and wait; the arena goes, job stays to be read */
void post_release(struct post *p);

/** A queue of posts that the writer takes as one group: it is held up while they are submitted. */
struct hold;
struct hold *hold_writer(struct fixture *f);
void hold_release(struct hold *h); /* let go, and free */

int run_job(struct fixture *f, enum job_kind kind, const char *run, struct run_change *change, struct job *job);
int rewind_job(struct fixture *f, const char *run, const char *stage, int64_t epoch, int64_t step, const char *attempt,
               struct job *job);

int64_t revision_of(struct fixture *f, const char *run); /* -1: no such run */
bool series_of(struct fixture *f, const char *run, const char *stage, const char *name, struct series_row *out);
/** check_rollups(f, run): every rollup of the run is what its batches add up to, and so are the series. */
void check_rollups(struct fixture *f, const char *run, const char *when);

#endif
