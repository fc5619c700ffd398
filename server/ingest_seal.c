/**
 * Settling a seal: from here on an epoch is its sums.  What was computed from its batches is taken only if they still are what
 * it was computed from; the buckets are closed up to the end, so that the rows tell all of the epoch; the mark is
 * written.  The batches go afterwards, in transactions of their own.
 *
 * All of it in one transaction, and before anything is written all parts are looked at: an epoch is sealed in every series
 * that was named, or in none.
 */
#include <string.h>

#include "ingest_group.h"

/* The series of a part as it is stored; *out NULL: it has gone, or its epoch is not what it was. */
static int find_part(struct group *g, struct group_run *run, const struct seal_part *part, int64_t epoch,
                     struct group_series **out, struct problem *p)
{
    const struct series_row *row = part->series;
    struct group_series *series = NULL;
    struct rollup_row stored;
    bool found = false;
    int status = group_find_series(g, run, row->stage, row->name, form_kind(row->shape.form), &series, p);

    *out = NULL;
    if (status != OK || series == NULL || series->row.series != row->series)
        return status;
    status = store_rollup_get(g->conn, row->run, row->series, epoch, 0, 0, &stored, &found, p);
    if (status == OK && found && stored.sealed_at == 0 && stored.revision == part->revision)
        *out = series;
    return status;
}

struct stage_end {
    const char *stage;
    int64_t last_epoch;
};

static int find_end(void *context, const struct series_row *row)
{
    struct stage_end *end = context;

    if (strcmp(row->stage, end->stage) == 0 && row->last_epoch > end->last_epoch)
        end->last_epoch = row->last_epoch;
    return OK;
}

/* May it be sealed?  Not while the run may still be writing it. */
static int look_at_parts(struct group *g, const struct job *job, struct group_run *run, bool *ready, struct problem *p)
{
    const struct seal_change *change = job->seal;
    struct stage_end end = {.stage = change->parts[0].series->stage, .last_epoch = -1};
    int status = store_series_each(g->conn, change->run, find_end, &end, p);

    *ready = change->epoch != end.last_epoch || run_status_effective(&run->row, job->now) != RUN_RUNNING;
    for (size_t i = 0; i < change->n && status == OK && *ready; i++) {
        struct group_series *series = NULL;
        status = find_part(g, run, &change->parts[i], change->epoch, &series, p);
        *ready = series != NULL;
    }
    return status;
}

static int seal_parts(struct group *g, const struct job *job, struct group_run *run, struct problem *p)
{
    const struct seal_change *change = job->seal;
    const struct run_row *row = &run->row;
    int status = OK;

    for (size_t i = 0; i < change->n && status == OK; i++) {
        struct group_series *series = NULL;
        status = find_part(g, run, &change->parts[i], change->epoch, &series, p);
        if (status == OK && series == NULL)
            status = problem_set(p, PROBLEM_INTERNAL, NULL, "a series has gone within a transaction");
        if (status == OK)
            status = buckets_end_epoch(g, series, change->epoch, p);
        if (status == OK)
            status = store_write_seal(g->store, &change->parts[i].seal, job->now, p);
    }
    /* answers change, so the revision rises; it is no sign of life */
    return status == OK ? store_write_run_touch(g->store, row->run, row->revision + 1, row->updated_at, row->seen_at, p)
                        : status;
}

int group_settle_seal(struct group *g, struct job *job)
{
    struct problem *p = &job->problem;
    struct group_run *run = NULL;
    bool ready = false;
    int status = group_flush_out(g, p);

    job->sealed = 0;
    if (status == OK)
        status = group_find_run(g, job->run, &run, p);
    if (status == OK && run != NULL && run->row.run == job->seal->run)
        status = look_at_parts(g, job, run, &ready, p);
    if (status == OK && ready) {
        status = seal_parts(g, job, run, p);
        if (status != OK)
            g->broken = true;
    }
    if (status == OK && ready) {
        job->sealed = (int64_t)job->seal->n;
        g->sealed = true;
    }
    group_forget(g);
    return status;
}
