/*
 * Why: sorting by any column of any run needs every run's key before the first row is known; the rows
 * themselves are read only for the page.  Newest first, with no filter, is what pages show and poll: there the
 * store gives the page as it stands, whatever else is stored.
 *
 * Runs on the worker thread that owns q->reader, within its snapshot.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "run_order.h"

#include "query_runs.h"

/* What a column of a metric needs of its run. */
struct source {
    int64_t run;
    char *stages;
};

struct collection {
    struct request *q;
    const struct runs_ask *ask;
    const struct run_order *order;
    struct run_place *runs;
    struct source *sources; /* [n], beside runs until they are sorted */
    size_t n, cap;
    struct problem *p;
};

/* ---- collecting ---- */

static int has_tag(struct run_view *view, const char *tag, bool *has, struct problem *p)
{
    const struct json *tags = NULL;
    int rc = run_view_tags(view, &tags, p);
    *has = false;
    for (const struct json *t = rc == OK && tags != NULL ? json_child(tags) : NULL; t != NULL && !*has;
         t = json_next(t))
        *has = json_as_string(t) != NULL && strcmp(json_as_string(t), tag) == 0;
    return rc;
}

static int fits(struct collection *c, struct run_view *view, struct arena *scratch, bool *out)
{
    const struct runs_ask *ask = c->ask;
    *out = !ask->has_status || run_status_effective(view->run, view->now) == ask->status;
    int rc = *out && ask->tag != NULL ? has_tag(view, ask->tag, out, c->p) : OK;
    return rc == OK && *out ? filter_match(ask->filter, view, scratch, out, c->p) : rc;
}

/* Values that outlive the row; columns of metrics are read later, when no scan is open. */
static int keep_value(struct collection *c, struct run_view *view, const struct run_order_key *key,
                      struct arena *scratch, struct run_value *out)
{
    bool known;
    int rc = OK;
    *out = (struct run_value){.kind = RUN_VALUE_NONE};
    if (key->source == RUN_ORDER_TAGS) {
        bool any = view->run->tags != NULL && strcmp(view->run->tags, "[]") != 0;
        *out = (struct run_value){.kind = any ? RUN_VALUE_TEXT : RUN_VALUE_NONE, .text = view->run->tags};
    } else if (key->source == RUN_ORDER_FIELD) {
        run_view_field(view, key->field, out, &known);
    } else if (key->column.is_config) {
        rc = run_view_config(view, key->column.path, scratch, out, c->p);
    }
    if (rc == OK && out->kind == RUN_VALUE_TEXT) {
        out->text = arena_strndup(&c->q->arena, out->text, strnlen(out->text, RUN_ORDER_TEXT_MAX));
        if (out->text == NULL)
            return query_no_memory(c->p);
    }
    return rc;
}

static int grow(struct collection *c)
{
    size_t cap = c->cap > 0 ? 2 * c->cap : 64;
    void *runs = realloc(c->runs, cap * sizeof *c->runs);
    if (runs != NULL)
        c->runs = runs;
    void *sources = realloc(c->sources, cap * sizeof *c->sources);
    if (sources != NULL)
        c->sources = sources;
    if (runs == NULL || sources == NULL)
        return query_no_memory(c->p);
    c->cap = cap;
    return OK;
}

static int keep(struct collection *c, struct run_view *view, struct arena *scratch)
{
    int rc = c->n == c->cap ? grow(c) : OK;
    if (rc != OK)
        return rc;
    const char *stages = view->run->stages;
    struct source *source = &c->sources[c->n];
    source->run = view->run->run;
    source->stages = stages != NULL ? arena_strndup(&c->q->arena, stages, strlen(stages)) : NULL;
    struct run_place *kept = &c->runs[c->n];
    kept->order = c->order;
    kept->id = arena_strndup(&c->q->arena, view->run->id, strlen(view->run->id));
    kept->values = arena_alloc(&c->q->arena, c->order->n * sizeof *kept->values);
    if (kept->id == NULL || kept->values == NULL || (stages != NULL && source->stages == NULL))
        return query_no_memory(c->p);
    for (size_t i = 0; i < c->order->n && rc == OK; i++)
        rc = keep_value(c, view, &c->order->keys[i], scratch, &kept->values[i]);
    c->n += rc == OK;
    return rc;
}

static int collect(void *context, struct run_row *row)
{
    struct collection *c = context;
    struct run_view view;
    struct arena scratch;
    bool fit = false;
    arena_init(&scratch);
    run_view_init(&view, row, c->q->now);
    int rc = fits(c, &view, &scratch, &fit);
    if (rc == OK && fit)
        rc = keep(c, &view, &scratch);
    run_view_release(&view);
    arena_release(&scratch);
    return rc;
}

/* A run that was listed a moment ago, in the same snapshot. */
static int read_run(struct request *q, const char *id, struct run_row *row, struct problem *p)
{
    bool found = false;
    int rc = store_run_find(q->reader, id, row, &found, p);
    if (rc == OK && !found)
        rc = problem_set(p, PROBLEM_INTERNAL, NULL, "a run left the list while it was read");
    return rc;
}

static bool is_metric(const struct run_order_key *key)
{
    return key->source == RUN_ORDER_COLUMN && !key->column.is_config;
}

static int read_columns(struct collection *c)
{
    bool any = false;
    int rc = OK;
    for (size_t i = 0; i < c->order->n; i++)
        any = any || is_metric(&c->order->keys[i]);
    for (size_t r = 0; any && r < c->n && rc == OK; r++) {
        const struct run_row row = {.run = c->sources[r].run, .stages = c->sources[r].stages};
        struct run_view view;
        run_view_init(&view, &row, c->q->now);
        for (size_t i = 0; rc == OK && i < c->order->n; i++)
            if (is_metric(&c->order->keys[i]))
                rc = column_value(c->q, &c->order->keys[i].column, &view, &c->q->arena, &c->runs[r].values[i], c->p);
        run_view_release(&view);
    }
    return rc;
}

/* ---- the page ---- */

static int find_start(struct collection *c, size_t *start)
{
    struct run_place last;
    *start = 0;
    if (c->ask->cursor == NULL)
        return OK;
    int rc = run_place_read(c->q, c->order, c->ask->cursor, &last, c->p);
    while (rc == OK && *start < c->n && run_place_compare(&c->runs[*start], &last) <= 0)
        (*start)++;
    return rc;
}

static int read_page(struct collection *c, size_t start, struct runs_page *out)
{
    size_t n = c->n - start < (size_t)c->ask->limit ? c->n - start : (size_t)c->ask->limit;
    out->rows = arena_alloc(&c->q->arena, n * sizeof *out->rows);
    if (out->rows == NULL)
        return query_no_memory(c->p);
    memset(out->rows, 0, n * sizeof *out->rows);
    for (size_t i = 0; i < n; i++) {
        out->n = i + 1;
        int rc = read_run(c->q, c->runs[start + i].id, &out->rows[i], c->p);
        if (rc != OK)
            return rc;
    }
    return start + n < c->n && n > 0 ? run_place_write(c->q, &c->runs[start + n - 1], &out->next, c->p) : OK;
}

static int search(struct collection *c, struct runs_page *out)
{
    size_t start = 0;
    int rc = store_runs_each(c->q->reader, c->ask->project, collect, c, c->p);
    if (rc == OK)
        rc = read_columns(c);
    if (rc == OK && c->n > 1)
        qsort(c->runs, c->n, sizeof *c->runs, run_place_compare);
    if (rc == OK)
        rc = find_start(c, &start);
    if (rc == OK)
        rc = read_page(c, start, out);
    out->total = (int64_t)c->n;
    free(c->runs);
    free(c->sources);
    return rc;
}

/* ---- the newest runs, all that there are: the store has them in order ---- */

struct page_reading {
    struct runs_page *page;
    size_t limit;
    bool more; /* there is a run after the page */
    struct problem *p;
};

static int take_row(void *context, struct run_row *row)
{
    struct page_reading *reading = context;
    if (reading->page->n == reading->limit) {
        reading->more = true;
        return STORE_STOP;
    }
    struct run_row *kept = &reading->page->rows[reading->page->n];
    *kept = *row;
    int rc = run_row_own(kept, reading->p);
    if (rc == OK)
        reading->page->n++;
    return rc;
}

/* id is NULL without a cursor. */
static int read_start(struct request *q, const struct runs_ask *ask, const struct run_order *order, int64_t *created_at,
                      const char **id, struct problem *p)
{
    struct run_place last;
    *created_at = 0;
    *id = NULL;
    if (ask->cursor == NULL)
        return OK;
    int rc = run_place_read(q, order, ask->cursor, &last, p);
    if (rc != OK)
        return rc;
    const struct run_value *time = &last.values[0];
    if (time->kind != RUN_VALUE_NUMBER || !(time->number >= 0 && time->number <= (double)QUERY_INTEGER_MAX))
        return problem_set(p, PROBLEM_INVALID, "?cursor", "this is not a cursor of this list in this order");
    *created_at = (int64_t)time->number;
    *id = last.id;
    return OK;
}

static int read_newest(struct request *q, const struct runs_ask *ask, const struct run_order *order,
                       struct runs_page *out, struct problem *p)
{
    int64_t created_at;
    const char *id;
    struct page_reading reading = {.page = out, .limit = (size_t)ask->limit, .p = p};
    int rc = read_start(q, ask, order, &created_at, &id, p);
    if (rc == OK)
        rc = store_runs_count(q->reader, ask->project, &out->total, p);
    if (rc != OK)
        return rc;
    if (out->total < ask->limit)
        reading.limit = (size_t)out->total;
    out->rows = arena_alloc(&q->arena, reading.limit * sizeof *out->rows);
    if (out->rows == NULL)
        return query_no_memory(p);
    rc = store_runs_page(q->reader, ask->project, created_at, id, (int64_t)reading.limit + 1, take_row, &reading, p);
    if (rc != OK || !reading.more || out->n == 0)
        return rc;
    const struct run_row *last = &out->rows[out->n - 1];
    struct run_value time = {.kind = RUN_VALUE_NUMBER, .number = (double)last->created_at};
    return run_place_write(q, &(struct run_place){order, last->id, &time}, &out->next, p);
}

int query_runs(struct request *q, const struct runs_ask *ask, struct runs_page *out, struct problem *p)
{
    *out = (struct runs_page){.rows = NULL};
    struct run_order *order = arena_alloc(&q->arena, sizeof *order);
    if (order == NULL)
        return query_no_memory(p);
    int rc = run_order_parse(q, ask->sort, order, p);
    if (rc != OK)
        return rc;
    if (run_order_is_default(order) && !ask->has_status && ask->tag == NULL && ask->filter == NULL)
        return read_newest(q, ask, order, out, p);
    struct collection c = {.q = q, .ask = ask, .order = order, .p = p};
    return search(&c, out);
}

void runs_page_release(struct runs_page *page)
{
    for (size_t i = 0; i < page->n; i++)
        run_row_release(&page->rows[i]);
    page->n = 0;
}
