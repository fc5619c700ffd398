/*
 * Why: the mean of the steps and the diagnosis look at the same thing, each step by itself, and must not
 * disagree on what a step is.  Runs on the worker thread that owns the connection.
 */
#include "query_value.h"

#include "query_step_walk.h"

struct step_scan {
    const struct step_walk *walk;
    int (*fn)(void *context, const struct walked_step *step);
    void *context;
    struct state state; /* of the step so far */
    int64_t step;       /* -1: none yet */
    struct problem *p;
};

static int end_step(struct step_scan *scan)
{
    const struct walked_step step = {.step = scan->step, .ranks = scan->state.batches, .state = &scan->state};
    return scan->step >= 0 ? scan->fn(scan->context, &step) : OK;
}

static int scan_batch(void *context, const struct batch_row *row)
{
    struct step_scan *scan = context;
    if (scan->walk->rank >= 0 && row->key.rank != scan->walk->rank)
        return OK;
    if (row->key.step != scan->step) {
        int rc = end_step(scan);
        if (rc != OK)
            return rc;
        state_clear(&scan->state);
        scan->step = row->key.step;
    }
    return query_state_add(&scan->state, &row->key, row->samples, 1, row->state, row->state_size, scan->p);
}

int query_step_walk(const struct step_walk *walk, int (*fn)(void *context, const struct walked_step *step),
                    void *context, struct problem *p)
{
    struct step_scan scan = {.walk = walk, .fn = fn, .context = context, .step = -1, .p = p};
    const struct series_row *series = walk->series;
    const struct batch_key from = {.epoch = walk->epoch, .step = walk->from_step},
                           to = {walk->epoch, INT64_MAX, INT64_MAX};
    int rc = query_state_init(&scan.state, series, walk->with_cells, p);
    if (rc != OK)
        return rc;
    rc = store_batches_each(walk->conn, series->run, series->series, &from, &to, scan_batch, &scan, p);
    if (rc == OK)
        rc = end_step(&scan);
    state_release(&scan.state);
    return rc;
}
