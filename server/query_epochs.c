/*
 * Why: the epoch value is what Tally is for: counts added first, one metric afterwards.
 *
 * Epoch by epoch, so that memory does not grow with the run.  The sums come from the epoch's rollup
 * row; with rank= from that rank's batches.  Runs on the worker thread that owns q->reader.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "query_axis.h"
#include "query_step_mean.h"
#include "query_value.h"
#include "rank_set.h"
#include "seal_means.h"

#include "query_epochs.h"

/* A series that is asked for (or is the basis), with the sum of one epoch. */
struct epoch_series {
    const struct series_row *row;
    bool asked;
    struct state state;
    struct epoch_row counted;                  /* steps, batches, ... of this series in this epoch */
    int64_t revision, steady_since, last_step; /* of the epoch's rollup */
    bool is_thinned;                           /* its batches are gone */
    bool is_unknown;                           /* and of the rank asked for nothing but that it was there */
};

struct walk {
    struct request *q;
    const struct epochs_ask *ask;
    struct epoch_series *series;
    size_t n_series;
    struct epoch_value *values; /* [n_metrics] */
    struct step_mean *means;    /* [n_metrics] */
    struct problem *p;
};

static int add_series(struct walk *w, const struct series_row *row, bool asked)
{
    for (size_t i = 0; i < w->n_series; i++)
        if (w->series[i].row == row) {
            w->series[i].asked = w->series[i].asked || asked;
            return OK;
        }
    struct epoch_series *s = &w->series[w->n_series];
    memset(s, 0, sizeof *s);
    s->row = row;
    s->asked = asked;
    int rc = query_state_init(&s->state, row, query_needs_cells(w->ask->metrics, w->ask->n_metrics, row), w->p);
    if (rc == OK)
        w->n_series++;
    return rc;
}

static int begin(struct walk *w)
{
    const struct epochs_ask *ask = w->ask;
    struct arena *arena = &w->q->arena;
    w->series = arena_alloc(arena, (ask->n_metrics + 1) * sizeof *w->series);
    w->values = arena_alloc(arena, ask->n_metrics * sizeof *w->values);
    w->means = arena_alloc(arena, ask->n_metrics * sizeof *w->means);
    if (w->series == NULL || w->values == NULL || w->means == NULL)
        return query_no_memory(w->p);
    for (size_t i = 0; i < ask->n_metrics; i++) {
        const struct query_metric *m = &ask->metrics[i];
        double *room = arena_alloc(arena, 4 * m->length * sizeof *room);
        if (room == NULL)
            return query_no_memory(w->p);
        w->means[i].value = ask->mean_of_steps && !m->selector.is_mean ? room + 3 * m->length : NULL;
        w->values[i] = (struct epoch_value){.value = room,
                                            .low = room + m->length,
                                            .high = room + 2 * m->length,
                                            .mean_of_steps = w->means[i].value,
                                            .gap = ask->mean_of_steps && query_has_gap(m) ? &w->means[i].gap : NULL};
        int rc = add_series(w, m->series, true);
        if (rc != OK)
            return rc;
    }
    return add_series(w, query_basis(ask->run, ask->metrics, ask->n_metrics), false);
}

struct rank_scan {
    struct epoch_series *series;
    int64_t rank;
    int64_t step;
    struct problem *p;
};

static int scan_rank(void *context, const struct batch_row *row)
{
    struct rank_scan *scan = context;
    if (row->key.rank != scan->rank)
        return OK;
    struct epoch_row *counted = &scan->series->counted;
    if (counted->batches == 0)
        counted->first_step = row->key.step;
    if (row->key.step != scan->step)
        counted->steps++;
    scan->step = counted->last_step = row->key.step;
    counted->batches++;
    counted->samples += row->samples; /* no overflow: a part of the epoch's sum, which fits */
    counted->ranks = 1;
    return query_state_add(&scan->series->state, &row->key, row->samples, 1, row->state, row->state_size, scan->p);
}

static bool has_rank(const struct rollup_row *rollup, int64_t rank)
{
    struct rank_set ranks;
    rank_set_clear(&ranks);
    return rank_set_add_packed(&ranks, rollup->ranks, rollup->ranks_size) == OK && !rank_set_add(&ranks, rank);
}

/* The sum of one series over one epoch. */
static int read_epoch(struct walk *w, struct epoch_series *s, int64_t epoch)
{
    state_clear(&s->state);
    s->counted = (struct epoch_row){.epoch = epoch};
    s->is_thinned = s->is_unknown = false;
    struct rollup_row rollup;
    bool found = false;
    int rc = store_rollup_get(w->q->reader, s->row->run, s->row->series, epoch, 0, 0, &rollup, &found, w->p);
    if (rc != OK || !found)
        return rc;
    s->revision = rollup.revision;
    s->steady_since = rollup.steady_since;
    s->last_step = rollup.last_step;
    s->is_thinned = rollup.sealed_at != 0;
    if (s->is_thinned && w->ask->rank >= 0) {
        s->is_unknown = has_rank(&rollup, w->ask->rank);
        s->counted.ranks = s->is_unknown;
        return OK;
    }
    if (w->ask->rank >= 0) {
        struct rank_scan scan = {.series = s, .rank = w->ask->rank, .step = -1, .p = w->p};
        const struct batch_key from = {.epoch = epoch}, to = {epoch, INT64_MAX, INT64_MAX};
        return store_batches_each(w->q->reader, s->row->run, s->row->series, &from, &to, scan_rank, &scan, w->p);
    }
    s->counted = (struct epoch_row){.epoch = epoch,
                                    .steps = rollup.steps,
                                    .batches = rollup.batches,
                                    .samples = rollup.samples,
                                    .ranks = (int64_t)rank_set_packed_count(rollup.ranks, rollup.ranks_size),
                                    .first_step = rollup.first_step,
                                    .last_step = rollup.last_step};
    const struct batch_key key = {epoch, rollup.last_step, 0};
    return query_state_add(&s->state, &key, rollup.samples, rollup.batches, rollup.state, rollup.state_size, w->p);
}

static struct epoch_series *series_of(struct walk *w, const struct series_row *row)
{
    for (size_t i = 0; i < w->n_series; i++)
        if (w->series[i].row == row)
            return &w->series[i];
    return NULL;
}

static int compute(struct walk *w, size_t i)
{
    const struct query_metric *m = &w->ask->metrics[i];
    struct epoch_value *v = &w->values[i];
    struct epoch_series *s = series_of(w, m->series);
    v->is_lost = false;
    v->present = s->counted.batches > 0;
    if (!v->present)
        return OK;
    int rc = query_value(m, &s->state, &w->ask->run->options, v->value, w->p);
    if (rc != OK)
        return rc;
    v->has_interval = query_interval(m, &s->state, v->low, v->high);
    v->nonfinite = m->selector.is_mean ? s->state.mean.nonfinite : 0;
    return OK;
}

/* What was kept of them when the epoch was sealed. */
static int kept_means(struct walk *w, struct epoch_series *s)
{
    struct seal_row seal;
    bool found = false;
    int rc = store_seal_get(w->q->reader, s->row->run, s->row->series, s->counted.epoch, &seal, &found, w->p);
    for (size_t i = 0; rc == OK && i < w->ask->n_metrics; i++) {
        const struct query_metric *m = &w->ask->metrics[i];
        struct step_mean *out = &w->means[i];
        struct seal_mean kept;
        if (m->series != s->row || out->value == NULL)
            continue;
        bool is_kept = found && seal_means_find(&seal, m, &w->ask->run->options, &kept);
        w->values[i].is_lost = !is_kept;
        for (size_t v = 0; v < m->length; v++)
            out->value[v] = is_kept ? kept.value : NAN;
        out->gap = is_kept && kept.has_gap ? kept.gap : (struct gap_causes){.value = NAN};
    }
    return rc;
}

static int step_means(struct walk *w, struct epoch_series *s)
{
    if (s->is_thinned)
        return kept_means(w, s);
    const struct step_mean_job job = {.conn = w->q->reader,
                                      .cache = w->q->app->step_cache,
                                      .options = &w->ask->run->options,
                                      .series = s->row,
                                      .epoch = s->counted.epoch,
                                      .revision = s->revision,
                                      .steady_since = s->steady_since,
                                      .last_step = s->last_step,
                                      .may_grow = s->counted.epoch == s->row->last_epoch,
                                      .rank = w->ask->rank,
                                      .sum = &s->state};
    return query_step_means(&job, w->ask->metrics, w->ask->n_metrics, w->means, w->p);
}

/* The fixed fields: counts of the basis, steps from where to where over all that was read. */
static void fill_row(struct walk *w, int64_t epoch, struct epoch_row *row)
{
    const struct series_row *basis = query_basis(w->ask->run, w->ask->metrics, w->ask->n_metrics);
    *row = series_of(w, basis)->counted;
    row->epoch = epoch;
    bool any = false;
    for (size_t i = 0; i < w->n_series; i++) {
        const struct epoch_row *counted = &w->series[i].counted;
        if (counted->batches == 0)
            continue;
        row->first_step = !any || counted->first_step < row->first_step ? counted->first_step : row->first_step;
        row->last_step = !any || counted->last_step > row->last_step ? counted->last_step : row->last_step;
        any = true;
    }
    for (size_t i = 0; i < w->n_series; i++) {
        row->is_thinned = row->is_thinned || w->series[i].is_thinned;
        row->is_unknown = row->is_unknown || w->series[i].is_unknown;
    }
}

static int one_epoch(struct walk *w, int64_t epoch, bool *any, struct epoch_row *row)
{
    *any = false;
    for (size_t i = 0; i < w->n_series; i++) {
        int rc = read_epoch(w, &w->series[i], epoch);
        if (rc != OK)
            return rc;
        *any = *any || (w->series[i].asked && (w->series[i].counted.batches > 0 || w->series[i].is_unknown));
    }
    if (!*any)
        return OK; /* the rank that was asked for has nothing here */
    for (size_t i = 0; i < w->ask->n_metrics; i++) {
        int rc = compute(w, i);
        if (rc != OK)
            return rc;
    }
    for (size_t i = 0; w->ask->mean_of_steps && i < w->n_series; i++) {
        struct epoch_series *s = &w->series[i];
        if (!s->asked || s->counted.batches == 0)
            continue;
        int rc = step_means(w, s);
        if (rc != OK)
            return rc;
    }
    fill_row(w, epoch, row);
    return OK;
}

static int walk_epochs(struct walk *w, int (*fn)(void *, const struct epoch_row *, const struct epoch_value *),
                       void *context)
{
    int rc = begin(w);
    if (rc != OK)
        return rc;
    const struct series_row **asked = arena_alloc(&w->q->arena, w->n_series * sizeof *asked);
    if (asked == NULL)
        return query_no_memory(w->p);
    size_t n_asked = 0, n_epochs;
    for (size_t i = 0; i < w->n_series; i++)
        if (w->series[i].asked)
            asked[n_asked++] = w->series[i].row;
    int64_t only = w->ask->epoch;
    struct axis_epoch *epochs;
    rc = query_epoch_list(w->q, asked, n_asked, only >= 0 ? only : 0, only >= 0 ? only : QUERY_INTEGER_MAX, &epochs,
                          &n_epochs, w->p);
    for (size_t i = 0; rc == OK && i < n_epochs; i++) {
        struct epoch_row row;
        bool any;
        rc = one_epoch(w, epochs[i].epoch, &any, &row);
        if (rc == OK && any)
            rc = fn(context, &row, w->values);
    }
    return rc;
}

int query_epochs(struct request *q, const struct epochs_ask *ask,
                 int (*fn)(void *context, const struct epoch_row *row, const struct epoch_value *values), void *context,
                 struct problem *p)
{
    if (!ask->run->stage_known || ask->n_metrics == 0)
        return OK;
    struct walk w = {.q = q, .ask = ask, .p = p};
    int rc = walk_epochs(&w, fn, context);
    for (size_t i = 0; i < w.n_series; i++)
        state_release(&w.series[i].state);
    return rc;
}
