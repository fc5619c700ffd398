/*
 * POST /api/v1/runs/{run}/batches.  Decoding happens on the network thread, the rest on the writer's:
 * the connection sleeps in between, and the answer goes out after the commit.
 *
 * The job lives in the request's arena, from start to finish.
 */
#include <string.h>

#include "app.h"
#include "auth.h"
#include "content_type.h"
#include "decode_run.h"
#include "ingest.h"
#include "json_writer.h"
#include "rate_limit.h"
#include "record.h"
#include "routes.h"

static int body_kind_of(const struct request *q, enum body_kind *out, struct problem *p)
{
    if (content_type_is(q->content_type, "application/json"))
        *out = BODY_JSON;
    else if (content_type_is(q->content_type, "application/x-ndjson"))
        *out = BODY_NDJSON;
    else
        return content_type_refuse(q->content_type, "application/json or application/x-ndjson", p);
    return OK;
}

/* The project of a run that this request may create. */
static int project_of(const struct request *q, const char **out, struct problem *p)
{
    const char *project = request_arg(q, "project");
    if (project != NULL && !project_is_valid(project, strlen(project)))
        return problem_set(p, PROBLEM_INVALID, "?project",
                           "not a project: 1 to 128 of A-Z a-z 0-9 . _ -, a letter or digit first");
    return auth_project(q, project, "?project", out, p);
}

static void done(struct job *first)
{
    struct request *all = first->context;

    all->next_resumed = NULL;
    for (const struct job *job = first->next; job != NULL; job = job->next) {
        struct request *q = job->context;
        q->next_resumed = all;
        all = q;
    }
    http_resume(all);
}

int api_batches_post_start(struct request *q, struct problem *p)
{
    struct {
        struct job job;
        struct record_list records;
    } *work = arena_alloc(&q->arena, sizeof *work);
    enum body_kind kind = BODY_JSON;
    const char *project = NULL;
    int rc;
    if (work == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "out of memory");
    if ((rc = body_kind_of(q, &kind, p)) != OK || (rc = project_of(q, &project, p)) != OK)
        return rc;
    if ((rc = rate_limit_records(q->app->rate, q, p)) != OK)
        return rc;
    rc = decode_records(q->body, q->body_size, kind, &q->app->limits, &q->arena, &work->records, p);
    if (rc != OK)
        return rc;
    rate_limit_charge(q->app->rate, q, work->records.n_records);
    request_body_done(q);         /* all that is needed of it was copied: while it waits it takes no room */
    struct job *job = &work->job; /* field by field: its problem is large, and set whole where it arises */
    job->kind = JOB_BATCHES;
    job->now = q->now;
    job->records = &work->records;
    job->project = project;
    job->token_project = q->token_project;
    job->bytes = sizeof *work + work->records.bytes;
    job->problem.code = 0;
    job->done = done;
    job->context = q;
    memcpy(job->run, q->run, strlen(q->run) + 1); /* a valid id fits */
    q->pending = job;
    return ingest_submit(q->app->ingest, job, p);
}

int api_batches_post_finish(struct request *q, struct response *r, struct problem *p)
{
    const struct job *job = q->pending;
    struct json_writer w;
    if (job->status != OK) {
        *p = job->problem;
        return job->status;
    }
    json_writer_init(&w, &r->body);
    json_object_begin(&w);
    json_key(&w, "accepted");
    json_int(&w, job->accepted);
    json_key(&w, "duplicates");
    json_int(&w, job->duplicates);
    json_key(&w, "stale");
    json_int(&w, job->stale);
    json_object_end(&w);
    return OK;
}
