/*
 * Why: charts, windows and counts all read stretches of steps, and must agree on which rows may stand
 * for which batches.  A stretch is cut like a number into digits: the coarsest buckets that fit in its
 * middle, finer ones towards its ends, batches for what is left and for all that is not closed yet.
 * Since every bucket before closed that holds a batch has its row (store.h), a missing row means that there is
 * nothing.  Runs on the thread that owns the connection.
 */
#include "rollup_levels.h"
#include "step_cover.h"

static int read_batches(const struct step_cover *c, int64_t epoch, int64_t from, int64_t to)
{
    const struct batch_key first = {epoch, from, 0}, last = {epoch, to, INT64_MAX};

    return store_batches_each(c->conn, c->series->run, c->series->series, &first, &last, c->batch, c->context, c->p);
}

/* With rows of this level (one of rollup_levels.h, or 0) and below. */
static int cover(const struct step_cover *c, int level, int64_t epoch, int64_t closed, int64_t from, int64_t to)
{
    if (from > to)
        return OK;
    if (level == 0)
        return read_batches(c, epoch, from, to);

    int below = rollup_level_below(level);
    int64_t n_closed = closed >> level;
    int64_t first = (from >> level) + (rollup_bucket_first(from >> level, level) < from);
    int64_t last = (to >> level) - (rollup_bucket_last(to >> level, level) > to);
    if (last >= n_closed)
        last = n_closed - 1;
    if (first > last)
        return cover(c, below, epoch, closed, from, to);

    int status = cover(c, below, epoch, closed, from, rollup_bucket_first(first, level) - 1);
    if (status == OK)
        status = store_buckets_each(c->conn, c->series->run, c->series->series, level, epoch, first, last,
                                    c->with_state, c->row, c->context, c->p);
    if (status == OK)
        status = cover(c, below, epoch, closed, rollup_bucket_last(last, level) + 1, to);
    return status;
}

int step_cover(const struct step_cover *c, int64_t epoch, int64_t closed, int64_t from, int64_t to)
{
    return cover(c, rollup_level_within(c->level), epoch, closed, from, to);
}
