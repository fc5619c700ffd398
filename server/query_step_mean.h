#ifndef QUERY_STEP_MEAN_H
#define QUERY_STEP_MEAN_H

#include "query.h"
#include "step_cache.h"

/**
 * What averaging logged values would have shown: the plain mean, over the steps of an epoch, of the
 * metric of each step (its ranks added).  Steps that saw no sample and values that are undefined are
 * left out (metrics.md, section 9).
 */
enum { STEP_CACHE_BYTES = 32 << 20 };

struct step_mean_job {
    struct store_conn *conn;
    struct step_cache *cache; /* NULL: none */
    const struct metric_options *options;
    const struct series_row *series;
    int64_t epoch;
    int64_t revision; /* of the epoch's rollup */
    int64_t rank;     /* -1: all ranks added */
};

/**
 * query_step_means(job, metrics, n, out, p): the means of several metrics, in one scan of the epoch at most.
 *
 * metrics  [n]; those of other series and weighted means are skipped.
 * out      double *[n]; out[i] is double[metrics[i].length], NAN where no step has a value; or NULL: not wanted.
 */
int query_step_means(const struct step_mean_job *job, const struct query_metric *metrics, size_t n, double *const *out,
                     struct problem *p);

#endif
