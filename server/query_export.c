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
    struct state state;            /* of one batch */
    const struct cursor_row *here; /* the batch at the current key; NULL: none */
};

struct export
{
    struct request *q;
    const struct export_ask *ask;
    struct export_series *series; /* counts first (main before others), then weighted means; each by name */
    size_t n_series;
    struct batch_key from; /* where this page begins ... */
    const char *from_name; /* ... and with which name; NULL: all of the key */
    struct buffer *out;
    int64_t n_records;
    const char *next;
    struct problem *p;
};

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
    return rc == OK ? query_state_init(&s->state, row, row->shape.form == FORM_CONFUSION, x->p) : rc;
}

/* 0: main, 1: other counts, 2: weighted means. */
static int kind_of(const struct series_row *row)
{
    return row->shape.form == FORM_MEAN ? 2 : strcmp(row->name, "main") != 0;
}

static int open_series(struct export *x, int64_t epoch)
{
    const struct query_run *run = x->ask->run;
    x->series = arena_alloc(&x->q->arena, run->n_series * sizeof *x->series);
    if (x->series == NULL)
        return query_no_memory(x->p);
    for (int kind = 0; kind < 3; kind++)
        for (size_t i = 0; i < run->n_series; i++) {
            if (kind_of(&run->series[i]) != kind || !wanted(x, &run->series[i]))
                continue;
            int rc = add_series(x, &run->series[i], epoch);
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

/* ---- cursors: "epoch step rank name" ---- */

static int read_cursor(struct export *x, int64_t *epoch)
{
    char *text;
    size_t size;
    int used = 0;
    struct batch_key key;
    if (x->ask->cursor == NULL)
        return OK;
    if (!cursor_decode(&x->q->arena, x->ask->cursor, &text, &size) ||
        sscanf(text, "%" SCNd64 " %" SCNd64 " %" SCNd64 " %n", &key.epoch, &key.step, &key.rank, &used) != 3 ||
        used == 0 || !series_name_is_valid(text + used, strlen(text + used)) || key.epoch < 0 || key.step < 0 ||
        key.rank < 0 || (x->ask->epoch >= 0 && key.epoch != x->ask->epoch))
        return problem_set(x->p, PROBLEM_INVALID, "?cursor", "this is not a cursor of this export");
    x->from = key;
    x->from_name = text + used;
    *epoch = key.epoch; /* where the export began, also if a later epoch is the last one by now */
    return OK;
}

static int write_cursor(struct export *x, const struct batch_key *key, const char *name)
{
    char text[3 * 21 + SERIES_NAME_MAX + 8];
    int length =
        snprintf(text, sizeof text, "%" PRId64 " %" PRId64 " %" PRId64 " %s", key->epoch, key->step, key->rank, name);
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

static bool is_before_page(const struct export *x, const struct batch_key *key, const char *name)
{
    return x->from_name != NULL && batch_key_compare(key, &x->from) == 0 && compare_names(name, x->from_name) < 0;
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

/* counts NULL: weighted means alone. */
static int write_record(struct export *x, const struct batch_key *key, struct export_series *counts, bool with_sums,
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
    if (counts != NULL) {
        if (!is_main(counts)) {
            json_key(&w, "name");
            json_string(&w, counts->row->name);
        }
        rc = load(x, counts);
        int status = rc == OK ? encode_counts(&w, &counts->state) : OK;
        if (status != OK)
            rc = problem_from_status(x->p, status);
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
static int add_record(struct export *x, const struct batch_key *key, struct export_series *counts, bool with_sums,
                      int64_t time)
{
    const char *name = counts != NULL ? counts->row->name : "main";
    if (x->next != NULL || is_before_page(x, key, name))
        return OK;
    if (x->n_records == x->ask->limit)
        return write_cursor(x, key, name);
    size_t before = x->out->size;
    int rc = write_record(x, key, counts, with_sums, time);
    if (rc != OK)
        return rc;
    if (x->n_records > 0 && x->out->size > (size_t)x->ask->bytes) {
        x->out->size = before;
        return write_cursor(x, key, name);
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

/* All records of one key.  Sums go beside main, or stand alone where main has no batch. */
static int write_key(struct export *x, const struct batch_key *key)
{
    struct export_series *main_series = NULL, *first_mean = NULL;
    for (size_t i = x->n_series; i-- > 0;) {
        struct export_series *s = &x->series[i];
        if (s->here != NULL && is_main(s))
            main_series = s;
        if (s->here != NULL && is_mean(s))
            first_mean = s;
    }
    int rc = OK;
    if (main_series != NULL)
        rc = add_record(x, key, main_series, true, main_series->here->logged_at);
    else if (first_mean != NULL)
        rc = add_record(x, key, NULL, true, first_mean->here->logged_at);
    for (size_t i = 0; i < x->n_series && rc == OK; i++) {
        struct export_series *s = &x->series[i];
        if (s->here != NULL && !is_mean(s) && s != main_series)
            rc = add_record(x, key, s, false, s->here->logged_at);
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
