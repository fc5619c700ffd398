/*
 * Why: every list needs the same order to sort by, to page in and to write down as a cursor.  Any thread.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query_text.h"

#include "run_order.h"

/* ---- keys ---- */

static int read_key(struct request *q, const char *text, size_t length, struct run_order_key *key, struct problem *p)
{
    char quoted[120], why[320] = "";
    key->descending = length > 0 && text[0] == '-';
    const char *name = arena_strndup(&q->arena, text + key->descending, length - key->descending);
    if (name == NULL)
        return query_no_memory(p);
    key->field = name;
    key->source = strcmp(name, "tags") == 0 ? RUN_ORDER_TAGS : RUN_ORDER_FIELD;
    if (key->source == RUN_ORDER_TAGS || (run_field_is_known(name) && strcmp(name, "notes") != 0))
        return OK;
    key->source = RUN_ORDER_COLUMN;
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

int run_order_parse(struct request *q, const char *sort, struct run_order *out, struct problem *p)
{
    out->text = sort != NULL ? sort : "";
    out->n = 0;
    for (const char *at = sort != NULL ? sort : "-created_at";; at++) {
        size_t length = strcspn(at, ",");
        if (out->n == RUN_ORDER_KEYS_MAX)
            return problem_set(p, PROBLEM_INVALID, "?sort", "at most %d sort keys", RUN_ORDER_KEYS_MAX);
        int rc = read_key(q, at, length, &out->keys[out->n++], p);
        if (rc != OK)
            return rc;
        at += length;
        if (*at == '\0')
            return OK;
    }
}

bool run_order_is_default(const struct run_order *order)
{
    const struct run_order_key *key = &order->keys[0];
    return order->n == 1 && key->source == RUN_ORDER_FIELD && key->descending && strcmp(key->field, "created_at") == 0;
}

int run_place_compare(const void *a, const void *b)
{
    const struct run_place *x = a, *y = b;
    for (size_t i = 0; i < x->order->n; i++) {
        const struct run_value *u = &x->values[i], *v = &y->values[i];
        int order = run_value_compare(u, v);
        if (order == 0)
            continue;
        bool nothing = u->kind == RUN_VALUE_NONE || v->kind == RUN_VALUE_NONE;
        return x->order->keys[i].descending && !nothing ? -order : order;
    }
    return strcmp(x->id, y->id);
}

/* ---- cursors: "sort\n", a line a value (n, dBITS or tTEXT), and the id; hexadecimal outside ---- */

int run_place_write(struct request *q, const struct run_place *place, const char **out, struct problem *p)
{
    struct buffer b;
    buffer_init(&b);
    buffer_printf(&b, "%s\n", place->order->text);
    for (size_t i = 0; i < place->order->n; i++) {
        const struct run_value *v = &place->values[i];
        if (v->kind == RUN_VALUE_NUMBER)
            buffer_printf(&b, "d%a\n", v->number);
        else if (v->kind == RUN_VALUE_TEXT)
            buffer_printf(&b, "t%zu:%s\n", strlen(v->text), v->text);
        else
            buffer_text(&b, "n\n");
    }
    buffer_text(&b, place->id);
    *out = b.failed ? NULL : cursor_encode(&q->arena, b.data, b.size);
    buffer_release(&b);
    return *out != NULL ? OK : query_no_memory(p);
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
        if (stop == *at || !isfinite(out->number))
            return false;
        *at = stop;
    } else if (kind == 't') {
        unsigned long length = strtoul(*at, &stop, 10);
        if (stop == *at || *stop != ':' || length >= (size_t)(end - stop) || stop[1 + length] != '\n' ||
            memchr(stop + 1, '\0', length) != NULL)
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

static bool read_cursor(struct request *q, const char *cursor, struct run_place *out)
{
    char *at;
    size_t size;
    size_t n_sort = strlen(out->order->text);
    if (!cursor_decode(&q->arena, cursor, &at, &size) || size <= n_sort || memcmp(at, out->order->text, n_sort) != 0 ||
        at[n_sort] != '\n')
        return false;
    const char *end = at + size;
    at += n_sort + 1;
    for (size_t i = 0; i < out->order->n; i++)
        if (at >= end || !read_cursor_value(&at, end, &out->values[i]))
            return false;
    out->id = at;
    return at < end && strlen(at) == (size_t)(end - at);
}

int run_place_read(struct request *q, const struct run_order *order, const char *cursor, struct run_place *out,
                   struct problem *p)
{
    out->order = order;
    out->values = arena_alloc(&q->arena, order->n * sizeof *out->values);
    if (out->values == NULL)
        return query_no_memory(p);
    if (!read_cursor(q, cursor, out))
        return problem_set(p, PROBLEM_INVALID, "?cursor", "this is not a cursor of this list in this order");
    return OK;
}
