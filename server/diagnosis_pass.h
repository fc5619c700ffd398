#ifndef DIAGNOSIS_PASS_H
#define DIAGNOSIS_PASS_H

#include "gap.h"
#include "query_epoch_sum.h"
#include "step_sizes.h"

/** Private to query_diagnosis: what one pass over the steps of an epoch tells. */

/* Steps that have something in common: how many, and the first ones. */
struct step_list {
    int64_t count;
    int64_t steps[STEP_SIZES_LISTED];
    size_t n;
};

void step_list_add(struct step_list *list, int64_t step);

struct diagnosis_facts {
    struct epoch_sum *sum;
    int64_t ranks;     /* that a step should have */
    int64_t n_steps;   /* with a batch */
    int64_t n_counted; /* of these, those that saw something */
    bool has_classes;  /* each step's targets and predictions are known by class, and the epoch has more than one */
    struct step_list single;  /* targets of one class only */
    double single_expected;   /* in shuffled batches of the same sizes: at most about so many of them */
    struct step_list absent;  /* multiclass: a class was predicted that is not in the targets */
    struct step_list missing; /* fewer ranks than should be there */
    struct step_sizes sizes;  /* in decisions */
    int64_t last_step, last_size, last_ranks;
    bool has_micro, has_macro; /* of accuracy: micro also stands for binary */
    struct gap micro, macro;
};

/** diagnosis_size(s): decisions that a state holds, in the unit of its kind; 0 for a weighted mean. */
int64_t diagnosis_size(const struct state *s);

/**
 * diagnosis_pass(q, sum, world_size, out, p): one scan.  diagnosis_facts_release() after any result.
 * world_size  as declared; -1: it was not.
 * A thinned epoch has no steps: nothing is counted then.
 */
int diagnosis_pass(struct request *q, struct epoch_sum *sum, int64_t world_size, struct diagnosis_facts *out,
                   struct problem *p);
void diagnosis_facts_release(struct diagnosis_facts *f);

/** diagnosis_gap(gap, sum, out, epoch): the causes, and the epoch's own value.  False where there is none. */
bool diagnosis_gap(const struct gap *gap, struct epoch_sum *sum, struct gap_causes *out, double *epoch);

#endif
