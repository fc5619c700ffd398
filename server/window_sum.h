#ifndef WINDOW_SUM_H
#define WINDOW_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state.h"
#include "store.h"

/**
 * A rollup row in the making: the sum of a window of one series and what the row says beside it.  Used
 * wherever a row is computed anew: closing a bucket, a rewind, a check.  Ranks are not its business.
 */
struct window_sum {
    struct state sum;
    struct state one;      /* scratch, of a series whose batches' values cannot be told from the sum */
    struct rollup_row row; /* batches, samples and correct are set by window_sum_row() */
    uint8_t *packed;
    size_t packed_cap;
};

/**
 * window_sum_open(w, series, memory): for windows of this series.  w is zeroed or was opened before: then what it
 * holds is used again where the shape is the same.  A status of lib/.
 */
int window_sum_open(struct window_sum *w, const struct series_row *series, struct memory memory);
void window_sum_release(struct window_sum *w); /* a zeroed or released struct is fine */

/** window_sum_begin(w, epoch, level, bucket): the empty window. */
void window_sum_begin(struct window_sum *w, int64_t epoch, int64_t level, int64_t bucket);

/**
 * window_sum_add(w, b, new_step): one batch.  new_step: its step is not in the window yet.
 * window_sum_next(w, b): the next batch in order of key, which tells by itself.
 * window_sum_own(w, b, primary): the next batch in order of key, packed by this very process (see state_add_own()), whose
 *     state_primary() is known.
 * window_sum_merge(w, part): a whole row, with none of the steps that are there.
 * Statuses of lib/; ERR_CORRUPT for a state that is not of this series.
 */
int window_sum_add(struct window_sum *w, const struct batch_row *b, bool new_step);
int window_sum_next(struct window_sum *w, const struct batch_row *b);
int window_sum_own(struct window_sum *w, const struct batch_row *b, double primary);
int window_sum_merge(struct window_sum *w, const struct rollup_row *part);

/** window_sum_row(w, row): the row, without ranks and revision; its state is borrowed until the next call. */
int window_sum_row(struct window_sum *w, struct rollup_row *row);

/**
 * batch_primary(one, before, sum, key, data, size, out): state_primary() of a packed batch that was just added to sum,
 * whose counts were ${before} it.
 * one      a state of the shape of sum, overwritten; only used where window_needs_one().
 * Returns  a status of lib/.  O(1) but for a mean or regression, which are small.
 */
int batch_primary(struct state *one, const struct counts *before, const struct state *sum, const struct batch_key *key,
                  const uint8_t *data, size_t size, double *out);
bool window_needs_one(enum form form);

/** window_correct(sum): the column beside it: of counts only, elsewhere 0. */
int64_t window_correct(const struct state *sum);

#endif
