#ifndef STEP_COVER_H
#define STEP_COVER_H

#include <stdbool.h>
#include <stdint.h>

#include "problem.h"
#include "store.h"

/**
 * A stretch of steps of one epoch of one series, in as few rows as there are: sums of buckets where they
 * are kept and lie wholly within, batches elsewhere.  What it costs depends on the rows, not on the
 * length of the stretch.
 */
struct step_cover {
    struct store_conn *conn;
    const struct series_row *series; /* borrowed */
    int level;                       /* rows of buckets of at most 2^level steps; 0: batches only */
    bool with_state;                 /* false: the states of buckets are not needed, and NULL */
    /* Each is called in order of step, and may stop with an error.  STORE_STOP ends the piece only. */
    int (*row)(void *context, const struct rollup_row *row);
    int (*batch)(void *context, const struct batch_row *batch);
    void *context;
    struct problem *p;
};

/**
 * step_cover(c, epoch, closed, from, to): the steps from .. to, both included; nothing if from > to.
 *
 * closed  of the epoch's rollup row, in the same snapshot; 0 where rows are of no use.
 */
int step_cover(const struct step_cover *c, int64_t epoch, int64_t closed, int64_t from, int64_t to);

#endif
