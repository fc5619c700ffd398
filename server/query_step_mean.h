#ifndef QUERY_STEP_MEAN_H
#define QUERY_STEP_MEAN_H

#include "gap.h"
#include "query.h"
#include "step_cache.h"

/**
 * What averaging logged values would have shown: the plain mean, over the steps of an epoch, of the
 * metric of each step (its ranks added).  Steps that saw nothing and values that are undefined are
 * left out (docs/metrics.md).  For accuracy also why it differs from the epoch's value (gap.h).
 */
enum { STEP_CACHE_BYTES = 32 << 20 };

struct step_mean_job {
    struct store_conn *conn;
    struct step_cache *cache; /* NULL: none */
    const struct metric_options *options;
    const struct series_row *series;
    int64_t epoch;
    int64_t revision; /* of the epoch's rollup, as are the next two */
    int64_t steady_since;
    int64_t last_step;
    bool may_grow;     /* it is the last epoch: keep what helps to go on */
    int64_t rank;      /* -1: all ranks added */
    struct state *sum; /* of the epoch (of that rank) */
};

/* What is known of one metric. */
struct step_mean {
    double *value;         /* [query_metric.length]; NAN where no step has a value.  NULL: not wanted. */
    struct gap_causes gap; /* set where query_has_gap(); NAN where no step has a value */
};

/** query_has_gap(m): is the gap of this metric split into causes (accuracy, micro and macro, and binary)? */
bool query_has_gap(const struct query_metric *m);

/**
 * query_step_means(job, metrics, n, out, p): several metrics, in one scan of the epoch at most.
 *
 * metrics  [n]; those of other series and weighted means are skipped.
 * out      [n]
 */
int query_step_means(const struct step_mean_job *job, const struct query_metric *metrics, size_t n,
                     struct step_mean *out, struct problem *p);

#endif
