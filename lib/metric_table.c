/*
 * The catalogue, as one table.  Everything that lists metrics (the HTTP catalogue, the page's menu, the
 * documentation's test, the selector's errors) reads it here; metric.c asks it, the formulas are in
 * metric_ratio.c, metric_matrix.c, metric_scores.c and metric_regression.c.
 */
#include <math.h>
#include <string.h>

#include "metric.h"
#include "metric_parts.h"

static const char *const KAPPA_WEIGHTS[] = {
    [KAPPA_NONE] = "none",
    [KAPPA_LINEAR] = "linear",
    [KAPPA_QUADRATIC] = "quadratic",
    NULL,
};

static const char *const ECE_NORMS[] = {
    [ECE_L1] = "l1",
    [ECE_L2] = "l2",
    [ECE_MAX] = "max",
    NULL,
};

/* clang-format off */
static const struct metric_row ROWS[] = {
    {{"accuracy", "Accuracy", METRIC_ARGUMENT_NONE, NULL, AVERAGES_ALL, AVERAGE_MICRO, 0, 1, true, true,
      "multiclass tp / (tp + fn), micro correct / total; binary and multilabel (tp + tn) / (tp + fp + fn + tn)",
      KIND_COUNTS, "main", false},
     .of_quad = ratio_accuracy},
    {{"balanced_accuracy", "Balanced accuracy", METRIC_ARGUMENT_NONE, NULL, AVERAGES_NO_CHOICE, AVERAGE_MICRO, 0, 1, true, false,
      "mean recall over the classes that occur in the targets",
      KIND_COUNTS, "main", false},
     .of_state = matrix_balanced_accuracy, .without_multilabel = true},
    {{"precision", "Precision", METRIC_ARGUMENT_NONE, NULL, AVERAGES_ALL, AVERAGE_MICRO, 0, 1, true, true,
      "tp / (tp + fp)",
      KIND_COUNTS, "main", true},
     .of_quad = ratio_precision},
    {{"recall", "Recall", METRIC_ARGUMENT_NONE, NULL, AVERAGES_ALL, AVERAGE_MICRO, 0, 1, true, true,
      "tp / (tp + fn)",
      KIND_COUNTS, "main", true},
     .of_quad = ratio_recall},
    {{"f1", "F1 score", METRIC_ARGUMENT_NONE, NULL, AVERAGES_ALL, AVERAGE_MICRO, 0, 1, true, true,
      "2 tp / (2 tp + fp + fn)",
      KIND_COUNTS, "main", true},
     .of_quad = ratio_fbeta},
    {{"fbeta", "F-beta score", METRIC_ARGUMENT_BETA, NULL, AVERAGES_ALL, AVERAGE_MICRO, 0, 1, true, true,
      "(1 + beta^2) tp / ((1 + beta^2) tp + beta^2 fn + fp)",
      KIND_COUNTS, "main", true},
     .of_quad = ratio_fbeta},
    {{"specificity", "Specificity", METRIC_ARGUMENT_NONE, NULL, AVERAGES_ALL, AVERAGE_MICRO, 0, 1, true, true,
      "tn / (tn + fp)",
      KIND_COUNTS, "main", false},
     .of_quad = ratio_specificity},
    {{"npv", "Negative predictive value", METRIC_ARGUMENT_NONE, NULL, AVERAGES_ALL, AVERAGE_MICRO, 0, 1, true, true,
      "tn / (tn + fn)",
      KIND_COUNTS, "main", true},
     .of_quad = ratio_npv},
    {{"jaccard", "Jaccard index (IoU)", METRIC_ARGUMENT_NONE, NULL, AVERAGES_ALL, AVERAGE_MICRO, 0, 1, true, false,
      "tp / (tp + fp + fn)",
      KIND_COUNTS, "main", true},
     .of_quad = ratio_jaccard, .has_jaccard_rules = true},
    {{"hamming", "Hamming distance", METRIC_ARGUMENT_NONE, NULL, AVERAGES_ALL, AVERAGE_MICRO, 0, 1, false, true,
      "1 - accuracy",
      KIND_COUNTS, "main", false},
     .of_quad = ratio_hamming},
    {{"mcc", "Matthews correlation coefficient", METRIC_ARGUMENT_NONE, NULL, AVERAGES_NO_CHOICE, AVERAGE_MICRO, -1, 1, true, false,
      "(c n - sum t p) / sqrt((n^2 - sum p^2) (n^2 - sum t^2)), t = tp + fn, p = tp + fp, c = sum tp",
      KIND_COUNTS, "main", false},
     .of_state = matrix_mcc},
    {{"kappa", "Cohen's kappa", METRIC_ARGUMENT_NAME, KAPPA_WEIGHTS, AVERAGES_NO_CHOICE, AVERAGE_MICRO, -1, 1, true, false,
      "1 - n sum(w cells) / sum(w t p), w = [i != j], |i - j| or (i - j)^2",
      KIND_COUNTS, "main", false},
     .of_state = matrix_kappa, .without_multilabel = true},
    {{"auroc", "Area under the ROC curve", METRIC_ARGUMENT_NONE, NULL, AVERAGES_ALL, AVERAGE_MACRO, 0, 1, true, false,
      "trapezoids of tpr over fpr at T thresholds, from the highest down",
      KIND_SCORES, "main", false},
     .of_list = scores_auroc},
    {{"average_precision", "Average precision", METRIC_ARGUMENT_NONE, NULL, AVERAGES_ALL, AVERAGE_MACRO, 0, 1, true, false,
      "sum over thresholds of (recall - recall at the next higher threshold) precision",
      KIND_SCORES, "main", false},
     .of_list = scores_average_precision},
    {{"ece", "Expected calibration error", METRIC_ARGUMENT_NAME, ECE_NORMS, AVERAGES_NO_CHOICE, AVERAGE_MICRO, 0, 1, false, false,
      "bins b: sum f_b |accuracy_b - confidence_b|, f_b = count_b / n; l2: sqrt(sum f_b d_b^2); max: the largest d_b",
      KIND_CALIBRATION, "main", false},
     .of_state = calibration_ece},
    {{"exact_match", "Exact match", METRIC_ARGUMENT_NONE, NULL, AVERAGES_NO_CHOICE, AVERAGE_MICRO, 0, 1, true, true,
      "correct / total of samples that are right as a whole",
      KIND_EXACT, "main", false},
     .of_state = exact_match},
    {{"perplexity", "Perplexity", METRIC_ARGUMENT_NONE, NULL, AVERAGES_NO_CHOICE, AVERAGE_MICRO, 0, INFINITY, false, false,
      "exp(sum of negative log-likelihoods / tokens)",
      KIND_MEAN, "nll", false},
     .of_state = mean_perplexity},
    {{"mse", "Mean squared error", METRIC_ARGUMENT_NONE, NULL, AVERAGES_NO_CHOICE, AVERAGE_MICRO, 0, INFINITY, false, false,
      "sum e^2 / n",
      KIND_REGRESSION, "main", false},
     .of_state = regression_mse},
    {{"rmse", "Root mean squared error", METRIC_ARGUMENT_NONE, NULL, AVERAGES_NO_CHOICE, AVERAGE_MICRO, 0, INFINITY, false, false,
      "sqrt(sum e^2 / n)",
      KIND_REGRESSION, "main", false},
     .of_state = regression_rmse},
    {{"mae", "Mean absolute error", METRIC_ARGUMENT_NONE, NULL, AVERAGES_NO_CHOICE, AVERAGE_MICRO, 0, INFINITY, false, false,
      "sum |e| / n",
      KIND_REGRESSION, "main", false},
     .of_state = regression_mae},
    {{"r2", "R2 score", METRIC_ARGUMENT_NONE, NULL, AVERAGES_NO_CHOICE, AVERAGE_MICRO, -INFINITY, 1, true, false,
      "1 - sum e^2 / sum (y - mean y)^2",
      KIND_REGRESSION, "main", false},
     .of_state = regression_r2},
    {{"explained_variance", "Explained variance", METRIC_ARGUMENT_NONE, NULL, AVERAGES_NO_CHOICE, AVERAGE_MICRO, -INFINITY, 1, true, false,
      "1 - variance of e / variance of y",
      KIND_REGRESSION, "main", false},
     .of_state = regression_explained_variance},
    {{"pearson", "Pearson correlation", METRIC_ARGUMENT_NONE, NULL, AVERAGES_NO_CHOICE, AVERAGE_MICRO, -1, 1, true, false,
      "c / sqrt(m2_target m2_prediction)",
      KIND_REGRESSION, "main", false},
     .of_state = regression_pearson},
    {{"concordance", "Concordance correlation", METRIC_ARGUMENT_NONE, NULL, AVERAGES_NO_CHOICE, AVERAGE_MICRO, -1, 1, true, false,
      "2 s_xy / (s_x^2 + s_y^2 + (mean x - mean y)^2), all s with n - 1",
      KIND_REGRESSION, "main", false},
     .of_state = regression_concordance},
};
/* clang-format on */
enum { N_ROWS = sizeof ROWS / sizeof *ROWS };

static const char *const AVERAGE_NAMES[] = {
    [AVERAGE_MICRO] = "micro",
    [AVERAGE_MACRO] = "macro",
    [AVERAGE_WEIGHTED] = "weighted",
    [AVERAGE_NONE] = "none",
};
enum { N_AVERAGES = sizeof AVERAGE_NAMES / sizeof *AVERAGE_NAMES };

/* ---- the catalogue ---- */

size_t metric_count(void)
{
    return N_ROWS;
}

const struct metric *metric_at(size_t index)
{
    return index < N_ROWS ? &ROWS[index].metric : NULL;
}

const struct metric *metric_find(const char *name, size_t length)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        const char *row_name = ROWS[i].metric.name;
        if (strlen(row_name) == length && memcmp(row_name, name, length) == 0)
            return &ROWS[i].metric;
    }
    return NULL;
}

const char *average_name(enum average average)
{
    return (size_t)average < N_AVERAGES ? AVERAGE_NAMES[average] : NULL;
}

bool average_from_name(const char *name, size_t length, enum average *out)
{
    for (size_t i = 0; i < N_AVERAGES; i++) {
        if (strlen(AVERAGE_NAMES[i]) == length && memcmp(AVERAGE_NAMES[i], name, length) == 0) {
            *out = (enum average)i;
            return true;
        }
    }
    return false;
}
