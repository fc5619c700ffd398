/*
 * Why: an export must not hold a run in memory, and must not repeat or lose a record between pages.
 *
 * The series are walked side by side (batch_cursor.h).  A cursor names the first record of the next
 * page by its key and name, so that batches that arrive in between change nothing before it.
 * Runs on the worker thread that owns q->reader.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch_cursor.h"
#include "encode_record.h"
#include "query_text.h"
#include "query_value.h"

#include "query_export.h"

struct export_series {
    const struct series_row *row;
    struct batch_cursor cursor;
    struct state state;            /* of one batch; of counts, exact match and weighted means only */
    const struct cursor_row *here; /* the batch at the current key; NULL: none */
    bool written;                  /* it is in a record of the current key */
};

/* What one record holds: kinds of one name whose batches agree in what a record says once. */
struct export_group {
    struct export_series *members[KIND_MEAN]; /* by kind */
    size_t n;
    int64_t samples;
    bool has_task;
    enum task task;
    uint32_t num_classes; /* 0: none of them has any */
};

struct export
{
    struct request *q;
    const struct export_ask *ask;
    struct export_series *series; /* counts and states (main before other names), then means; each by name and kind */
    size_t n_series;
    struct batch_key from; /* where this page begins ... */
    const char *from_name; /* ... with which name; NULL: all of the key ... */
    int from_kind;         /* ... and kind */
    struct buffer *out;
    int64_t n_records;
    const char *next;
    struct problem *p;
};

static enum kind kind_of(const struct export_series *s)
{
    return form_kind(s->row->shape.form);
}

/* Scores, calibration and moments are written straight from their bytes: the state of a few scores may be large. */
static bool needs_state(const struct series_row *row)
{
    enum kind kind = form_kind(row->shape.form);
    return kind == KIND_COUNTS || kind == KIND_EXACT || kind == KIND_MEAN;
}

static bool is_mean(const struct export_series *s)
{
    return s->row->shape.form == FORM_MEAN;
}

static bool is_main(const struct export_series *s)
{
    return !is_mean(s) && strcmp(s->row->name, "main") == 0;
}

/* ---- what is walked ---- */

static bool wanted(const struct export *x, const struct series_row *row)
{
    const char *name = x->ask->name;
    if (name == NULL || strcmp(name, row->name) == 0)
        return true;
    const struct series_row *main_row = query_series(x->ask->run, "main");
    return strcmp(name, "main") == 0 && main_row != NULL && main_row->shape.form != FORM_MEAN &&
           row->shape.form == FORM_MEAN;
}

static int add_series(struct export *x, const struct series_row *row, int64_t epoch)
{
    struct export_series *s = &x->series[x->n_series];
    const struct batch_key to = {epoch, INT64_MAX, INT64_MAX};
    memset(s, 0, sizeof *s);
    s->row = row;
    int rc = batch_cursor_init(&s->cursor, x->q->reader, row, &x->from, &to, -1, true, x->p);
    x->n_series++;
    return rc == OK && needs_state(row) ? query_state_init(&s->state, row, row->shape.form == FORM_CONFUSION, x->p)
                                        : rc;
}

/* 0: main, 1: other names, 2: weighted means. */
static int rank_of(const struct series_row *row)
{
    return row->shape.form == FORM_MEAN ? 2 : strcmp(row->name, "main") != 0;
}

/* Are the batches of a series gone in this epoch? */
static int look_for_seal(struct export *x, const struct series_row *row, int64_t epoch, bool *is_thinned)
{
    struct rollup_row rollup;
    bool found = false;
    int rc = store_rollup_get(x->q->reader, row->run, row->series, epoch, 0, 0, &rollup, &found, x->p);
    *is_thinned = rc == OK && found && rollup.sealed_at != 0;
    if (!*is_thinned || x->ask->skip_thinned)
        return rc;
    return problem_set(x->p, PROBLEM_THINNED, "?epoch",
                       "the batches of epoch %" PRId64 " of series %s, stage %s, were thinned to their sums: epochs, "
                       "classes, confusion and steps still answer",
                       epoch, row->name, row->stage);
}

static int open_series(struct export *x, int64_t epoch)
{
    const struct query_run *run = x->ask->run;
    x->series = arena_alloc(&x->q->arena, run->n_series * sizeof *x->series);
    if (x->series == NULL)
        return query_no_memory(x->p);
    for (int rank = 0; rank < 3; rank++)
        for (size_t i = 0; i < run->n_series; i++) {
            if (rank_of(&run->series[i]) != rank || !wanted(x, &run->series[i]))
                continue;
            bool is_thinned = false;
            int rc = look_for_seal(x, &run->series[i], epoch, &is_thinned);
            if (rc == OK && !is_thinned)
                rc = add_series(x, &run->series[i], epoch);
            if (rc != OK)
                return rc;
        }
    return OK;
}

static int64_t last_epoch(const struct export *x)
{
    int64_t last = -1;
    for (size_t i = 0; i < x->ask->run->n_series; i++) {
        const struct series_row *row = &x->ask->run->series[i];
        if (wanted(x, row) && row->last_epoch > last)
            last = row->last_epoch;
    }
    return last;
}

/* ---- cursors: "epoch step rank kind name" ---- */

static int read_cursor(struct export *x, int64_t *epoch)
{
    char *text;
    size_t size;
    int used = 0, kind = 0;
    struct batch_key key;
    if (x->ask->cursor == NULL)
        return OK;
    if (!cursor_decode(&x->q->arena, x->ask->cursor, &text, &size) ||
        sscanf(text, "%" SCNd64 " %" SCNd64 " %" SCNd64 " %d %n", &key.epoch, &key.step, &key.rank, &kind, &used) !=
            4 ||
        used == 0 || !series_name_is_valid(text + used, strlen(text + used)) || key.epoch < 0 || key.step < 0 ||
        key.rank < 0 || (x->ask->epoch >= 0 && key.epoch != x->ask->epoch))
        return problem_set(x->p, PROBLEM_INVALID, "?cursor", "this is not a cursor of this export");
    x->from = key;
    x->from_name = text + used;
    x->from_kind = kind;
    *epoch = key.epoch; /* where the export began, also if a later epoch is the last one by now */
    return OK;
}

static int write_cursor(struct export *x, const struct batch_key *key, const char *name, enum kind kind)
{
    char text[3 * 21 + SERIES_NAME_MAX + 16];
    int length = snprintf(text, sizeof text, "%" PRId64 " %" PRId64 " %" PRId64 " %d %s", key->epoch, key->step,
                          key->rank, (int)kind, name);
    x->next = length > 0 ? cursor_encode(&x->q->arena, text, (size_t)length) : NULL;
    return x->next != NULL ? OK : query_no_memory(x->p);
}

/* main before all other names, as records are written. */
static int compare_names(const char *a, const char *b)
{
    bool a_main = strcmp(a, "main") == 0, b_main = strcmp(b, "main") == 0;
    if (a_main || b_main)
        return b_main - a_main;
    return strcmp(a, b);
}

static const char *group_name(const struct export_group *g)
{
    return g->n > 0 ? g->members[0]->row->name : "main"; /* means alone */
}

static enum kind group_kind(const struct export_group *g)
{
    return g->n > 0 ? kind_of(g->members[0]) : KIND_COUNTS;
}

/* The record that a page begins with is known by its kind, also if another kind has joined it since. */
static bool is_before_page(const struct export *x, const struct batch_key *key, const struct export_group *g)
{
    if (x->from_name == NULL || batch_key_compare(key, &x->from) != 0)
        return false;
    int order = compare_names(group_name(g), x->from_name);
    if (order != 0)
        return order < 0;
    bool has_kind = false;
    for (size_t i = 0; i < g->n; i++)
        has_kind = has_kind || (int)kind_of(g->members[i]) == x->from_kind;
    return (int)group_kind(g) < x->from_kind && !has_kind;
}

/* ---- records ---- */

static int load(struct export *x, struct export_series *s)
{
    state_clear(&s->state);
    return query_state_add(&s->state, &s->here->key, s->here->samples, 1, batch_cursor_state(&s->cursor, s->here),
                           s->here->state_size, x->p);
}

static int write_sums(struct export *x, struct json_writer *w)
{
    bool any = false;
    for (size_t i = 0; i < x->n_series; i++) {
        struct export_series *s = &x->series[i];
        if (!is_mean(s) || s->here == NULL)
            continue;
        int rc = load(x, s);
        if (rc != OK)
            return rc;
        if (!any) {
            json_key(w, "sums");
            json_object_begin(w);
        }
        any = true;
        json_key(w, s->row->name);
        encode_sum(w, &s->state.mean);
    }
    if (any)
        json_object_end(w);
    return OK;
}

static int write_member(struct export *x, struct json_writer *w, struct export_series *s)
{
    int rc = needs_state(s->row) ? load(x, s) : OK;
    if (rc != OK)
        return rc;
    int status = kind_of(s) == KIND_COUNTS ? encode_counts(w, &s->state)
                                           : encode_state(w, &s->row->shape, &s->state,
                                                          batch_cursor_state(&s->cursor, s->here), s->here->state_size);
    return status == OK ? OK : problem_from_status(x->p, status);
}

/* An empty group: weighted means alone. */
static int write_record(struct export *x, const struct batch_key *key, const struct export_group *g, bool with_sums,
                        int64_t time)
{
    struct json_writer w;
    const int64_t numbers[] = {key->epoch, key->step, key->rank};
    static const char *const names[] = {"epoch", "step", "rank"};
    int rc = OK;
    json_writer_init(&w, x->out);
    json_object_begin(&w);
    json_key(&w, "stage");
    json_string(&w, x->ask->run->stage);
    for (int i = 0; i < 3; i++) {
        json_key(&w, names[i]);
        json_int(&w, numbers[i]);
    }
    if (strcmp(group_name(g), "main") != 0) {
        json_key(&w, "name");
        json_string(&w, group_name(g));
    }
    if (g->has_task && g->task != TASK_MULTICLASS) {
        json_key(&w, "task");
        json_string(&w, task_name(g->task));
    }
    for (size_t i = 0; i < g->n && rc == OK; i++)
        rc = write_member(x, &w, g->members[i]);
    if (g->n > 0 && g->samples <= QUERY_INTEGER_MAX) { /* more cannot be said on the wire: then it is the default */
        json_key(&w, "samples");
        json_int(&w, g->samples);
    }
    if (rc == OK && with_sums)
        rc = write_sums(x, &w);
    json_key(&w, "time");
    json_int(&w, time);
    json_object_end(&w);
    buffer_add(x->out, "\n", 1);
    return rc;
}

/* One record, unless the page is full: then it is where the next one begins. */
static int add_record(struct export *x, const struct batch_key *key, const struct export_group *g, bool with_sums,
                      int64_t time)
{
    if (x->next != NULL || is_before_page(x, key, g))
        return OK;
    if (x->n_records == x->ask->limit)
        return write_cursor(x, key, group_name(g), group_kind(g));
    size_t before = x->out->size;
    int rc = write_record(x, key, g, with_sums, time);
    if (rc != OK)
        return rc;
    if (x->n_records > 0 && x->out->size > (size_t)x->ask->bytes) {
        x->out->size = before;
        return write_cursor(x, key, group_name(g), group_kind(g));
    }
    x->n_records++;
    return OK;
}

/* ---- which kinds go into one record ---- */

static bool can_join(const struct export_group *g, const struct export_series *s, bool has_task)
{
    const struct shape *shape = &s->row->shape;
    if (g->n == 0)
        return true;
    return strcmp(s->row->name, group_name(g)) == 0 && s->here->samples == g->samples &&
           (!has_task || !g->has_task || shape->task == g->task) &&
           (shape->num_classes == 0 || g->num_classes == 0 || shape->num_classes == g->num_classes);
}

/* The first series without a record, and the other kinds of its name that fit beside it.  false: none is left. */
static bool next_group(struct export *x, struct export_group *g)
{
    memset(g, 0, sizeof *g);
    for (size_t i = 0; i < x->n_series; i++) {
        struct export_series *s = &x->series[i];
        if (s->here == NULL || s->written || is_mean(s))
            continue;
        bool has_task = kind_of(s) != KIND_EXACT && kind_of(s) != KIND_REGRESSION;
        if (!can_join(g, s, has_task))
            continue;
        s->written = true;
        g->members[g->n++] = s;
        g->samples = s->here->samples;
        if (has_task) {
            g->has_task = true;
            g->task = s->row->shape.task;
        }
        if (s->row->shape.num_classes > 0)
            g->num_classes = s->row->shape.num_classes;
    }
    return g->n > 0;
}

/* The least key of all series; false at the end. */
static int find_key(struct export *x, struct batch_key *key, bool *any)
{
    *any = false;
    for (size_t i = 0; i < x->n_series; i++) {
        int rc = batch_cursor_peek(&x->series[i].cursor, &x->series[i].here, x->p);
        if (rc != OK)
            return rc;
        const struct cursor_row *row = x->series[i].here;
        if (row != NULL && (!*any || batch_key_compare(&row->key, key) < 0)) {
            *key = row->key;
            *any = true;
        }
    }
    for (size_t i = 0; i < x->n_series; i++)
        if (x->series[i].here != NULL && batch_key_compare(&x->series[i].here->key, key) != 0)
            x->series[i].here = NULL;
    return OK;
}

/* All records of one key.  Sums go beside the first of main, or stand alone where main has no batch. */
static int write_key(struct export *x, const struct batch_key *key)
{
    const struct export_series *first_mean = NULL;
    struct export_group group = {0};
    bool sums = false;
    int rc = OK;
    for (size_t i = x->n_series; i-- > 0;) {
        x->series[i].written = false;
        if (x->series[i].here != NULL && is_mean(&x->series[i]))
            first_mean = &x->series[i];
        sums = sums || (x->series[i].here != NULL && is_main(&x->series[i]));
    }
    if (!sums && first_mean != NULL)
        rc = add_record(x, key, &group, true, first_mean->here->logged_at);
    while (rc == OK && next_group(x, &group)) {
        rc = add_record(x, key, &group, sums, group.members[0]->here->logged_at);
        sums = false;
    }
    for (size_t i = 0; i < x->n_series; i++)
        if (x->series[i].here != NULL)
            batch_cursor_next(&x->series[i].cursor);
    return rc;
}

int query_export(struct request *q, const struct export_ask *ask, struct buffer *out, const char **next,
                 struct problem *p)
{
    struct export x = {.q = q, .ask = ask, .out = out, .p = p};
    int64_t epoch = ask->epoch >= 0 ? ask->epoch : last_epoch(&x);
    *next = NULL;
    if (epoch < 0)
        return OK;
    x.from = (struct batch_key){.epoch = epoch};
    int rc = read_cursor(&x, &epoch);
    if (rc == OK)
        rc = open_series(&x, epoch);
    while (rc == OK && x.next == NULL && !out->failed) {
        struct batch_key key;
        bool any;
        rc = find_key(&x, &key, &any);
        if (rc != OK || !any)
            break;
        rc = write_key(&x, &key);
    }
    for (size_t i = 0; i < x.n_series; i++) {
        batch_cursor_release(&x.series[i].cursor);
        state_release(&x.series[i].state);
    }
    *next = x.next;
    return rc;
}
