/*
 * The catalogue, as one table.  Everything that lists metrics (the HTTP catalogue, the page's menu, the
 * documentation's test, the selector's errors) reads it here; the formulas are in metric_ratio.c and
 * metric_matrix.c.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "metric.h"
#include "metric_parts.h"

static const char *const KAPPA_WEIGHTS[] = {
    [KAPPA_NONE] = "none",
    [KAPPA_LINEAR] = "linear",
    [KAPPA_QUADRATIC] = "quadratic",
    NULL,
};

/* clang-format off */
static const struct metric_row ROWS[] = {
    {{"accuracy", "Accuracy", METRIC_ARGUMENT_NONE, NULL, AVERAGES_ALL, AVERAGE_MICRO, 0, 1, true, true,
      "multiclass tp / (tp + fn), micro correct / total; binary and multilabel (tp + tn) / (tp + fp + fn + tn)"},
     .of_quad = ratio_accuracy},
    {{"balanced_accuracy", "Balanced accuracy", METRIC_ARGUMENT_NONE, NULL, AVERAGES_NO_CHOICE, AVERAGE_MICRO, 0, 1, true, false,
      "mean recall over the classes that occur in the targets"},
     .of_state = matrix_balanced_accuracy, .without_multilabel = true},
    {{"precision", "Precision", METRIC_ARGUMENT_NONE, NULL, AVERAGES_ALL, AVERAGE_MICRO, 0, 1, true, true,
      "tp / (tp + fp)"},
     .of_quad = ratio_precision},
    {{"recall", "Recall", METRIC_ARGUMENT_NONE, NULL, AVERAGES_ALL, AVERAGE_MICRO, 0, 1, true, true,
      "tp / (tp + fn)"},
     .of_quad = ratio_recall},
    {{"f1", "F1 score", METRIC_ARGUMENT_NONE, NULL, AVERAGES_ALL, AVERAGE_MICRO, 0, 1, true, true,
      "2 tp / (2 tp + fp + fn)"},
     .of_quad = ratio_fbeta},
    {{"fbeta", "F-beta score", METRIC_ARGUMENT_BETA, NULL, AVERAGES_ALL, AVERAGE_MICRO, 0, 1, true, true,
      "(1 + beta^2) tp / ((1 + beta^2) tp + beta^2 fn + fp)"},
     .of_quad = ratio_fbeta},
    {{"specificity", "Specificity", METRIC_ARGUMENT_NONE, NULL, AVERAGES_ALL, AVERAGE_MICRO, 0, 1, true, true,
      "tn / (tn + fp)"},
     .of_quad = ratio_specificity},
    {{"npv", "Negative predictive value", METRIC_ARGUMENT_NONE, NULL, AVERAGES_ALL, AVERAGE_MICRO, 0, 1, true, true,
      "tn / (tn + fn)"},
     .of_quad = ratio_npv},
    {{"jaccard", "Jaccard index (IoU)", METRIC_ARGUMENT_NONE, NULL, AVERAGES_ALL, AVERAGE_MICRO, 0, 1, true, false,
      "tp / (tp + fp + fn)"},
     .of_quad = ratio_jaccard, .has_jaccard_rules = true},
    {{"hamming", "Hamming distance", METRIC_ARGUMENT_NONE, NULL, AVERAGES_ALL, AVERAGE_MICRO, 0, 1, false, true,
      "1 - accuracy"},
     .of_quad = ratio_hamming},
    {{"mcc", "Matthews correlation coefficient", METRIC_ARGUMENT_NONE, NULL, AVERAGES_NO_CHOICE, AVERAGE_MICRO, -1, 1, true, false,
      "(c n - sum t p) / sqrt((n^2 - sum p^2) (n^2 - sum t^2)), t = tp + fn, p = tp + fp, c = sum tp"},
     .of_state = matrix_mcc},
    {{"kappa", "Cohen's kappa", METRIC_ARGUMENT_NAME, KAPPA_WEIGHTS, AVERAGES_NO_CHOICE, AVERAGE_MICRO, -1, 1, true, false,
      "1 - n sum(w cells) / sum(w t p), w = [i != j], |i - j| or (i - j)^2"},
     .of_state = matrix_kappa, .without_multilabel = true},
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

/* ---- needs ---- */

static bool is_of(const struct metric_choice *choice, quad_formula *formula)
{
    return metric_row(choice->metric)->of_quad == formula;
}

/* Micro, or binary, where there is nothing to average. */
static bool is_single_ratio(const struct metric_choice *choice, const struct shape *shape)
{
    return metric_row(choice->metric)->of_quad != NULL &&
           (choice->average == AVERAGE_MICRO || shape->task == TASK_BINARY);
}

enum metric_need metric_need(const struct metric_choice *choice, const struct shape *shape)
{
    bool is_multiclass = shape->task == TASK_MULTICLASS;
    if (metric_row(choice->metric)->of_state == matrix_kappa && choice->arg != KAPPA_NONE && is_multiclass &&
        shape->num_classes != 2)
        return NEED_CELLS;
    if (!is_single_ratio(choice, shape))
        return NEED_CLASSES;
    if (is_of(choice, ratio_accuracy) || is_of(choice, ratio_hamming) || (is_multiclass && is_of(choice, ratio_recall)))
        return NEED_TOTALS;
    /* Where each sample has one target and one prediction, these equal accuracy.  Class counts may come
       from elsewhere, so they are asked where they are there. */
    if (is_multiclass && shape->form == FORM_TOTALS && (is_of(choice, ratio_precision) || is_of(choice, ratio_fbeta)))
        return NEED_TOTALS;
    return NEED_CLASSES;
}

int metric_check(const struct metric_choice *choice, const struct shape *shape, char *text, size_t text_size)
{
    const char *name = choice->metric->name;
    if (shape->form == FORM_MEAN) {
        snprintf(text, text_size,
                 "%s needs counts, and this series is a weighted mean: send correct and total, or tp, fp, fn", name);
        return ERR_NEED;
    }
    if (metric_row(choice->metric)->without_multilabel && shape->task == TASK_MULTILABEL) {
        snprintf(text, text_size,
                 "%s is not defined for multilabel series: send each label as a binary series of its own", name);
        return ERR_NEED;
    }
    enum metric_need need = metric_need(choice, shape);
    if (need == NEED_CELLS && shape->form != FORM_CONFUSION) {
        snprintf(text, text_size, "%s@%s needs the confusion matrix: send confusion (or cells)", name,
                 choice->metric->arg_names[choice->arg]);
        return ERR_NEED;
    }
    if (need == NEED_CLASSES && shape->form == FORM_TOTALS) {
        bool is_averaged = choice->metric->averages != AVERAGES_NO_CHOICE && shape->task != TASK_BINARY;
        snprintf(text, text_size, "%s%s%s needs more than correct and total: send per-class counts: %s", name,
                 is_averaged ? "." : "", is_averaged ? average_name(choice->average) : "",
                 shape->task == TASK_MULTICLASS ? "tp, fp, fn" : "tp, fp, fn, tn");
        return ERR_NEED;
    }
    return OK;
}

/* ---- values ---- */

size_t metric_length(const struct metric_choice *choice, const struct shape *shape)
{
    bool is_list = choice->metric->averages != AVERAGES_NO_CHOICE && choice->average == AVERAGE_NONE;
    return is_list && shape->task != TASK_BINARY ? shape->num_classes : 1;
}

int metric_compute(const struct metric_choice *choice, struct state *s, const struct metric_options *options,
                   double *out)
{
    static const struct metric_options DEFAULTS = {.ignore_index = -1, .zero_division = 0};
    const struct metric_row *row = metric_row(choice->metric);
    int status = metric_check(choice, &s->shape, NULL, 0);
    if (status != OK)
        return status;
    if (metric_need(choice, &s->shape) == NEED_CELLS && !s->has_cells)
        return ERR_NEED;
    if (row->of_quad != NULL) {
        ratio_compute(choice, s, options != NULL ? options : &DEFAULTS, out);
        return OK;
    }
    double value = row->of_state(choice, s, &status);
    if (status == OK)
        *out = value;
    return status;
}

/* ---- proportions ---- */

/* The ratio of one class, or of a binary state, as k of n samples. */
static bool class_proportion(const struct metric_choice *choice, const struct quad *q, enum task task, i128 *k, i128 *n)
{
    bool is_multiclass = task == TASK_MULTICLASS;
    if (is_of(choice, ratio_recall) || (is_multiclass && is_of(choice, ratio_accuracy))) {
        *k = q->tp;
        *n = q->tp + q->fn;
    } else if (is_multiclass && is_of(choice, ratio_hamming)) {
        *k = q->fn;
        *n = q->tp + q->fn;
    } else if (is_of(choice, ratio_accuracy)) {
        *k = q->tp + q->tn;
        *n = q->tp + q->fp + q->fn + q->tn;
    } else if (is_of(choice, ratio_hamming)) {
        *k = q->fp + q->fn;
        *n = q->tp + q->fp + q->fn + q->tn;
    } else if (is_of(choice, ratio_precision)) {
        *k = q->tp;
        *n = q->tp + q->fp;
    } else if (is_of(choice, ratio_specificity)) {
        *k = q->tn;
        *n = q->tn + q->fp;
    } else if (is_of(choice, ratio_npv)) {
        *k = q->tn;
        *n = q->tn + q->fn;
    } else {
        return false;
    }
    return true;
}

/* Multiclass micro: a proportion of samples only where it is accuracy or its complement. */
static bool micro_proportion(const struct metric_choice *choice, const struct quad *all, i128 *k, i128 *n)
{
    bool is_share_right = is_of(choice, ratio_accuracy) || is_of(choice, ratio_recall);
    bool is_balanced = all->fp == all->fn; /* one prediction a sample */
    if (is_share_right || (is_balanced && (is_of(choice, ratio_precision) || is_of(choice, ratio_fbeta))))
        *k = all->tp;
    else if (is_of(choice, ratio_hamming))
        *k = all->fn;
    else
        return false;
    *n = all->tp + all->fn;
    return true;
}

bool metric_proportion(const struct metric_choice *choice, const struct state *s, size_t index, int64_t *k, int64_t *n)
{
    const struct shape *shape = &s->shape;
    i128 part, whole;
    if (metric_row(choice->metric)->of_quad == NULL || metric_check(choice, shape, NULL, 0) != OK)
        return false;
    if (is_single_ratio(choice, shape)) {
        struct quad all = quad_of_all(s);
        bool is_known = shape->task == TASK_BINARY       ? class_proportion(choice, &all, TASK_BINARY, &part, &whole)
                        : shape->task == TASK_MULTICLASS ? micro_proportion(choice, &all, &part, &whole)
                                                         : false; /* the entries of one sample depend on each other */
        if (!is_known)
            return false;
    } else {
        if (choice->average != AVERAGE_NONE || index >= shape->num_classes)
            return false;
        struct quad q = quad_of_class(s, (uint32_t)index);
        if (!class_proportion(choice, &q, shape->task, &part, &whole))
            return false;
    }
    *k = (int64_t)part;
    *n = (int64_t)whole;
    return true;
}
