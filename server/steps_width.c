/*
 * Why: a chart's width is the smallest 2^k that gives at most so many entries, exactly, and finding it must
 * not cost a look at every step.
 *
 * The rows of 2^k steps tell the entries of every width from 2^k on, and where each row's steps are
 * without gaps, those of all widths.  So counting begins at a level that has few rows, and goes one
 * level down only while what it knows does not decide.  Each level down reads at most four times as
 * many rows as there are entries.
 *
 * With rank= there are no sums: the batches are counted.  Runs on the worker thread that owns q->reader.
 */
#include <string.h>

#include "batch_cursor.h"
#include "rollup_levels.h"
#include "steps_scan.h"

enum { ROWS_PER_POINT = 2 }; /* a level with so many rows is read at once */

/* ---- of one rank: every batch ---- */

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

static int count_of_rank(struct steps_work *w, struct step_widths *widths)
{
    step_widths_init(widths);
    struct batch_cursor *cursors = arena_alloc(&w->q->arena, w->n_series * sizeof *cursors);
    if (cursors == NULL)
        return query_no_memory(w->p);
    struct batch_key from, to;
    steps_range(w, &from, &to);
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

/* ---- of all ranks: rows ---- */

/* Steps without a gap between them. */
struct run {
    int64_t epoch, first, last;
};

/* The steps of one series, as far as rows of one level tell: of each bucket with gaps only the first and the last. */
struct runs {
    struct arena *arena;
    struct run *runs;
    size_t n, cap, at;
    bool has_gaps;
};

static int push(struct runs *r, int64_t epoch, int64_t first, int64_t last)
{
    struct run *end = r->n > 0 ? &r->runs[r->n - 1] : NULL;
    if (end != NULL && end->epoch == epoch && first <= end->last + 1) { /* the ranks of a step come one by one */
        if (last > end->last)
            end->last = last;
        return OK;
    }
    if (r->n == r->cap) {
        size_t cap = r->cap > 0 ? 2 * r->cap : 64;
        struct run *grown = arena_grow(r->arena, r->runs, r->cap * sizeof *grown, cap * sizeof *grown);
        if (grown == NULL)
            return ERR_MEMORY;
        r->runs = grown;
        r->cap = cap;
    }
    r->runs[r->n++] = (struct run){epoch, first, last};
    return OK;
}

static int count_batch(void *context, const struct batch_row *row)
{
    return push(context, row->key.epoch, row->key.step, row->key.step);
}

static int count_row(void *context, const struct rollup_row *row)
{
    struct runs *r = context;
    if (row->last_step - row->first_step + 1 == row->steps)
        return push(r, row->epoch, row->first_step, row->last_step);
    r->has_gaps = true;
    int status = push(r, row->epoch, row->first_step, row->first_step);
    return status == OK ? push(r, row->epoch, row->last_step, row->last_step) : status;
}

static bool is_before(const struct run *a, const struct run *b)
{
    return a->epoch < b->epoch || (a->epoch == b->epoch && a->first < b->first);
}

/* The union of the series. */
static void join_runs(struct runs *series, size_t n, struct step_widths *widths)
{
    for (;;) {
        struct runs *least = NULL;
        for (size_t i = 0; i < n; i++)
            if (series[i].at < series[i].n &&
                (least == NULL || is_before(&series[i].runs[series[i].at], &least->runs[least->at])))
                least = &series[i];
        if (least == NULL)
            return;
        const struct run *run = &least->runs[least->at++];
        step_widths_add_run(widths, run->epoch, run->first, run->last);
    }
}

/* What rows of at most this level tell; finest: from which width on that is all. */
static int count_at(struct steps_work *w, int level, struct step_widths *widths, int *finest)
{
    struct runs *series = arena_alloc(&w->q->arena, w->n_series * sizeof *series);
    if (series == NULL)
        return query_no_memory(w->p);
    memset(series, 0, w->n_series * sizeof *series);
    struct batch_key from, to;
    steps_range(w, &from, &to);
    *finest = 0;
    for (size_t i = 0; i < w->n_series; i++) {
        series[i].arena = &w->q->arena;
        const struct steps_reader reader = {
            .level = level, .row = count_row, .batch = count_batch, .context = &series[i]};
        int rc = steps_read(w, w->series[i].row, &from, &to, &reader);
        if (rc != OK)
            return rc == ERR_MEMORY ? query_no_memory(w->p) : rc;
        if (series[i].has_gaps)
            *finest = level;
    }
    step_widths_init(widths);
    join_runs(series, w->n_series, widths);
    return OK;
}

/* A bound of the rows of a level in the range: the steps that there are, and those that would fit. */
static int64_t rows_of_level(const struct steps_work *w, int level)
{
    int64_t n = 0;
    for (size_t i = w->range.first; i <= w->range.last; i++) {
        const struct axis_epoch *e = &w->axis.epochs[i];
        int64_t first = i == w->range.first ? w->range.from_step : e->first_step;
        int64_t last = i == w->range.last ? w->range.to_step : e->last_step;
        int64_t fit = ((last >> level) - (first >> level) + 1) * (int64_t)w->n_series;
        n += fit < e->asked_steps ? fit : e->asked_steps; /* below 2^63: as many rows are stored */
    }
    return n;
}

static int count_widths(struct steps_work *w, struct step_widths *widths, int *out)
{
    int level = w->level_min, finest = 0;
    if (w->ask->rank >= 0) {
        int rc = count_of_rank(w, widths);
        if (rc == OK)
            *out = step_widths_level(widths, 0, w->ask->points);
        return rc;
    }
    while (level < ROLLUP_LEVEL_COARSEST && rows_of_level(w, level) > ROWS_PER_POINT * w->ask->points)
        level = level == 0 ? ROLLUP_LEVEL_FINEST : level + ROLLUP_LEVEL_GAP;
    for (;; level = rollup_level_below(level)) {
        int rc = count_at(w, level, widths, &finest);
        if (rc != OK)
            return rc;
        if (finest < w->level_min)
            finest = w->level_min;
        *out = step_widths_level(widths, finest, w->ask->points);
        if (*out != finest || finest == w->level_min)
            return OK;
    }
}

int steps_level(struct steps_work *w, bool *over, size_t *entries)
{
    *over = false;
    int64_t bound = 0;
    for (size_t i = w->range.first; i <= w->range.last && bound <= w->ask->points; i++)
        bound += w->axis.epochs[i].asked_steps;
    if (bound <= w->ask->points) {
        w->level = w->level_min;
        *entries = (size_t)bound;
        return OK;
    }
    struct step_widths widths;
    int rc = count_widths(w, &widths, &w->level);
    if (rc != OK)
        return rc;
    if (w->level < 0) {
        *over = true;
        w->level = step_axis_whole_level(w->axis.epochs, w->range.first, w->range.last);
    }
    *entries = (size_t)step_widths_entries(&widths, w->level);
    return OK;
}
