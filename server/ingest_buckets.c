/**
 * The sums of 2^k steps beside the sum of an epoch, written in the transaction of its batches.
 *
 * A bucket gets its row when the epoch has moved past it by a whole bucket of the finest level ("closed"), so a
 * run that logs in order writes each row once, and what ranks send a little late costs nothing.  When the series
 * goes on to a later epoch, what is left of this one is closed too.  A batch that comes later still is added to
 * the rows that hold its step.
 *
 * Invariants, after each flush:
 * 1. a row is the exact sum of the stored batches of its window;
 * 2. with closed as in the epoch's row: a bucket of any level that ends before closed has its row exactly if it holds
 *    a batch, and no bucket that ends later has one;
 * 3. closed is a multiple of the finest width and never falls but by a rewind.
 * So readers take rows before closed, and batches after it.  Nothing is kept in memory between flushes: a failed
 * transaction or a crash leaves rows, closed and batches as they were together.
 *
 * Thread: the writer.
 */
#include "ingest_group.h"
#include "rollup_levels.h"

struct closing {
    struct group *g;
    int level; /* of the rows being made */
    int64_t revision;
    bool begun; /* the window holds something */
    struct problem *p;
};

static int write_window(struct closing *c)
{
    struct rollup_row row;
    int status = window_sum_row(&c->g->window, &row);

    if (status != OK)
        return problem_from_status(c->p, status);
    row.revision = c->revision;
    return store_write_rollup(c->g->store, &row, c->p);
}

/* The window of this step: the row of the one before is complete then. */
static int turn_to(struct closing *c, int64_t epoch, int64_t step)
{
    struct window_sum *w = &c->g->window;
    int64_t bucket = step >> c->level;

    if (c->begun && w->row.bucket == bucket)
        return OK;
    int status = c->begun ? write_window(c) : OK;
    window_sum_begin(w, epoch, c->level, bucket);
    c->begun = true;
    return status;
}

static int end_closing(struct closing *c)
{
    return c->begun ? write_window(c) : OK;
}

static int close_batch(void *context, const struct batch_row *b)
{
    struct closing *c = context;
    int status = turn_to(c, b->key.epoch, b->key.step);

    if (status != OK)
        return status;
    status = window_sum_next(&c->g->window, b);
    return status == OK ? OK : problem_from_status(c->p, status);
}

static int close_row(void *context, const struct rollup_row *part)
{
    struct closing *c = context;
    int status = turn_to(c, part->epoch, part->first_step);

    if (status != OK)
        return status;
    status = window_sum_merge(&c->g->window, part);
    return status == OK ? OK : problem_from_status(c->p, status);
}

static struct batch_row row_of(const struct group_batch *b)
{
    const struct measure *m = b->measure;

    return (struct batch_row){.key = b->key,
                              .samples = m->samples,
                              .correct = m->correct,
                              .logged_at = b->logged_at,
                              .state = m->state,
                              .state_size = m->state_size};
}

/* One of this group: its bytes were packed here and its value is known. */
static int close_own(struct closing *c, const struct group_batch *b, const struct batch_row *row)
{
    int status = turn_to(c, row->key.epoch, row->key.step);

    if (status != OK)
        return status;
    status = window_sum_own(&c->g->window, row, b->primary);
    return status == OK ? OK : problem_from_status(c->p, status);
}

/* The finest buckets from .. to.  Those that hold a batch of an earlier flush are read back, the others are all here. */
static int close_finest(struct closing *c, const struct group_epoch *e, struct group_batch *const *batches, size_t n,
                        int64_t from, int64_t to)
{
    const struct series_row *series = &e->series->row;
    int status = OK;

    c->level = ROLLUP_LEVEL_FINEST;
    if (e->stored && e->base.last_step >= from) {
        int64_t mixed = rollup_bucket_last(e->base.last_step >> c->level, c->level);
        struct batch_key first = {e->base.epoch, from, 0},
                         last = {e->base.epoch, mixed < to ? mixed : to - 1, INT64_MAX};
        status = store_batches_each(c->g->conn, series->run, series->series, &first, &last, close_batch, c, c->p);
        from = last.step + 1;
    }
    for (size_t i = 0; i < n && status == OK; i++) {
        struct batch_row row = row_of(batches[i]);
        if (row.key.step >= from && row.key.step < to)
            status = close_own(c, batches[i], &row);
    }
    return status == OK ? end_closing(c) : status;
}

/* The buckets of the next coarser level, from the rows below it. */
static int close_coarser(struct closing *c, const struct group_epoch *e, int64_t from, int64_t to)
{
    const struct series_row *series = &e->series->row;
    int below = c->level - ROLLUP_LEVEL_GAP;
    int64_t first = from >> c->level << ROLLUP_LEVEL_GAP, end = to >> c->level << ROLLUP_LEVEL_GAP;

    c->begun = false;
    int status = store_buckets_each(c->g->conn, series->run, series->series, below, e->base.epoch, first, end - 1, true,
                                    close_row, c, c->p);
    return status == OK ? end_closing(c) : status;
}

static int close_buckets(struct group *g, const struct group_epoch *e, struct group_batch *const *batches, size_t n,
                         const struct rollup_row *row, int64_t from, struct problem *p)
{
    struct closing c = {.g = g, .revision = row->revision, .p = p};
    int status = close_finest(&c, e, batches, n, from, row->closed);

    for (c.level += ROLLUP_LEVEL_GAP; c.level <= ROLLUP_LEVEL_COARSEST && status == OK; c.level += ROLLUP_LEVEL_GAP) {
        if (from >> c.level == row->closed >> c.level)
            break; /* no coarser one has ended either */
        status = close_coarser(&c, e, from, row->closed);
    }
    return status;
}

/* Late batches, all of one bucket that is closed, into its row. */
static int add_late(struct group *g, const struct group_epoch *e, struct group_batch *const *batches, size_t n,
                    int level, int64_t revision, struct problem *p)
{
    const struct series_row *series = &e->series->row;
    struct closing c = {.g = g, .level = level, .revision = revision, .p = p};
    int64_t bucket = batches[0]->key.step >> level;
    struct rollup_row stored;
    bool found = false;
    int status =
        store_rollup_get(g->conn, series->run, series->series, e->base.epoch, level, bucket, &stored, &found, p);

    if (status != OK)
        return status;
    window_sum_begin(&g->window, e->base.epoch, level, bucket);
    if (found)
        status = window_sum_merge(&g->window, &stored);
    for (size_t i = 0; i < n && status == OK; i++) {
        struct batch_row row = row_of(batches[i]);
        status = window_sum_add(&g->window, &row, batches[i]->new_step);
    }
    return status == OK ? write_window(&c) : problem_from_status(p, status);
}

static int add_all_late(struct group *g, const struct group_epoch *e, struct group_batch *const *batches, size_t n,
                        int64_t revision, struct problem *p)
{
    int status = OK;

    for (int level = ROLLUP_LEVEL_FINEST; level <= ROLLUP_LEVEL_COARSEST && status == OK; level += ROLLUP_LEVEL_GAP) {
        int64_t n_closed = e->base.closed >> level;
        for (size_t i = 0, end = 0; i < n && status == OK; i = end) {
            int64_t bucket = batches[i]->key.step >> level;
            if (bucket >= n_closed)
                break;
            while (end < n && batches[end]->key.step >> level == bucket)
                end++;
            status = add_late(g, e, batches + i, end - i, level, revision, p);
        }
    }
    return status;
}

int buckets_update(struct group *g, const struct group_epoch *e, struct group_batch *const *batches, size_t n,
                   struct rollup_row *row, struct problem *p)
{
    int64_t from = e->base.closed, passed = (row->last_step >> ROLLUP_LEVEL_FINEST) - 1;
    bool late = batches[0]->key.step < from;

    row->closed = passed > 0 ? rollup_bucket_first(passed, ROLLUP_LEVEL_FINEST) : 0;
    if (row->closed < from)
        row->closed = from;
    if (!late && row->closed == from)
        return OK;
    int status = window_sum_open(&g->window, &e->series->row, g->memory);
    if (status != OK)
        return problem_from_status(p, status);
    if (late)
        status = add_all_late(g, e, batches, n, row->revision, p);
    if (status == OK && row->closed > from)
        status = close_buckets(g, e, batches, n, row, from, p);
    return status;
}

int buckets_end_epoch(struct group *g, struct group_series *series, int64_t epoch, struct problem *p)
{
    struct group_epoch e = {.series = series};
    struct rollup_row *row = &e.base;
    int level = 0;
    int status = store_rollup_get(g->conn, series->row.run, series->row.series, epoch, 0, 0, row, &e.stored, p);

    if (status != OK || !e.stored)
        return status;
    /* up to the coarsest level that divides the epoch: where it lies in one bucket its own row serves */
    for (int k = ROLLUP_LEVEL_FINEST; k <= ROLLUP_LEVEL_COARSEST; k += ROLLUP_LEVEL_GAP)
        if (row->first_step >> k != row->last_step >> k)
            level = k;
    int64_t from = row->closed, end = rollup_bucket_first((row->last_step >> level) + 1, level);
    if (level == 0 || end <= from)
        return OK;
    row->closed = end;
    status = window_sum_open(&g->window, &series->row, g->memory);
    if (status != OK)
        return problem_from_status(p, status);
    status = close_buckets(g, &e, NULL, 0, row, from, p);
    if (status == OK)
        status = store_write_closed(g->store, series->row.run, series->row.series, epoch, end, p);
    struct group_epoch *kept = group_peek_epoch(g, series, epoch);
    if (kept != NULL)
        kept->base.closed = end;
    return status;
}
