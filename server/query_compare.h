#ifndef QUERY_COMPARE_H
#define QUERY_COMPARE_H

#include "query.h"
#include "run_view.h"

/**
 * Many runs side by side over one x axis.  Each value is the metric of summed counts; nothing is sampled.
 *
 * By step, x is cut into cells of 2^k positions.  A bucket of 2^k steps (of one epoch, anchored at its step 0)
 * belongs to the cell in which it begins, so that each batch is in exactly one cell; what several buckets bring to a
 * cell is added.  Where positions are steps, cells and buckets are the same.
 *
 * Memory: runs times metrics times points, whatever the runs' length.
 */
enum { COMPARE_RUNS_MAX = 200, COMPARE_VALUES_MAX = 1 << 22, COMPARE_EPOCHS_MAX = 1 << 20 };

struct compare_run {
    struct query_run run;
    struct query_metric *metrics; /* [n_metrics] of the ask; series NULL: this run has nothing for it */
    bool counted;                 /* x_from, by step */
};

struct compare_ask {
    struct compare_run *runs;
    size_t n_runs, n_metrics;
    int64_t from, to; /* x, both included; by step the cells at either end are whole */
    int64_t points;   /* by step: cells at most, >= 1 */
    int64_t window;   /* by step: as in query_steps.h; 0: none */
};

/* Arrays in the request's arena.  Of run r and metric m: at [(r * n_metrics + m) * n]; NAN: nothing there, or undefined. */
struct compare_answer {
    int64_t width; /* by step: positions a cell; by epoch 1 */
    int64_t
        n_thinned; /* by step: epochs of the range, of all runs together, whose steps are known in sums only: width is
                          that of these at least; by epoch 0: their values are exact */
    size_t n;
    int64_t *x;         /* [n], rising: where some run has something */
    double *value;      /* [n_runs][n_metrics][n] */
    double *low, *high; /* the same by epoch: 95 % Wilson, NAN where there is none; NULL by step */
};

/** compare_steps(q, ask, out, p): OK; PROBLEM_INVALID at ?points: more than COMPARE_VALUES_MAX values; at ?runs: more than
 *  COMPARE_EPOCHS_MAX epochs together; errors of query_steps(). */
int compare_steps(struct request *q, const struct compare_ask *ask, struct compare_answer *out, struct problem *p);

/** compare_epochs(q, ask, out, p): exact epoch values.  OK; PROBLEM_INVALID at ?from: more than COMPARE_VALUES_MAX. */
int compare_epochs(struct request *q, const struct compare_ask *ask, struct compare_answer *out, struct problem *p);

/* ---- groups: runs whose config agrees in one key ---- */

struct compare_group {
    struct run_value key; /* RUN_VALUE_NONE: they lack it */
    size_t *runs;         /* [n_runs], indices, in the order asked */
    size_t n_runs;
    double *value, *low, *high; /* [n_metrics][n]: of the counts of all its runs added.  NAN where none has any, and
                                     throughout where their series differ in shape */
};

/** compare_groups(q, ask, answer, path, out, n, p): by the config key at a dotted path, the groups rising by it. */
int compare_groups(struct request *q, const struct compare_ask *ask, const struct compare_answer *answer,
                   const char *path, struct compare_group **out, size_t *n, struct problem *p);

#endif
