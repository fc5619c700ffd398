/*
 * Why: every question about a run starts in the same way, and must see one state of the database from
 * its first read to its last.
 *
 * Invariants:
 * 1. the snapshot is open exactly while in_snapshot; query_run_end() ends it, whatever went wrong;
 * 2. series are those of the chosen stage only, by name and kind, copied into the arena.
 * Runs on the worker thread that owns q->reader.
 */
#include <string.h>

#include "auth.h"
#include "json_writer.h"
#include "record.h"
#include "rollup_levels.h"

#include "query.h"

struct series_list {
    struct arena *arena;
    struct series_row *rows;
    size_t n, cap;
};

static int add_series(void *context, const struct series_row *row)
{
    struct series_list *list = context;
    if (list->n == list->cap) {
        size_t cap = list->cap > 0 ? 2 * list->cap : 8;
        void *grown = arena_grow(list->arena, list->rows, list->cap * sizeof *row, cap * sizeof *row);
        if (grown == NULL)
            return PROBLEM_MEMORY;
        list->rows = grown;
        list->cap = cap;
    }
    list->rows[list->n++] = *row;
    return OK;
}

static int find_run(struct request *q, const char *id, struct query_run *out, struct problem *p)
{
    bool found = false;
    int rc = store_run_find(q->reader, id, &out->run, &found, p);
    if (rc != OK)
        return rc;
    if (!found || !auth_sees(q, out->run.project)) /* the same words for both */
        return problem_set(p, PROBLEM_UNKNOWN_RUN, NULL, "there is no run %s", id);
    return OK;
}

static int stage_needed(const struct series_list *list, struct problem *p)
{
    char names[240] = "";
    for (size_t i = 0, used = 0; i < list->n; i++) {
        const char *stage = list->rows[i].stage;
        if (i > 0 && strcmp(stage, list->rows[i - 1].stage) == 0)
            continue;
        size_t length = strlen(stage);
        if (used + length + 8 > sizeof names) {
            memcpy(names + used, ", ...", 6);
            break;
        }
        if (used > 0) {
            memcpy(names + used, ", ", 3);
            used += 2;
        }
        memcpy(names + used, stage, length + 1);
        used += length;
    }
    return problem_set(p, PROBLEM_STAGE_NEEDED, "?stage", "this run has several stages, say stage= one of: %s", names);
}

/* The stage that was asked for, or the only one there is. */
static int choose_stage(const struct request *q, struct query_run *out, struct series_list *list, struct problem *p)
{
    const char *asked = request_arg(q, "stage");
    if (asked != NULL) {
        size_t length = strlen(asked);
        if (!name_is_valid(asked, length, STAGE_MAX))
            return problem_set(p, PROBLEM_INVALID, "?stage",
                               "a stage is 1 to %d of A-Z a-z 0-9 . _ - and starts with a letter or digit", STAGE_MAX);
        memcpy(out->stage, asked, length + 1);
    } else if (list->n > 0) {
        if (strcmp(list->rows[0].stage, list->rows[list->n - 1].stage) != 0)
            return stage_needed(list, p);
        memcpy(out->stage, list->rows[0].stage, sizeof out->stage);
    }
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->rows[i].stage, out->stage) == 0)
            list->rows[kept++] = list->rows[i];
    list->n = kept;
    out->stage_known = kept > 0;
    return OK;
}

int query_run_begin(struct request *q, bool need_stage, struct query_run *out, struct problem *p)
{
    memset(out, 0, sizeof *out);
    int rc = store_snapshot_begin(q->reader, p);
    if (rc != OK)
        return rc;
    rc = query_run_load(q, q->run, need_stage, out, p);
    out->in_snapshot = true;
    return rc;
}

int query_run_load(struct request *q, const char *id, bool need_stage, struct query_run *out, struct problem *p)
{
    memset(out, 0, sizeof *out);
    int rc = find_run(q, id, out, p);
    if (rc != OK)
        return rc;
    struct series_list list = {.arena = &q->arena};
    rc = store_series_each(q->reader, out->run.run, add_series, &list, p);
    if (rc != OK)
        return rc == PROBLEM_MEMORY ? query_no_memory(p) : rc;
    if (need_stage) {
        rc = choose_stage(q, out, &list, p);
        if (rc != OK)
            return rc;
        rc = stage_declaration_get(out->run.stages, out->stage, &q->arena, &out->declaration, p);
        if (rc != OK)
            return rc;
    } else {
        out->declaration = (struct stage_declaration){.ignore_index = -1, .top_k = -1};
    }
    out->series = list.rows;
    out->n_series = list.n;
    out->options = stage_metric_options(&out->declaration);
    return OK;
}

void query_run_end(struct request *q, struct query_run *out)
{
    if (out->in_snapshot)
        store_snapshot_end(q->reader);
    out->in_snapshot = false;
    run_row_release(&out->run);
}

const struct series_row *query_series(const struct query_run *run, const char *name)
{
    for (size_t i = 0; i < run->n_series; i++)
        if (strcmp(run->series[i].name, name) == 0)
            return &run->series[i];
    return NULL;
}

const struct series_row *query_series_of(const struct query_run *run, const char *name, enum kind kind)
{
    for (size_t i = 0; i < run->n_series; i++)
        if (form_kind(run->series[i].shape.form) == kind && strcmp(run->series[i].name, name) == 0)
            return &run->series[i];
    return NULL;
}

void query_head(struct json_writer *w, const struct query_run *run)
{
    json_key(w, "run");
    json_string(w, run->run.id);
    json_key(w, "stage");
    json_string(w, run->stage[0] != '\0' ? run->stage : NULL);
    json_key(w, "revision");
    json_int(w, run->run.revision);
}

void query_thinned(struct json_writer *w, int64_t n_epochs, int64_t rank)
{
    json_key(w, "thinned");
    json_object_begin(w);
    json_key(w, "epochs");
    json_int(w, n_epochs);
    json_key(w, "width");
    if (rank < 0)
        json_int(w, INT64_C(1) << ROLLUP_LEVEL_FINEST);
    else
        json_null(w);
    json_object_end(w);
}

int query_finish(struct response *r, int rc, struct problem *p)
{
    if (r->body.failed)
        rc = query_no_memory(p);
    if (rc != OK) {
        buffer_release(&r->body);
        buffer_init(&r->body);
        r->n_headers = 0;
    }
    return rc;
}
