/*
 * Why: with window=W each value is over the steps e-W+1 .. e of its epoch, e being the entry's last
 * step.  Neighbouring windows overlap, sums cannot always be subtracted (min, max, last), and a state
 * per step would not fit in memory.
 *
 * So the windows of an epoch are halved again and again.  A node of that recursion stands for the
 * windows i .. j and knows the sum of what all of them share, the steps [start(j), end(i)]; each child
 * shares more and reads only what is added, from the sums of buckets where it can.  Every level of the recursion
 * covers a step at most twice: O(entries * log(entries)) stretches, O(log(entries)) states, no subtraction, any order
 * of merging.
 * Runs on the worker thread that owns q->reader.
 */
#include <math.h>

#include "query_value.h"

#include "rollup_levels.h"
#include "step_cover.h"
#include "steps_scan.h"

enum { DEPTH_MAX = 40 }; /* entries are fewer than 2^39 */

struct window {
    struct steps_work *w;
    const struct series_scan *series;
    const struct window_end *ends;
    struct steps_column *columns;
    bool with_cells;
    int64_t closed; /* of the epoch at hand, as are the next three */
    bool is_thinned;
    int64_t first_step, last_step;
    struct state shared[DEPTH_MAX]; /* of the node at this depth; zeroed until it is needed */
    bool ready[DEPTH_MAX];
};

struct range_sum {
    struct window *window;
    struct state *into;
};

static int add_batch(void *context, const struct batch_row *row)
{
    struct range_sum *sum = context;
    const struct steps_work *w = sum->window->w;
    if (w->ask->rank >= 0 && row->key.rank != w->ask->rank)
        return OK;
    return query_state_add(sum->into, &row->key, row->samples, 1, row->state, row->state_size, w->p);
}

static int add_row(void *context, const struct rollup_row *row)
{
    struct range_sum *sum = context;
    return query_state_add(sum->into, NULL, row->samples, row->batches, row->state, row->state_size, sum->window->w->p);
}

/* Add the steps from .. to of an epoch; nothing if from > to. */
static int add_steps(struct window *window, struct state *into, int64_t epoch, int64_t from, int64_t to)
{
    struct range_sum sum = {window, into};
    const struct step_cover cover = {.conn = window->w->q->reader,
                                     .series = window->series->row,
                                     .level = window->w->ask->rank < 0 ? ROLLUP_LEVEL_COARSEST : 0,
                                     .with_state = true,
                                     .row = add_row,
                                     .batch = add_batch,
                                     .context = &sum,
                                     .p = window->w->p};
    return step_cover(&cover, epoch, window->closed, from, to);
}

static int find_epoch(struct window *window, int64_t epoch)
{
    const struct series_row *series = window->series->row;
    struct rollup_row row;
    bool found = false;
    int rc =
        store_rollup_get(window->w->q->reader, series->run, series->series, epoch, 0, 0, &row, &found, window->w->p);
    found = found && rc == OK;
    window->closed = found ? row.closed : 0;
    window->is_thinned = found && row.sealed_at != 0;
    window->first_step = found ? row.first_step : 0;
    window->last_step = found ? row.last_step : -1;
    return rc;
}

static int64_t start_of(const struct window *window, size_t i)
{
    int64_t start = window->ends[i].last - window->w->ask->window + 1;
    return start > 0 ? start : 0;
}

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t greater(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* A state for a depth, emptied. */
static int take_state(struct window *window, int depth)
{
    struct state *s = &window->shared[depth];
    if (window->ready[depth]) {
        state_clear(s);
        return OK;
    }
    int rc = query_state_init(s, window->series->row, window->with_cells, window->w->p);
    window->ready[depth] = rc == OK;
    return rc;
}

static int write_values(struct window *window, size_t i, struct state *s)
{
    const struct steps_ask *ask = window->w->ask;
    for (size_t m = 0; m < ask->n_metrics; m++) {
        if (ask->metrics[m].series != window->series->row)
            continue;
        double *value = window->columns[m].value + i * ask->metrics[m].length;
        int rc = query_value(&ask->metrics[m], s, &ask->run->options, value, window->w->p);
        if (rc != OK)
            return rc;
    }
    return OK;
}

/* No value: what the window would cut is known as a whole only. */
static void write_nothing(struct window *window, size_t i)
{
    const struct steps_ask *ask = window->w->ask;
    for (size_t m = 0; m < ask->n_metrics; m++)
        for (size_t v = 0, length = ask->metrics[m].length; v < length && ask->metrics[m].series == window->series->row;
             v++)
            window->columns[m].value[i * length + v] = NAN;
}

/* All of a thinned epoch is its own row, whatever buckets it has. */
static int add_whole_epoch(struct window *window, struct state *into, int64_t epoch)
{
    const struct series_row *series = window->series->row;
    struct steps_work *w = window->w;
    struct rollup_row row;
    bool found = false;
    int rc = store_rollup_get(w->q->reader, series->run, series->series, epoch, 0, 0, &row, &found, w->p);
    if (rc != OK || !found)
        return rc;
    return query_state_add(into, NULL, row.samples, row.batches, row.state, row.state_size, w->p);
}

/* The window i of a thinned epoch: exact where it begins with a bucket (or before the first step), else none.  Its end is that of
   an entry, which no bucket of the finest kind crosses. */
static int solve_thinned(struct window *window, size_t i)
{
    int64_t width = INT64_C(1) << ROLLUP_LEVEL_FINEST, from = start_of(window, i), to = window->ends[i].last;
    if (from > window->last_step)
        from = to + 1; /* nothing of this series is in it */
    else if (from <= window->first_step)
        from = 0;
    if ((from % width != 0 && from <= to) || window->w->ask->rank >= 0) {
        write_nothing(window, i);
        return OK;
    }
    int rc = take_state(window, 0);
    if (rc == OK && from <= to && from <= window->first_step && to >= window->last_step)
        rc = add_whole_epoch(window, &window->shared[0], window->ends[i].epoch);
    else if (rc == OK && from <= to)
        rc = add_steps(window, &window->shared[0], window->ends[i].epoch, from,
                       to | rollup_bucket_last(0, ROLLUP_LEVEL_FINEST));
    return rc == OK ? write_values(window, i, &window->shared[0]) : rc;
}

static int solve(struct window *window, size_t i, size_t j, int depth);

/* The child i .. j of the node above: what that shares, and the steps from .. to beside it. */
static int solve_child(struct window *window, size_t i, size_t j, int64_t from, int64_t to, int depth)
{
    int rc = take_state(window, depth);
    if (rc == OK)
        rc = query_state_merge(&window->shared[depth], &window->shared[depth - 1], window->w->p);
    if (rc == OK)
        rc = add_steps(window, &window->shared[depth], window->ends[i].epoch, from, to);
    return rc == OK ? solve(window, i, j, depth) : rc;
}

static int solve(struct window *window, size_t i, size_t j, int depth)
{
    if (i == j)
        return write_values(window, i, &window->shared[depth]);
    const struct window_end *ends = window->ends;
    size_t middle = i + (j - i) / 2;
    int64_t shared_from = start_of(window, j), shared_to = ends[i].last; /* empty if from > to */
    int rc = solve_child(window, i, middle, start_of(window, middle), lesser(shared_from - 1, shared_to), depth + 1);
    if (rc != OK)
        return rc;
    return solve_child(window, middle + 1, j, greater(shared_to + 1, shared_from), ends[middle + 1].last, depth + 1);
}

int steps_window(struct steps_work *w, const struct series_scan *s, const struct window_end *ends, size_t n,
                 struct steps_column *columns)
{
    struct window *window = arena_alloc(&w->q->arena, sizeof *window);
    if (window == NULL)
        return query_no_memory(w->p);
    *window = (struct window){.w = w,
                              .series = s,
                              .ends = ends,
                              .columns = columns,
                              .with_cells = query_needs_cells(w->ask->metrics, w->ask->n_metrics, s->row)};
    int rc = OK;
    for (size_t first = 0, last; first < n && rc == OK; first = last + 1) {
        for (last = first; last + 1 < n && ends[last + 1].epoch == ends[first].epoch;)
            last++;
        rc = find_epoch(window, ends[first].epoch);
        if (window->is_thinned) {
            for (size_t i = first; i <= last && rc == OK; i++)
                rc = solve_thinned(window, i);
            continue;
        }
        if (rc == OK)
            rc = take_state(window, 0);
        if (rc == OK)
            rc = add_steps(window, &window->shared[0], ends[first].epoch, start_of(window, last), ends[first].last);
        if (rc == OK)
            rc = solve(window, first, last, 0);
    }
    for (int depth = 0; depth < DEPTH_MAX; depth++)
        if (window->ready[depth])
            state_release(&window->shared[depth]);
    return rc;
}
