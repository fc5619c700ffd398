/*
 * The calls that change a run.  Each is one job of the writer; a worker waits for it and then reads
 * the run as it now is, so the answer may already hold what came after.
 */
#include <string.h>

#include "app.h"
#include "auth.h"
#include "content_type.h"
#include "decode_run.h"
#include "encode_run.h"
#include "ingest.h"
#include "json_writer.h"
#include "routes.h"

static int need_json(const struct request *q, struct problem *p)
{
    return content_type_is(q->content_type, "application/json")
               ? OK
               : content_type_refuse(q->content_type, "application/json", p);
}

static struct job job_of(const struct request *q, enum job_kind kind)
{
    struct job job = {
        .kind = kind, .now = q->now, .bytes = sizeof job + q->body_size, .token_project = q->token_project};
    memcpy(job.run, q->run, strlen(q->run) + 1); /* a valid id fits */
    return job;
}

static int run_job(struct request *q, struct job *job, struct problem *p)
{
    int rc = ingest_run(q->app->ingest, job);
    if (rc != OK)
        *p = job->problem;
    return rc;
}

/* ---- the answer: the run as it is stored now ---- */

struct series_list {
    struct arena *arena;
    struct series_row *rows;
    size_t n, cap;
};

static int keep_series(void *context, const struct series_row *row)
{
    struct series_list *list = context;
    if (list->n == list->cap) {
        size_t cap = list->cap == 0 ? 8 : list->cap * 2;
        struct series_row *rows = arena_grow(list->arena, list->rows, list->cap * sizeof *rows, cap * sizeof *rows);
        if (rows == NULL)
            return PROBLEM_MEMORY;
        list->rows = rows;
        list->cap = cap;
    }
    list->rows[list->n++] = *row;
    return OK;
}

static int read_run(struct request *q, struct run_row *run, bool *found, struct series_list *series, struct problem *p)
{
    int rc = store_snapshot_begin(q->reader, p);
    if (rc != OK)
        return rc;
    rc = store_run_find(q->reader, q->run, run, found, p);
    if (rc == OK && *found && !auth_sees(q, run->project)) { /* deleted, and made again by somebody else */
        run_row_release(run);
        *found = false;
    }
    if (rc == OK && *found)
        rc = store_series_each(q->reader, run->run, keep_series, series, p);
    store_snapshot_end(q->reader);
    if (rc == PROBLEM_MEMORY)
        problem_set(p, PROBLEM_MEMORY, NULL, "out of memory");
    return rc;
}

static int answer_run(struct request *q, struct response *r, struct problem *p)
{
    struct run_row run = {0};
    struct series_list series = {.arena = &q->arena};
    struct json_writer w;
    bool found = false;
    int rc = read_run(q, &run, &found, &series, p);
    if (rc == OK && !found) /* deleted since */
        rc = problem_set(p, PROBLEM_UNKNOWN_RUN, NULL, "there is no run %s", q->run);
    if (rc == OK) {
        json_writer_init(&w, &r->body);
        encode_run_document(&w, &run, q->now, series.rows, series.n);
    }
    run_row_release(&run);
    return rc;
}

/* ---- handlers ---- */

int api_run_put(struct request *q, struct response *r, struct problem *p)
{
    struct run_change change;
    struct job job = job_of(q, JOB_RUN_PUT);
    const char *project = NULL;
    int rc = q->body_size == 0 ? OK : need_json(q, p);
    if (rc == OK)
        rc = decode_run_put(q->body, q->body_size, &q->app->limits, &q->arena, &change, p);
    if (rc == OK)
        rc = auth_project(q, change.project, "/project", &project, p);
    if (rc != OK)
        return rc;
    job.change = &change;
    job.project = project;
    if ((rc = run_job(q, &job, p)) != OK || (rc = answer_run(q, r, p)) != OK)
        return rc;
    r->status = job.created ? 201 : 200;
    return OK;
}

int api_run_patch(struct request *q, struct response *r, struct problem *p)
{
    struct run_change change;
    struct job job = job_of(q, JOB_RUN_PATCH);
    int rc = need_json(q, p);
    if (rc == OK)
        rc = decode_run_patch(q->body, q->body_size, &q->app->limits, &q->arena, &change, p);
    if (rc == OK)
        rc = auth_project(q, change.project, "/project", &(const char *){NULL}, p);
    if (rc != OK)
        return rc;
    job.change = &change;
    rc = run_job(q, &job, p);
    return rc == OK ? answer_run(q, r, p) : rc;
}

int api_run_delete(struct request *q, struct response *r, struct problem *p)
{
    struct job job = job_of(q, JOB_RUN_DELETE);
    int rc = run_job(q, &job, p);
    if (rc == OK)
        r->status = 204;
    return rc;
}

int api_run_rewind(struct request *q, struct response *r, struct problem *p)
{
    struct rewind_cut cut;
    struct json_writer w;
    struct job job = job_of(q, JOB_REWIND);
    int rc = need_json(q, p);
    if (rc == OK)
        rc = decode_rewind(q->body, q->body_size, &q->arena, &cut, p);
    if (rc != OK)
        return rc;
    job.attempt = cut.attempt;
    job.stage = cut.stage;
    job.epoch = cut.epoch;
    job.step = cut.step;
    if ((rc = run_job(q, &job, p)) != OK)
        return rc;
    json_writer_init(&w, &r->body);
    json_object_begin(&w);
    json_key(&w, "removed");
    json_int(&w, job.removed);
    json_key(&w, "revision");
    json_int(&w, job.revision);
    json_object_end(&w);
    return OK;
}
