#ifndef QUERY_EPOCHS_H
#define QUERY_EPOCHS_H

#include "gap.h"
#include "query.h"

/** Exact epoch values: the metric of the summed counts of each epoch. */
struct epochs_ask {
    const struct query_run *run;
    const struct query_metric *metrics;
    size_t n_metrics;
    int64_t epoch; /* only this one; -1: all */
    int64_t rank;  /* only its batches; -1: all ranks added */
    bool mean_of_steps;
};

struct epoch_row {
    int64_t epoch;
    int64_t steps, batches, samples, ranks; /* of the basis (query_basis); 0 where it has none in this epoch */
    bool is_thinned;                        /* the batches of one of these are gone */
    bool is_unknown;               /* and of one rank nothing is known any more: no number here means anything */
    int64_t first_step, last_step; /* over the series asked for and the basis */
};

/* One selector in one epoch.  Arrays have query_metric.length values. */
struct epoch_value {
    bool present;                 /* the series has a batch in this epoch; else nothing below is meaningful */
    double *value;                /* NAN where undefined */
    bool has_interval;            /* low and high say something */
    double *low, *high;           /* NAN where there is none */
    double *mean_of_steps;        /* NULL: not asked for, or a weighted mean */
    bool is_lost;                 /* the batches are gone, and this mean of the steps was not kept */
    const struct gap_causes *gap; /* why it differs from value; NULL: not asked for, or not split for this metric */
    int64_t nonfinite;            /* weighted means */
};

/**
 * query_epochs(q, ask, fn, context, p): call fn for each epoch that a series asked for has a batch in,
 * rising.  values is [n_metrics], borrowed.  fn may stop with an error.
 */
int query_epochs(struct request *q, const struct epochs_ask *ask,
                 int (*fn)(void *context, const struct epoch_row *row, const struct epoch_value *values), void *context,
                 struct problem *p);

#endif
