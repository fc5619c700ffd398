#ifndef QUERY_STEP_WALK_H
#define QUERY_STEP_WALK_H

#include "query.h"

/** The steps of one epoch of one series, in order, each summed over its ranks. */
struct step_walk {
    struct store_conn *conn;
    const struct series_row *series;
    int64_t epoch;
    int64_t from_step; /* the steps before it are left out */
    int64_t rank;      /* only its batches; -1: all ranks added */
    bool with_cells;   /* of a confusion matrix */
};

struct walked_step {
    int64_t step;
    int64_t ranks;       /* that sent a batch */
    struct state *state; /* their sum; borrowed, may settle its cells */
};

/**
 * query_step_walk(walk, fn, context, p): one scan, one state.  fn may stop with an error; steps with
 * batches that saw nothing are steps too (query_saw_nothing()).
 */
int query_step_walk(const struct step_walk *walk, int (*fn)(void *context, const struct walked_step *step),
                    void *context, struct problem *p);

#endif
