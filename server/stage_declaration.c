/*
 * What a run declares of a stage, read from its stored text.  The text was checked when it was
 * written (decode_run.c); what does not fit all the same counts as not declared.
 */
#include <string.h>

#include "json.h"
#include "stage_declaration.h"

static int64_t number(const struct json *stage, const char *key)
{
    const struct json *v = json_get(stage, key);
    int64_t value;
    return v != NULL && json_as_int(v, &value) && value >= 0 ? value : -1;
}

static int read_names(const struct json *list, struct arena *arena, struct stage_declaration *out, struct problem *p)
{
    size_t n = json_length(list), i = 0;
    const char **names = arena_alloc(arena, n * sizeof *names);
    if (names == NULL)
        return problem_set(p, PROBLEM_MEMORY, NULL, "out of memory");
    for (const struct json *v = json_child(list); v != NULL; v = json_next(v)) {
        const char *name = json_as_string(v);
        if (name == NULL)
            return OK;
        names[i] = arena_strndup(arena, name, strlen(name));
        if (names[i++] == NULL)
            return problem_set(p, PROBLEM_MEMORY, NULL, "out of memory");
    }
    out->class_names = names;
    out->n_class_names = n;
    return OK;
}

int stage_declaration_get(const char *stages, const char *stage, struct arena *arena, struct stage_declaration *out,
                          struct problem *p)
{
    struct stage_declaration found = {.dataset_size = -1, .world_size = -1, .ignore_index = -1, .top_k = -1};
    struct json_document *d = NULL;
    int rc = stages == NULL ? OK : json_parse(stages, strlen(stages), &d, p);
    if (rc != OK)
        return rc;
    const struct json *declared = d != NULL ? json_get(json_root(d), stage) : NULL;
    if (declared != NULL && json_type(declared) == JSON_OBJECT) {
        const struct json *names = json_get(declared, "class_names");
        found.dataset_size = number(declared, "dataset_size");
        found.world_size = number(declared, "world_size");
        found.ignore_index = number(declared, "ignore_index");
        found.top_k = number(declared, "top_k");
        if (names != NULL && json_type(names) == JSON_ARRAY)
            rc = read_names(names, arena, &found, p);
        if (found.class_names != NULL && found.ignore_index >= (int64_t)found.n_class_names)
            found.ignore_index = -1;
    }
    json_free(d);
    if (rc == OK)
        *out = found;
    return rc;
}

struct metric_options stage_metric_options(const struct stage_declaration *declaration)
{
    return (struct metric_options){.ignore_index = declaration->ignore_index,
                                   .top_k = declaration->top_k > 1 ? declaration->top_k : 1};
}
