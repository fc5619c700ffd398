#ifndef CURVE_H
#define CURVE_H

#include <stdint.h>

#include "state.h"

/**
 * What a chart draws of scores and of calibration: the points, not their area.
 */

/* All labels pooled, multilabel only (as auroc.micro). */
#define CURVE_MICRO UINT32_MAX

/* Borrowed arrays of [shape.bins] doubles; any of them may be NULL.  Point i belongs to curve_threshold(T, i). */
struct curve {
    int64_t positives, negatives;
    double *fpr, *tpr;          /* 0 without negatives, without positives */
    double *precision, *recall; /* 0 where nothing is predicted, without positives */
};

/** curve_threshold(n_thresholds, i): the i-th threshold from the highest down: 1 for i = 0, 0 for the last. */
double curve_threshold(uint32_t n_thresholds, uint32_t i);

/**
 * curve_points(s, index, curve): the ROC and the precision-recall points of one class.
 *
 * s        a state of FORM_SCORES.
 * index    < num_classes, or CURVE_MICRO.
 * curve    positives and negatives are set, the arrays filled, one point a threshold, all four in one
 *          order: from the highest threshold down.  fpr and tpr are those of torchmetrics' roc with
 *          thresholds; precision and recall those of its precision_recall_curve in reverse, without
 *          the point (recall 0, precision 1) that it appends.
 * Returns  OK; ERR_NEED (another form); ERR_RANGE (index).
 * Cost     O(bins), CURVE_MICRO O(num_classes * bins); no allocation.
 */
int curve_points(const struct state *s, uint32_t index, struct curve *curve);

/* One row of a reliability diagram. */
struct calibration_row {
    double low, high; /* low <= confidence < high; the last row: both 1 */
    int64_t count, correct;
    double confidence, accuracy; /* means; NAN without samples */
};

/**
 * calibration_row(s, bin, out): bin 0 .. shape.bins of a state of FORM_CALIBRATION.
 * Returns OK; ERR_NEED (another form); ERR_RANGE (bin).
 */
int calibration_row(const struct state *s, uint32_t bin, struct calibration_row *out);

#endif
