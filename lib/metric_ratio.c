/*
 * Metrics that are one ratio of tp, fp, fn and tn, and their averages over classes.
 *
 * The definitions are those of torchmetrics 1.9.0 (docs/metrics.md, section 3).  What they chose among
 * rivals, and what surprises:
 * - multiclass accuracy of a class is its recall; binary and multilabel count true negatives too;
 * - macro, multiclass: the mean over live classes (tp + fp + fn > 0), so that a class that was only
 *   predicted enters as 0 (with top_k: over classes with targets, for some metrics); macro, multilabel:
 *   the mean over all labels;
 * - weighted: by targets (tp + fn), for every metric; without targets 0;
 * - 0/0 is zero_division for precision, recall, npv, f-beta and jaccard, and 0 for the others.
 */
#include <math.h>

#include "metric_parts.h"

/* Rounded to nearest either way; the short way is several times faster, and nearly always there. */
static double to_double(i128 n)
{
    int64_t low = (int64_t)n;
    return low == n ? (double)low : (double)n;
}

static double ratio(i128 numerator, i128 denominator, double empty)
{
    return denominator == 0 ? empty : to_double(numerator) / to_double(denominator);
}

/* ---- formulas of four counts ---- */

double ratio_accuracy(const struct quad *q, const struct formula_args *args)
{
    if (args->task == TASK_MULTICLASS)
        return ratio(q->tp, q->tp + q->fn, 0);
    return ratio(q->tp + q->tn, q->tp + q->fp + q->fn + q->tn, 0);
}

double ratio_hamming(const struct quad *q, const struct formula_args *args)
{
    return 1 - ratio_accuracy(q, args);
}

double ratio_precision(const struct quad *q, const struct formula_args *args)
{
    return ratio(q->tp, q->tp + q->fp, args->zero_division);
}

double ratio_recall(const struct quad *q, const struct formula_args *args)
{
    return ratio(q->tp, q->tp + q->fn, args->zero_division);
}

double ratio_specificity(const struct quad *q, const struct formula_args *args)
{
    (void)args;
    return ratio(q->tn, q->tn + q->fp, 0);
}

double ratio_npv(const struct quad *q, const struct formula_args *args)
{
    return ratio(q->tn, q->tn + q->fn, args->zero_division);
}

double ratio_jaccard(const struct quad *q, const struct formula_args *args)
{
    return ratio(q->tp, q->tp + q->fp + q->fn, args->zero_division);
}

/*
 * (1 + b^2) tp / ((1 + b^2) tp + b^2 fn + fp), both sides divided by 1 + b^2: the shares of fn and fp
 * then add up to 1 and no beta overflows.
 */
double ratio_fbeta(const struct quad *q, const struct formula_args *args)
{
    if (q->tp == 0)
        return q->fp + q->fn == 0 ? args->zero_division : 0;
    double b = args->beta;
    double fn_share = b > 1 ? 1 / (1 + 1 / b / b) : b * b / (1 + b * b);
    double fp_share = b > 1 ? 1 / b / b / (1 + 1 / b / b) : 1 / (1 + b * b);
    double tp = (double)q->tp;
    return tp / (tp + fn_share * (double)q->fn + fp_share * (double)q->fp);
}

/* ---- the counts behind a value ---- */

struct quad quad_of_class(const struct state *s, uint32_t index)
{
    const struct class_counts *k = &s->counts.classes[index];
    return (struct quad){k->tp, k->fp, k->fn, counts_tn(&s->counts, s->shape.task, index)};
}

struct quad quad_of_all(const struct state *s)
{
    struct quad all = {0};
    if (s->counts.classes == NULL) {
        /* Totals.  Multiclass: each wrong sample is an fn of one class and an fp of another.  Else only
           accuracy and hamming are asked, which do not tell fp from fn. */
        all.tp = s->counts.correct;
        all.fn = s->counts.total - s->counts.correct;
        all.fp = s->shape.task == TASK_MULTICLASS ? all.fn : 0;
        return all;
    }
    for (uint32_t i = 0; i < s->shape.num_classes; i++) {
        struct quad q = quad_of_class(s, i);
        all.tp += q.tp;
        all.fp += q.fp;
        all.fn += q.fn;
        all.tn += q.tn;
    }
    return all;
}

/* ---- averages ---- */

/* What an average leaves out. */
struct average_rules {
    enum average average;
    int64_t dropped;   /* jaccard: the ignored class, or -1 */
    bool targets_only; /* macro: classes that were only predicted */
};

static bool enters_macro(const struct state *s, uint32_t index, const struct quad *q, const struct average_rules *rules)
{
    if (s->shape.task == TASK_MULTILABEL)
        return true;
    if (rules->targets_only)
        return q->tp + q->fn > 0;
    return q->tp + q->fp + q->fn > 0 && (int64_t)index != rules->dropped;
}

static double average_over(const struct metric_row *row, const struct state *s, const struct formula_args *args,
                           const struct average_rules *rules)
{
    double sum = 0;
    i128 weights = 0;
    for (uint32_t i = 0; i < s->shape.num_classes; i++) {
        struct quad q = quad_of_class(s, i);
        i128 weight = rules->average == AVERAGE_WEIGHTED ? q.tp + q.fn : enters_macro(s, i, &q, rules);
        if (weight == 0)
            continue;
        sum += row->of_quad(&q, args) * to_double(weight);
        weights += weight;
    }
    if (weights == 0)
        return row->has_jaccard_rules ? NAN : 0;
    return sum / to_double(weights);
}

/* Jaccard leaves the ignored class out of the denominator, but not its tp (which is 0). */
static double jaccard_micro(const struct state *s, const struct formula_args *args, int64_t dropped)
{
    struct quad all = quad_of_all(s);
    i128 of_dropped = 0;
    if (dropped >= 0) {
        struct quad q = quad_of_class(s, (uint32_t)dropped);
        of_dropped = q.tp + q.fp + q.fn;
    }
    return ratio(all.tp, all.tp + all.fp + all.fn - of_dropped, args->zero_division);
}

/* torchmetrics: these, and not specificity, hamming or f-beta. */
static bool has_top_k_rule(const struct metric_row *row)
{
    return row->of_quad == ratio_accuracy || row->of_quad == ratio_precision || row->of_quad == ratio_recall ||
           row->of_quad == ratio_npv;
}

void ratio_compute(const struct metric_choice *choice, const struct state *s, const struct metric_options *options,
                   double *out)
{
    const struct metric_row *row = metric_row(choice->metric);
    double beta = choice->metric->argument == METRIC_ARGUMENT_BETA ? choice->beta : 1;
    struct formula_args args = {s->shape.task, beta, options->zero_division};
    int64_t dropped = -1;
    if (row->has_jaccard_rules && s->shape.task == TASK_MULTICLASS && options->ignore_index < s->shape.num_classes)
        dropped = options->ignore_index;
    bool is_one = s->shape.task == TASK_BINARY || s->counts.classes == NULL;
    if (!is_one && choice->average == AVERAGE_NONE) {
        for (uint32_t i = 0; i < s->shape.num_classes; i++) {
            struct quad q = quad_of_class(s, i);
            out[i] = row->of_quad(&q, &args);
        }
    } else if (!is_one && choice->average != AVERAGE_MICRO) {
        struct average_rules rules = {choice->average, dropped, options->top_k > 1 && has_top_k_rule(row)};
        *out = average_over(row, s, &args, &rules);
    } else if (dropped >= 0) {
        *out = jaccard_micro(s, &args, dropped);
    } else {
        struct quad all = quad_of_all(s);
        *out = row->of_quad(&all, &args);
    }
}
