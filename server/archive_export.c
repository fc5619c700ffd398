/**
 * Writing an export: one snapshot for all of it, run by run, stage by stage, epoch by epoch; what is held in memory is a page
 * of records and the numbers of the epochs.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "archive_sealed.h"
#include "json_writer.h"
#include "query_export.h"

enum { PAGE_RECORDS = 1000, PAGE_BYTES = 1 << 20, CURSOR_MAX = 1024 };

struct exporter {
    struct store_conn *c;
    FILE *out;
    struct archive_stats *stats;
    struct problem *p;
    struct arena arena; /* of one run */
};

static int no_memory(struct problem *p)
{
    return problem_set(p, PROBLEM_MEMORY, NULL, "no memory");
}

static int put(struct exporter *x, struct buffer *b)
{
    if (b->failed)
        return no_memory(x->p);
    if (b->size > 0 && fwrite(b->data, 1, b->size, x->out) != b->size)
        return problem_set(x->p, PROBLEM_STORAGE, NULL, "cannot write the export: %s", strerror(errno));
    return OK;
}

/* ---- growing lists in the run's arena ---- */

struct list {
    struct arena *arena;
    void *items;
    size_t n, cap;
};

static void *list_add(struct list *l, size_t size)
{
    if (l->n == l->cap) {
        size_t cap = l->cap > 0 ? 2 * l->cap : 16;
        void *grown = arena_grow(l->arena, l->items, l->cap * size, cap * size);
        if (grown == NULL)
            return NULL;
        l->items = grown;
        l->cap = cap;
    }
    return (char *)l->items + size * l->n++;
}

static int add_series(void *context, const struct series_row *row)
{
    struct series_row *copy = list_add(context, sizeof *copy);

    if (copy == NULL)
        return PROBLEM_MEMORY;
    *copy = *row;
    return OK;
}

static int add_epoch(void *context, const struct rollup_row *row)
{
    int64_t *epoch = list_add(context, sizeof *epoch);

    if (epoch == NULL)
        return PROBLEM_MEMORY;
    *epoch = row->epoch;
    return OK;
}

static int compare_epochs(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* ---- records ---- */

static int64_t count_lines(const struct buffer *b)
{
    int64_t n = 0;

    for (size_t i = 0; i < b->size; i++)
        n += b->data[i] == '\n';
    return n;
}

/* One epoch, page by page. */
static int put_epoch(struct exporter *x, const struct query_run *run, int64_t epoch)
{
    struct export_ask ask = {
        .run = run, .epoch = epoch, .limit = PAGE_RECORDS, .bytes = PAGE_BYTES, .skip_thinned = true}; /* every name */
    char cursor[CURSOR_MAX];
    int status = OK;

    do {
        struct request q = {.reader = x->c};
        struct buffer page;
        const char *next = NULL;
        arena_init(&q.arena);
        buffer_init(&page);
        status = query_export(&q, &ask, &page, &next, x->p);
        if (status == OK)
            status = put(x, &page);
        x->stats->records += count_lines(&page);
        ask.cursor = next != NULL ? cursor : NULL;
        if (next != NULL && strlen(next) >= sizeof cursor)
            status = no_memory(x->p); /* a cursor names a key: it never is that long */
        else if (next != NULL)
            memcpy(cursor, next, strlen(next) + 1);
        buffer_release(&page);
        arena_release(&q.arena);
    } while (status == OK && ask.cursor != NULL);
    return status;
}

static int put_stage(struct exporter *x, const struct query_run *run)
{
    struct list list = {.arena = &x->arena};
    int status = OK;

    for (size_t i = 0; i < run->n_series && status == OK; i++)
        status = store_rollups_each(x->c, run->run.run, run->series[i].series, 0, 0, INT64_MAX, add_epoch, &list, x->p);
    if (status != OK)
        return status == PROBLEM_MEMORY ? no_memory(x->p) : status;
    int64_t *epochs = list.items;
    if (list.n > 0)
        qsort(epochs, list.n, sizeof *epochs, compare_epochs);
    for (size_t i = 0; i < list.n && status == OK; i++)
        if (i == 0 || epochs[i] != epochs[i - 1])
            status = put_epoch(x, run, epochs[i]);
    return status;
}

static int put_records(struct exporter *x, const struct run_row *row)
{
    struct list list = {.arena = &x->arena};
    int status = store_series_each(x->c, row->run, add_series, &list, x->p); /* by stage, name, kind */
    struct series_row *series = list.items;

    if (status != OK)
        return status == PROBLEM_MEMORY ? no_memory(x->p) : status;
    for (size_t i = 0, n; i < list.n && status == OK; i += n) {
        struct query_run run = {.run = *row, .stage_known = true, .series = &series[i]};
        for (n = 1; i + n < list.n && strcmp(series[i + n].stage, series[i].stage) == 0; n++)
            continue;
        run.n_series = n;
        memcpy(run.stage, series[i].stage, sizeof run.stage);
        status = put_stage(x, &run);
    }
    return status;
}

/* ---- thinned epochs ---- */

struct sealed_writer {
    struct exporter *x;
    const struct series_row *series;
};

static int put_line(void *context, struct buffer *line)
{
    return put(context, line);
}

static int put_sealed(void *context, const struct rollup_row *row)
{
    struct sealed_writer *s = context;

    if (row->sealed_at == 0)
        return OK;
    int status = archive_sealed_write(s->x->c, s->series, row, put_line, s->x, s->x->p);
    s->x->stats->sealed += status == OK;
    return status;
}

/* After all records: what is to be written directly comes when the writer of the import is done. */
static int put_all_sealed(struct exporter *x, const struct run_row *row)
{
    struct list list = {.arena = &x->arena};
    int status = store_series_each(x->c, row->run, add_series, &list, x->p); /* by stage, name, kind */
    struct series_row *series = list.items;

    if (status == PROBLEM_MEMORY)
        return no_memory(x->p);
    for (size_t i = 0; i < list.n && status == OK; i++) {
        struct sealed_writer s = {.x = x, .series = &series[i]};
        status = store_rollups_each(x->c, row->run, series[i].series, 0, 0, INT64_MAX, put_sealed, &s, x->p);
    }
    return status;
}

/* ---- the run itself ---- */

static int put_attempt(void *context, const struct attempt_row *row)
{
    struct json_writer *w = context;

    json_object_begin(w);
    json_key_string(w, "attempt", row->attempt);
    json_key_int(w, "number", row->number);
    json_key(w, "rewound");
    json_bool(w, row->rewound);
    json_key_string(w, "stage", row->stage);
    json_key_int(w, "epoch", row->epoch);
    json_key_int(w, "step", row->step);
    json_object_end(w);
    return OK;
}

static int put_run(struct exporter *x, const struct run_row *row, struct buffer *b)
{
    struct json_writer w;

    json_writer_init(&w, b);
    json_object_begin(&w);
    json_key(&w, "run");
    json_object_begin(&w);
    json_key_string(&w, "id", row->id);
    json_key_string(&w, "status", run_status_name(row->status));
    json_key_int(&w, "created_at", row->created_at);
    json_key_int(&w, "updated_at", row->updated_at);
    json_key_int(&w, "ended_at", row->ended_at);
    json_key_int(&w, "seen_at", row->seen_at);
    json_key(&w, "attempts");
    json_array_begin(&w);
    int status = store_attempts_each(x->c, row->run, put_attempt, &w, x->p);
    json_array_end(&w);
    json_object_end(&w);
    json_object_end(&w);
    buffer_text(b, "\n");

    json_writer_init(&w, b);
    json_object_begin(&w);
    json_key_string(&w, "project", row->project);
    json_key_string(&w, "name", row->name);
    json_key(&w, "config");
    json_raw(&w, row->config != NULL ? row->config : "{}");
    json_key(&w, "tags");
    json_raw(&w, row->tags != NULL ? row->tags : "[]");
    json_key_string(&w, "notes", row->notes);
    json_key(&w, "stages");
    json_raw(&w, row->stages != NULL ? row->stages : "{}");
    json_object_end(&w);
    buffer_text(b, "\n");
    return status == OK ? put(x, b) : status;
}

static int export_run(struct exporter *x, const char *id)
{
    struct run_row row = {0};
    struct buffer b;
    bool found = false;
    int status = store_run_find(x->c, id, &row, &found, x->p);

    if (status == OK && !found)
        status = problem_set(x->p, PROBLEM_UNKNOWN_RUN, NULL, "there is no run %s", id);
    buffer_init(&b);
    arena_init(&x->arena);
    if (status == OK)
        status = put_run(x, &row, &b);
    if (status == OK)
        status = put_records(x, &row);
    if (status == OK)
        status = put_all_sealed(x, &row);
    x->stats->runs += status == OK;
    arena_release(&x->arena);
    buffer_release(&b);
    run_row_release(&row);
    return status;
}

/* ---- all runs ---- */

struct run_name {
    char id[RUN_ID_MAX + 1];
};

static int add_name(void *context, struct run_row *row)
{
    struct run_name *name = list_add(context, sizeof *name);

    if (name == NULL)
        return PROBLEM_MEMORY;
    memcpy(name->id, row->id, sizeof name->id);
    return OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct run_name *)a)->id, ((const struct run_name *)b)->id);
}

static int export_all(struct exporter *x)
{
    struct arena arena;
    struct list list = {.arena = &arena};

    arena_init(&arena);
    int status = store_runs_each(x->c, NULL, add_name, &list, x->p);
    if (status == PROBLEM_MEMORY)
        no_memory(x->p);
    struct run_name *names = list.items;
    if (status == OK && list.n > 0)
        qsort(names, list.n, sizeof *names, compare_names);
    for (size_t i = 0; i < list.n && status == OK; i++)
        status = export_run(x, names[i].id);
    arena_release(&arena);
    return status;
}

int archive_export(struct store_conn *c, const char *id, FILE *out, struct archive_stats *stats, struct problem *p)
{
    struct exporter x = {.c = c, .out = out, .stats = stats, .p = p};
    int status = store_snapshot_begin(c, p);

    if (status != OK)
        return status;
    fputs("{\"tally\":\"export\",\"version\":1}\n", out);
    status = id != NULL ? export_run(&x, id) : export_all(&x);
    store_snapshot_end(c);
    if (status != OK)
        return status;
    fprintf(out, "{\"end\":{\"runs\":%" PRId64 ",\"records\":%" PRId64, stats->runs, stats->records);
    if (stats->sealed > 0)
        fprintf(out, ",\"sealed\":%" PRId64, stats->sealed);
    fputs("}}\n", out);
    if (fflush(out) != 0 || ferror(out))
        return problem_set(p, PROBLEM_STORAGE, NULL, "cannot write the export: %s", strerror(errno));
    return OK;
}
