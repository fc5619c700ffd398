/*
 * GET of one run, of the list of runs and of projects.
 */
#include <math.h>
#include <string.h>

#include "auth.h"
#include "csv.h"
#include "encode_run.h"
#include "json_writer.h"
#include "query_runs.h"
#include "query_text.h"
#include "routes.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000 };

int api_run_get(struct request *q, struct response *r, struct problem *p)
{
    struct query_run run;
    enum media media;
    int rc = query_media(q, MEDIA_JSON, &media, p);
    if (rc != OK)
        return rc;
    rc = query_run_begin(q, false, &run, p);
    if (rc == OK && !query_etag(q, r, &run.run)) {
        struct json_writer w;
        json_writer_init(&w, &r->body);
        encode_run_document(&w, &run.run, q->now, run.series, run.n_series);
    }
    query_run_end(q, &run);
    return query_finish(r, rc, p);
}

/* ---- the list ---- */

struct runs_list {
    struct runs_ask ask;
    struct runs_page page;
    struct column *columns;
    size_t n_columns;
};

/* To a token of one project there is no other: another's list is empty, as that of an unknown one. */
static const char *project_asked(const struct request *q)
{
    const char *asked = request_arg(q, "project");
    if (q->token_project == NULL || (asked != NULL && strcmp(asked, q->token_project) == 0))
        return asked;
    return asked == NULL ? q->token_project : "";
}

static int read_ask(struct request *q, struct runs_list *l, struct problem *p)
{
    const char *status = request_arg(q, "status"), *filter = request_arg(q, "q");
    l->ask.project = project_asked(q);
    l->ask.tag = request_arg(q, "tag");
    l->ask.sort = request_arg(q, "sort");
    l->ask.cursor = request_arg(q, "cursor");
    l->ask.has_status = status != NULL;
    if (status != NULL && !run_status_from_name(status, &l->ask.status))
        return problem_set(p, PROBLEM_INVALID, "?status",
                           "status must be one of: running, finished, failed, killed, crashed");
    int rc = query_int(q, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &l->ask.limit, p);
    if (rc == OK)
        rc = columns_parse(q, &l->columns, &l->n_columns, p);
    struct filter *parsed = NULL;
    if (rc == OK && filter != NULL)
        rc = filter_parse(filter, &q->arena, &parsed, p);
    l->ask.filter = parsed;
    return rc;
}

/* All that a list shows follows from its runs as they are now, in their order, and from how many there are; columns change
   with the revision of their run.  So the tag costs as much as the page, and no run outside of it moves it. */
static bool list_is_known(struct request *q, struct response *r, const struct runs_page *page)
{
    struct buffer state;
    const int64_t all[] = {page->total, page->next != NULL};
    buffer_init(&state);
    buffer_add(&state, all, sizeof all);
    for (size_t i = 0; i < page->n; i++) {
        const struct run_row *row = &page->rows[i];
        const int64_t one[] = {row->incarnation, row->revision, (int64_t)run_status_effective(row, q->now)};
        buffer_add(&state, one, sizeof one);
    }
    bool known = !state.failed && query_etag_list(q, r, state.data, state.size);
    buffer_release(&state);
    return known;
}

static void write_column_json(struct json_writer *w, const struct run_value *v)
{
    if (v->kind == RUN_VALUE_NUMBER)
        json_double(w, v->number);
    else
        json_string(w, v->kind == RUN_VALUE_TEXT ? v->text : NULL);
}

static int write_run_json(struct request *q, struct json_writer *w, const struct runs_list *l,
                          const struct run_row *row, struct problem *p)
{
    struct run_view view;
    int rc = OK;
    run_view_init(&view, row, q->now);
    json_object_begin(w);
    encode_run_fields(w, row, q->now, false);
    if (l->columns != NULL) {
        json_key(w, "columns");
        json_object_begin(w);
        for (size_t i = 0; i < l->n_columns && rc == OK; i++) {
            struct run_value value = {.kind = RUN_VALUE_NONE};
            rc = column_value(q, &l->columns[i], &view, &q->arena, &value, p);
            json_key(w, l->columns[i].text);
            write_column_json(w, &value);
        }
        json_object_end(w);
    }
    json_object_end(w);
    run_view_release(&view);
    return rc;
}

static int list_json(struct request *q, struct response *r, const struct runs_list *l, struct problem *p)
{
    struct json_writer w;
    int rc = OK;
    json_writer_init(&w, &r->body);
    json_object_begin(&w);
    json_key(&w, "runs");
    json_array_begin(&w);
    for (size_t i = 0; i < l->page.n && rc == OK; i++)
        rc = write_run_json(q, &w, l, &l->page.rows[i], p);
    json_array_end(&w);
    json_key(&w, "next_cursor");
    json_string(&w, l->page.next);
    json_key(&w, "total");
    json_int(&w, l->page.total);
    json_object_end(&w);
    return rc;
}

static void write_value_csv(struct csv *c, const struct run_value *v)
{
    if (v->kind == RUN_VALUE_NUMBER)
        csv_double(c, v->number);
    else
        csv_text(c, v->kind == RUN_VALUE_TEXT ? v->text : NULL);
}

static void write_time_csv(struct csv *c, int64_t time)
{
    if (time != 0)
        csv_int(c, time);
    else
        csv_empty(c);
}

static int write_run_csv(struct request *q, struct csv *c, const struct runs_list *l, const struct run_row *row,
                         struct problem *p)
{
    struct run_view view;
    int rc = OK;
    run_view_init(&view, row, q->now);
    csv_text(c, row->id);
    csv_text(c, row->project);
    csv_text(c, row->name);
    csv_text(c, run_status_name(run_status_effective(row, q->now)));
    csv_text(c, row->notes);
    csv_int(c, row->created_at);
    csv_int(c, row->updated_at);
    write_time_csv(c, row->ended_at);
    csv_int(c, row->revision);
    for (size_t i = 0; i < l->n_columns && rc == OK; i++) {
        struct run_value value = {.kind = RUN_VALUE_NONE};
        rc = column_value(q, &l->columns[i], &view, &q->arena, &value, p);
        write_value_csv(c, &value);
    }
    csv_end_row(c);
    run_view_release(&view);
    return rc;
}

static int list_csv(struct request *q, struct response *r, const struct runs_list *l, struct problem *p)
{
    static const char *const fixed[] = {"id",         "project",    "name",     "status",  "notes",
                                        "created_at", "updated_at", "ended_at", "revision"};
    struct csv c;
    int rc = OK;
    csv_init(&c, &r->body);
    r->content_type = QUERY_CSV_TYPE;
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        csv_text(&c, fixed[i]);
    for (size_t i = 0; i < l->n_columns; i++)
        csv_text(&c, l->columns[i].text);
    csv_end_row(&c);
    for (size_t i = 0; i < l->page.n && rc == OK; i++)
        rc = write_run_csv(q, &c, l, &l->page.rows[i], p);
    return rc;
}

int api_runs_get(struct request *q, struct response *r, struct problem *p)
{
    struct runs_list l = {.n_columns = 0};
    enum media media;
    int rc = query_media(q, MEDIA_JSON | MEDIA_CSV, &media, p);
    if (rc == OK)
        rc = read_ask(q, &l, p);
    if (rc == OK)
        rc = store_snapshot_begin(q->reader, p);
    if (rc != OK)
        return rc;
    rc = query_runs(q, &l.ask, &l.page, p);
    if (rc != OK || list_is_known(q, r, &l.page))
        goto out;
    if (l.page.next != NULL)
        rc = link_next(q, r, l.page.next, p);
    if (rc == OK)
        rc = media == MEDIA_CSV ? list_csv(q, r, &l, p) : list_json(q, r, &l, p);
out:
    runs_page_release(&l.page);
    store_snapshot_end(q->reader);
    return query_finish(r, rc, p);
}

/* ---- projects ---- */

struct projects_output {
    const struct request *q;
    enum media media;
    struct json_writer json;
    struct csv csv;
};

static int write_project(void *context, const char *project, int64_t runs)
{
    struct projects_output *o = context;
    if (!auth_sees(o->q, project))
        return OK;
    if (o->media == MEDIA_CSV) {
        csv_text(&o->csv, project);
        csv_int(&o->csv, runs);
        csv_end_row(&o->csv);
        return OK;
    }
    json_object_begin(&o->json);
    json_key(&o->json, "name");
    json_string(&o->json, project);
    json_key(&o->json, "runs");
    json_int(&o->json, runs);
    json_object_end(&o->json);
    return OK;
}

/* The answer is small, and is its own state: the tag is a hash of it. */
int api_projects_get(struct request *q, struct response *r, struct problem *p)
{
    struct projects_output o = {.q = q};
    int rc = query_media(q, MEDIA_JSON | MEDIA_CSV, &o.media, p);
    if (rc != OK)
        return rc;
    json_writer_init(&o.json, &r->body);
    csv_init(&o.csv, &r->body);
    if (o.media == MEDIA_CSV) {
        r->content_type = QUERY_CSV_TYPE;
        csv_text(&o.csv, "name");
        csv_text(&o.csv, "runs");
        csv_end_row(&o.csv);
    } else {
        json_object_begin(&o.json);
        json_key(&o.json, "projects");
        json_array_begin(&o.json);
    }
    rc = store_projects_each(q->reader, write_project, &o, p);
    if (o.media != MEDIA_CSV) {
        json_array_end(&o.json);
        json_object_end(&o.json);
    }
    if (rc == OK && !r->body.failed && query_etag_list(q, r, r->body.data, r->body.size)) {
        buffer_release(&r->body);
        buffer_init(&r->body);
    }
    return query_finish(r, rc, p);
}
