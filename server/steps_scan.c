/*
 * Why: a chart's bucket is a sum of steps, computed in one pass with one state per series.  Runs on the worker
 * thread that owns q->reader.
 */
#include <math.h>

#include "query_value.h"

#include "steps_scan.h"

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

/* The bucket of these steps, which is the current one or a new one. */
static int turn_to(struct scan *scan, int64_t epoch, int64_t first, int64_t time)
{
    struct series_scan *s = scan->series;
    int64_t number = first >> scan->w->level;
    struct bucket *b = s->n > 0 ? &s->buckets[s->n - 1] : NULL;
    if (b != NULL && b->epoch == epoch && b->number == number)
        return OK;
    int rc = end_bucket(scan);
    if (rc != OK)
        return rc;
    if (s->n == s->cap)
        return problem_set(scan->w->p, PROBLEM_INTERNAL, NULL, "more buckets than were counted");
    s->buckets[s->n++] = (struct bucket){.epoch = epoch, .number = number, .first = first, .last = first, .time = time};
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

static void widen_bucket(struct scan *scan, int64_t last, int64_t batches, int64_t samples, int64_t time, bool inside)
{
    struct bucket *b = &scan->series->buckets[scan->series->n - 1];
    b->last = last;
    b->batches += batches;
    b->samples += samples; /* no overflow: a part of the epoch's sum, which fits */
    if (time < b->time)
        b->time = time;
    b->inside = b->inside || inside;
}

static bool is_inside(const struct scan *scan, int64_t epoch, int64_t step)
{
    return axis_range_has(&scan->w->range, scan->w->axis.epochs, epoch, step);
}

static int scan_batch(void *context, const struct batch_row *row)
{
    struct scan *scan = context;
    int rc = turn_to(scan, row->key.epoch, row->key.step, row->logged_at);
    if (rc != OK)
        return rc;
    widen_bucket(scan, row->key.step, 1, row->samples, row->logged_at, is_inside(scan, row->key.epoch, row->key.step));
    return add_batch(scan, row);
}

static int find_any(void *context, const struct batch_row *row)
{
    (void)row;
    *(bool *)context = true;
    return STORE_STOP;
}

/* Has a row a step within the range?  Its ends tell, unless the range lies between them. */
static int look_inside(const struct scan *scan, const struct rollup_row *row, bool *inside)
{
    struct batch_key from, to;
    *inside = is_inside(scan, row->epoch, row->first_step) || is_inside(scan, row->epoch, row->last_step);
    steps_range(scan->w, &from, &to);
    if (*inside || from.epoch != row->epoch || to.epoch != row->epoch || row->first_step > from.step ||
        row->last_step < to.step)
        return OK;
    if (scan->w->axis.epochs[scan->w->range.first].is_thinned) { /* it cannot say: rather given than left out */
        *inside = true;
        return OK;
    }
    return store_batches_each(scan->w->q->reader, row->run, row->series, &from, &to, find_any, inside, scan->w->p);
}

static int scan_row(void *context, const struct rollup_row *row)
{
    struct scan *scan = context;
    bool inside = false;
    int rc = turn_to(scan, row->epoch, row->first_step, row->first_time);
    if (rc == OK)
        rc = look_inside(scan, row, &inside);
    if (rc != OK)
        return rc;
    widen_bucket(scan, row->last_step, row->batches, row->samples, row->first_time, inside);
    if (!isnan(row->primary_min)) {
        widen_range(scan, row->primary_min);
        widen_range(scan, row->primary_max);
    }
    return query_state_add(&scan->state, NULL, row->samples, row->batches, row->state, row->state_size, scan->w->p);
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
    const struct steps_reader reader = {
        .level = w->level, .with_state = true, .row = scan_row, .batch = scan_batch, .context = &scan};
    struct batch_key from, to;
    steps_whole_range(w, &from, &to);
    if (rc == OK)
        rc = steps_read(w, s->row, &from, &to, &reader);
    if (rc == OK)
        rc = end_bucket(&scan);
    state_release(&scan.state);
    state_release(&scan.batch);
    return rc;
}
