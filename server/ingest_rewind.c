/**
 * Settling a rewind: cut the series of the run at a position and repair their sums.
 *
 * Every window that the cut removes or divides loses its rollup.  The epoch is summed again from the batches that
 * are left, since min, max and last cannot be subtracted; of its buckets those that were divided are left open.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ingest_group.h"
#include "rollup_levels.h"

enum { RANK_MAX = 65535 };

/* Rebuilding one rollup, batch by batch in key order. */
static int rebuild_add(void *context, const struct batch_row *b)
{
    struct group *g = context;

    if (b->key.rank < 0 || b->key.rank > RANK_MAX)
        return ERR_CORRUPT;
    rank_set_add(&g->ranks, b->key.rank);
    return window_sum_next(&g->window, b);
}

static int rebuild_write(struct group *g, int64_t revision, int64_t now, int64_t closed, struct problem *p)
{
    struct rollup_row row;
    size_t ranks_size = rank_set_pack(&g->ranks, NULL, 0);
    uint8_t *ranks = malloc(ranks_size + 1);
    int status = ranks != NULL ? window_sum_row(&g->window, &row) : ERR_MEMORY;

    if (status != OK) {
        free(ranks);
        return problem_from_status(p, status);
    }
    rank_set_pack(&g->ranks, ranks, ranks_size);
    row.ranks = ranks;
    row.ranks_size = ranks_size;
    row.revision = row.steady_since = revision;
    row.written_at = now;
    row.closed = closed;
    status = store_write_rollup(g->store, &row, p);
    free(ranks);
    return status;
}

/* The rollup of one epoch from its batches; none if there are none. */
static int rebuild_epoch(struct group *g, const struct series_row *series, int64_t epoch, int64_t revision, int64_t now,
                         int64_t closed, struct problem *p)
{
    struct batch_key from = {.epoch = epoch}, to = {.epoch = epoch, .step = INT64_MAX, .rank = INT64_MAX};
    int status = window_sum_open(&g->window, series, g->memory);

    if (status != OK)
        return problem_from_status(p, status);
    rank_set_clear(&g->ranks);
    window_sum_begin(&g->window, epoch, 0, 0);
    status = store_batches_each(g->conn, series->run, series->series, &from, &to, rebuild_add, g, p);
    if (status > STATUS_SERVER && status < OK) /* of lib/, through the callback */
        status = problem_from_status(p, status);
    return status == OK && g->window.sum.batches > 0 ? rebuild_write(g, revision, now, closed, p) : status;
}

/* How far the buckets of the epoch still reach once it is cut at this step. */
static int closed_before(struct group *g, const struct series_row *series, int64_t epoch, int64_t step, int64_t *out,
                         struct problem *p)
{
    struct rollup_row row;
    bool found = false;
    int status = store_rollup_get(g->conn, series->run, series->series, epoch, 0, 0, &row, &found, p);

    if (status != OK)
        return status;
    *out = step >> ROLLUP_LEVEL_FINEST << ROLLUP_LEVEL_FINEST;
    if (!found || row.closed < *out)
        *out = found ? row.closed : 0;
    return OK;
}

static int count_rollup(void *context, const struct rollup_row *row)
{
    struct series_row *series = context;

    series->epochs++;
    series->batches += row->batches;
    if (__builtin_add_overflow(series->samples, row->samples, &series->samples))
        series->samples = INT64_MAX;
    series->last_epoch = row->epoch;
    series->last_step = row->last_step;
    return OK;
}

/* A sealed epoch ends before the cut (check_open()), and is its rows: what is cut begins after it. */
static int skip_sealed(struct group *g, const struct series_row *series, int64_t *epoch, int64_t *step,
                       struct problem *p)
{
    struct rollup_row row;
    bool found = false;
    int status = store_rollup_get(g->conn, series->run, series->series, *epoch, 0, 0, &row, &found, p);

    if (status == OK && found && row.sealed_at != 0) {
        ++*epoch;
        *step = 0;
    }
    return status;
}

/* Cut one series; a series that ends up empty stays, with its shape. */
static int cut_series(struct group *g, struct series_row *series, int64_t epoch, int64_t step, int64_t revision,
                      int64_t now, int64_t *removed, struct problem *p)
{
    int64_t n = 0, closed = 0;
    int status = skip_sealed(g, series, &epoch, &step, p);

    if (status == OK)
        status = store_write_batches_cut(g->store, series->run, series->series, epoch, step, &n, p);

    if (status != OK || n == 0)
        return status;
    *removed += n;
    status = closed_before(g, series, epoch, step, &closed, p);
    if (status == OK)
        status = store_write_rollups_cut(g->store, series->run, series->series, epoch, step, p);
    if (status == OK)
        status = rebuild_epoch(g, series, epoch, revision, now, closed, p);
    series->epochs = series->batches = series->samples = 0;
    series->last_epoch = series->last_step = -1;
    if (status == OK)
        status = store_rollups_each(g->conn, series->run, series->series, 0, 0, INT64_MAX, count_rollup, series, p);
    return status == OK ? store_write_series(g->store, series, p) : status;
}

/* The series of a run, copied: they are changed while we go through them. */
struct series_list {
    struct series_row *rows;
    size_t n, cap;
    const char *stage; /* NULL: every stage */
};

static int list_series(void *context, const struct series_row *row)
{
    struct series_list *l = context;

    if (l->stage != NULL && strcmp(l->stage, row->stage) != 0)
        return OK;
    if (l->n == l->cap) {
        size_t cap = l->cap < 16 ? 16 : l->cap * 2;
        struct series_row *rows = realloc(l->rows, cap * sizeof *rows);
        if (rows == NULL)
            return PROBLEM_MEMORY;
        l->rows = rows;
        l->cap = cap;
    }
    l->rows[l->n++] = *row;
    return OK;
}

/* Where the cut goes in this series: what is evaluated belongs to its epoch as a whole. */
static int64_t cut_step(const struct job *job, const struct series_row *series)
{
    return job->stage == NULL && strcmp(series->stage, "train") != 0 ? 0 : job->step;
}

/* Batches of a sealed epoch cannot be taken out of its sum: before anything is written. */
static int check_open(struct group *g, struct job *job, const struct series_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct series_row *series = &list->rows[i];
        int64_t sealed = -1;
        int status = store_sealed_after(g->conn, series->run, series->series, job->epoch, cut_step(job, series),
                                        &sealed, &job->problem);
        if (status != OK)
            return status;
        if (sealed >= 0)
            return problem_set(&job->problem, PROBLEM_SEALED, sealed == job->epoch ? "/step" : "/epoch",
                               "epoch %" PRId64 " of series %s, stage %s, is sealed: its batches were thinned to their "
                               "sums, so nothing can be cut from it",
                               sealed, series->name, series->stage);
    }
    return OK;
}

static int cut_all(struct group *g, struct job *job, const struct run_row *row, const struct series_list *list)
{
    int status = OK;

    for (size_t i = 0; i < list->n && status == OK; i++)
        status = cut_series(g, &list->rows[i], job->epoch, cut_step(job, &list->rows[i]), row->revision + 1, job->now,
                            &job->removed, &job->problem);
    return status;
}

static int list_all(struct group *g, struct job *job, const struct run_row *row, struct series_list *list)
{
    int status = store_series_each(g->conn, row->run, list_series, list, &job->problem);

    return status == PROBLEM_MEMORY ? problem_set(&job->problem, status, NULL, "no memory") : status;
}

/* An attempt that makes a cut becomes the newest: all that were seen before are earlier. */
static int write_cut(struct group *g, const struct job *job, const struct group_run *run, const char *attempt,
                     struct problem *p)
{
    struct attempt_row cut = {.number = run->last_number + 1, .rewound = true, .epoch = job->epoch, .step = job->step};

    if (strlen(attempt) >= sizeof cut.attempt || (job->stage != NULL && strlen(job->stage) >= sizeof cut.stage))
        return problem_set(p, PROBLEM_INVALID, NULL, "the name of an attempt or stage is too long");
    strcpy(cut.attempt, attempt);
    if (job->stage != NULL)
        strcpy(cut.stage, job->stage);
    return store_write_attempt(g->store, run->row.run, &cut, p);
}

int group_settle_rewind(struct group *g, struct job *job)
{
    struct problem *p = &job->problem;
    struct group_run *run = NULL;
    struct group_attempt *attempt = NULL;
    const char *name = job->attempt != NULL ? job->attempt : ""; /* "" is a cut without a name, never seen before */
    int status = group_flush_out(g, p);

    job->removed = job->revision = 0;
    if (status == OK)
        status = group_find_run(g, job->run, &run, p);
    if (status == OK && (run == NULL || !group_may_touch(job, &run->row)))
        status = problem_set(p, PROBLEM_UNKNOWN_RUN, NULL, "there is no run %s", job->run);
    if (status == OK)
        status = group_find_attempt(g, run, name, &attempt, p);
    if (status == OK && attempt == NULL)
        status = group_room_for_attempt(g, run, "/attempt", p);
    if (status != OK) {
        group_forget(g);
        return status;
    }

    struct series_list list = {.stage = job->stage};
    bool applied = name[0] != '\0' && attempt != NULL && attempt->row.rewound;
    if (!applied) {
        status = list_all(g, job, &run->row, &list);
        if (status == OK)
            status = check_open(g, job, &list);
        if (status != OK) { /* nothing was written */
            free(list.rows);
            group_forget(g);
            return status;
        }
        status = write_cut(g, job, run, name, p);
        if (status == OK)
            status = cut_all(g, job, &run->row, &list);
        free(list.rows);
    }
    int64_t revision = run->row.revision + (job->removed > 0);
    if (status == OK)
        status = store_write_run_touch(g->store, run->row.run, revision, job->now, job->now, p);
    if (status != OK)
        g->broken = true;
    job->revision = revision;
    group_forget(g);
    return status;
}
