#ifndef QUERY_STEPS_H
#define QUERY_STEPS_H

#include "query.h"

/**
 * The columns of a chart: one entry a bucket of 2^k steps, each value the metric of the bucket's summed
 * counts.  Nothing is sampled.
 *
 * Memory is bounded by the number of entries (points, or the epochs), not by the run's length.
 */
struct steps_ask {
    const struct query_run *run;
    const struct query_metric *metrics;
    size_t n_metrics;
    int64_t from, to; /* x, both included */
    int64_t points;   /* >= 1 */
    int64_t rank;     /* only its batches; -1: all ranks added */
    int64_t window;   /* each value over the last so many steps of its epoch; 0: over the entry */
};

struct steps_column {
    double *value;     /* [n][query_metric.length]; NAN: null */
    double *min, *max; /* [n] */
};

/* All arrays are [n], in the request's arena; entries rise by (epoch, step). */
struct steps_answer {
    int64_t width;
    bool counted;      /* x_from */
    bool over;         /* more epochs than points: an entry an epoch */
    int64_t n_thinned; /* epochs of the range whose steps are known in sums only: the width is that of these at least */
    size_t n;
    int64_t *x, *epoch, *step, *time, *samples, *batches;
    struct steps_column *columns; /* [n_metrics] */
};

/** Values that an answer may hold: a bound of its memory, for lists of many classes. */
enum { STEPS_VALUES_MAX = 1 << 22 };

/**
 * query_steps(q, ask, out, p): OK; PROBLEM_INVALID at ?points: entries times classes are more than
 * STEPS_VALUES_MAX; PROBLEM_COUNT_OVERFLOW: positions beyond 64 bits; errors of the store.
 */
int query_steps(struct request *q, const struct steps_ask *ask, struct steps_answer *out, struct problem *p);

#endif
