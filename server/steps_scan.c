/*
 * Why: a chart's bucket is a sum of steps, computed in one pass with one state per series.
 *
 * The first pass counts the entries of every width at once (step_axis.h) and is left out where the
 * rollups already say that there are few enough; the second one adds.  Runs on the worker thread
 * that owns q->reader.
 */
#include <math.h>
#include <stdlib.h>

#include "batch_cursor.h"
#include "query_value.h"

#include "steps_scan.h"

static struct batch_key range_begin(const struct steps_work *w)
{
    return (struct batch_key){.epoch = w->axis.epochs[w->range.first].epoch, .step = w->range.from_step};
}

static struct batch_key range_end(const struct steps_work *w)
{
    return (struct batch_key){w->axis.epochs[w->range.last].epoch, w->range.to_step, INT64_MAX};
}

/* ---- the width ---- */

/* The distinct steps of all series asked for, in order, into the counts of every width. */
static int count_steps(struct steps_work *w, struct batch_cursor *cursors, size_t n, struct step_widths *widths)
{
    for (;;) {
        struct batch_cursor *least = NULL;
        struct batch_key key = {0};
        for (size_t i = 0; i < n; i++) {
            const struct cursor_row *row;
            int rc = batch_cursor_peek(&cursors[i], &row, w->p);
            if (rc != OK)
                return rc;
            if (row != NULL && (least == NULL || batch_key_compare(&row->key, &key) < 0)) {
                least = &cursors[i];
                key = row->key;
            }
        }
        if (least == NULL)
            return OK;
        step_widths_add(widths, key.epoch, key.step);
        batch_cursor_next(least);
    }
}

static int count_widths(struct steps_work *w, struct step_widths *widths)
{
    step_widths_init(widths);
    struct batch_cursor *cursors = arena_alloc(&w->q->arena, w->n_series * sizeof *cursors);
    if (cursors == NULL)
        return query_no_memory(w->p);
    const struct batch_key from = range_begin(w), to = range_end(w);
    size_t n = 0;
    int rc = OK;
    for (size_t i = 0; i < w->n_series && rc == OK; i++)
        rc = batch_cursor_init(&cursors[n++], w->q->reader, w->series[i].row, &from, &to, w->ask->rank, false, w->p);
    if (rc == OK)
        rc = count_steps(w, cursors, n, widths);
    for (size_t i = 0; i < n; i++)
        batch_cursor_release(&cursors[i]);
    return rc;
}

int steps_level(struct steps_work *w, bool *over, size_t *entries)
{
    *over = false;
    int64_t bound = 0;
    for (size_t i = w->range.first; i <= w->range.last && bound <= w->ask->points; i++)
        bound += w->axis.epochs[i].asked_steps;
    if (bound <= w->ask->points) {
        w->level = 0;
        *entries = (size_t)bound;
        return OK;
    }
    struct step_widths widths;
    int rc = count_widths(w, &widths);
    if (rc != OK)
        return rc;
    w->level = step_widths_level(&widths, w->ask->points);
    if (w->level < 0) {
        *over = true;
        w->level = step_axis_whole_level(w->axis.epochs, w->range.first, w->range.last);
    }
    *entries = (size_t)step_widths_entries(&widths, w->level);
    return OK;
}

/* ---- the sums ---- */

struct scan {
    struct steps_work *w;
    struct series_scan *series;
    struct state state; /* of the current bucket */
    struct state batch; /* KIND_REGRESSION: one batch, for its own value */
    double min, max;    /* of the primary metric over its batches; NAN: none yet */
};

static bool is_own(const struct scan *scan, size_t metric)
{
    return scan->w->ask->metrics[metric].series == scan->series->row;
}

static int end_bucket(struct scan *scan)
{
    struct series_scan *s = scan->series;
    const struct steps_ask *ask = scan->w->ask;
    if (s->n == 0)
        return OK;
    size_t at = s->n - 1;
    bool is_mean = s->row->shape.form == FORM_MEAN;
    bool mean_range = is_mean && scan->state.mean.finite > 0;
    for (size_t i = 0; i < ask->n_metrics; i++) {
        if (!is_own(scan, i))
            continue;
        const struct steps_column *c = &s->columns[i];
        bool has_range = query_has_range(&ask->metrics[i]);
        c->min[at] = !has_range ? NAN : !is_mean ? scan->min : mean_range ? scan->state.mean.min : NAN;
        c->max[at] = !has_range ? NAN : !is_mean ? scan->max : mean_range ? scan->state.mean.max : NAN;
        double *value = c->value + at * ask->metrics[i].length;
        value[0] = NAN; /* with a window, what stands here is written later */
        int rc =
            ask->window > 0 ? OK : query_value(&ask->metrics[i], &scan->state, &ask->run->options, value, scan->w->p);
        if (rc != OK)
            return rc;
    }
    return OK;
}

static int begin_bucket(struct scan *scan, const struct batch_row *row)
{
    int rc = end_bucket(scan);
    if (rc != OK)
        return rc;
    struct series_scan *s = scan->series;
    if (s->n == s->cap)
        return problem_set(scan->w->p, PROBLEM_INTERNAL, NULL, "more buckets than were counted");
    s->buckets[s->n++] = (struct bucket){.epoch = row->key.epoch,
                                         .number = row->key.step >> scan->w->level,
                                         .first = row->key.step,
                                         .last = row->key.step,
                                         .time = row->logged_at};
    scan->min = scan->max = NAN;
    state_clear(&scan->state);
    return OK;
}

static void widen_range(struct scan *scan, double value)
{
    if (!(scan->min <= value))
        scan->min = value;
    if (!(scan->max >= value))
        scan->max = value;
}

/* A batch's share of right decisions is read off the running sums: what they gained is the batch. */
static int add_counted(struct scan *scan, const struct batch_row *row)
{
    const struct counts *counts = &scan->state.counts;
    int64_t correct = counts->correct, total = counts->total;
    int rc = query_state_add(&scan->state, &row->key, row->samples, 1, row->state, row->state_size, scan->w->p);
    if (rc == OK && counts->total > total)
        widen_range(scan, (double)(counts->correct - correct) / (double)(counts->total - total));
    return rc;
}

/* A batch's squared error cannot be told from sums of doubles. */
static int add_regression(struct scan *scan, const struct batch_row *row)
{
    struct state *batch = &scan->batch;
    state_clear(batch);
    int rc = query_state_add(batch, &row->key, row->samples, 1, row->state, row->state_size, scan->w->p);
    if (rc == OK && batch->regression.n > 0)
        widen_range(scan, state_primary(batch));
    return rc == OK ? query_state_merge(&scan->state, batch, scan->w->p) : rc;
}

static int add_batch(struct scan *scan, const struct batch_row *row)
{
    return scan->series->row->shape.form == FORM_REGRESSION ? add_regression(scan, row) : add_counted(scan, row);
}

static int scan_batch(void *context, const struct batch_row *row)
{
    struct scan *scan = context;
    struct steps_work *w = scan->w;
    struct series_scan *s = scan->series;
    if (w->ask->rank >= 0 && row->key.rank != w->ask->rank)
        return OK;
    struct bucket *b = s->n > 0 ? &s->buckets[s->n - 1] : NULL;
    if (b == NULL || b->epoch != row->key.epoch || b->number != row->key.step >> w->level) {
        int rc = begin_bucket(scan, row);
        if (rc != OK)
            return rc;
        b = &s->buckets[s->n - 1];
    }
    b->last = row->key.step;
    b->batches++;
    b->samples += row->samples; /* no overflow: a part of the epoch's sum, which fits */
    if (row->logged_at < b->time)
        b->time = row->logged_at;
    b->inside = b->inside || axis_range_has(&w->range, w->axis.epochs, row->key.epoch, row->key.step);
    return add_batch(scan, row);
}

static int make_columns(struct steps_work *w, struct series_scan *s, size_t cap)
{
    struct arena *arena = &w->q->arena;
    s->cap = cap;
    s->buckets = arena_alloc(arena, cap * sizeof *s->buckets);
    s->columns = arena_alloc(arena, w->ask->n_metrics * sizeof *s->columns);
    if (s->buckets == NULL || s->columns == NULL)
        return query_no_memory(w->p);
    for (size_t i = 0; i < w->ask->n_metrics; i++) {
        s->columns[i] = (struct steps_column){.value = NULL};
        if (w->ask->metrics[i].series != s->row)
            continue;
        double *room = arena_alloc(arena, (2 + w->ask->metrics[i].length) * cap * sizeof *room);
        if (room == NULL)
            return query_no_memory(w->p);
        s->columns[i] = (struct steps_column){.min = room, .max = room + cap, .value = room + 2 * cap};
    }
    return OK;
}

void steps_whole_range(const struct steps_work *w, struct batch_key *from, struct batch_key *to)
{
    *from = range_begin(w);
    *to = range_end(w);
    from->step = from->step >> w->level << w->level;
    to->step |= (INT64_C(1) << w->level) - 1;
}

int steps_scan_series(struct steps_work *w, struct series_scan *s, size_t cap)
{
    int rc = make_columns(w, s, cap);
    if (rc != OK)
        return rc;
    struct scan scan = {.w = w, .series = s};
    bool with_cells = w->ask->window == 0 && query_needs_cells(w->ask->metrics, w->ask->n_metrics, s->row);
    rc = query_state_init(&scan.state, s->row, with_cells, w->p);
    if (rc == OK && s->row->shape.form == FORM_REGRESSION)
        rc = query_state_init(&scan.batch, s->row, false, w->p);
    struct batch_key from, to;
    steps_whole_range(w, &from, &to);
    if (rc == OK)
        rc = store_batches_each(w->q->reader, s->row->run, s->row->series, &from, &to, scan_batch, &scan, w->p);
    if (rc == OK)
        rc = end_bucket(&scan);
    state_release(&scan.state);
    state_release(&scan.batch);
    return rc;
}
