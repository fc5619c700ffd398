/*
 * Metrics of score histograms and of calibration: binned areas under curves, and calibration errors.
 *
 * The definitions are those of torchmetrics 1.9.0 with thresholds (docs/metrics.md, sections 4 and 5):
 * - a sample counts at a threshold where score >= threshold; curves run from the highest threshold down;
 * - no point (0, 0) is added: samples with a score of exactly 1 lose area;
 * - a class without positives (or, for auroc, without negatives) has 0, and that 0 enters the macro mean;
 * - macro is the mean over all classes, weighted by positives.
 */
#include <math.h>

#include "metric_parts.h"

/* ---- areas ---- */

/* A class's histogram, or (first 0, n_classes all of them) the one of all labels pooled. */
struct histogram {
    const struct state *s;
    uint32_t first, n_classes;
    i128 positives, negatives;
};

static void bin_of(const struct histogram *h, uint32_t bin, i128 *pos, i128 *neg)
{
    *pos = *neg = 0;
    for (uint32_t i = h->first; i < h->first + h->n_classes; i++) {
        const struct score_counts *k = &h->s->scores.cells[(size_t)i * h->s->shape.bins + bin];
        *pos += k->pos;
        *neg += k->neg;
    }
}

static struct histogram histogram_of(const struct state *s, uint32_t first, uint32_t n_classes)
{
    struct histogram h = {.s = s, .first = first, .n_classes = n_classes};
    for (uint32_t bin = 0; bin < s->shape.bins; bin++) {
        i128 pos, neg;
        bin_of(&h, bin, &pos, &neg);
        h.positives += pos;
        h.negatives += neg;
    }
    return h;
}

/*
 * Trapezoids over the false positive rate, in integers: twice the area times P N is a sum of products, at
 * most 2 P N, and P + N fits 63 bits.
 */
static double area_of_roc(const struct histogram *h)
{
    if (h->positives == 0 || h->negatives == 0)
        return 0;
    i128 area = 0, tp = 0;
    for (uint32_t bin = h->s->shape.bins; bin-- > 0;) {
        i128 pos, neg;
        bin_of(h, bin, &pos, &neg);
        if (bin + 1 < h->s->shape.bins) /* what lies at the highest threshold is the first point */
            area += neg * (2 * tp + pos);
        tp += pos;
    }
    return fmin(1, (double)area / (double)(2 * h->positives) / (double)h->negatives);
}

static double average_of_precision(const struct histogram *h)
{
    if (h->positives == 0)
        return 0;
    double sum = 0;
    i128 tp = 0, fp = 0;
    for (uint32_t bin = h->s->shape.bins; bin-- > 0;) {
        i128 pos, neg;
        bin_of(h, bin, &pos, &neg);
        tp += pos;
        fp += neg;
        if (pos > 0)
            sum += (double)pos * ((double)tp / (double)(tp + fp));
    }
    return fmin(1, sum / (double)h->positives);
}

static void area_compute(const struct metric_choice *choice, const struct state *s, double *out,
                         double (*area)(const struct histogram *h))
{
    uint32_t n = s->shape.num_classes;
    if (s->shape.task == TASK_BINARY || choice->average == AVERAGE_MICRO) {
        struct histogram h = histogram_of(s, 0, n);
        *out = area(&h);
        return;
    }
    double sum = 0, weights = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct histogram h = histogram_of(s, i, 1);
        double value = area(&h), weight = choice->average == AVERAGE_WEIGHTED ? (double)h.positives : 1;
        if (choice->average == AVERAGE_NONE)
            out[i] = value;
        sum += value * weight;
        weights += weight;
    }
    if (choice->average != AVERAGE_NONE)
        *out = weights > 0 ? sum / weights : 0;
}

void scores_auroc(const struct metric_choice *choice, const struct state *s, double *out)
{
    area_compute(choice, s, out, area_of_roc);
}

void scores_average_precision(const struct metric_choice *choice, const struct state *s, double *out)
{
    area_compute(choice, s, out, average_of_precision);
}

/* ---- calibration errors ---- */

double calibration_ece(const struct metric_choice *choice, struct state *s, int *status)
{
    (void)status;
    double sum = 0, largest = 0;
    double n = (double)s->counts.total;
    if (s->counts.total == 0)
        return NAN;
    for (uint32_t i = 0; i <= s->shape.bins; i++) {
        const struct calibration_bin *bin = &s->calibration[i];
        if (bin->count == 0)
            continue;
        double count = (double)bin->count;
        double gap = fabs((double)bin->correct - exact_sum_value(&bin->confidence)) / count;
        sum += choice->arg == ECE_L2 ? gap * gap * (count / n) : gap * (count / n);
        largest = fmax(largest, gap);
    }
    return fmin(1, choice->arg == ECE_MAX ? largest : choice->arg == ECE_L2 ? sqrt(sum) : sum);
}

/* ---- exact match and perplexity ---- */

double exact_match(const struct metric_choice *choice, struct state *s, int *status)
{
    (void)choice;
    (void)status;
    return s->counts.total > 0 ? (double)s->counts.correct / (double)s->counts.total : 0;
}

double mean_perplexity(const struct metric_choice *choice, struct state *s, int *status)
{
    (void)choice;
    (void)status;
    return exp(mean_value(&s->mean));
}
