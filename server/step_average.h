#ifndef STEP_AVERAGE_H
#define STEP_AVERAGE_H

#include "gap.h"
#include "query.h"
#include "step_cache.h"

/**
 * The plain mean of one metric over steps, while it is added up: exact sums, so that neither the order nor
 * the number of pauses matters, and for accuracy the causes of its gap (gap.h).
 */
struct step_sums {
    struct exact_sum *sum; /* [length] */
    int64_t *n;            /* [length]: steps that count */
    struct gap gap;        /* of a metric that has one */
};

/*
 * Of an epoch that grows at its end, the steps that will not change any more are kept apart, so that the next
 * ask goes on from them.  It holds nothing of a request.
 */
struct step_average {
    struct step_progress base;
    size_t length;
    bool has_gap;
    int64_t through; /* settled holds the steps up to this one; -1: none */
    struct step_sums settled;
};

/** step_average_new(metric, options): nothing added; NULL: no memory.  step_average_free() takes NULL. */
struct step_average *step_average_new(const struct query_metric *metric, const struct metric_options *options);
void step_average_free(struct step_average *a);

/** step_sums_init(s, metric, options), step_sums_release(s): a status of lib/. */
int step_sums_init(struct step_sums *s, const struct query_metric *metric, const struct metric_options *options);
void step_sums_release(struct step_sums *s);
/** step_sums_copy(into, from, length): into was made for the same metric. */
void step_sums_copy(struct step_sums *into, const struct step_sums *from, size_t length);

/** step_sums_add(s, metric, step, value): one step that saw something, and its values.  A status of lib/. */
int step_sums_add(struct step_sums *s, const struct query_metric *metric, const struct state *step,
                  const double *value);

/** step_sums_finish(s, metric, epoch, value, gap): the means, NAN where no step counts; gap is set if the metric has one. */
int step_sums_finish(const struct step_sums *s, const struct query_metric *metric, struct state *epoch, double *value,
                     struct gap_causes *gap);

#endif
