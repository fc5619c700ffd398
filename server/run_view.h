#ifndef RUN_VIEW_H
#define RUN_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "problem.h"
#include "store.h"

/**
 * What filters, sort keys and columns read of a run: its fields and its config, parsed only when
 * somebody asks.
 */
struct run_view {
    const struct run_row *run; /* borrowed */
    int64_t now;
    struct json_document *config, *tags;
};

/* One value of a run: a number, a text or nothing. */
enum run_value_kind { RUN_VALUE_NONE, RUN_VALUE_NUMBER, RUN_VALUE_TEXT };

struct run_value {
    enum run_value_kind kind;
    double number;
    const char *text;
};

struct json;

void run_view_init(struct run_view *v, const struct run_row *run, int64_t now);
void run_view_release(struct run_view *v);

/**
 * run_view_field(v, name, out, p): one of id, name, project, status, notes, created_at, updated_at,
 * ended_at, revision.  *known is false for any other name.  Texts are borrowed from the run.
 */
void run_view_field(const struct run_view *v, const char *name, struct run_value *out, bool *known);
bool run_field_is_known(const char *name);

/**
 * run_view_config(v, path, arena, out, p): a value of the config by a dotted path; a key that holds
 * dots itself is found too.  true and false are texts, an object or array is its JSON text, null and
 * what is not there is nothing.  Texts are in the arena.
 */
int run_view_config(struct run_view *v, const char *path, struct arena *arena, struct run_value *out,
                    struct problem *p);

/** run_view_tags(v, out, p): the parsed array of tags; NULL: none. */
int run_view_tags(struct run_view *v, const struct json **out, struct problem *p);

/** run_value_compare(a, b): numbers before texts before nothing. */
int run_value_compare(const struct run_value *a, const struct run_value *b);

#endif
