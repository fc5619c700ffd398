#ifndef RUN_ORDER_H
#define RUN_ORDER_H

#include <stdbool.h>
#include <stddef.h>

#include "query_columns.h"

/**
 * The order of a list of runs, and cursors in it.  Keys: id, name, project, status, created_at,
 * updated_at, ended_at, revision, tags, config.x and any column; "-" in front turns a key round; nothing
 * comes last either way; equal keys are ordered by id.
 *
 * A cursor holds the keys and the id of the last run shown, so that the next page starts after them
 * whatever was created or deleted in between.  Texts count with their first RUN_ORDER_TEXT_MAX bytes.
 */
enum { RUN_ORDER_KEYS_MAX = 8, RUN_ORDER_TEXT_MAX = 200 };

enum run_order_source { RUN_ORDER_FIELD, RUN_ORDER_TAGS, RUN_ORDER_COLUMN };

struct run_order_key {
    enum run_order_source source;
    const char *field;
    struct column column;
    bool descending;
};

struct run_order {
    const char *text; /* as sent; "": not sent */
    struct run_order_key keys[RUN_ORDER_KEYS_MAX];
    size_t n;
};

/* The place of a run in an order. */
struct run_place {
    const struct run_order *order; /* qsort passes no context */
    const char *id;
    struct run_value *values; /* [order->n] */
};

/** run_order_parse(q, sort, out, p): sort NULL: newest first.  PROBLEM_INVALID at ?sort. */
int run_order_parse(struct request *q, const char *sort, struct run_order *out, struct problem *p);

/** run_order_is_default(order): newest first and nothing else, however it was asked for. */
bool run_order_is_default(const struct run_order *order);

/** run_place_compare(a, b): of two struct run_place of one order, for qsort. */
int run_place_compare(const void *a, const void *b);

/** run_place_write(q, place, out, p): the cursor of what comes after place, in the arena. */
int run_place_write(struct request *q, const struct run_place *place, const char **out, struct problem *p);

/** run_place_read(q, order, cursor, out, p): PROBLEM_INVALID at ?cursor where it is none of this order. */
int run_place_read(struct request *q, const struct run_order *order, const char *cursor, struct run_place *out,
                   struct problem *p);

#endif
