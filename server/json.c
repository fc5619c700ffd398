/*
 * Documents as trees: what is merged, taken apart or stored as a whole.  cJSON holds the tree; it
 * neither parses (it takes trailing bytes, repeated keys, 007 and 1e400, cuts numbers at 63 characters and
 * reads the locale) nor prints (2^53-1 comes out off by one): json_reader and json_writer do.
 *
 * Recursion is bounded: the reader lets no more than 32 levels in, and a merge adds none.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "buffer.h"
#include "json.h"
#include "json_reader.h"
#include "json_writer.h"

struct json_document {
    cJSON *root;
};

static const struct json *hide(const cJSON *item)
{
    return (const struct json *)item;
}

static const cJSON *show(const struct json *v)
{
    return (const cJSON *)v;
}

static int no_memory(struct problem *p)
{
    return problem_set(p, PROBLEM_MEMORY, NULL, "out of memory");
}

/* ---- from text to tree ---- */

static int build(struct json_reader *r, cJSON **out);

/* Own the item: it hangs below parent, or is gone. */
static int hang(struct json_reader *r, cJSON *parent, const char *key, cJSON *item)
{
    if (key == NULL ? cJSON_AddItemToArray(parent, item) : cJSON_AddItemToObject(parent, key, item))
        return OK;
    cJSON_Delete(item);
    return no_memory(r->p);
}

static int build_object(struct json_reader *r, cJSON *object)
{
    struct json_slice key;
    int rc = json_reader_object(r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_key(r, &key)) == JSON_MORE) {
        cJSON *item = NULL;
        const char *name = arena_strndup(r->arena, key.text, key.size);
        if (name == NULL)
            return no_memory(r->p);
        if ((rc = build(r, &item)) != OK || (rc = hang(r, object, name, item)) != OK)
            return rc;
    }
    return more == JSON_END ? OK : more;
}

static int build_array(struct json_reader *r, cJSON *array)
{
    int rc = json_reader_array(r), more;
    if (rc != OK)
        return rc;
    while ((more = json_reader_item(r)) == JSON_MORE) {
        cJSON *item = NULL;
        if ((rc = build(r, &item)) != OK || (rc = hang(r, array, NULL, item)) != OK)
            return rc;
    }
    return more == JSON_END ? OK : more;
}

static int build_container(struct json_reader *r, bool is_object, cJSON **out)
{
    cJSON *item = is_object ? cJSON_CreateObject() : cJSON_CreateArray();
    if (item == NULL)
        return no_memory(r->p);
    int rc = is_object ? build_object(r, item) : build_array(r, item);
    if (rc != OK)
        cJSON_Delete(item);
    else
        *out = item;
    return rc;
}

static int build(struct json_reader *r, cJSON **out)
{
    enum json_token token = json_reader_peek(r);
    cJSON *item = NULL;
    const char *text;
    double number;
    int rc;
    if (token == JSON_TOKEN_OBJECT || token == JSON_TOKEN_ARRAY)
        return build_container(r, token == JSON_TOKEN_OBJECT, out);
    if (token == JSON_TOKEN_STRING) {
        if ((rc = json_reader_text(r, &text)) == OK)
            item = cJSON_CreateString(text);
    } else if (token == JSON_TOKEN_NUMBER) {
        if ((rc = json_reader_double(r, &number)) == OK)
            item = cJSON_CreateNumber(number);
    } else {
        if ((rc = json_reader_skip(r)) == OK)
            item = token == JSON_TOKEN_NULL ? cJSON_CreateNull() : cJSON_CreateBool(token == JSON_TOKEN_TRUE);
    }
    if (rc != OK)
        return rc;
    if (item == NULL)
        return no_memory(r->p);
    *out = item;
    return OK;
}

/* The arena holds what the reader decodes, only while it reads. */
static int parse(const char *text, size_t size, cJSON **out, struct problem *p)
{
    struct arena arena;
    struct json_reader r;
    cJSON *root = NULL;
    arena_init(&arena);
    json_reader_init(&r, text, text, size, &arena, p);
    int rc = build(&r, &root);
    if (rc == OK)
        rc = json_reader_end(&r);
    arena_release(&arena);
    if (rc != OK)
        cJSON_Delete(root);
    else
        *out = root;
    return rc;
}

int json_parse(const char *text, size_t size, struct json_document **out, struct problem *p)
{
    struct json_document *d = malloc(sizeof *d);
    if (d == NULL)
        return no_memory(p);
    int rc = parse(text, size, &d->root, p);
    if (rc != OK)
        free(d);
    else
        *out = d;
    return rc;
}

const struct json *json_root(const struct json_document *d)
{
    return hide(d->root);
}

void json_free(struct json_document *d)
{
    if (d == NULL)
        return;
    cJSON_Delete(d->root);
    free(d);
}

/* ---- looking at it ---- */

enum json_type json_type(const struct json *v)
{
    const cJSON *item = show(v);
    if (cJSON_IsObject(item))
        return JSON_OBJECT;
    if (cJSON_IsArray(item))
        return JSON_ARRAY;
    if (cJSON_IsString(item))
        return JSON_STRING;
    if (cJSON_IsNumber(item))
        return JSON_NUMBER;
    return cJSON_IsBool(item) ? JSON_BOOL : JSON_NULL;
}

const char *json_as_string(const struct json *v)
{
    return cJSON_GetStringValue(show(v));
}

bool json_as_bool(const struct json *v)
{
    return cJSON_IsTrue(show(v));
}

double json_as_number(const struct json *v)
{
    return cJSON_IsNumber(show(v)) ? show(v)->valuedouble : NAN;
}

bool json_as_int(const struct json *v, int64_t *out)
{
    double value = json_as_number(v);
    if (!(fabs(value) <= (double)JSON_INT_MAX) || value != trunc(value))
        return false;
    *out = (int64_t)value;
    return true;
}

size_t json_length(const struct json *v)
{
    size_t n = 0;
    for (const struct json *c = json_child(v); c != NULL; c = json_next(c))
        n++;
    return n;
}

const struct json *json_child(const struct json *v)
{
    return v == NULL ? NULL : hide(show(v)->child);
}

const struct json *json_next(const struct json *v)
{
    return hide(show(v)->next);
}

const char *json_name(const struct json *v)
{
    return show(v)->string;
}

const struct json *json_get(const struct json *object, const char *key)
{
    return hide(cJSON_GetObjectItemCaseSensitive(show(object), key));
}

/* ---- from tree to text ---- */

void json_write(struct json_writer *w, const struct json *v)
{
    switch (json_type(v)) {
    case JSON_NULL:
        json_null(w);
        break;
    case JSON_BOOL:
        json_bool(w, json_as_bool(v));
        break;
    case JSON_NUMBER:
        json_double(w, json_as_number(v));
        break;
    case JSON_STRING:
        json_string(w, json_as_string(v));
        break;
    case JSON_ARRAY:
        json_array_begin(w);
        for (const struct json *c = json_child(v); c != NULL; c = json_next(c))
            json_write(w, c);
        json_array_end(w);
        break;
    case JSON_OBJECT:
        json_object_begin(w);
        for (const struct json *c = json_child(v); c != NULL; c = json_next(c)) {
            json_key(w, json_name(c));
            json_write(w, c);
        }
        json_object_end(w);
        break;
    }
}

static void print(struct buffer *b, const cJSON *item)
{
    struct json_writer w;
    buffer_init(b);
    json_writer_init(&w, b);
    json_write(&w, hide(item));
}

char *json_text(const struct json *v, struct arena *arena)
{
    struct buffer b;
    print(&b, show(v));
    char *text = b.failed ? NULL : arena_strndup(arena, b.data, b.size);
    buffer_release(&b);
    return text;
}

/* The text of a tree, malloc'ed and NUL-terminated. */
static int print_owned(const cJSON *item, char **out, struct problem *p)
{
    struct buffer b;
    print(&b, item);
    buffer_add(&b, "", 1);
    char *text = b.failed ? NULL : buffer_take(&b, &(size_t){0});
    buffer_release(&b);
    if (text == NULL)
        return no_memory(p);
    *out = text;
    return OK;
}

/* ---- RFC 7396 ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(cJSON *const *)a)->string, (*(cJSON *const *)b)->string);
}

/* The members of an object, sorted by name: a merge of two large objects must not take their product. */
static bool sort_members(const cJSON *object, cJSON ***out, size_t *n)
{
    size_t size = json_length(hide(object)), i = 0;
    cJSON **members = malloc((size + 1) * sizeof *members);
    if (members == NULL)
        return false;
    for (cJSON *c = object->child; c != NULL; c = c->next)
        members[i++] = c;
    qsort(members, size, sizeof *members, compare_names);
    *out = members;
    *n = size;
    return true;
}

static bool merge_object(cJSON *target, const cJSON *patch);

/* What a member of the patch becomes where the target has nothing to merge with: itself, without nulls. */
static cJSON *patch_value(const cJSON *patch)
{
    if (!cJSON_IsObject(patch))
        return cJSON_Duplicate(patch, true);
    cJSON *value = cJSON_CreateObject();
    if (value != NULL && !merge_object(value, patch)) {
        cJSON_Delete(value);
        value = NULL;
    }
    return value;
}

/* Move a member out of its object.  It is not freed yet: its name is still searched. */
static void set_aside(cJSON *target, cJSON *member, cJSON *gone)
{
    cJSON_AddItemToArray(gone, cJSON_DetachItemViaPointer(target, member));
}

/* Put a value into a member, which keeps its name and its place: merging what is there already changes
   no byte of the document.  Frees the value's node with the member's old content. */
static void put_in_place(cJSON *member, cJSON *value)
{
    cJSON old = *member;
    char *unused = value->string;

    *member = *value;
    member->next = old.next;
    member->prev = old.prev;
    member->string = old.string;
    *value = old;
    value->next = value->prev = NULL;
    value->string = unused;
    cJSON_Delete(value);
}

/* Apply one member of the patch; old is the target's member of that name, or NULL. */
static bool merge_member(cJSON *target, cJSON *old, const cJSON *patch, cJSON *gone)
{
    if (old != NULL && cJSON_IsObject(old) && cJSON_IsObject(patch))
        return merge_object(old, patch);
    if (cJSON_IsNull(patch)) {
        if (old != NULL)
            set_aside(target, old, gone);
        return true;
    }
    cJSON *value = patch_value(patch);
    if (value == NULL)
        return false;
    if (old != NULL) {
        put_in_place(old, value);
        return true;
    }
    if (cJSON_AddItemToObject(target, patch->string, value))
        return true;
    cJSON_Delete(value);
    return false;
}

/* Both are objects.  false: no memory, and target is neither the old one nor the new one. */
static bool merge_object(cJSON *target, const cJSON *patch)
{
    cJSON **members = NULL, *gone = cJSON_CreateArray();
    size_t n = 0;
    bool ok = gone != NULL && sort_members(target, &members, &n);
    for (const cJSON *c = patch->child; ok && c != NULL; c = c->next) {
        cJSON **old = bsearch(&c, members, n, sizeof *members, compare_names);
        ok = merge_member(target, old != NULL ? *old : NULL, c, gone);
    }
    free(members);
    cJSON_Delete(gone);
    return ok;
}

int json_merge_patch(const char *target, const char *patch, char **out, struct problem *p)
{
    cJSON *into = NULL, *from = NULL;
    int rc = target == NULL ? OK : parse(target, strlen(target), &into, p);
    if (rc == OK)
        rc = parse(patch, strlen(patch), &from, p);
    if (rc != OK)
        goto out;
    if (cJSON_IsObject(into) && cJSON_IsObject(from)) {
        if (!merge_object(into, from))
            rc = no_memory(p);
    } else {
        cJSON_Delete(into);
        into = patch_value(from);
        if (into == NULL)
            rc = no_memory(p);
    }
    if (rc == OK)
        rc = print_owned(into, out, p);
out:
    cJSON_Delete(into);
    cJSON_Delete(from);
    return rc;
}

/* ---- sets of strings ---- */

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int print_set(const char **all, size_t n, char **out, struct problem *p)
{
    struct buffer b;
    struct json_writer w;
    buffer_init(&b);
    json_writer_init(&w, &b);
    qsort(all, n, sizeof *all, compare_strings);
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(all[i - 1], all[i]) != 0)
            json_string(&w, all[i]);
    json_array_end(&w);
    buffer_add(&b, "", 1);
    char *text = b.failed ? NULL : buffer_take(&b, &(size_t){0});
    buffer_release(&b);
    if (text == NULL)
        return no_memory(p);
    *out = text;
    return OK;
}

int json_string_set(const char *text, const char *const *add, size_t n_add, char **out, struct problem *p)
{
    cJSON *old = NULL;
    const char **all = NULL;
    int rc = text == NULL ? OK : parse(text, strlen(text), &old, p);
    if (rc != OK)
        return rc;
    size_t n = 0;
    all = malloc((json_length(hide(old)) + n_add + 1) * sizeof *all);
    if (all == NULL) {
        rc = no_memory(p);
        goto out;
    }
    for (const struct json *c = json_child(hide(old)); c != NULL; c = json_next(c))
        if (json_as_string(c) != NULL)
            all[n++] = json_as_string(c);
    for (size_t i = 0; i < n_add; i++)
        all[n++] = add[i];
    rc = print_set(all, n, out, p);
out:
    free(all);
    cJSON_Delete(old);
    return rc;
}
