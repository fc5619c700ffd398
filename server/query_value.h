#ifndef QUERY_VALUE_H
#define QUERY_VALUE_H

#include "query.h"

/** Values of selectors, from the summed state of a window. */

/** query_memory(): malloc as lib/ wants it. */
struct memory query_memory(void);

/** query_needs_cells(metrics, n, series): does any of these metrics of the series read the cells of a confusion matrix? */
bool query_needs_cells(const struct query_metric *metrics, size_t n, const struct series_row *series);

/**
 * query_value(m, s, options, out, p): the value of a selector.
 *
 * out  double[m->length]; NAN where the value is undefined, and everywhere in an empty window (no batches).
 */
int query_value(const struct query_metric *m, struct state *s, const struct metric_options *options, double *out,
                struct problem *p);

/**
 * query_interval(m, s, low, high): the 95 % Wilson interval of each value that is a proportion.
 *
 * low, high  double[m->length]; NAN where there is no interval.
 * Returns    true if any value has one.
 */
bool query_interval(const struct query_metric *m, const struct state *s, double *low, double *high);

/** query_has_range(m): does the selector keep a smallest and a largest batch value (weighted means, and the metrics of
 *  state_primary(): micro accuracy, exact match, mse)? */
bool query_has_range(const struct query_metric *m);

/** query_saw_nothing(s): no samples, no decisions, no weight: a step that is none. */
bool query_saw_nothing(const struct state *s);

/** query_state_init(s, series, with_cells, p), query_state_add(s, key, samples, batches, data, size, p),
 *  query_state_merge(into, from, p): lib's functions with problems. */
int query_state_init(struct state *s, const struct series_row *series, bool with_cells, struct problem *p);
int query_state_add(struct state *s, const struct batch_key *key, int64_t samples, int64_t batches, const uint8_t *data,
                    size_t size, struct problem *p);
int query_state_merge(struct state *into, struct state *from, struct problem *p);

#endif
