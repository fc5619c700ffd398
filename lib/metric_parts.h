#ifndef METRIC_PARTS_H
#define METRIC_PARTS_H

#include "metric.h"

/**
 * What metric.c, metric_table.c and the formulas share.  Private to lib/.
 *
 * Zero is tested on integers, never on a rounded double, and a sum or product of counts that can leave
 * int64_t is taken in 128 bits.
 */
#ifndef __SIZEOF_INT128__
#error "metrics need a 128-bit integer type"
#endif
__extension__ typedef __int128 i128;

/* The four counts of one class, or of all classes added up (micro). */
struct quad {
    i128 tp, fp, fn, tn;
};

struct formula_args {
    enum task task;
    double beta;
    double zero_division;
};

/* A metric that is a formula of four counts, averaged over classes. */
typedef double quad_formula(const struct quad *q, const struct formula_args *args);

/* A metric of the whole state. */
typedef double state_formula(const struct metric_choice *choice, struct state *s, int *status);

/* A metric of score histograms: one value, or one a class. */
typedef void list_formula(const struct metric_choice *choice, const struct state *s, double *out);

struct metric_row {
    struct metric metric;    /* first: a struct metric of the catalogue is its row */
    quad_formula *of_quad;   /* or */
    state_formula *of_state; /* or */
    list_formula *of_list;
    bool has_jaccard_rules; /* of its averages, see metric_ratio.c */
    bool without_multilabel;
};

static inline const struct metric_row *metric_row(const struct metric *metric)
{
    return (const struct metric_row *)metric;
}

/* ---- metric_ratio.c ---- */

quad_formula ratio_accuracy, ratio_precision, ratio_recall, ratio_specificity, ratio_npv, ratio_fbeta, ratio_jaccard,
    ratio_hamming;

/** ratio_compute(choice, s, options, out): a quad_formula under its average.  Needs are met. */
void ratio_compute(const struct metric_choice *choice, const struct state *s, const struct metric_options *options,
                   double *out);

/** quad_of_class(s, index), quad_of_all(s): the counts behind a class's value, or a micro value. */
struct quad quad_of_class(const struct state *s, uint32_t index);
struct quad quad_of_all(const struct state *s);

/* ---- metric_matrix.c: status is set on failure ---- */

state_formula matrix_balanced_accuracy, matrix_mcc, matrix_kappa;

enum { KAPPA_NONE, KAPPA_LINEAR, KAPPA_QUADRATIC };

/* ---- metric_scores.c ---- */

list_formula scores_auroc, scores_average_precision;
state_formula calibration_ece, exact_match, mean_perplexity;

enum { ECE_L1, ECE_L2, ECE_MAX };

/* ---- metric_regression.c ---- */

state_formula regression_mse, regression_rmse, regression_mae, regression_r2, regression_explained_variance,
    regression_pearson, regression_concordance;

#endif
