#ifndef QUERY_EXPORT_RECORD_H
#define QUERY_EXPORT_RECORD_H

#include "batch_cursor.h"
#include "buffer.h"
#include "problem.h"
#include "state.h"
#include "store.h"

/**
 * Private to query_export.c: what the series of a stage have at one key, as records.  All kinds of a name go into one where
 * they agree in what a record says once: samples, task, num_classes.
 */
struct export_series {
    const struct series_row *row;
    struct batch_cursor cursor;
    struct state state;            /* of one batch; of counts, exact match and weighted means only */
    const struct cursor_row *here; /* the batch at the current key; NULL: none */
    bool written;                  /* it is in a record of the current key */
};

/* What one record holds: kinds of one name whose batches agree in what a record says once. */
struct export_group {
    struct export_series *members[KIND_MEAN]; /* by kind */
    size_t n;
    int64_t samples;
    bool has_task;
    enum task task;
    uint32_t num_classes; /* 0: none of them has any */
};

/** export_needs_state(row): a batch of it is written from its state, not straight from its bytes: the state of a few scores may
 *  be large. */
bool export_needs_state(const struct series_row *row);
bool export_is_mean(const struct export_series *s);

/** export_group_next(series, n, g): of what is here (but for weighted means) and not written: the first, and the other kinds of
 *  its name that fit beside it.  They count as written.  false: none is left. */
bool export_group_next(struct export_series *series, size_t n, struct export_group *g);
/** Of a group without members, which is weighted means alone: "main", KIND_COUNTS. */
const char *export_group_name(const struct export_group *g);
enum kind export_group_kind(const struct export_group *g); /* of its first member */
bool export_group_has(const struct export_group *g, int kind);

struct export_record {
    const char *stage;
    struct batch_key key;
    const struct export_group *group; /* without members: weighted means alone */
    struct export_series *series;     /* [n_series]: those of its weighted means that are here go with it; NULL: none */
    size_t n_series;
    int64_t time;
};

/** export_record_write(out, r, p): append it as a line.  OK; errors of the store. */
int export_record_write(struct buffer *out, const struct export_record *r, struct problem *p);

#endif
