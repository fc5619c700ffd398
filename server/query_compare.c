/*
 * Why: curves of many runs can be compared only over one x axis, and a chart of 200 runs must not cost 200 runs'
 * batches: each is read from the sums of buckets.
 *
 * Invariants:
 * 1. cells are counted from the first that is shown; their number is at most points, so values are held densely
 *    and the cells that no run has are left out at the end;
 * 2. one state is alive at a time.
 * Runs on the worker thread that owns q->reader.
 */
#include <math.h>
#include <string.h>

#include "query_value.h"
#include "rollup_levels.h"
#include "steps_scan.h"

#include "query_compare.h"

/* What the runs share. */
struct cells {
    struct request *q;
    const struct compare_ask *ask;
    struct query_axis *axes; /* [n_runs] */
    int64_t n_thinned;       /* epochs of theirs that are shown */
    int level;
    int64_t first; /* the cell that stands at index 0 */
    size_t n;
    bool *used;    /* [n] */
    double *value; /* [n_runs][n_metrics][n] */
    struct problem *p;
};

/* One series of one run. */
struct cell_scan {
    const struct cells *cells;
    struct steps_work *work; /* its ask has the metrics of this series only */
    double **columns;        /* [work->ask->n_metrics], each [cells->n] */
    struct state state;      /* of the cell at hand */
    int64_t cell;            /* index; -1: none, or one that is not shown */
    size_t epoch;            /* index into the axis */
    /* with a window: where each cell that has steps ends */
    struct window_end *ends;
    size_t *ends_cell;
    size_t n_ends;
};

static int end_cell(struct cell_scan *s)
{
    const struct steps_ask *ask = s->work->ask;
    if (s->cell < 0 || ask->window > 0)
        return OK;
    for (size_t m = 0; m < ask->n_metrics; m++) {
        int rc = query_value(&ask->metrics[m], &s->state, &ask->run->options, &s->columns[m][s->cell], s->cells->p);
        if (rc != OK)
            return rc;
    }
    return OK;
}

/* To the cell of these steps, which lie in one bucket. */
static int turn_to(struct cell_scan *s, int64_t epoch, int64_t first, int64_t last)
{
    const struct cells *c = s->cells;
    const struct query_axis *axis = &s->work->axis;
    while (s->epoch + 1 < axis->n && axis->epochs[s->epoch].epoch < epoch)
        s->epoch++;
    const struct axis_epoch *e = &axis->epochs[s->epoch];
    int64_t begin = first >> c->level << c->level;
    int64_t x = e->offset + (begin > e->first_step ? begin : e->first_step);
    int64_t cell = (x >> c->level) - c->first;
    if (cell < 0 || cell >= (int64_t)c->n)
        cell = -1;
    if (cell != s->cell) {
        int rc = end_cell(s);
        if (rc != OK)
            return rc;
        state_clear(&s->state);
        s->cell = cell;
        if (cell >= 0) {
            c->used[cell] = true;
            s->ends_cell[s->n_ends++] = (size_t)cell;
        }
    }
    if (cell >= 0)
        s->ends[s->n_ends - 1] = (struct window_end){epoch, last};
    return OK;
}

static int scan_batch(void *context, const struct batch_row *row)
{
    struct cell_scan *s = context;
    int rc = turn_to(s, row->key.epoch, row->key.step, row->key.step);
    if (rc != OK || s->cell < 0 || s->work->ask->window > 0)
        return rc;
    return query_state_add(&s->state, &row->key, row->samples, 1, row->state, row->state_size, s->cells->p);
}

static int scan_row(void *context, const struct rollup_row *row)
{
    struct cell_scan *s = context;
    int rc = turn_to(s, row->epoch, row->first_step, row->last_step);
    if (rc != OK || s->cell < 0 || s->work->ask->window > 0)
        return rc;
    return query_state_add(&s->state, NULL, row->samples, row->batches, row->state, row->state_size, s->cells->p);
}

/* Each value over the last steps before its cell's end. */
static int fill_windows(struct cell_scan *s, const struct series_row *row)
{
    const struct steps_ask *ask = s->work->ask;
    const struct series_scan series = {.row = row};
    double *room = arena_alloc(&s->work->q->arena, ask->n_metrics * s->n_ends * sizeof *room);
    struct steps_column *columns = arena_alloc(&s->work->q->arena, ask->n_metrics * sizeof *columns);
    if (room == NULL || columns == NULL)
        return query_no_memory(s->cells->p);
    for (size_t m = 0; m < ask->n_metrics; m++)
        columns[m] = (struct steps_column){.value = room + m * s->n_ends};
    int rc = steps_window(s->work, &series, s->ends, s->n_ends, columns);
    for (size_t m = 0; rc == OK && m < ask->n_metrics; m++)
        for (size_t i = 0; i < s->n_ends; i++)
            s->columns[m][s->ends_cell[i]] = columns[m].value[i];
    return rc;
}

static int scan_series(struct steps_work *work, const struct cells *c, const struct series_row *row, double **columns)
{
    struct arena *arena = &work->q->arena;
    struct cell_scan s = {.cells = c, .work = work, .columns = columns, .cell = -1};
    /* a cell is entered once: positions rise */
    s.ends = arena_alloc(arena, c->n * sizeof *s.ends);
    s.ends_cell = arena_alloc(arena, c->n * sizeof *s.ends_cell);
    if (s.ends == NULL || s.ends_cell == NULL)
        return query_no_memory(c->p);
    bool has_window = work->ask->window > 0;
    int rc = query_state_init(&s.state, row, query_needs_cells(work->ask->metrics, work->ask->n_metrics, row), c->p);
    const struct steps_reader reader = {
        .level = c->level, .with_state = !has_window, .row = scan_row, .batch = scan_batch, .context = &s};
    struct batch_key from, to;
    steps_whole_range(work, &from, &to);
    if (rc == OK)
        rc = steps_read(work, row, &from, &to, &reader);
    if (rc == OK)
        rc = end_cell(&s);
    state_release(&s.state);
    return rc == OK && has_window ? fill_windows(&s, row) : rc;
}

/* The metrics of one series of run r, which begins at metric first. */
static int scan_metrics(struct steps_work *work, const struct cells *c, size_t r, size_t first)
{
    const struct compare_ask *ask = c->ask;
    const struct query_metric *all = ask->runs[r].metrics;
    struct query_metric *metrics = arena_alloc(&work->q->arena, ask->n_metrics * sizeof *metrics);
    double **columns = arena_alloc(&work->q->arena, ask->n_metrics * sizeof *columns);
    if (metrics == NULL || columns == NULL)
        return query_no_memory(c->p);
    size_t n = 0;
    for (size_t m = first; m < ask->n_metrics; m++)
        if (all[m].series == all[first].series) {
            metrics[n] = all[m];
            columns[n++] = c->value + (r * ask->n_metrics + m) * c->n;
        }
    const struct steps_ask part = {
        .run = &ask->runs[r].run, .metrics = metrics, .n_metrics = n, .rank = -1, .window = ask->window};
    work->ask = &part;
    return scan_series(work, c, all[first].series, columns);
}

static int scan_run(const struct cells *c, size_t r)
{
    const struct query_metric *metrics = c->ask->runs[r].metrics;
    const struct query_axis *axis = &c->axes[r];
    int64_t last = (c->first + (int64_t)c->n - 1) << c->level | ((INT64_C(1) << c->level) - 1);
    struct request scratch = *c->q; /* what only this run needs is freed with it */
    struct steps_work work = {.q = &scratch, .axis = *axis, .level = c->level, .p = c->p};
    step_axis_range(axis->epochs, axis->n, c->first << c->level, last, &work.range);
    if (work.range.empty)
        return OK;
    arena_init(&scratch.arena);
    int rc = OK;
    for (size_t m = 0; m < c->ask->n_metrics && rc == OK; m++) {
        bool is_first = metrics[m].series != NULL;
        for (size_t i = 0; i < m; i++)
            is_first = is_first && metrics[i].series != metrics[m].series;
        if (is_first)
            rc = scan_metrics(&work, c, r, m);
    }
    arena_release(&scratch.arena);
    return rc;
}

/* ---- the axis of all ---- */

static int read_axes(struct cells *c, int64_t *low, int64_t *high)
{
    const struct compare_ask *ask = c->ask;
    size_t n_epochs = 0;
    c->axes = arena_alloc(&c->q->arena, ask->n_runs * sizeof *c->axes);
    if (c->axes == NULL)
        return query_no_memory(c->p);
    *low = INT64_MAX;
    *high = -1;
    for (size_t r = 0; r < ask->n_runs; r++) {
        struct query_axis *axis = &c->axes[r];
        *axis = (struct query_axis){.epochs = NULL};
        int rc = query_axis(c->q, &ask->runs[r].run, ask->runs[r].metrics, ask->n_metrics, axis, c->p);
        if (rc != OK)
            return rc;
        ask->runs[r].counted = axis->counted;
        n_epochs += axis->n;
        if (n_epochs > COMPARE_EPOCHS_MAX)
            return problem_set(c->p, PROBLEM_INVALID, "?runs",
                               "these runs have more than %d epochs together; ask for fewer", (int)COMPARE_EPOCHS_MAX);
        if (axis->n == 0)
            continue;
        int64_t first = axis->epochs[0].offset + axis->epochs[0].first_step;
        int64_t last = axis->epochs[axis->n - 1].offset + axis->epochs[axis->n - 1].last_step;
        *low = first < *low ? first : *low;
        *high = last > *high ? last : *high;
    }
    *low = *low < ask->from ? ask->from : *low;
    *high = *high > ask->to ? ask->to : *high;
    return OK;
}

/* A thinned epoch within the range has no steps finer than its finest buckets. */
static int64_t count_thinned(const struct cells *c, int64_t low, int64_t high)
{
    int64_t n = 0;
    for (size_t r = 0; r < c->ask->n_runs; r++)
        for (size_t i = 0; i < c->axes[r].n; i++) {
            const struct axis_epoch *e = &c->axes[r].epochs[i];
            n += e->is_thinned && e->offset + e->first_step <= high && e->offset + e->last_step >= low;
        }
    return n;
}

static int make_cells(struct cells *c, int64_t low, int64_t high)
{
    const struct compare_ask *ask = c->ask;
    c->n_thinned = count_thinned(c, low, high);
    c->level = c->n_thinned > 0 ? ROLLUP_LEVEL_FINEST : 0;
    while ((high >> c->level) - (low >> c->level) + 1 > ask->points)
        c->level++;
    c->first = low >> c->level;
    c->n = (size_t)((high >> c->level) - c->first + 1);
    size_t n_columns = ask->n_runs * ask->n_metrics;
    if (c->n > COMPARE_VALUES_MAX / n_columns)
        return problem_set(c->p, PROBLEM_INVALID, "?points",
                           "%zu runs, %zu metrics and %zu points are more than %d values", ask->n_runs, ask->n_metrics,
                           c->n, (int)COMPARE_VALUES_MAX);
    c->used = arena_alloc(&c->q->arena, c->n * sizeof *c->used);
    c->value = arena_alloc(&c->q->arena, n_columns * c->n * sizeof *c->value);
    if (c->used == NULL || c->value == NULL)
        return query_no_memory(c->p);
    memset(c->used, 0, c->n * sizeof *c->used);
    for (size_t i = 0; i < n_columns * c->n; i++)
        c->value[i] = NAN;
    return OK;
}

/* Leave out the cells that no run has. */
static int close_gaps(const struct cells *c, struct compare_answer *out)
{
    size_t n_columns = c->ask->n_runs * c->ask->n_metrics, n = 0;
    out->x = arena_alloc(&c->q->arena, c->n * sizeof *out->x);
    if (out->x == NULL)
        return query_no_memory(c->p);
    for (size_t i = 0; i < c->n; i++)
        if (c->used[i])
            out->x[n++] = (c->first + (int64_t)i) << c->level;
    double *to = c->value;
    for (size_t column = 0; column < n_columns; column++)
        for (size_t i = 0; i < c->n; i++)
            if (c->used[i])
                *to++ = c->value[column * c->n + i];
    out->width = INT64_C(1) << c->level;
    out->n_thinned = c->n_thinned;
    out->n = n;
    out->value = c->value;
    return OK;
}

int compare_steps(struct request *q, const struct compare_ask *ask, struct compare_answer *out, struct problem *p)
{
    struct cells c = {.q = q, .ask = ask, .p = p};
    int64_t low = 0, high = -1;
    *out = (struct compare_answer){.width = 1};
    int rc = read_axes(&c, &low, &high);
    if (rc != OK || low > high)
        return rc;
    rc = make_cells(&c, low, high);
    for (size_t r = 0; r < ask->n_runs && rc == OK; r++)
        rc = scan_run(&c, r);
    return rc == OK ? close_gaps(&c, out) : rc;
}
