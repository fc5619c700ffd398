/*
 * Why: series of one stage need not share their epochs; lists and charts run over the union.  Runs on
 * the worker thread that owns q->reader.
 */
#include <string.h>

#include "query_axis.h"

struct merge {
    struct arena *arena;
    struct axis_epoch *old; /* [n_old]: the union so far, rising */
    size_t n_old, at_old;
    struct axis_epoch *made; /* the union with one more series */
    size_t n_made, cap;
    bool asked;
};

static int push(struct merge *m, const struct axis_epoch *epoch)
{
    if (m->n_made == m->cap) {
        size_t cap = m->cap > 0 ? 2 * m->cap : 16;
        void *grown = arena_grow(m->arena, m->made, m->cap * sizeof *m->made, cap * sizeof *m->made);
        if (grown == NULL)
            return ERR_MEMORY;
        m->made = grown;
        m->cap = cap;
    }
    m->made[m->n_made++] = *epoch;
    return OK;
}

static int merge_row(void *context, const struct rollup_row *row)
{
    struct merge *m = context;
    struct axis_epoch epoch = {.epoch = row->epoch,
                               .first_step = row->first_step,
                               .last_step = row->last_step,
                               .is_thinned = m->asked && row->sealed_at != 0,
                               .asked_steps = m->asked ? row->steps : 0};
    for (; m->at_old < m->n_old && m->old[m->at_old].epoch < row->epoch; m->at_old++)
        if (push(m, &m->old[m->at_old]) != OK)
            return ERR_MEMORY;
    if (m->at_old < m->n_old && m->old[m->at_old].epoch == row->epoch) {
        const struct axis_epoch *old = &m->old[m->at_old++];
        if (old->first_step < epoch.first_step)
            epoch.first_step = old->first_step;
        if (old->last_step > epoch.last_step)
            epoch.last_step = old->last_step;
        epoch.is_thinned = epoch.is_thinned || old->is_thinned;
        epoch.asked_steps += old->asked_steps;
    }
    return push(m, &epoch);
}

/* One more series into the union, by merging two rising lists. */
static int add_series(struct request *q, const struct series_row *series, bool asked, int64_t from, int64_t to,
                      struct axis_epoch **epochs, size_t *n, struct problem *p)
{
    struct merge m = {.arena = &q->arena, .old = *epochs, .n_old = *n, .asked = asked};
    int rc = store_rollups_each(q->reader, series->run, series->series, 0, from, to, merge_row, &m, p);
    for (; rc == OK && m.at_old < m.n_old; m.at_old++)
        rc = push(&m, &m.old[m.at_old]);
    if (rc != OK)
        return rc == ERR_MEMORY ? query_no_memory(p) : rc;
    *epochs = m.made;
    *n = m.n_made;
    return OK;
}

int query_axis(struct request *q, const struct query_run *run, const struct query_metric *metrics, size_t n,
               struct query_axis *out, struct problem *p)
{
    *out = (struct query_axis){.epochs = NULL};
    for (size_t i = 0; i < run->n_series; i++) {
        bool asked = false;
        for (size_t m = 0; m < n; m++)
            asked = asked || metrics[m].series == &run->series[i];
        int rc = add_series(q, &run->series[i], asked, 0, QUERY_INTEGER_MAX, &out->epochs, &out->n, p);
        if (rc != OK)
            return rc;
    }
    if (step_axis_place(out->epochs, out->n, &out->counted) != OK)
        return problem_set(p, PROBLEM_COUNT_OVERFLOW, NULL,
                           "the positions of these steps leave 64 bits; their epochs are too far apart");
    return OK;
}

int query_epoch_list(struct request *q, const struct series_row *const *series, size_t n, int64_t from, int64_t to,
                     struct axis_epoch **out, size_t *n_out, struct problem *p)
{
    *out = NULL;
    *n_out = 0;
    for (size_t i = 0; i < n; i++) {
        int rc = add_series(q, series[i], true, from, to, out, n_out, p);
        if (rc != OK)
            return rc;
    }
    return OK;
}
