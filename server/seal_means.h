#ifndef SEAL_MEANS_H
#define SEAL_MEANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "query_step_mean.h"

/**
 * The means of the steps that outlive the batches of an epoch: what a page shows beside the exact values, and could not be
 * computed again.  Which ones: of counts accuracy, balanced accuracy, precision, recall, F1, MCC and kappa; of every other
 * kind all of its metrics; each with every average that gives one number, and the metric's own argument.
 *
 * Packed, one after the other: the number of doubles (1, or 5 with the causes of the gap), the selector without a series and
 * a NUL, the doubles in little-endian order.
 */
enum { SEAL_MEANS_MAX = 32, SEAL_KEY_MAX = 64 };

/* One of them. */
struct seal_mean {
    char key[SEAL_KEY_MAX]; /* "accuracy.macro"; of binary series without an average, which they ignore */
    double value;           /* NAN: no step has a value */
    bool has_gap;
    struct gap_causes gap;
};

/** seal_means_list(series, out): the metrics that are kept of a series; how many.  out: [SEAL_MEANS_MAX]. */
size_t seal_means_list(const struct series_row *series, struct query_metric *out);

/** seal_means_add(out, mean): append it, packed. */
void seal_means_add(struct buffer *out, const struct seal_mean *mean);

/** seal_means_next(data, size, at, out): the one at *at, which moves on.  false: the end (*at is size), or damaged. */
bool seal_means_next(const uint8_t *data, size_t size, size_t *at, struct seal_mean *out);

/** seal_means_key(m, out): how a metric is called here; false: it never is kept.  out: char[SEAL_KEY_MAX]. */
bool seal_means_key(const struct query_metric *m, char *out);

/** seal_means_find(seal, m, options, out): the kept mean of this metric under these options; false: it was not kept. */
bool seal_means_find(const struct seal_row *seal, const struct query_metric *m, const struct metric_options *options,
                     struct seal_mean *out);

#endif
