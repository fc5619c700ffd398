/*
 * Why: a table of thousands of runs needs a question shorter than a form.  The language is small on
 * purpose: no OR, no parentheses.  Pure but for the arena; any thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json.h"
#include "query.h"

#include "query_filter.h"

enum op { OP_EQUAL, OP_NOT_EQUAL, OP_GREATER, OP_LESS, OP_GREATER_EQUAL, OP_LESS_EQUAL, OP_CONTAINS };

enum subject { ON_WORD, ON_TAG, ON_FIELD, ON_CONFIG };

struct term {
    enum subject subject;
    enum op op;
    const char *key; /* ON_FIELD, ON_CONFIG */
    const char *value;
    bool is_number; /* value reads as one, and was not quoted */
    double number;
    struct term *next;
};

struct filter {
    struct term *terms;
};

/* ---- reading ---- */

struct reader {
    const char *at;
    const char *term; /* where the current term begins */
    struct arena *arena;
    struct problem *p;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int refuse(const struct reader *r, const char *why)
{
    char quoted[120];
    size_t length = 0;
    while (r->term[length] != '\0' && !is_blank(r->term[length]))
        length++;
    problem_quote(quoted, sizeof quoted, r->term, length);
    return problem_set(r->p, PROBLEM_INVALID, "?q", "the term %s: %s", quoted, why);
}

/* A quoted text or the characters up to a blank or, in a key, an operator. */
static int read_text(struct reader *r, bool is_key, const char **out, bool *quoted)
{
    char *text = arena_alloc(r->arena, strlen(r->at) + 1);
    size_t n = 0;
    if (text == NULL)
        return query_no_memory(r->p);
    *quoted = *r->at == '"';
    if (*quoted) {
        for (r->at++; *r->at != '"'; r->at++) {
            if (*r->at == '\\' && (r->at[1] == '"' || r->at[1] == '\\'))
                r->at++;
            if (*r->at == '\0')
                return refuse(r, "the quote is not closed");
            text[n++] = *r->at;
        }
        r->at++;
    } else {
        while (*r->at != '\0' && !is_blank(*r->at) && *r->at != '"' && !(is_key && strchr("=!<>~:", *r->at) != NULL))
            text[n++] = *r->at++;
    }
    text[n] = '\0';
    *out = text;
    return OK;
}

static bool read_op(struct reader *r, enum op *out)
{
    static const struct {
        const char *text;
        enum op op;
    } ops[] = {{"!=", OP_NOT_EQUAL}, {">=", OP_GREATER_EQUAL}, {"<=", OP_LESS_EQUAL}, {"=", OP_EQUAL},
               {">", OP_GREATER},    {"<", OP_LESS},           {"~", OP_CONTAINS},    {":", OP_EQUAL}};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (strncmp(r->at, ops[i].text, strlen(ops[i].text)) == 0) {
            r->at += strlen(ops[i].text);
            *out = ops[i].op;
            return true;
        }
    return false;
}

static bool read_number(const char *text, double *out)
{
    if (*text == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0')
        return false;
    char *end;
    *out = strtod(text, &end);
    return *end == '\0';
}

static bool is_order(enum op op)
{
    return op >= OP_GREATER && op <= OP_LESS_EQUAL;
}

/* What the key means, and whether the operator and the value fit it. */
static int settle_key(const struct reader *r, struct term *t)
{
    enum run_status status;
    if (strcmp(t->key, "tag") == 0 || strcmp(t->key, "tags") == 0) {
        t->subject = ON_TAG;
        return is_order(t->op) ? refuse(r, "tags have no order; tag:x asks for one") : OK;
    }
    if (!run_field_is_known(t->key)) {
        t->subject = ON_CONFIG;
        if (strncmp(t->key, "config.", 7) == 0)
            t->key += 7;
        return *t->key != '\0' ? OK : refuse(r, "config. needs the name of a key");
    }
    t->subject = ON_FIELD;
    size_t length = strlen(t->key);
    bool numeric = strcmp(t->key, "revision") == 0 || (length > 3 && strcmp(t->key + length - 3, "_at") == 0);
    if (numeric && t->op != OP_CONTAINS && !t->is_number)
        return refuse(r, "a number is needed here (times are milliseconds since 1970)");
    if (strcmp(t->key, "status") == 0 && (t->op == OP_EQUAL || t->op == OP_NOT_EQUAL) &&
        !run_status_from_name(t->value, &status))
        return refuse(r, "a status is running, finished, failed, killed or crashed");
    return OK;
}

static int read_term(struct reader *r, struct term *t)
{
    bool quoted;
    const char *first;
    r->term = r->at;
    int rc = read_text(r, true, &first, &quoted);
    if (rc != OK)
        return rc;
    if (!read_op(r, &t->op)) {
        if (*r->at != '\0' && !is_blank(*r->at))
            return refuse(r, "a blank or an operator (= != > < >= <= ~ :) must follow");
        t->subject = ON_WORD;
        t->value = first;
        return OK;
    }
    t->key = first;
    if (*first == '\0')
        return refuse(r, "a key must stand before the operator");
    rc = read_text(r, false, &t->value, &quoted);
    if (rc != OK)
        return rc;
    if (*r->at != '\0' && !is_blank(*r->at))
        return refuse(r, "a blank must follow the value; quote a value that holds blanks or quotes");
    if (*t->value == '\0' && !quoted)
        return refuse(r, "a value must follow the operator");
    t->is_number = !quoted && read_number(t->value, &t->number);
    return settle_key(r, t);
}

int filter_parse(const char *text, struct arena *arena, struct filter **out, struct problem *p)
{
    struct reader r = {.at = text, .arena = arena, .p = p};
    struct filter *f = arena_alloc(arena, sizeof *f);
    if (f == NULL)
        return query_no_memory(p);
    f->terms = NULL;
    for (struct term **link = &f->terms;;) {
        while (is_blank(*r.at))
            r.at++;
        if (*r.at == '\0')
            break;
        struct term *t = arena_alloc(arena, sizeof *t);
        if (t == NULL)
            return query_no_memory(p);
        memset(t, 0, sizeof *t);
        int rc = read_term(&r, t);
        if (rc != OK)
            return rc;
        *link = t;
        link = &t->next;
    }
    *out = f;
    return OK;
}

/* ---- matching ---- */

static bool contains(const char *text, const char *part)
{
    return text != NULL && strcasestr(text, part) != NULL;
}

static bool in_order(enum op op, int compared)
{
    switch (op) {
    case OP_EQUAL:
        return compared == 0;
    case OP_NOT_EQUAL:
        return compared != 0;
    case OP_GREATER:
        return compared > 0;
    case OP_LESS:
        return compared < 0;
    case OP_GREATER_EQUAL:
        return compared >= 0;
    case OP_LESS_EQUAL:
        return compared <= 0;
    case OP_CONTAINS:
        break;
    }
    return false;
}

/* The text of a number, for ~ and for values that were quoted. */
static const char *value_text(const struct run_value *v, char *room, size_t size)
{
    if (v->kind == RUN_VALUE_TEXT)
        return v->text;
    snprintf(room, size, "%.17g", v->number);
    return room;
}

static bool value_fits(const struct term *t, const struct run_value *v)
{
    char room[32];
    if (v->kind == RUN_VALUE_NONE)
        return t->op == OP_NOT_EQUAL;
    if (t->op == OP_CONTAINS)
        return contains(value_text(v, room, sizeof room), t->value);
    if (v->kind == RUN_VALUE_NUMBER && t->is_number)
        return in_order(t->op, (v->number > t->number) - (v->number < t->number));
    if (v->kind == RUN_VALUE_NUMBER) /* a number is neither equal to a text nor before or after it */
        return t->op == OP_NOT_EQUAL;
    return in_order(t->op, strcmp(v->text, t->value));
}

static int tag_fits(const struct term *t, struct run_view *view, bool *fits, struct problem *p)
{
    const struct json *tags = NULL;
    int rc = run_view_tags(view, &tags, p);
    if (rc != OK)
        return rc;
    bool found = false;
    for (const struct json *tag = tags != NULL ? json_child(tags) : NULL; tag != NULL && !found; tag = json_next(tag)) {
        const char *text = json_as_string(tag);
        found = text != NULL && (t->op == OP_CONTAINS ? contains(text, t->value) : strcmp(text, t->value) == 0);
    }
    *fits = found == (t->op != OP_NOT_EQUAL);
    return OK;
}

static int term_fits(const struct term *t, struct run_view *view, struct arena *arena, bool *fits, struct problem *p)
{
    struct run_value value;
    bool known;
    int rc;
    switch (t->subject) {
    case ON_WORD:
        *fits = contains(view->run->id, t->value) || contains(view->run->name, t->value);
        return OK;
    case ON_TAG:
        return tag_fits(t, view, fits, p);
    case ON_FIELD:
        run_view_field(view, t->key, &value, &known);
        break;
    case ON_CONFIG:
        rc = run_view_config(view, t->key, arena, &value, p);
        if (rc != OK)
            return rc;
        break;
    }
    *fits = value_fits(t, &value);
    return OK;
}

int filter_match(const struct filter *f, struct run_view *view, struct arena *arena, bool *match, struct problem *p)
{
    *match = true;
    for (const struct term *t = f != NULL ? f->terms : NULL; t != NULL && *match; t = t->next) {
        int rc = term_fits(t, view, arena, match, p);
        if (rc != OK)
            return rc;
    }
    return OK;
}
