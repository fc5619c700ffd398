/*
 * Metrics of states: can a state give one, its value, and the proportion behind it.
 */
#include <math.h>
#include <stdio.h>

#include "metric.h"
#include "metric_parts.h"

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
    if (choice->metric->kind != KIND_COUNTS)
        return NEED_TOTALS;
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

static const struct {
    const char *needs; /* the metric */
    const char *is;    /* the series */
    const char *send;
} KINDS[] = {
    [KIND_COUNTS] = {"counts", "holds counts", "correct and total, or tp, fp, fn"},
    [KIND_SCORES] = {"score histograms", "holds score histograms", "scores (thresholds, pos and neg)"},
    [KIND_CALIBRATION] = {"bins of confidence", "holds bins of confidence",
                          "calibration (bins, count, confidence and correct)"},
    [KIND_EXACT] = {"exact matches", "holds exact matches", "exact ([correct, total])"},
    [KIND_REGRESSION] = {"regression moments", "holds regression moments",
                         "regression (n, means, m2, c and sums of errors)"},
    [KIND_MEAN] = {"a weighted mean", "is a weighted mean", "sums (a sum and its weight)"},
};

const char *kind_noun(enum kind kind)
{
    return KINDS[kind].needs;
}

const char *kind_field(enum kind kind)
{
    return KINDS[kind].send;
}

static int check_counts(const struct metric_choice *choice, const struct shape *shape, char *text, size_t text_size)
{
    const char *name = choice->metric->name;
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

int metric_check(const struct metric_choice *choice, const struct shape *shape, char *text, size_t text_size)
{
    const struct metric *metric = choice->metric;
    enum kind kind = form_kind(shape->form);
    if (kind != metric->kind) {
        bool is_nll = metric->kind == KIND_MEAN;
        snprintf(text, text_size, "%s needs %s, and this series %s: send %s", metric->name, KINDS[metric->kind].needs,
                 KINDS[kind].is, is_nll ? "sums: {\"nll\": [sum, tokens]}" : KINDS[metric->kind].send);
        return ERR_NEED;
    }
    if (kind == KIND_SCORES && choice->average == AVERAGE_MICRO && shape->task == TASK_MULTICLASS) {
        snprintf(text, text_size,
                 "%s.micro pools the labels of a multilabel series, and this one is multiclass: "
                 "send scores with task multilabel, or ask for macro, weighted or none",
                 metric->name);
        return ERR_NEED;
    }
    return kind == KIND_COUNTS ? check_counts(choice, shape, text, text_size) : OK;
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
    if (row->of_list != NULL) {
        row->of_list(choice, s, out);
        return OK;
    }
    double value = row->of_state(choice, s, &status);
    if (status == OK)
        *out = isfinite(value) ? value : NAN;
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
    if (metric_check(choice, shape, NULL, 0) != OK)
        return false;
    if (metric_row(choice->metric)->of_state == exact_match) {
        *k = s->counts.correct;
        *n = s->counts.total;
        return true;
    }
    if (metric_row(choice->metric)->of_quad == NULL)
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
