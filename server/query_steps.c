/*
 * Why: a chart shows the metric of each bucket's summed counts.  Each series asked for is cut into
 * buckets by itself (steps_scan.c); here they are put side by side.
 *
 * Invariants:
 * 1. entries are the union of the buckets of the series asked for, rising by (epoch, bucket), those with
 *    a step in the range only;
 * 2. the basis (main) adds its samples and batches to entries that are there, never entries.
 * Runs on the worker thread that owns q->reader.
 */
#include <math.h>
#include <string.h>

#include "rollup_levels.h"
#include "steps_scan.h"

/* The entry at the front of all series; NULL: none is left. */
static const struct bucket *least_bucket(const struct steps_work *w, const size_t *at)
{
    const struct bucket *least = NULL;
    for (size_t i = 0; i < w->n_series; i++) {
        const struct series_scan *s = &w->series[i];
        if (at[i] == s->n)
            continue;
        const struct bucket *b = &s->buckets[at[i]];
        if (least == NULL || b->epoch < least->epoch || (b->epoch == least->epoch && b->number < least->number))
            least = b;
    }
    return least;
}

static void copy_values(const struct steps_work *w, const struct series_scan *s, size_t from, struct steps_answer *out,
                        size_t to)
{
    for (size_t m = 0; m < w->ask->n_metrics; m++) {
        if (s->columns[m].value == NULL)
            continue;
        size_t length = w->ask->metrics[m].length;
        memcpy(out->columns[m].value + to * length, s->columns[m].value + from * length, length * sizeof(double));
        out->columns[m].min[to] = s->columns[m].min[from];
        out->columns[m].max[to] = s->columns[m].max[from];
    }
}

static void widen(struct bucket *entry, const struct bucket *b)
{
    if (b->first < entry->first)
        entry->first = b->first;
    if (b->last > entry->last)
        entry->last = b->last;
    if (b->time < entry->time)
        entry->time = b->time;
    entry->inside = entry->inside || b->inside;
}

/* One entry of the union: false if the range only widened to it.  Consumes the series' buckets. */
static bool join_entry(struct steps_work *w, size_t *at, const struct series_row *basis, struct bucket *entry,
                       struct steps_answer *out)
{
    for (size_t m = 0; m < w->ask->n_metrics; m++) {
        const struct steps_column *c = &out->columns[m];
        c->min[out->n] = c->max[out->n] = NAN;
        for (size_t i = 0, length = w->ask->metrics[m].length; i < length; i++)
            c->value[out->n * length + i] = NAN;
    }
    entry->samples = entry->batches = 0;
    entry->inside = false;
    for (size_t i = 0; i < w->n_series; i++) {
        const struct series_scan *s = &w->series[i];
        const struct bucket *b = at[i] < s->n ? &s->buckets[at[i]] : NULL;
        if (b == NULL || b->epoch != entry->epoch || b->number != entry->number)
            continue;
        widen(entry, b);
        if (s->row == basis) {
            entry->samples = b->samples;
            entry->batches = b->batches;
        }
        copy_values(w, s, at[i]++, out, out->n);
    }
    return entry->inside;
}

static int join_series(struct steps_work *w, const struct series_row *basis, struct bucket *entries, size_t cap,
                       struct steps_answer *out)
{
    size_t *at = arena_alloc(&w->q->arena, w->n_series * sizeof *at);
    if (at == NULL)
        return query_no_memory(w->p);
    memset(at, 0, w->n_series * sizeof *at);
    for (const struct bucket *least; (least = least_bucket(w, at)) != NULL;) {
        if (out->n == cap)
            return problem_set(w->p, PROBLEM_INTERNAL, NULL, "more entries than were counted");
        entries[out->n] = *least;
        if (join_entry(w, at, basis, &entries[out->n], out))
            out->n++;
    }
    return OK;
}

/* ---- the basis, where it was not asked for ---- */

struct basis_scan {
    const struct steps_work *w;
    struct bucket *entries;
    size_t n, at;
};

/* Entries are buckets, so what lies in one bucket belongs to one entry, or to none. */
static int add_to_entry(struct basis_scan *scan, int64_t epoch, int64_t step, int64_t batches, int64_t samples,
                        int64_t time)
{
    int64_t number = step >> scan->w->level;
    struct bucket *b = &scan->entries[scan->at];
    while (scan->at < scan->n && (b->epoch < epoch || (b->epoch == epoch && b->number < number)))
        b = &scan->entries[++scan->at];
    if (scan->at == scan->n)
        return STORE_STOP;
    if (b->epoch != epoch || b->number != number)
        return OK;
    b->samples += samples;
    b->batches += batches;
    if (time < b->time)
        b->time = time;
    return OK;
}

static int add_basis_batch(void *context, const struct batch_row *row)
{
    return add_to_entry(context, row->key.epoch, row->key.step, 1, row->samples, row->logged_at);
}

static int add_basis_row(void *context, const struct rollup_row *row)
{
    return add_to_entry(context, row->epoch, row->first_step, row->batches, row->samples, row->first_time);
}

static int join_basis(struct steps_work *w, const struct series_row *basis, struct bucket *entries, size_t n)
{
    for (size_t i = 0; i < w->n_series; i++)
        if (w->series[i].row == basis)
            return OK;
    struct basis_scan scan = {.w = w, .entries = entries, .n = n};
    const struct steps_reader reader = {
        .level = w->level, .row = add_basis_row, .batch = add_basis_batch, .context = &scan};
    struct batch_key from, to;
    steps_whole_range(w, &from, &to);
    return steps_read(w, basis, &from, &to, &reader);
}

/* ---- the answer ---- */

static int make_answer(struct steps_work *w, size_t cap, struct steps_answer *out)
{
    struct arena *arena = &w->q->arena;
    int64_t *room = arena_alloc(arena, 6 * cap * sizeof *room);
    out->columns = arena_alloc(arena, w->ask->n_metrics * sizeof *out->columns);
    size_t n_values = 0;
    for (size_t m = 0; m < w->ask->n_metrics; m++)
        n_values += 2 + w->ask->metrics[m].length;
    double *values = arena_alloc(arena, cap * n_values * sizeof *values);
    if (room == NULL || out->columns == NULL || values == NULL)
        return query_no_memory(w->p);
    out->x = room;
    out->epoch = room + cap;
    out->step = room + 2 * cap;
    out->time = room + 3 * cap;
    out->samples = room + 4 * cap;
    out->batches = room + 5 * cap;
    for (size_t m = 0; m < w->ask->n_metrics; m++) {
        out->columns[m] = (struct steps_column){.min = values, .max = values + cap, .value = values + 2 * cap};
        values += (2 + w->ask->metrics[m].length) * cap;
    }
    return OK;
}

static void fill_positions(const struct steps_work *w, const struct bucket *entries, struct steps_answer *out)
{
    size_t at = 0;
    for (size_t i = 0; i < out->n; i++) {
        const struct bucket *b = &entries[i];
        while (w->axis.epochs[at].epoch < b->epoch)
            at++;
        out->x[i] = w->axis.epochs[at].offset + b->first;
        out->epoch[i] = b->epoch;
        out->step[i] = b->first;
        out->time[i] = b->time;
        out->samples[i] = b->samples;
        out->batches[i] = b->batches;
    }
}

static int fill_windows(struct steps_work *w, const struct bucket *entries, struct steps_answer *out)
{
    struct window_end *ends = arena_alloc(&w->q->arena, out->n * sizeof *ends);
    if (ends == NULL)
        return query_no_memory(w->p);
    for (size_t i = 0; i < out->n; i++)
        ends[i] = (struct window_end){entries[i].epoch, entries[i].last};
    int rc = OK;
    for (size_t i = 0; i < w->n_series && rc == OK; i++)
        rc = steps_window(w, &w->series[i], ends, out->n, out->columns);
    return rc;
}

static int list_series(struct steps_work *w)
{
    w->series = arena_alloc(&w->q->arena, w->ask->n_metrics * sizeof *w->series);
    if (w->series == NULL)
        return query_no_memory(w->p);
    for (size_t m = 0; m < w->ask->n_metrics; m++) {
        const struct series_row *row = w->ask->metrics[m].series;
        bool known = false;
        for (size_t i = 0; i < w->n_series; i++)
            known = known || w->series[i].row == row;
        if (!known)
            w->series[w->n_series++] = (struct series_scan){.row = row};
    }
    return OK;
}

/* Lists of many classes would make an answer of any size. */
static int check_size(const struct steps_work *w, size_t n_entries)
{
    size_t n_values = 0;
    for (size_t m = 0; m < w->ask->n_metrics; m++)
        n_values += w->ask->metrics[m].length;
    if (n_values <= w->ask->n_metrics || n_entries <= STEPS_VALUES_MAX / n_values)
        return OK;
    return problem_set(w->p, PROBLEM_INVALID, "?points",
                       "%zu entries of %zu values each are more than %d; ask for fewer points, or fewer lists",
                       n_entries, n_values, (int)STEPS_VALUES_MAX);
}

/* Of one rank a thinned epoch has nothing left, so it does not bound the width either. */
static void look_for_thinned(struct steps_work *w, struct steps_answer *out)
{
    for (size_t i = w->range.first; i <= w->range.last; i++)
        out->n_thinned += w->axis.epochs[i].is_thinned;
    w->level_min = out->n_thinned > 0 && w->ask->rank < 0 ? ROLLUP_LEVEL_FINEST : 0;
}

static int answer_range(struct steps_work *w, struct steps_answer *out)
{
    size_t n_entries;
    look_for_thinned(w, out);
    int rc = steps_level(w, &out->over, &n_entries);
    if (rc != OK)
        return rc;
    rc = check_size(w, n_entries);
    if (rc != OK)
        return rc;
    out->width = INT64_C(1) << w->level;
    size_t cap = n_entries + 2; /* the buckets that the range cuts, in series without a step inside it */
    for (size_t i = 0; i < w->n_series && rc == OK; i++)
        rc = steps_scan_series(w, &w->series[i], cap);
    struct bucket *entries = arena_alloc(&w->q->arena, (cap + 1) * sizeof *entries);
    if (rc == OK && entries == NULL)
        rc = query_no_memory(w->p);
    if (rc == OK)
        rc = make_answer(w, cap + 1, out);
    if (rc != OK)
        return rc;
    const struct series_row *basis = query_basis(w->ask->run, w->ask->metrics, w->ask->n_metrics);
    rc = join_series(w, basis, entries, cap + 1, out);
    if (rc == OK)
        rc = join_basis(w, basis, entries, out->n);
    if (rc == OK && w->ask->window > 0)
        rc = fill_windows(w, entries, out);
    if (rc == OK)
        fill_positions(w, entries, out);
    return rc;
}

int query_steps(struct request *q, const struct steps_ask *ask, struct steps_answer *out, struct problem *p)
{
    *out = (struct steps_answer){.width = 1};
    out->columns = arena_alloc(&q->arena, ask->n_metrics * sizeof *out->columns);
    if (out->columns == NULL)
        return query_no_memory(p);
    memset(out->columns, 0, ask->n_metrics * sizeof *out->columns);
    if (!ask->run->stage_known)
        return OK;
    struct steps_work w = {.q = q, .ask = ask, .p = p};
    int rc = list_series(&w);
    if (rc == OK)
        rc = query_axis(q, ask->run, ask->metrics, ask->n_metrics, &w.axis, p);
    if (rc != OK)
        return rc;
    out->counted = w.axis.counted;
    step_axis_range(w.axis.epochs, w.axis.n, ask->from, ask->to, &w.range);
    return w.range.empty ? OK : answer_range(&w, out);
}
