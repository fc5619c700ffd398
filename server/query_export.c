/*
 * Why: an export must not hold a run in memory, and must not repeat or lose a record between pages.
 *
 * The series are walked side by side (batch_cursor.h); query_export_record.c writes what they have at a key.  A cursor names
 * the first record of the next page by its key, name and kind, so that batches that arrive in between change nothing before it.
 * Runs on the worker thread that owns q->reader.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query_text.h"
#include "query_value.h"

#include "query_export.h"
#include "query_export_record.h"

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

static bool is_main(const struct export_series *s)
{
    return !export_is_mean(s) && strcmp(s->row->name, "main") == 0;
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
    return rc == OK && export_needs_state(row)
               ? query_state_init(&s->state, row, row->shape.form == FORM_CONFUSION, x->p)
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

/* The record that a page begins with is known by its kind, also if another kind has joined it since. */
static bool is_before_page(const struct export *x, const struct batch_key *key, const struct export_group *g)
{
    if (x->from_name == NULL || batch_key_compare(key, &x->from) != 0)
        return false;
    int order = compare_names(export_group_name(g), x->from_name);
    if (order != 0)
        return order < 0;
    return (int)export_group_kind(g) < x->from_kind && !export_group_has(g, x->from_kind);
}

/* ---- records ---- */

/* One record, unless the page is full: then it is where the next one begins. */
static int add_record(struct export *x, const struct batch_key *key, const struct export_group *g, bool with_sums,
                      int64_t time)
{
    if (x->next != NULL || is_before_page(x, key, g))
        return OK;
    if (x->n_records == x->ask->limit)
        return write_cursor(x, key, export_group_name(g), export_group_kind(g));
    size_t before = x->out->size;
    const struct export_record record = {.stage = x->ask->run->stage,
                                         .key = *key,
                                         .group = g,
                                         .series = with_sums ? x->series : NULL,
                                         .n_series = with_sums ? x->n_series : 0,
                                         .time = time};
    int rc = export_record_write(x->out, &record, x->p);
    if (rc != OK)
        return rc;
    if (x->n_records > 0 && x->out->size > (size_t)x->ask->bytes) {
        x->out->size = before;
        return write_cursor(x, key, export_group_name(g), export_group_kind(g));
    }
    x->n_records++;
    return OK;
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
        if (x->series[i].here != NULL && export_is_mean(&x->series[i]))
            first_mean = &x->series[i];
        sums = sums || (x->series[i].here != NULL && is_main(&x->series[i]));
    }
    if (!sums && first_mean != NULL)
        rc = add_record(x, key, &group, true, first_mean->here->logged_at);
    while (rc == OK && export_group_next(x->series, x->n_series, &group)) {
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
