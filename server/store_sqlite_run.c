/**
 * Projects, runs and their tags.  A hidden run is invisible to every function here but the purge: its
 * id is free at once, and its rows go a few thousand at a time, so that no transaction is long.
 */
#include <stdlib.h>
#include <string.h>

#include "store_sqlite.h"

#define RUN_COLUMNS                                                                                                    \
    "r.run, r.id, p.name, r.name, r.notes, r.config, "                                                                 \
    "(SELECT json_group_array(tag) FROM (SELECT tag FROM run_tag WHERE run = r.run ORDER BY tag)), r.stages, "         \
    "r.status, r.created_at, r.updated_at, r.ended_at, r.seen_at, r.revision"

/* The texts point into the statement: good until its next step. */
static void read_run(struct sql *q, struct run_row *row)
{
    memset(row, 0, sizeof *row);
    row->run = sql_column_int(q, 0);
    sql_column_copy(q, 1, row->id, sizeof row->id);
    sql_column_copy(q, 2, row->project, sizeof row->project);
    row->name = (char *)sql_column_text(q, 3);
    row->notes = (char *)sql_column_text(q, 4);
    row->config = (char *)sql_column_text(q, 5);
    row->tags = (char *)sql_column_text(q, 6);
    row->stages = (char *)sql_column_text(q, 7);
    row->status = (enum run_status)sql_column_int(q, 8);
    row->created_at = sql_column_int(q, 9);
    row->updated_at = sql_column_int(q, 10);
    row->ended_at = sql_column_int(q, 11);
    row->seen_at = sql_column_int(q, 12);
    row->revision = sql_column_int(q, 13);
    row->incarnation = row->run;
}

int store_run_find(struct store_conn *c, const char *id, struct run_row *out, bool *found, struct problem *p)
{
    struct sql q;
    struct run_row row;
    bool there = false;

    sql_begin(&q, c, "read a run",
              "SELECT " RUN_COLUMNS
              " FROM run r JOIN project p ON p.project = r.project WHERE r.id = ?1 AND r.hidden = 0");
    sql_text(&q, id);
    int status = sql_step_texts(&q, &there, p);
    if (status == OK && there) {
        read_run(&q, &row);
        status = run_row_own(&row, p);
    }
    sql_end(&q);
    if (status == OK) {
        *found = there;
        if (there)
            *out = row;
    }
    return status;
}

/* Texts of their own: a statement is found by its text, and each has its own plan. */
#define RUNS_OF_ALL                                                                                                    \
    "SELECT " RUN_COLUMNS " FROM run r CROSS JOIN project p ON p.project = r.project WHERE r.hidden = 0 "
#define RUNS_OF_ONE                                                                                                    \
    "SELECT " RUN_COLUMNS                                                                                              \
    " FROM project p CROSS JOIN run r ON r.project = p.project WHERE p.name = ?1 AND r.hidden = 0 "
#define NEWEST_FIRST "ORDER BY r.created_at DESC, r.id"

static int each_run(struct sql *q, int (*fn)(void *context, struct run_row *row), void *context, struct problem *p)
{
    bool more = false;
    int status, answer = OK;

    while ((status = sql_step_texts(q, &more, p)) == OK && more && answer == OK) {
        struct run_row row;
        read_run(q, &row);
        answer = fn(context, &row);
    }
    sql_end(q);
    if (status != OK)
        return status;
    return answer == STORE_STOP ? OK : answer;
}

int store_runs_each(struct store_conn *c, const char *project, int (*fn)(void *context, struct run_row *row),
                    void *context, struct problem *p)
{
    struct sql q;

    if (project == NULL) {
        sql_begin(&q, c, "read the runs", RUNS_OF_ALL NEWEST_FIRST);
    } else {
        sql_begin(&q, c, "read the runs of a project", RUNS_OF_ONE NEWEST_FIRST);
        sql_text(&q, project);
    }
    return each_run(&q, fn, context, p);
}

int store_runs_page(struct store_conn *c, const char *project, int64_t created_at, const char *id, int64_t limit,
                    int (*fn)(void *context, struct run_row *row), void *context, struct problem *p)
{
    /* the runs of that very time are told apart within the index */
    static const char all[] =
        RUNS_OF_ALL "AND r.created_at <= ?1 AND (r.created_at < ?1 OR r.id > ?2) " NEWEST_FIRST " LIMIT ?3";
    static const char one[] =
        RUNS_OF_ONE "AND r.created_at <= ?2 AND (r.created_at < ?2 OR r.id > ?3) " NEWEST_FIRST " LIMIT ?4";
    struct sql q;

    sql_begin(&q, c, "read a page of runs", project == NULL ? all : one);
    if (project != NULL)
        sql_text(&q, project);
    sql_int(&q, id != NULL ? created_at : INT64_MAX);
    sql_text(&q, id != NULL ? id : "");
    sql_int(&q, limit);
    return each_run(&q, fn, context, p);
}

int store_runs_count(struct store_conn *c, const char *project, int64_t *out, struct problem *p)
{
    struct sql q;
    bool row = false;

    if (project == NULL) {
        sql_begin(&q, c, "count the runs", "SELECT runs FROM generation");
    } else {
        sql_begin(&q, c, "count the runs of a project", "SELECT runs FROM project WHERE name = ?1");
        sql_text(&q, project);
    }
    int status = sql_step(&q, &row, p);
    if (status == OK)
        *out = row ? sql_column_int(&q, 0) : 0;
    sql_end(&q);
    return status;
}

int store_projects_each(struct store_conn *c, int (*fn)(void *context, const char *project, int64_t runs),
                        void *context, struct problem *p)
{
    struct sql q;
    bool more = false;
    int status, answer = OK;

    sql_begin(&q, c, "read the projects", "SELECT name, runs FROM project WHERE runs > 0 ORDER BY name");
    while ((status = sql_step_texts(&q, &more, p)) == OK && more && answer == OK)
        answer = fn(context, sql_column_text(&q, 0), sql_column_int(&q, 1));
    sql_end(&q);
    if (status != OK)
        return status;
    return answer == STORE_STOP ? OK : answer;
}

int store_project_find(struct store_conn *c, const char *project, int64_t *runs, bool *found, struct problem *p)
{
    struct sql q;
    bool row = false;

    sql_begin(&q, c, "find a project and its runs", "SELECT runs FROM project WHERE name = ?1");
    sql_text(&q, project);
    int status = sql_step(&q, &row, p);
    if (status == OK) {
        *found = row;
        *runs = row ? sql_column_int(&q, 0) : 0;
    }
    sql_end(&q);
    return status;
}

int store_projects_count(struct store_conn *c, int64_t *out, struct problem *p)
{
    struct sql q;
    bool row = false;

    sql_begin(&q, c, "count the projects", "SELECT count(*) FROM project");
    int status = sql_step(&q, &row, p);
    if (status == OK)
        *out = row ? sql_column_int(&q, 0) : 0;
    sql_end(&q);
    return status;
}

int store_write_projects_prune(struct store *s, struct problem *p)
{
    struct sql q;
    int status = store_writing(s, p);

    if (status != OK)
        return status;
    /* a deleted run names its project until its rows are gone */
    sql_begin(&q, &s->writer, "remove empty projects",
              "DELETE FROM project WHERE runs = 0 AND project NOT IN (SELECT project FROM run WHERE hidden = 1)");
    return sql_run(&q, p);
}

/* ---- writing ---- */

static int project_key(struct store *s, const char *name, int64_t now, int64_t *key, struct problem *p)
{
    struct sql q;
    bool row = false;

    sql_begin(&q, &s->writer, "find a project", "SELECT project FROM project WHERE name = ?1");
    sql_text(&q, name);
    int status = sql_step(&q, &row, p);
    if (status == OK && row)
        *key = sql_column_int(&q, 0);
    sql_end(&q);
    if (status != OK || row)
        return status;

    sql_begin(&q, &s->writer, "create a project", "INSERT INTO project (name, created_at) VALUES (?1, ?2)");
    sql_text(&q, name);
    sql_int(&q, now);
    status = sql_run(&q, p);
    if (status == OK)
        *key = sqlite3_last_insert_rowid(s->writer.db);
    return status;
}

static int write_tags(struct store *s, const struct run_row *row, struct problem *p)
{
    struct sql q;

    sql_begin(&q, &s->writer, "clear a run's tags", "DELETE FROM run_tag WHERE run = ?1");
    sql_int(&q, row->run);
    int status = sql_run(&q, p);
    if (status != OK || row->tags == NULL)
        return status;
    sql_begin(&q, &s->writer, "write a run's tags",
              "INSERT OR IGNORE INTO run_tag (run, tag) SELECT ?1, value FROM json_each(?2)");
    sql_int(&q, row->run);
    sql_text(&q, row->tags);
    return sql_run(&q, p);
}

/* ?1 .. ?12 in the order of both statements below. */
static void bind_run(struct sql *q, const struct run_row *row, int64_t project)
{
    sql_text(q, row->id);
    sql_int(q, project);
    sql_text(q, row->name);
    sql_text(q, row->notes);
    sql_text(q, row->config);
    sql_text(q, row->stages);
    sql_int(q, row->status);
    sql_int(q, row->created_at);
    sql_int(q, row->updated_at);
    sql_int(q, row->ended_at);
    sql_int(q, row->seen_at);
    sql_int(q, row->revision);
}

int store_write_run(struct store *s, struct run_row *row, struct problem *p)
{
    struct sql q;
    int64_t project = 0;
    int status = store_writing(s, p);

    if (status == OK)
        status = project_key(s, row->project, row->created_at, &project, p);
    if (status != OK)
        return status;
    if (row->run == 0) {
        sql_begin(
            &q, &s->writer, "create a run",
            "INSERT INTO run (id, project, name, notes, config, stages, status, created_at, updated_at, ended_at, "
            "seen_at, revision) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)");
        bind_run(&q, row, project);
        status = sql_run(&q, p);
        if (status == OK)
            row->run = row->incarnation = sqlite3_last_insert_rowid(s->writer.db);
    } else {
        sql_begin(&q, &s->writer, "write a run",
                  "UPDATE run SET id = ?1, project = ?2, name = ?3, notes = ?4, config = ?5, stages = ?6, status = ?7, "
                  "created_at = ?8, updated_at = ?9, ended_at = ?10, seen_at = ?11, revision = ?12 WHERE run = ?13");
        bind_run(&q, row, project);
        sql_int(&q, row->run);
        status = sql_run(&q, p);
    }
    if (status == OK)
        status = write_tags(s, row, p);
    return status;
}

int store_write_run_touch(struct store *s, int64_t run, int64_t revision, int64_t updated_at, int64_t seen_at,
                          struct problem *p)
{
    struct sql q;
    int status = store_writing(s, p);

    if (status != OK)
        return status;
    sql_begin(&q, &s->writer, "write a run's revision",
              "UPDATE run SET revision = ?1, updated_at = ?2, seen_at = ?3 WHERE run = ?4");
    sql_int(&q, revision);
    sql_int(&q, updated_at);
    sql_int(&q, seen_at);
    sql_int(&q, run);
    return sql_run(&q, p);
}

int store_write_run_hide(struct store *s, int64_t run, struct problem *p)
{
    struct sql q;
    int status = store_writing(s, p);

    if (status != OK)
        return status;
    sql_begin(&q, &s->writer, "hide a run", "UPDATE run SET hidden = 1 WHERE run = ?1");
    sql_int(&q, run);
    return sql_run(&q, p);
}

/* ---- purge ---- */

/* One run's statement with one or two parameters; how many rows went. */
static int delete_rows(struct store *s, const char *text, int64_t run, int64_t limit, int64_t *removed,
                       struct problem *p)
{
    struct sql q;

    sql_begin(&q, &s->writer, "remove the rows of a deleted run", text);
    sql_int(&q, run);
    if (limit > 0)
        sql_int(&q, limit);
    int status = sql_run(&q, p);
    if (status == OK)
        *removed += sqlite3_changes64(s->writer.db);
    return status;
}

/* The large tables first, up to limit rows; done: only the run's own small rows are left. */
static int purge_large(struct store *s, int64_t run, int64_t limit, bool *done, struct problem *p)
{
    static const char batches[] =
        "DELETE FROM batch WHERE run = ?1 AND (series, epoch, step, rank) IN "
        "(SELECT series, epoch, step, rank FROM batch WHERE run = ?1 ORDER BY series, epoch, step, rank LIMIT ?2)";
    static const char rollups[] = "DELETE FROM rollup WHERE run = ?1 AND (series, level, epoch, bucket, writer) IN "
                                  "(SELECT series, level, epoch, bucket, writer FROM rollup WHERE run = ?1 "
                                  "ORDER BY series, level, epoch, bucket, writer LIMIT ?2)";
    int64_t removed = 0;
    int status = delete_rows(s, batches, run, limit, &removed, p);

    if (status == OK && removed < limit)
        status = delete_rows(s, rollups, run, limit - removed, &removed, p);
    *done = removed < limit;
    return status;
}

static int find_hidden(struct store *s, int64_t *run, bool *found, struct problem *p)
{
    struct sql q;

    sql_begin(&q, &s->writer, "find a deleted run", "SELECT run FROM run WHERE hidden = 1 LIMIT 1");
    int status = sql_step(&q, found, p);
    if (status == OK && *found)
        *run = sql_column_int(&q, 0);
    sql_end(&q);
    return status;
}

int store_write_purge(struct store *s, int64_t limit, bool *more, struct problem *p)
{
    int64_t run = 0, removed = 0;
    bool found = false, done = false;
    int status = store_writing(s, p);

    if (status == OK)
        status = find_hidden(s, &run, &found, p);
    if (status != OK || !found) {
        if (status == OK)
            *more = false;
        return status;
    }
    status = purge_large(s, run, limit, &done, p);
    if (status == OK && done) {
        static const char *const small[] = {"DELETE FROM series WHERE run = ?1", "DELETE FROM seal WHERE run = ?1",
                                            "DELETE FROM attempt WHERE run = ?1", "DELETE FROM run_tag WHERE run = ?1",
                                            "DELETE FROM run WHERE run = ?1"};
        for (size_t i = 0; i < sizeof small / sizeof small[0] && status == OK; i++)
            status = delete_rows(s, small[i], run, 0, &removed, p);
        if (status == OK)
            status = find_hidden(s, &run, &found, p);
    }
    if (status == OK)
        *more = found;
    return status;
}
