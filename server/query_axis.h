#ifndef QUERY_AXIS_H
#define QUERY_AXIS_H

#include "query.h"
#include "step_axis.h"

/**
 * The epochs of a stage, from its rollups: which there are, and from where to where their steps go.
 */
struct query_axis {
    struct axis_epoch *epochs; /* [n], rising; in the arena.  Offsets set. */
    size_t n;
    bool counted;
};

/**
 * query_axis(q, run, metrics, n, out, p): over all series of the stage; asked_steps counts the series
 * that the metrics name.
 * Returns OK; PROBLEM_COUNT_OVERFLOW: positions beyond 64 bits; errors of the store.
 */
int query_axis(struct request *q, const struct query_run *run, const struct query_metric *metrics, size_t n,
               struct query_axis *out, struct problem *p);

/**
 * query_epoch_list(q, series, n, from, to, out, n_out, p): the epochs from .. to that any of these
 * series has; first_step and last_step over those series.  Offsets are not set.
 */
int query_epoch_list(struct request *q, const struct series_row *const *series, size_t n, int64_t from, int64_t to,
                     struct axis_epoch **out, size_t *n_out, struct problem *p);

#endif
