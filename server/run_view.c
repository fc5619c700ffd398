/*
 * Why: see the header.  Stored documents were checked when they were written, so one that does not
 * parse is a defect, and is reported as such.  Any thread.
 */
#include <string.h>

#include "json.h"
#include "query.h"

#include "run_view.h"

void run_view_init(struct run_view *v, const struct run_row *run, int64_t now)
{
    *v = (struct run_view){.run = run, .now = now};
}

void run_view_release(struct run_view *v)
{
    json_free(v->config);
    json_free(v->tags);
    v->config = v->tags = NULL;
}

static struct run_value text_value(const char *text)
{
    return (struct run_value){.kind = text != NULL ? RUN_VALUE_TEXT : RUN_VALUE_NONE, .text = text};
}

static struct run_value number_value(int64_t number, bool is_there)
{
    return (struct run_value){.kind = is_there ? RUN_VALUE_NUMBER : RUN_VALUE_NONE, .number = (double)number};
}

void run_view_field(const struct run_view *v, const char *name, struct run_value *out, bool *known)
{
    const struct run_row *r = v->run;
    *known = true;
    if (strcmp(name, "id") == 0)
        *out = text_value(r->id);
    else if (strcmp(name, "name") == 0)
        *out = text_value(r->name);
    else if (strcmp(name, "project") == 0)
        *out = text_value(r->project);
    else if (strcmp(name, "status") == 0)
        *out = text_value(run_status_name(run_status_effective(r, v->now)));
    else if (strcmp(name, "notes") == 0)
        *out = text_value(r->notes);
    else if (strcmp(name, "created_at") == 0)
        *out = number_value(r->created_at, true);
    else if (strcmp(name, "updated_at") == 0)
        *out = number_value(r->updated_at, true);
    else if (strcmp(name, "ended_at") == 0)
        *out = number_value(r->ended_at, r->ended_at != 0);
    else if (strcmp(name, "revision") == 0)
        *out = number_value(r->revision, true);
    else
        *known = false;
}

bool run_field_is_known(const char *name)
{
    static const struct run_row none;
    const struct run_view view = {.run = &none};
    struct run_value value;
    bool known;
    run_view_field(&view, name, &value, &known);
    return known;
}

static int parse(const char *text, struct json_document **out, struct problem *p)
{
    struct problem why = {.code = OK};
    if (*out != NULL || text == NULL || json_parse(text, strlen(text), out, &why) == OK)
        return OK;
    if (why.code == PROBLEM_MEMORY)
        return problem_set(p, PROBLEM_MEMORY, NULL, "%s", why.detail);
    return problem_set(p, PROBLEM_INTERNAL, NULL, "a stored document of a run does not parse: %s", why.detail);
}

/* "a.b.c" in an object: the key a.b.c, or c of the key a.b, or b.c of the key a. */
static const struct json *find_path(const struct json *object, const char *path)
{
    if (object == NULL || json_type(object) != JSON_OBJECT)
        return NULL;
    const struct json *whole = json_get(object, path);
    if (whole != NULL)
        return whole;
    char key[256];
    for (const char *dot = strchr(path, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
        size_t length = (size_t)(dot - path);
        if (length >= sizeof key)
            break;
        memcpy(key, path, length);
        key[length] = '\0';
        const struct json *found = find_path(json_get(object, key), dot + 1);
        if (found != NULL)
            return found;
    }
    return NULL;
}

int run_view_config(struct run_view *v, const char *path, struct arena *arena, struct run_value *out, struct problem *p)
{
    *out = (struct run_value){.kind = RUN_VALUE_NONE};
    int rc = parse(v->run->config, &v->config, p);
    if (rc != OK || v->config == NULL)
        return rc;
    const struct json *value = find_path(json_root(v->config), path);
    if (value == NULL || json_type(value) == JSON_NULL)
        return OK;
    if (json_type(value) == JSON_NUMBER) {
        *out = (struct run_value){.kind = RUN_VALUE_NUMBER, .number = json_as_number(value)};
        return OK;
    }
    const char *text = json_as_string(value);
    *out = text_value(text != NULL ? arena_strndup(arena, text, strlen(text)) : json_text(value, arena));
    return out->text != NULL ? OK : query_no_memory(p);
}

int run_view_tags(struct run_view *v, const struct json **out, struct problem *p)
{
    int rc = parse(v->run->tags, &v->tags, p);
    if (rc == OK)
        *out = v->tags != NULL ? json_root(v->tags) : NULL;
    return rc;
}

int run_value_compare(const struct run_value *a, const struct run_value *b)
{
    static const int order[] = {[RUN_VALUE_NUMBER] = 0, [RUN_VALUE_TEXT] = 1, [RUN_VALUE_NONE] = 2};
    if (a->kind != b->kind)
        return order[a->kind] - order[b->kind];
    if (a->kind == RUN_VALUE_NUMBER)
        return (a->number > b->number) - (a->number < b->number);
    return a->kind == RUN_VALUE_TEXT ? strcmp(a->text, b->text) : 0;
}
