/*
 * Why: sorting by any column of any run needs every run's key before the first row is known; the rows
 * themselves are read only for the page.
 *
 * A cursor holds the keys and the id of the last run shown, so that the next page starts after them
 * whatever was created or deleted in between.  Texts count as sort keys with their first
 * SORT_TEXT_MAX bytes.  Runs on the worker thread that owns q->reader, within its snapshot.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "query_text.h"

#include "query_runs.h"

enum { SORT_KEYS_MAX = 8, SORT_TEXT_MAX = 200 };

enum sort_source { SORT_FIELD, SORT_TAGS, SORT_COLUMN };

struct sort_key {
    enum sort_source source;
    const char *field;
    struct column column;
    bool descending;
};

struct sort_spec {
    struct sort_key keys[SORT_KEYS_MAX];
    size_t n;
};

/* A run that fits, as far as sorting needs it. */
struct candidate {
    const struct sort_spec *spec; /* qsort passes no context */
    const char *id;
    struct run_value *values; /* [spec->n] */
};

struct collection {
    struct request *q;
    const struct runs_ask *ask;
    struct sort_spec *spec;
    struct candidate *runs;
    size_t n, cap;
    struct problem *p;
};

/* ---- sort keys ---- */

static int read_key(struct request *q, const char *text, size_t length, struct sort_key *key, struct problem *p)
{
    char quoted[120], why[320] = "";
    key->descending = length > 0 && text[0] == '-';
    const char *name = arena_strndup(&q->arena, text + key->descending, length - key->descending);
    if (name == NULL)
        return query_no_memory(p);
    key->field = name;
    key->source = strcmp(name, "tags") == 0 ? SORT_TAGS : SORT_FIELD;
    if (key->source == SORT_TAGS || (run_field_is_known(name) && strcmp(name, "notes") != 0))
        return OK;
    key->source = SORT_COLUMN;
    int status = column_parse(name, strlen(name), &q->arena, &key->column, why, sizeof why);
    if (status == ERR_MEMORY)
        return query_no_memory(p);
    if (status != OK)
        return problem_set(
            p, PROBLEM_INVALID, "?sort",
            "%s is no sort key; there are id, name, project, status, created_at, updated_at, ended_at, revision, tags, "
            "config.x and the columns stage/selector@last|best|min|max|<epoch>",
            problem_quote(quoted, sizeof quoted, text, length));
    return OK;
}

static int read_spec(struct request *q, const char *sort, struct sort_spec *spec, struct problem *p)
{
    spec->n = 0;
    for (const char *at = sort != NULL ? sort : "-created_at";; at++) {
        size_t length = strcspn(at, ",");
        if (spec->n == SORT_KEYS_MAX)
            return problem_set(p, PROBLEM_INVALID, "?sort", "at most %d sort keys", SORT_KEYS_MAX);
        int rc = read_key(q, at, length, &spec->keys[spec->n++], p);
        if (rc != OK)
            return rc;
        at += length;
        if (*at == '\0')
            return OK;
    }
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    for (size_t i = 0; i < x->spec->n; i++) {
        const struct run_value *u = &x->values[i], *v = &y->values[i];
        int order = run_value_compare(u, v);
        if (order == 0)
            continue;
        bool nothing = u->kind == RUN_VALUE_NONE || v->kind == RUN_VALUE_NONE;
        return x->spec->keys[i].descending && !nothing ? -order : order;
    }
    return strcmp(x->id, y->id);
}

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
static int keep_value(struct collection *c, struct run_view *view, const struct sort_key *key, struct arena *scratch,
                      struct run_value *out)
{
    bool known;
    int rc = OK;
    *out = (struct run_value){.kind = RUN_VALUE_NONE};
    if (key->source == SORT_TAGS) {
        bool any = view->run->tags != NULL && strcmp(view->run->tags, "[]") != 0;
        *out = (struct run_value){.kind = any ? RUN_VALUE_TEXT : RUN_VALUE_NONE, .text = view->run->tags};
    } else if (key->source == SORT_FIELD) {
        run_view_field(view, key->field, out, &known);
    } else if (key->column.is_config) {
        rc = run_view_config(view, key->column.path, scratch, out, c->p);
    }
    if (rc == OK && out->kind == RUN_VALUE_TEXT) {
        out->text = arena_strndup(&c->q->arena, out->text, strnlen(out->text, SORT_TEXT_MAX));
        if (out->text == NULL)
            return query_no_memory(c->p);
    }
    return rc;
}

static int keep(struct collection *c, struct run_view *view, struct arena *scratch)
{
    if (c->n == c->cap) {
        size_t cap = c->cap > 0 ? 2 * c->cap : 64;
        void *grown = realloc(c->runs, cap * sizeof *c->runs);
        if (grown == NULL)
            return query_no_memory(c->p);
        c->runs = grown;
        c->cap = cap;
    }
    struct candidate *kept = &c->runs[c->n];
    kept->spec = c->spec;
    kept->id = arena_strndup(&c->q->arena, view->run->id, strlen(view->run->id));
    kept->values = arena_alloc(&c->q->arena, c->spec->n * sizeof *kept->values);
    if (kept->id == NULL || kept->values == NULL)
        return query_no_memory(c->p);
    for (size_t i = 0; i < c->spec->n; i++) {
        int rc = keep_value(c, view, &c->spec->keys[i], scratch, &kept->values[i]);
        if (rc != OK)
            return rc;
    }
    c->n++;
    return OK;
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

static int read_columns(struct collection *c)
{
    bool any = false;
    for (size_t i = 0; i < c->spec->n; i++)
        any = any || (c->spec->keys[i].source == SORT_COLUMN && !c->spec->keys[i].column.is_config);
    for (size_t r = 0; any && r < c->n; r++) {
        struct run_row row = {0};
        int rc = read_run(c->q, c->runs[r].id, &row, c->p);
        struct run_view view;
        run_view_init(&view, &row, c->q->now);
        for (size_t i = 0; rc == OK && i < c->spec->n; i++)
            if (c->spec->keys[i].source == SORT_COLUMN && !c->spec->keys[i].column.is_config)
                rc = column_value(c->q, &c->spec->keys[i].column, &view, &c->q->arena, &c->runs[r].values[i], c->p);
        run_view_release(&view);
        run_row_release(&row);
        if (rc != OK)
            return rc;
    }
    return OK;
}

/* ---- cursors: "sort\n", a line a value (n, dBITS or tTEXT), and the id; hexadecimal outside ---- */

static int write_cursor(struct collection *c, const struct candidate *last, const char **out)
{
    struct buffer b;
    buffer_init(&b);
    buffer_printf(&b, "%s\n", c->ask->sort != NULL ? c->ask->sort : "");
    for (size_t i = 0; i < c->spec->n; i++) {
        const struct run_value *v = &last->values[i];
        if (v->kind == RUN_VALUE_NUMBER)
            buffer_printf(&b, "d%a\n", v->number);
        else if (v->kind == RUN_VALUE_TEXT)
            buffer_printf(&b, "t%zu:%s\n", strlen(v->text), v->text);
        else
            buffer_text(&b, "n\n");
    }
    buffer_text(&b, last->id);
    *out = b.failed ? NULL : cursor_encode(&c->q->arena, b.data, b.size);
    buffer_release(&b);
    return *out != NULL ? OK : query_no_memory(c->p);
}

static bool read_cursor_value(char **at, const char *end, struct run_value *out)
{
    char kind = **at, *stop;
    if (kind == '\0')
        return false;
    *out = (struct run_value){.kind = RUN_VALUE_NONE};
    (*at)++;
    if (kind == 'd') {
        out->kind = RUN_VALUE_NUMBER;
        out->number = strtod(*at, &stop);
        if (stop == *at)
            return false;
        *at = stop;
    } else if (kind == 't') {
        unsigned long length = strtoul(*at, &stop, 10);
        if (stop == *at || *stop != ':' || length >= (size_t)(end - stop) || stop[1 + length] != '\n')
            return false;
        out->kind = RUN_VALUE_TEXT;
        out->text = stop + 1;
        *at = stop + 1 + length;
        **at = '\0'; /* the text ends where its newline was */
        (*at)++;
        return true;
    } else if (kind != 'n') {
        return false;
    }
    return *(*at)++ == '\n';
}

static bool read_cursor(struct collection *c, struct candidate *out)
{
    char *at;
    size_t size;
    const char *sort = c->ask->sort != NULL ? c->ask->sort : "";
    size_t n_sort = strlen(sort);
    if (!cursor_decode(&c->q->arena, c->ask->cursor, &at, &size) || size <= n_sort || memcmp(at, sort, n_sort) != 0 ||
        at[n_sort] != '\n')
        return false;
    const char *end = at + size;
    at += n_sort + 1;
    out->spec = c->spec;
    out->values = arena_alloc(&c->q->arena, c->spec->n * sizeof *out->values);
    if (out->values == NULL)
        return false;
    for (size_t i = 0; i < c->spec->n; i++)
        if (at >= end || !read_cursor_value(&at, end, &out->values[i]))
            return false;
    out->id = at;
    return at < end;
}

/* ---- the page ---- */

static int find_start(struct collection *c, size_t *start)
{
    struct candidate last;
    *start = 0;
    if (c->ask->cursor == NULL)
        return OK;
    if (!read_cursor(c, &last))
        return problem_set(c->p, PROBLEM_INVALID, "?cursor", "this is not a cursor of this list in this order");
    while (*start < c->n && compare_candidates(&c->runs[*start], &last) <= 0)
        (*start)++;
    return OK;
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
    return start + n < c->n && n > 0 ? write_cursor(c, &c->runs[start + n - 1], &out->next) : OK;
}

int query_runs(struct request *q, const struct runs_ask *ask, struct runs_page *out, struct problem *p)
{
    *out = (struct runs_page){.rows = NULL};
    struct sort_spec *spec = arena_alloc(&q->arena, sizeof *spec);
    if (spec == NULL)
        return query_no_memory(p);
    struct collection c = {.q = q, .ask = ask, .spec = spec, .p = p};
    size_t start = 0;
    int rc = read_spec(q, ask->sort, spec, p);
    if (rc == OK)
        rc = store_runs_each(q->reader, ask->project, collect, &c, p);
    if (rc == OK)
        rc = read_columns(&c);
    if (rc == OK && c.n > 1)
        qsort(c.runs, c.n, sizeof *c.runs, compare_candidates);
    if (rc == OK)
        rc = find_start(&c, &start);
    if (rc == OK)
        rc = read_page(&c, start, out);
    out->total = (int64_t)c.n;
    free(c.runs);
    return rc;
}

void runs_page_release(struct runs_page *page)
{
    for (size_t i = 0; i < page->n; i++)
        run_row_release(&page->rows[i]);
    page->n = 0;
}
