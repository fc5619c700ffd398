/**
 * How many there may be.  Looked at only where something is about to be made, so that logging into what is there costs
 * nothing.
 *
 * What is stored is counted in the store, what the group will make is bounded by its nodes: only close to a limit is the
 * group written, so that the count is exact.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ingest_group.h"
#include "json.h"

static int refuse(struct problem *p, const char *place, const char *what, const char *limit, int64_t max)
{
    return problem_set(p, PROBLEM_LIMIT, place, "%s: %" PRId64 " is the most (limit %s); nothing was stored", what, max,
                       limit);
}

/* ---- runs and projects ---- */

static int room_for_project(struct group *g, const char *place, struct problem *p)
{
    int64_t n = 0;
    int status = store_projects_count(g->conn, &n, p);

    if (status == OK && n >= g->limits.projects) /* those that no run is in any more make room */
        status = store_write_projects_prune(g->store, p);
    if (status == OK && n >= g->limits.projects)
        status = store_projects_count(g->conn, &n, p);
    if (status == OK && n >= g->limits.projects)
        return refuse(p, place, "one project more", "projects", g->limits.projects);
    return status;
}

int group_room_for_run(struct group *g, const char *project, const char *place, struct problem *p)
{
    bool found = false;
    int64_t n = 0;
    int status = store_project_find(g->conn, project, &n, &found, p);

    if (status == OK && found && n >= g->limits.runs_per_project)
        return refuse(p, place, "one run more in this project", "runs_per_project", g->limits.runs_per_project);
    return status == OK && !found ? room_for_project(g, place, p) : status;
}

int group_room_for_new_run(struct group *g, const char *project, struct problem *p)
{
    bool found = false;
    int64_t n = 0;
    int status = store_project_find(g->conn, project, &n, &found, p);

    if (status != OK || (found && n + (int64_t)g->n_nodes < g->limits.runs_per_project))
        return status;
    status = group_flush(g, p);
    return status == OK ? group_room_for_run(g, project, NULL, p) : status;
}

/* ---- within a run ---- */

int group_room_for_series(struct group *g, struct group_run *run, const char *place, struct problem *p)
{
    if (!run->series_known && run->row.run != 0) {
        int status = store_series_count(g->conn, run->row.run, &run->n_series, p);
        if (status != OK)
            return status;
    }
    run->series_known = true;
    if (run->n_series >= g->limits.series_per_run)
        return refuse(p, place, "one series more in this run", "series_per_run", g->limits.series_per_run);
    run->n_series++;
    return OK;
}

int group_room_for_attempt(const struct group *g, const struct group_run *run, const char *place, struct problem *p)
{
    if (run->last_number < g->limits.attempts_per_run)
        return OK;
    return refuse(p, place, "one attempt more of this run", "attempts_per_run", g->limits.attempts_per_run);
}

/* Every key of a document, at every depth (which the reader of JSON has bounded). */
static int64_t count_keys(const struct json *v)
{
    int64_t n = 0;

    for (const struct json *child = json_child(v); child != NULL; child = json_next(child))
        n += (json_type(v) == JSON_OBJECT) + count_keys(child);
    return n;
}

static int count_in(const char *text, int64_t (*count)(const struct json *v), int64_t *out, struct problem *p)
{
    struct json_document *document = NULL;
    int status = json_parse(text, strlen(text), &document, p);

    if (status == OK)
        *out = count(json_root(document));
    json_free(document);
    return status;
}

static int64_t count_items(const struct json *v)
{
    return (int64_t)json_length(v);
}

int group_check_document(const struct group *g, const struct run_change *change, const struct run_row *row,
                         struct problem *p)
{
    int64_t n = 0;
    int status = OK;

    if (change->has_tags && row->tags != NULL)
        status = count_in(row->tags, count_items, &n, p);
    if (status == OK && n > g->limits.tags_per_run)
        return refuse(p, "/tags", "too many tags", "tags_per_run", g->limits.tags_per_run);
    n = 0;
    if (status == OK && change->config_patch != NULL && row->config != NULL)
        status = count_in(row->config, count_keys, &n, p);
    if (status == OK && n > g->limits.config_keys)
        return refuse(p, "/config", "too many keys", "config_keys", g->limits.config_keys);
    return status;
}
