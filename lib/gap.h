#ifndef GAP_H
#define GAP_H

#include "memory.h"
#include "metric.h"
#include "state.h"

/**
 * Why the mean of the steps' accuracies (V, each step counting once) is not the accuracy of the epoch (M):
 * V - M, split into its causes.
 *
 * Macro, multiclass.  A step has the classes T_s with targets and the live classes L_s (tp + fp + fn > 0),
 * recalls r_sc, b_s their mean over T_s, and q_s = 1 - |T_s| / |L_s|; its accuracy is (1 - q_s) b_s.
 * T, Q, R_c, B likewise for the epoch.  W_c is the mean over steps of 1 / |T_s| where c is in T_s, P_c that
 * of r_sc / |T_s|, w_0 the share of steps without any target.
 *   absent_classes = Q B - mean(q_s b_s) - w_0 B     classes that were only predicted score 0
 *   class_mix      = sum over T of (W_c - (1 - w_0) / |T|) R_c     steps weigh classes otherwise
 *   batch_size     = sum over T of P_c - W_c R_c     a class has unequal numbers of samples per step
 * With options.top_k above 1 no class is live without targets: q_s and Q are 0.
 * They add up to V - M identically.  The first does not depend on how the rest is split; the border
 * between the other two is a convention.
 *
 * Micro, binary, and multilabel: all classes are in every ratio, and the whole gap is batch_size.
 */
struct gap_causes {
    double value; /* V - M */
    double absent_classes, class_mix, batch_size;
};

/* A compensated sum (Neumaier): as good as twice the digits. */
struct gap_sum {
    double sum, low;
};

struct gap_class {
    struct gap_sum share, pulled; /* W_c and P_c, times the number of steps */
};

struct gap {
    struct metric_choice choice;
    struct memory memory;
    struct shape shape;
    struct gap_class *classes; /* [num_classes]; NULL where there is one cause only */
    int64_t n_steps, n_without_targets;
    struct gap_sum values, absent; /* of the steps: their accuracy, q_s b_s */
    struct metric_options options; /* the defaults; to be set after gap_init() where the values shown have others */
};

/**
 * gap_init(g, choice, shape, memory): an empty accumulator.
 * choice   accuracy, micro or macro; any average for a binary shape.
 * Returns  OK; ERR_NEED (another metric or average, or a shape that cannot give it); ERR_MEMORY.
 * Cost     O(num_classes), allocates.  Free with gap_release().
 */
int gap_init(struct gap *g, const struct metric_choice *choice, const struct shape *shape, struct memory memory);
/** gap_copy(into, from): make into, which gap_init() made alike, equal to from.  No failure. */
void gap_copy(struct gap *into, const struct gap *from);
void gap_release(struct gap *g); /* a zeroed or released struct is fine */

/**
 * gap_add_step(g, step): add one step, all its ranks summed.  A step that saw nothing (no samples and
 * total 0) is not a step and is passed over.  step has the shape of gap_init(); cells are not needed.
 * Returns OK; ERR_SHAPE; ERR_NEED, ERR_MEMORY as metric_compute().  O(num_classes).
 */
int gap_add_step(struct gap *g, struct state *step);

/** gap_add_value(g, step, value): the same, where the step's accuracy was computed already, with g's choice and options. */
int gap_add_value(struct gap *g, const struct state *step, double value);

/**
 * gap_finish(g, epoch, out): the causes, given the sum of the same steps.  The terms add up to out->value
 * within 1e-12.  May be called again after more steps.
 * Returns OK; ERR_SHAPE; ERR_RANGE without steps; ERR_NEED, ERR_MEMORY as metric_compute().
 */
int gap_finish(const struct gap *g, struct state *epoch, struct gap_causes *out);

#endif
