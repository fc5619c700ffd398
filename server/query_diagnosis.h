#ifndef QUERY_DIAGNOSIS_H
#define QUERY_DIAGNOSIS_H

#include "query_epoch_sum.h"

/**
 * What is odd about an epoch, so that a person need not find it.  Each finding says how many steps (or
 * samples, or batches) it concerns, out of how many, and which steps come first.
 *
 *   single-class-steps  steps with targets of one class only, where the epoch has more
 *   absent-classes      steps that predicted a class which none of their targets has: it scores 0 in macro accuracy
 *   ragged-batches      steps with another number of decisions than most
 *   missing-ranks       steps with fewer ranks than the epoch has, or than world_size was declared
 *   dataset-size        samples that the epoch counted, against the declared dataset_size
 *   duplicates          the surplus is one that a known way of repeating samples gives
 *   nonfinite           batches of a weighted mean that were not finite; one finding for each mean
 */
enum finding_level { FINDING_INFO, FINDING_WARNING, FINDING_ERROR };

enum { FINDING_STEPS_MAX = 100, FINDING_TEXT_MAX = 480 };

struct finding {
    const char *id;
    enum finding_level level;
    const char *name; /* of the series */
    int64_t count, of;
    char text[FINDING_TEXT_MAX]; /* one or two sentences for people, with the numbers */
    const int64_t *steps;        /* [n_steps], the first ones concerned, rising; at most FINDING_STEPS_MAX */
    size_t n_steps;
};

struct diagnosis {
    struct finding *findings; /* [n], in the order of the list above; in the arena */
    size_t n, cap;
};

const char *finding_level_name(enum finding_level level);

/**
 * query_diagnosis(q, run, sum, out, p): the findings of one epoch.
 *
 * sum      of the series whose steps are looked at, with the rollup's numbers; empty: no findings.
 * Cost     one scan of the epoch, and one more for each weighted mean that was not finite.
 */
int query_diagnosis(struct request *q, const struct query_run *run, struct epoch_sum *sum, struct diagnosis *out,
                    struct problem *p);

#endif
