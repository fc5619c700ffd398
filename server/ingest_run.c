/** Settling changes of a run's document: PUT, PATCH, DELETE.  They write at once, after a flush. */
#include <stdlib.h>
#include <string.h>

#include "ingest_group.h"
#include "json.h"

/* Equal as documents written by json.c; nothing there is the empty document. */
static bool same_text(const char *a, const char *b, const char *empty)
{
    return strcmp(a != NULL ? a : empty, b != NULL ? b : empty) == 0;
}

/* Take text (malloc'ed or NULL) in place of *field; says whether that changed it. */
static void replace(char **field, char *text, const char *empty, bool *changed)
{
    if (!same_text(*field, text, empty))
        *changed = true;
    free(*field);
    *field = text;
}

static int set_plain(char **field, const char *text, bool *changed, struct problem *p)
{
    char *copy = text != NULL ? strdup(text) : NULL;

    if (text != NULL && copy == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
    if ((*field == NULL) != (copy == NULL)) /* "" is a name, NULL is none */
        *changed = true;
    replace(field, copy, "", changed);
    return OK;
}

static int merge_json(char **field, const char *patch, size_t size_max, const char *pointer, bool *changed,
                      struct problem *p)
{
    char *merged = NULL;
    int status = json_merge_patch(*field, patch, &merged, p);

    if (status == OK && strlen(merged) > size_max) {
        status =
            problem_set(p, PROBLEM_INVALID, pointer, "merged into what the run has, it is %zu bytes; %zu is the most",
                        strlen(merged), size_max);
        free(merged);
        return status;
    }
    if (status == OK)
        replace(field, merged, "{}", changed);
    return status;
}

static int set_tags(struct run_row *row, const struct run_change *change, bool unite, bool *changed, struct problem *p)
{
    char *before = NULL, *after = NULL;
    int status = json_string_set(row->tags, NULL, 0, &before, p); /* written by the same hand as after */

    if (status == OK)
        status = json_string_set(unite ? before : NULL, change->tags, change->n_tags, &after, p);
    if (status == OK) {
        replace(&row->tags, before, "[]", &(bool){false});
        replace(&row->tags, after, "[]", changed);
        before = NULL;
    }
    free(before);
    return status;
}

static int apply(struct run_row *row, const struct job *job, bool *changed, struct problem *p)
{
    const struct run_change *c = job->change;
    int status = OK;

    if (c->project != NULL && strcmp(c->project, row->project) != 0) {
        if (strlen(c->project) >= sizeof row->project)
            return problem_set(p, PROBLEM_INVALID, "/project", "the name of a project is too long");
        strcpy(row->project, c->project);
        *changed = true;
    }
    if (c->has_name)
        status = set_plain(&row->name, c->name, changed, p);
    if (status == OK && c->has_notes)
        status = set_plain(&row->notes, c->notes, changed, p);
    if (status == OK && c->config_patch != NULL)
        status = merge_json(&row->config, c->config_patch, RUN_CONFIG_MAX, "/config", changed, p);
    if (status == OK && c->stages_patch != NULL)
        status = merge_json(&row->stages, c->stages_patch, RUN_STAGES_MAX, "/stages", changed, p);
    if (status == OK && c->has_tags)
        status = set_tags(row, c, job->kind == JOB_RUN_PUT, changed, p);
    if (status == OK && c->has_status && c->status != row->status) {
        row->status = c->status;
        row->ended_at = c->status == RUN_RUNNING ? 0 : job->now;
        *changed = true;
    }
    return status;
}

/* Writes have begun: whatever fails now leaves the transaction half done. */
static int write_or_break(struct group *g, int status)
{
    if (status != OK)
        g->broken = true;
    return status;
}

static int update(struct group *g, struct job *job, struct run_row *row)
{
    struct problem *p = &job->problem;
    bool changed = false;
    bool moves = job->change->project != NULL && strcmp(job->change->project, row->project) != 0;
    int status = apply(row, job, &changed, p);

    if (status == OK)
        status = group_check_document(g, job->change, row, p);
    if (status == OK && moves)
        status = group_room_for_run(g, row->project, "/project", p);
    if (status != OK)
        return status; /* nothing was written yet */
    row->updated_at = row->seen_at = job->now;
    if (!changed)
        return write_or_break(g, store_write_run_touch(g->store, row->run, row->revision, job->now, job->now, p));
    row->revision++;
    return write_or_break(g, store_write_run(g->store, row, p));
}

static int create(struct group *g, struct job *job, struct run_row *row)
{
    const char *named = job->change->project != NULL ? job->change->project : job->project;
    const char *project = named != NULL ? named : "default";
    bool changed = false;

    if (strlen(job->run) >= sizeof row->id || strlen(project) >= sizeof row->project)
        return problem_set(&job->problem, PROBLEM_INVALID, NULL, "the name of a run or project is too long");
    strcpy(row->id, job->run);
    strcpy(row->project, project);
    row->status = RUN_RUNNING;
    row->created_at = row->updated_at = row->seen_at = job->now;
    row->revision = 1;
    int status = apply(row, job, &changed, &job->problem);
    if (status == OK)
        status = group_check_document(g, job->change, row, &job->problem);
    if (status == OK)
        status = group_room_for_run(g, project, job->change->project != NULL ? "/project" : NULL, &job->problem);
    if (status != OK)
        return status;
    status = write_or_break(g, store_write_run(g->store, row, &job->problem));
    job->created = status == OK;
    return status;
}

int group_settle_put(struct group *g, struct job *job)
{
    struct run_row row = {0};
    bool found = false;
    int status = group_flush_out(g, &job->problem);

    job->created = false;
    if (status == OK)
        status = store_run_find(g->conn, job->run, &row, &found, &job->problem);
    if (status == OK && found && !group_may_touch(job, &row))
        status = group_refuse_taken(job);
    if (status == OK && found && job->change->project != NULL && strcmp(job->change->project, row.project) != 0)
        status = problem_set(&job->problem, PROBLEM_PROJECT, "/project", "run %s belongs to project %s; PATCH moves it",
                             row.id, row.project);
    if (status == OK)
        status = found ? update(g, job, &row) : create(g, job, &row);
    run_row_release(&row);
    return status;
}

static int unknown_run(struct job *job)
{
    return problem_set(&job->problem, PROBLEM_UNKNOWN_RUN, NULL, "there is no run %s", job->run);
}

int group_settle_patch(struct group *g, struct job *job)
{
    struct run_row row = {0};
    bool found = false;
    int status = group_flush_out(g, &job->problem);

    if (status == OK)
        status = store_run_find(g->conn, job->run, &row, &found, &job->problem);
    if (status == OK)
        status = found && group_may_touch(job, &row) ? update(g, job, &row) : unknown_run(job);
    run_row_release(&row);
    return status;
}

int group_settle_delete(struct group *g, struct job *job)
{
    struct run_row row = {0};
    bool found = false;
    int status = group_flush_out(g, &job->problem);

    if (status == OK)
        status = store_run_find(g->conn, job->run, &row, &found, &job->problem);
    if (status == OK)
        status = found && group_may_touch(job, &row)
                     ? write_or_break(g, store_write_run_hide(g->store, row.run, &job->problem))
                     : unknown_run(job);
    if (status == OK)
        g->hid_runs = true;
    run_row_release(&row);
    return status;
}
