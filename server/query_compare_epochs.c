/*
 * Why: the epoch values of many runs side by side, and those of groups of runs as if each group were one: counts
 * are added across runs as they are across batches.  Runs on the worker thread that owns q->reader.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "query_epochs.h"
#include "query_value.h"

#include "query_compare.h"

/* The epochs of one run, as they come: [n] epochs, and for each 3 values a metric of the run. */
struct epoch_list {
    struct request *q;
    const struct compare_ask *ask;
    int64_t *epochs;
    double *values;
    size_t n, cap, width;
    struct query_metric *metrics; /* [n_metrics]: those that the run has */
    size_t *places, n_metrics;    /* where they stand in the ask */
    size_t *total;                /* values of all runs so far */
    struct problem *p;
};

static int too_many(struct problem *p)
{
    return problem_set(p, PROBLEM_INVALID, "?from",
                       "these epochs, runs and metrics are more than %d values; narrow them with from and to",
                       (int)COMPARE_VALUES_MAX);
}

static int grow(struct epoch_list *list)
{
    size_t cap = list->cap > 0 ? 2 * list->cap : 32, size = list->width * sizeof *list->values;
    int64_t *epochs = arena_grow(&list->q->arena, list->epochs, list->cap * sizeof *epochs, cap * sizeof *epochs);
    double *values = arena_grow(&list->q->arena, list->values, list->cap * size, cap * size);
    if (epochs == NULL || values == NULL)
        return query_no_memory(list->p);
    list->epochs = epochs;
    list->values = values;
    list->cap = cap;
    return OK;
}

static int take_epoch(void *context, const struct epoch_row *row, const struct epoch_value *values)
{
    struct epoch_list *list = context;
    if (row->epoch < list->ask->from || row->epoch > list->ask->to)
        return OK;
    *list->total += list->width;
    if (*list->total > 3 * (size_t)COMPARE_VALUES_MAX)
        return too_many(list->p);
    int rc = list->n == list->cap ? grow(list) : OK;
    if (rc != OK)
        return rc;
    double *to = list->values + list->n * list->width;
    list->epochs[list->n++] = row->epoch;
    for (size_t m = 0; m < list->n_metrics; m++, to += 3) {
        to[0] = values[m].present ? values[m].value[0] : NAN;
        bool has_interval = values[m].present && values[m].has_interval;
        to[1] = has_interval ? values[m].low[0] : NAN;
        to[2] = has_interval ? values[m].high[0] : NAN;
    }
    return OK;
}

static int read_run(struct epoch_list *list, const struct compare_run *run)
{
    size_t n_all = list->ask->n_metrics;
    list->metrics = arena_alloc(&list->q->arena, n_all * sizeof *list->metrics);
    list->places = arena_alloc(&list->q->arena, n_all * sizeof *list->places);
    if (list->metrics == NULL || list->places == NULL)
        return query_no_memory(list->p);
    for (size_t m = 0; m < n_all; m++)
        if (run->metrics[m].series != NULL) {
            list->metrics[list->n_metrics] = run->metrics[m];
            list->places[list->n_metrics++] = m;
        }
    list->width = 3 * list->n_metrics;
    const struct epochs_ask ask = {
        .run = &run->run, .metrics = list->metrics, .n_metrics = list->n_metrics, .epoch = -1, .rank = -1};
    return query_epochs(list->q, &ask, take_epoch, list, list->p);
}

static int compare_ints(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* The union of the runs' epochs. */
static int join_epochs(const struct epoch_list *lists, size_t n_lists, struct compare_answer *out)
{
    size_t n = 0;
    for (size_t i = 0; i < n_lists; i++)
        n += lists[i].n;
    out->x = arena_alloc(&lists->q->arena, n * sizeof *out->x);
    if (out->x == NULL)
        return query_no_memory(lists->p);
    n = 0;
    for (size_t i = 0; i < n_lists; i++) {
        if (lists[i].n > 0)
            memcpy(out->x + n, lists[i].epochs, lists[i].n * sizeof *out->x);
        n += lists[i].n;
    }
    qsort(out->x, n, sizeof *out->x, compare_ints);
    for (size_t i = 0; i < n; i++)
        if (out->n == 0 || out->x[i] != out->x[out->n - 1])
            out->x[out->n++] = out->x[i];
    return OK;
}

static void spread(const struct epoch_list *list, size_t run, struct compare_answer *out)
{
    size_t k = 0;
    for (size_t i = 0; i < list->n; i++) {
        while (out->x[k] != list->epochs[i])
            k++;
        for (size_t m = 0; m < list->n_metrics; m++) {
            size_t at = (run * list->ask->n_metrics + list->places[m]) * out->n + k;
            const double *from = list->values + i * list->width + 3 * m;
            out->value[at] = from[0];
            out->low[at] = from[1];
            out->high[at] = from[2];
        }
    }
}

/* Three arrays of NAN. */
static double *make_values(struct arena *arena, size_t n, double **value, double **low, double **high)
{
    double *room = arena_alloc(arena, 3 * n * sizeof *room);
    for (size_t i = 0; room != NULL && i < 3 * n; i++)
        room[i] = NAN;
    *value = room;
    *low = room + n;
    *high = room + 2 * n;
    return room;
}

int compare_epochs(struct request *q, const struct compare_ask *ask, struct compare_answer *out, struct problem *p)
{
    size_t total = 0, n_columns = ask->n_runs * ask->n_metrics;
    *out = (struct compare_answer){.width = 1};
    struct epoch_list *lists = arena_alloc(&q->arena, ask->n_runs * sizeof *lists);
    if (lists == NULL)
        return query_no_memory(p);
    int rc = OK;
    for (size_t r = 0; r < ask->n_runs && rc == OK; r++) {
        lists[r] = (struct epoch_list){.q = q, .ask = ask, .total = &total, .p = p};
        rc = read_run(&lists[r], &ask->runs[r]);
    }
    if (rc == OK)
        rc = join_epochs(lists, ask->n_runs, out);
    if (rc != OK)
        return rc;
    if (out->n > COMPARE_VALUES_MAX / n_columns)
        return too_many(p);
    if (make_values(&q->arena, n_columns * out->n, &out->value, &out->low, &out->high) == NULL)
        return query_no_memory(p);
    for (size_t r = 0; r < ask->n_runs; r++)
        spread(&lists[r], r, out);
    return OK;
}

/* ---- groups ---- */

struct pool {
    struct request *q;
    const struct compare_ask *ask;
    const struct compare_answer *answer;
    struct problem *p;
};

/* The first run of a group that has a metric; NULL: none, or their series cannot be added. */
static const struct compare_run *first_of(const struct pool *pool, const struct compare_group *g, size_t m)
{
    const struct compare_run *first = NULL;
    for (size_t i = 0; i < g->n_runs; i++) {
        const struct compare_run *run = &pool->ask->runs[g->runs[i]];
        const struct series_row *series = run->metrics[m].series;
        if (series == NULL)
            continue;
        if (first == NULL)
            first = run;
        else if (!shape_equal(&series->shape, &first->metrics[m].series->shape))
            return NULL;
    }
    return first;
}

static int add_run(const struct pool *pool, const struct series_row *series, int64_t epoch, struct state *sum,
                   bool *any)
{
    struct rollup_row row;
    bool found = false;
    int rc = store_rollup_get(pool->q->reader, series->run, series->series, epoch, 0, 0, &row, &found, pool->p);
    if (rc != OK || !found)
        return rc;
    *any = true;
    return query_state_add(sum, NULL, row.samples, row.batches, row.state, row.state_size, pool->p);
}

static int pool_metric(const struct pool *pool, struct compare_group *g, size_t m)
{
    const struct compare_run *first = first_of(pool, g, m);
    struct state sum;
    if (first == NULL)
        return OK;
    const struct query_metric *metric = &first->metrics[m];
    int rc = query_state_init(&sum, metric->series, query_needs_cells(metric, 1, metric->series), pool->p);
    for (size_t i = 0; i < pool->answer->n && rc == OK; i++) {
        size_t at = m * pool->answer->n + i;
        bool any = false;
        state_clear(&sum);
        for (size_t r = 0; r < g->n_runs && rc == OK; r++) {
            const struct series_row *series = pool->ask->runs[g->runs[r]].metrics[m].series;
            if (series != NULL)
                rc = add_run(pool, series, pool->answer->x[i], &sum, &any);
        }
        if (rc != OK || !any)
            continue;
        rc = query_value(metric, &sum, &first->run.options, &g->value[at], pool->p);
        if (rc == OK)
            query_interval(metric, &sum, &g->low[at], &g->high[at]);
    }
    state_release(&sum);
    return rc;
}

/* The place of a key among the groups, which rise; a new one is made. */
static struct compare_group *group_of(struct compare_group *groups, size_t *n, const struct run_value *key,
                                      size_t *room)
{
    size_t i = 0;
    while (i < *n && run_value_compare(&groups[i].key, key) < 0)
        i++;
    if (i < *n && run_value_compare(&groups[i].key, key) == 0)
        return &groups[i];
    memmove(groups + i + 1, groups + i, (*n - i) * sizeof *groups);
    groups[i] = (struct compare_group){.key = *key, .runs = room};
    ++*n;
    return &groups[i];
}

static int sort_into_groups(const struct pool *pool, const char *path, struct compare_group **out, size_t *n)
{
    size_t n_runs = pool->ask->n_runs;
    struct compare_group *groups = arena_alloc(&pool->q->arena, (n_runs + 1) * sizeof *groups);
    *n = 0;
    if (groups == NULL)
        return query_no_memory(pool->p);
    for (size_t r = 0; r < n_runs; r++) {
        struct run_view view;
        struct run_value key;
        run_view_init(&view, &pool->ask->runs[r].run.run, pool->q->now);
        int rc = run_view_config(&view, path, &pool->q->arena, &key, pool->p);
        run_view_release(&view);
        size_t *room = arena_alloc(&pool->q->arena, n_runs * sizeof *room);
        if (rc == OK && room == NULL)
            rc = query_no_memory(pool->p);
        if (rc != OK)
            return rc;
        struct compare_group *group = group_of(groups, n, &key, room);
        group->runs[group->n_runs++] = r;
    }
    *out = groups;
    return OK;
}

int compare_groups(struct request *q, const struct compare_ask *ask, const struct compare_answer *answer,
                   const char *path, struct compare_group **out, size_t *n, struct problem *p)
{
    const struct pool pool = {q, ask, answer, p};
    int rc = sort_into_groups(&pool, path, out, n);
    for (size_t i = 0; i < *n && rc == OK; i++) {
        struct compare_group *g = &(*out)[i];
        if (make_values(&q->arena, ask->n_metrics * answer->n, &g->value, &g->low, &g->high) == NULL)
            return query_no_memory(p);
        for (size_t m = 0; m < ask->n_metrics && rc == OK; m++)
            rc = pool_metric(&pool, g, m);
    }
    return rc;
}
