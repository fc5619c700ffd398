#ifndef ENCODE_RECORD_H
#define ENCODE_RECORD_H

#include "json_writer.h"
#include "state.h"
#include "store.h"

/**
 * Stored batches as canonical records: posted again they pack to the very same bytes.  The caller has
 * opened the record's object.
 */

/**
 * encode_counts(w, s): the counts of one batch in their sparse form; task and samples are the record's.
 *
 * s  one batch; with cells where it has any.  totals: (a); per class: (e), or (b) where the classes
 *    of a multilabel batch made different numbers of decisions; a matrix: (d), binary (c).
 * Returns  OK or a status of lib/.
 */
int encode_counts(struct json_writer *w, struct state *s);

/**
 * encode_state(w, shape, s, data, size): one batch of scores, calibration, exact match or regression, with its
 * key, in its sparse form.
 *
 * s     the batch, for exact match only.
 * data  the batch, packed.
 * Returns  OK or a status of lib/.
 */
int encode_state(struct json_writer *w, const struct shape *shape, const struct state *s, const uint8_t *data,
                 size_t size);

/** encode_sum(w, mean): one batch of a weighted mean: [sum, weight], with [.., min, max] where they say more, or ["NaN", 1]. */
void encode_sum(struct json_writer *w, const struct mean *mean);

#endif
