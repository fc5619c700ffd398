/*
 * Curves and diagrams: the points behind the areas of metric_scores.c.
 */
#include <math.h>

#include "curve.h"
#include "metric_parts.h"

double curve_threshold(uint32_t n_thresholds, uint32_t i)
{
    return (double)(n_thresholds - 1 - i) / (double)(n_thresholds - 1);
}

static void put(double *array, uint32_t i, i128 part, i128 whole)
{
    if (array != NULL)
        array[i] = whole == 0 ? 0 : (double)part / (double)whole;
}

int curve_points(const struct state *s, uint32_t index, struct curve *curve)
{
    const struct shape *shape = &s->shape;
    if (shape->form != FORM_SCORES)
        return ERR_NEED;
    bool is_micro = index == CURVE_MICRO;
    if (is_micro ? shape->task != TASK_MULTILABEL : index >= shape->num_classes)
        return ERR_RANGE;
    uint32_t first = is_micro ? 0 : index, end = is_micro ? shape->num_classes : index + 1;
    i128 positives = 0, negatives = 0, tp = 0, fp = 0;
    for (size_t i = (size_t)first * shape->bins; i < (size_t)end * shape->bins; i++) {
        positives += s->scores.cells[i].pos;
        negatives += s->scores.cells[i].neg;
    }
    for (uint32_t i = 0; i < shape->bins; i++) {
        for (uint32_t k = first; k < end; k++) {
            const struct score_counts *cell = &s->scores.cells[(size_t)k * shape->bins + (shape->bins - 1 - i)];
            tp += cell->pos;
            fp += cell->neg;
        }
        put(curve->tpr, i, tp, positives);
        put(curve->fpr, i, fp, negatives);
        put(curve->recall, i, tp, positives);
        put(curve->precision, i, tp, tp + fp);
    }
    curve->positives = (int64_t)positives;
    curve->negatives = (int64_t)negatives;
    return OK;
}

int calibration_row(const struct state *s, uint32_t bin, struct calibration_row *out)
{
    if (s->shape.form != FORM_CALIBRATION)
        return ERR_NEED;
    if (bin > s->shape.bins)
        return ERR_RANGE;
    const struct calibration_bin *k = &s->calibration[bin];
    double n = (double)s->shape.bins, count = (double)k->count;
    *out = (struct calibration_row){
        .low = (double)bin / n,
        .high = bin < s->shape.bins ? (double)(bin + 1) / n : 1,
        .count = k->count,
        .correct = k->correct,
        .confidence = k->count > 0 ? exact_sum_value(&k->confidence) / count : NAN,
        .accuracy = k->count > 0 ? (double)k->correct / count : NAN,
    };
    return OK;
}
