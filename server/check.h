#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>
#include <stdio.h>

#include "problem.h"
#include "store.h"

/** Does the database say one thing only?  Whatever is kept beside the batches is computed from them again. */
struct check_report {
    int64_t runs, series, batches, rollups; /* looked at */
    int64_t thinned_epochs;                 /* of a series: their sums are compared with each other only */
    int64_t thinned_batches;                /* that these sums say were there */
    int64_t disagreements;
    int64_t damaged_pages; /* if there are any, nothing else was looked at */
};

/**
 * check_store(c, out, report, p): every page against its sum; then every rollup, rank set and counter of every run against its batches, every packed
 * state, and the file's own structure.  Integers, bytes and doubles are compared for equality: sums are exact.
 *
 * c    nothing may be written meanwhile.
 * What a thinned epoch says is compared as far as it can be: coarser sums and the epoch's with the finest buckets, correct with the
 * states, the kept means with their form; its ranks, and which batches there were, are taken as said.
 *
 * out  a line for each of the first disagreements, and one for each series with thinned epochs; NULL: none.
 * Returns OK, also where there are disagreements; errors of the store.
 * Cost    one pass over the batches, memory for a few states.
 */
int check_store(struct store_conn *c, FILE *out, struct check_report *report, struct problem *p);

/** check_one_run(c, run, report, p): the same of one run alone. */
int check_one_run(struct store_conn *c, struct run_row *run, struct check_report *report, struct problem *p);

struct options;
/** check_command_run(o): `tally check`.  The exit status: 0 all agrees, 1 it does not or cannot be checked. */
int check_command_run(const struct options *o);

#endif
