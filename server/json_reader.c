/*
 * The one reader of JSON that comes from outside: its structure, strings and errors (numbers and whole
 * values: json_reader_value.c).  A batch of counts is decoded straight from it, so nothing here allocates
 * but for escaped strings and the keys of free objects.
 *
 * Invariants:
 * 1. body <= at <= end; every read of *at is guarded by at < end (the text has no terminator);
 * 2. frames[1 .. depth] are the open containers; their keys and indices are the current JSON Pointer;
 * 3. the keys of an object read with json_reader_key are keys[keys_from ..] until it closes, when they are
 *    compared: n log n, so that a large object cannot be made slow.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json_reader_parts.h"
#include "json_string.h"

/* ---- errors ---- */

size_t json_pointer_add(char *out, size_t size, size_t used, const char *token, size_t length)
{
    if (used + 1 < size)
        out[used++] = '/';
    for (size_t i = 0; i < length && used + 2 < size; i++) {
        if (token[i] == '~' || token[i] == '/') {
            out[used++] = '~';
            out[used++] = token[i] == '~' ? '0' : '1';
        } else {
            out[used++] = token[i];
        }
    }
    out[used] = '\0';
    return used;
}

static size_t add_index(char *out, size_t size, size_t used, int64_t index)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%lld", (long long)index);
    return json_pointer_add(out, size, used, digits, (size_t)n);
}

static void current_pointer(const struct json_reader *r, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    if (r->record >= 0)
        used = add_index(out, size, used, r->record);
    for (int i = 1; i <= r->depth; i++) {
        const struct json_frame *f = &r->frames[i];
        if (f->is_object && f->key.text != NULL)
            used = json_pointer_add(out, size, used, f->key.text, f->key.size);
        else if (!f->is_object && f->index >= 0)
            used = add_index(out, size, used, f->index);
    }
}

int json_reader_fail(struct json_reader *r, int code, const char *suffix, const char *format, ...)
{
    char pointer[512], detail[480];
    current_pointer(r, pointer, sizeof pointer);
    size_t used = strlen(pointer);
    snprintf(pointer + used, sizeof pointer - used, "%s", suffix);
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    return problem_set(r->p, code, pointer, "%s", detail);
}

int json_reader_malformed(struct json_reader *r, const char *at, const char *what)
{
    return json_reader_fail(r, PROBLEM_MALFORMED, "", "%s at byte %lld", what, (long long)(at - r->body));
}

int json_reader_no_memory(struct json_reader *r)
{
    return problem_set(r->p, PROBLEM_MEMORY, NULL, "out of memory");
}

static void skip_space(struct json_reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
}

enum json_token json_reader_peek(struct json_reader *r)
{
    skip_space(r);
    if (r->at == r->end)
        return JSON_TOKEN_BAD;
    switch (*r->at) {
    case '{':
        return JSON_TOKEN_OBJECT;
    case '[':
        return JSON_TOKEN_ARRAY;
    case '"':
        return JSON_TOKEN_STRING;
    case 't':
        return JSON_TOKEN_TRUE;
    case 'f':
        return JSON_TOKEN_FALSE;
    case 'n':
        return JSON_TOKEN_NULL;
    default:
        return *r->at == '-' || (*r->at >= '0' && *r->at <= '9') ? JSON_TOKEN_NUMBER : JSON_TOKEN_BAD;
    }
}

int json_reader_wrong_type(struct json_reader *r, const char *wanted)
{
    static const char *const names[] = {
        [JSON_TOKEN_OBJECT] = "an object", [JSON_TOKEN_ARRAY] = "an array", [JSON_TOKEN_STRING] = "a string",
        [JSON_TOKEN_NUMBER] = "a number",  [JSON_TOKEN_TRUE] = "true",      [JSON_TOKEN_FALSE] = "false",
        [JSON_TOKEN_NULL] = "null"};
    enum json_token got = json_reader_peek(r);
    if (got == JSON_TOKEN_BAD)
        return json_reader_malformed(r, r->at,
                                     r->at == r->end ? "the text ends where a value is due," : "not a JSON value");
    /* malformed text is that first of all: it decides between 400 and 422 */
    int rc = json_reader_skip(r);
    return rc != OK ? rc : json_reader_fail(r, PROBLEM_INVALID, "", "expected %s, got %s", wanted, names[got]);
}

/* ---- life cycle ---- */

void json_reader_init(struct json_reader *r, const char *body, const char *text, size_t size, struct arena *arena,
                      struct problem *p)
{
    if (size == 0)
        body = text = ""; /* of an empty body there may be no pointer */
    r->body = body;
    r->arena = arena;
    r->p = p;
    r->keys = NULL;
    r->n_keys = r->cap_keys = 0;
    json_reader_line(r, text, size, -1);
}

void json_reader_line(struct json_reader *r, const char *text, size_t size, int64_t record)
{
    r->at = text;
    r->end = text + size;
    r->record = record;
    r->depth = 0;
    r->n_keys = 0;
}

int json_reader_end(struct json_reader *r)
{
    assert(r->depth == 0);
    skip_space(r);
    return r->at == r->end ? OK : json_reader_malformed(r, r->at, "more text after the JSON document,");
}

/* ---- strings ---- */

int json_reader_scan_string(struct json_reader *r, struct json_slice *raw, bool *escaped)
{
    const char *why = NULL;
    raw->text = r->at + 1;
    const char *wrong = json_string_scan(raw->text, r->end, &raw->size, escaped, &why);
    if (wrong != NULL)
        return json_reader_malformed(r, wrong, why);
    r->at = raw->text + raw->size + 1;
    return OK;
}

/* The string at the quote. */
static int read_string(struct json_reader *r, struct json_slice *out)
{
    struct json_slice raw;
    bool escaped;
    int rc = json_reader_scan_string(r, &raw, &escaped);
    if (rc != OK)
        return rc;
    if (escaped) {
        char *text = arena_alloc(r->arena, raw.size);
        if (text == NULL)
            return json_reader_no_memory(r);
        raw.size = json_string_decode(raw.text, raw.size, text);
        raw.text = text;
    }
    *out = raw;
    return OK;
}

int json_reader_string(struct json_reader *r, struct json_slice *out)
{
    return json_reader_peek(r) == JSON_TOKEN_STRING ? read_string(r, out) : json_reader_wrong_type(r, "a string");
}

int json_reader_text(struct json_reader *r, const char **out)
{
    struct json_slice slice;
    int rc = json_reader_string(r, &slice);
    if (rc != OK)
        return rc;
    const char *text = arena_strndup(r->arena, slice.text, slice.size);
    if (text == NULL)
        return json_reader_no_memory(r);
    *out = text;
    return OK;
}

/* ---- structure ---- */

static int open_container(struct json_reader *r, bool is_object)
{
    if (json_reader_peek(r) != (is_object ? JSON_TOKEN_OBJECT : JSON_TOKEN_ARRAY))
        return json_reader_wrong_type(r, is_object ? "an object" : "an array");
    if (r->depth == JSON_READER_DEPTH_MAX)
        return json_reader_malformed(r, r->at, "more than 32 levels of arrays and objects");
    struct json_frame *f = &r->frames[++r->depth];
    f->key.text = NULL;
    f->key.size = 0;
    f->index = -1;
    f->keys_from = r->n_keys;
    f->next_field = 0;
    f->is_object = is_object;
    f->has_item = false;
    r->at++;
    return OK;
}

int json_reader_object(struct json_reader *r)
{
    return open_container(r, true);
}

int json_reader_array(struct json_reader *r)
{
    return open_container(r, false);
}

/* The comma before the next item, or the bracket that closes. */
static int next_item(struct json_reader *r, struct json_frame *f)
{
    char close = f->is_object ? '}' : ']';
    skip_space(r);
    if (r->at == r->end)
        return json_reader_malformed(
            r, r->at, f->is_object ? "the text ends within an object," : "the text ends within an array,");
    if (*r->at == close) {
        r->at++;
        return JSON_END;
    }
    if (f->has_item) {
        if (*r->at != ',')
            return json_reader_malformed(r, r->at, f->is_object ? "expected ',' or '}'" : "expected ',' or ']'");
        r->at++;
        skip_space(r);
        if (r->at < r->end && *r->at == close)
            return json_reader_malformed(r, r->at, "a comma before the closing bracket");
    }
    f->has_item = true;
    return JSON_MORE;
}

int json_reader_item(struct json_reader *r)
{
    struct json_frame *f = &r->frames[r->depth];
    assert(r->depth > 0 && !f->is_object);
    int more = next_item(r, f);
    if (more == JSON_MORE)
        f->index++;
    else if (more == JSON_END)
        r->depth--;
    return more;
}

/* The next key with its colon; the '}' leaves the frame to the caller. */
static int read_key(struct json_reader *r, struct json_frame *f, const char **at)
{
    f->key.text = NULL;
    int more = next_item(r, f);
    if (more != JSON_MORE)
        return more;
    *at = r->at;
    if (r->at == r->end || *r->at != '"')
        return json_reader_malformed(r, r->at, "expected a key in quotes");
    struct json_slice key;
    int rc = read_string(r, &key);
    if (rc != OK)
        return rc;
    f->key = key;
    skip_space(r);
    if (r->at == r->end || *r->at != ':')
        return json_reader_malformed(r, r->at, "expected ':' after the key");
    r->at++;
    return JSON_MORE;
}

/* ---- keys of free objects ---- */

static int repeated(struct json_reader *r, struct json_slice key, const char *at)
{
    char name[64], what[96];
    r->frames[r->depth].key = key;
    snprintf(what, sizeof what, "the key \"%s\" stands twice in its object,",
             problem_quote(name, sizeof name, key.text, key.size));
    return json_reader_malformed(r, at, what);
}

static int keep_key(struct json_reader *r, struct json_slice key, const char *at)
{
    if (r->n_keys == r->cap_keys) {
        size_t cap = r->cap_keys == 0 ? 64 : r->cap_keys * 2;
        struct json_key *keys = arena_grow(r->arena, r->keys, r->cap_keys * sizeof *keys, cap * sizeof *keys);
        if (keys == NULL)
            return json_reader_no_memory(r);
        r->keys = keys;
        r->cap_keys = cap;
    }
    r->keys[r->n_keys++] = (struct json_key){key, at};
    return JSON_MORE;
}

int json_reader_key(struct json_reader *r, struct json_slice *key)
{
    struct json_frame *f = &r->frames[r->depth];
    assert(r->depth > 0 && f->is_object);
    const char *at = r->at;
    int more = read_key(r, f, &at);
    if (more == JSON_MORE) {
        *key = f->key;
        return keep_key(r, f->key, at);
    }
    if (more == JSON_END) {
        const struct json_key *twice =
            r->keys == NULL ? NULL : json_keys_repeated(r->keys + f->keys_from, r->n_keys - f->keys_from);
        if (twice != NULL)
            return repeated(r, twice->slice, twice->at);
        r->n_keys = f->keys_from;
        r->depth--;
    }
    return more;
}

/* ---- keys of objects whose fields are known ---- */

static int unknown_field(struct json_reader *r, const struct json_field *fields, size_t n, struct json_slice key)
{
    char name[64], known[320] = "";
    problem_quote(name, sizeof name, key.text, key.size);
    const char *near = json_field_meant(fields, n, key);
    if (near != NULL)
        return json_reader_fail(r, PROBLEM_UNKNOWN_FIELD, "", "unknown field \"%s\"; did you mean \"%s\"?", name, near);
    size_t used = 0;
    for (size_t i = 0; i < n && used + fields[i].size + 3 < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ", fields[i].name);
    return json_reader_fail(r, PROBLEM_UNKNOWN_FIELD, "", "unknown field \"%s\"; there are %s", name, known);
}

int json_reader_field(struct json_reader *r, const struct json_field *fields, size_t n, uint64_t *seen, size_t *index)
{
    struct json_frame *f = &r->frames[r->depth];
    assert(r->depth > 0 && f->is_object && n <= 64);
    const char *at = r->at;
    int more = read_key(r, f, &at);
    if (more == JSON_END)
        r->depth--;
    if (more != JSON_MORE)
        return more;
    for (size_t tried = 0, i = f->next_field; tried < n; tried++, i++) {
        i = i < n ? i : 0;
        if (fields[i].size != f->key.size || memcmp(fields[i].name, f->key.text, f->key.size) != 0)
            continue;
        if (*seen >> i & 1)
            return repeated(r, f->key, at);
        *seen |= UINT64_C(1) << i;
        *index = i;
        f->next_field = i + 1;
        return JSON_MORE;
    }
    return unknown_field(r, fields, n, f->key);
}
