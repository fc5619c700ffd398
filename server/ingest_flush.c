/**
 * Writing what a group accepted: runs, series, attempts, then the batches sorted by key (interleaved
 * series cost several times as much), and for each epoch its rollups once.
 */
#include <stdint.h>
#include <stdlib.h>

#include "ingest_group.h"

static int compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int by_key(const void *left, const void *right)
{
    const struct group_batch *a = *(struct group_batch *const *)left, *b = *(struct group_batch *const *)right;

    if (a->epoch != b->epoch) {
        const struct group_series *sa = a->epoch->series, *sb = b->epoch->series;
        int order = compare(sa->row.run, sb->row.run);
        if (order == 0)
            order = compare(sa->row.series, sb->row.series);
        if (order != 0)
            return order;
    }
    return batch_key_compare(&a->key, &b->key);
}

static void sort_batches(struct group *g)
{
    for (size_t i = 1; i < g->n_batches; i++)
        if (by_key(&g->batches[i - 1], &g->batches[i]) > 0) {
            qsort(g->batches, g->n_batches, sizeof(struct group_batch *), by_key);
            return;
        }
}

static int write_run(struct group *g, struct group_run *run, struct problem *p)
{
    if (!run->touched)
        return OK;
    if (run->row.run == 0) {
        run->row.revision = 1;
        return store_write_run(g->store, &run->row, p);
    }
    if (run->changed)
        run->row.revision++;
    return store_write_run_touch(g->store, run->row.run, run->row.revision, run->row.updated_at, run->row.seen_at, p);
}

static int write_new_series(struct group *g, struct group_series *series, struct problem *p)
{
    if (series->row.series != 0)
        return OK;
    series->row.run = series->run->row.run;
    return store_write_series(g->store, &series->row, p);
}

/* In the order of making: a run before its series, and series numbered as they came. */
static int write_parents(struct group *g, struct problem *p)
{
    int status = OK;

    for (size_t i = 0; i < g->n_nodes && status == OK; i++) {
        struct node *node = g->nodes[i];
        if (node->kind == NODE_RUN) {
            status = write_run(g, (struct group_run *)node, p);
        } else if (node->kind == NODE_SERIES) {
            status = write_new_series(g, (struct group_series *)node, p);
        } else if (node->kind == NODE_ATTEMPT) {
            struct group_attempt *a = (struct group_attempt *)node;
            if (a->is_new)
                status = store_write_attempt(g->store, a->run->row.run, &a->row, p);
        }
    }
    return status;
}

/* Is the step of this batch, the first of its step in the group, one that the epoch had not? */
static int is_new_step(struct group *g, const struct group_batch *b, bool *is_new, struct problem *p)
{
    const struct group_epoch *e = b->epoch;
    bool exists = false;

    enum known known = epoch_knows_step(e, b->key.step);

    if (known != KNOWN_NOT) {
        *is_new = known == KNOWN_ABSENT;
        return OK;
    }
    if (e->stored && b->key.step >= e->base.first_step && b->key.step <= e->base.last_step) {
        int status = store_step_exists(g->conn, e->series->row.run, e->series->row.series, b->key.epoch, b->key.step,
                                       &exists, p);
        if (status != OK)
            return status;
    }
    *is_new = !exists;
    return OK;
}

/* Before any of them is inserted. */
static int find_new_steps(struct group *g, struct problem *p)
{
    for (size_t i = 0; i < g->n_batches; i++) {
        struct group_batch *b = g->batches[i], *before = i > 0 ? g->batches[i - 1] : NULL;
        if (before != NULL && before->epoch == b->epoch && before->key.step == b->key.step)
            continue;
        int status = is_new_step(g, b, &b->new_step, p);
        if (status != OK)
            return status;
    }
    return OK;
}

struct inserting {
    const struct group *g;
    size_t i_next;
};

static bool next_row(void *context, struct batch_row *out)
{
    struct inserting *at = context;

    if (at->i_next == at->g->n_batches)
        return false;
    const struct group_batch *b = at->g->batches[at->i_next++];
    const struct measure *m = b->measure;
    *out = (struct batch_row){.run = b->epoch->series->row.run,
                              .series = b->epoch->series->row.series,
                              .key = b->key,
                              .samples = m->samples,
                              .correct = m->correct,
                              .logged_at = b->logged_at,
                              .state = m->state,
                              .state_size = m->state_size};
    return true;
}

static int insert_batches(struct group *g, struct problem *p)
{
    struct inserting at = {.g = g};
    const struct batch_source source = {next_row, &at};
    int status = find_new_steps(g, p);

    return status == OK && g->n_batches > 0 ? store_write_batches(g->store, &source, p) : status;
}

static void count_in_series(struct group_series *series, const struct group_epoch *e,
                            struct group_batch *const *batches, size_t n)
{
    struct series_row *row = &series->row;
    const struct batch_key *last = &batches[n - 1]->key;

    row->batches += (int64_t)n;
    for (size_t i = 0; i < n; i++) /* over all epochs: not a sum that refuses, so it stops at the end */
        if (__builtin_add_overflow(row->samples, batches[i]->measure->samples, &row->samples))
            row->samples = INT64_MAX;
    row->epochs += !e->stored;
    if (last->epoch > row->last_epoch || (last->epoch == row->last_epoch && last->step > row->last_step)) {
        row->last_epoch = last->epoch;
        row->last_step = last->step;
    }
    series->changed = true;
}

/* What the batches of one epoch of one series changed but themselves: its rollup. */
static int write_epoch(struct group *g, struct group_batch *const *batches, size_t n, struct problem *p)
{
    struct group_epoch *e = batches[0]->epoch;
    const struct series_row *series = &e->series->row;
    struct rollup_row row;
    int64_t new_steps = 0;
    int status = OK;

    if (!e->stored && series->last_epoch >= 0 && e->base.epoch > series->last_epoch)
        status = buckets_end_epoch(g, e->series, series->last_epoch, p);
    if (status != OK)
        return status;
    for (size_t i = 0; i < n; i++)
        new_steps += batches[i]->new_step;
    status = epoch_row(g, e, batches, n, new_steps, &row);
    if (status != OK)
        return problem_from_status(p, status);
    status = buckets_update(g, e, batches, n, &row, p);
    if (status == OK)
        status = store_write_rollup(g->store, &row, p);
    if (status != OK)
        return status;
    count_in_series(e->series, e, batches, n);
    status = epoch_written(e, batches, n, &row);
    return status == OK ? OK : problem_from_status(p, status);
}

int group_flush(struct group *g, struct problem *p)
{
    int status = write_parents(g, p);

    if (status == OK) {
        sort_batches(g);
        status = insert_batches(g, p);
    }
    for (size_t i = 0, end = 0; i < g->n_batches && status == OK; i = end) {
        while (end < g->n_batches && g->batches[end]->epoch == g->batches[i]->epoch)
            end++;
        status = write_epoch(g, g->batches + i, end - i, p);
    }
    for (size_t i = 0; i < g->n_nodes && status == OK; i++) {
        struct group_series *series = (struct group_series *)g->nodes[i];
        if (g->nodes[i]->kind == NODE_SERIES && series->changed)
            status = store_write_series(g->store, &series->row, p);
    }
    if (status == OK) {
        group_keep(g);
    } else {
        g->broken = true;
        group_forget(g);
    }
    return status;
}

int group_flush_out(struct group *g, struct problem *p)
{
    int status = group_flush(g, p);

    group_forget(g);
    return status;
}
